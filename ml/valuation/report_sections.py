"""The sections of a backtest's report: figures turned into tables and charts.

What belongs here: what is said of the figures, in Swedish. What does not: computing
them, and the page around the sections (``report``).
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from ml.valuation.bootstrap import absolute_errors, mean_interval
from ml.valuation.health import wilson_pct
from ml.valuation.markup import Markup, element, joined, link
from ml.valuation.plots import MODEL_TITLES
from ml.valuation.report_charts import Point, Series, interval_chart
from ml.valuation.report_tables import (
    band_heading,
    banded_cell,
    bar_cell,
    cell,
    interval,
    paragraph,
    table,
)
from ml.valuation.segments import segments_of
from ml.valuation.swedish import NBSP, swedish_number
from ml.valuation.tables import written
from ml.valuation.valuing import is_answered

Record = dict[str, Any]

PROTOCOL_TITLES = {
    "rolling_monthly": "Månad för månad",
    "last_10_pct": "Sista tiondelen",
    "random_80_20": "Slumpvis 80/20",
    "unseen_buildings": "Okända byggnader",
    "unseen_districts": "Okända områden",
    "unseen_districts_arriving": "Okända områden, köp kommer in",
    "frozen_0_months": "Fryst 0 månader",
    "frozen_3_months": "Fryst 3 månader",
    "frozen_6_months": "Fryst 6 månader",
    "frozen_12_months": "Fryst 12 månader",
}
DIMENSION_TITLES = {
    "size": "Boarea, m²",
    "price_decile": "Prisdecil",
    "building_age": "Byggnadens ålder, år",
    "comparables": "Jämförelsernas sammanlagda vikt",
    "confidence_class": "Säkerhetsklass",
    "district": "Område",
}
LABELS = {"unknown": "okänd", "none": "inga"}
FIGURE_COLUMNS = {
    "n": ("n", 0),
    "hit_rate_pct": ("svar %", 1),
    "mape_pct": ("MAPE %", 2),
    "mdape_pct": ("MdAPE %", 2),
    "within_5_pct": (f"±5{NBSP}%", 1),
    "within_10_pct": (f"±10{NBSP}%", 1),
    "within_20_pct": (f"±20{NBSP}%", 1),
    "bias_pct": ("bias %", 2),
    "p95_ape_pct": ("p95 %", 1),
    "mae_sek": ("MAE kr", 0),
    "mape_seed_pct": ("föreg. %", 2),
}
RANGE_COLUMNS = {
    "coverage_90_pct": ("täckning %", 1),
    "mean_width_pct": ("bredd %", 1),
    "plain_coverage_90_pct": ("enkel täckn. %", 1),
    "plain_mean_width_pct": ("enkel bredd %", 1),
}
STUDY_COLUMNS = {
    "cod": ("COD", 2),
    "prd": ("PRD", 3),
    "prb": ("PRB", 3),
    "mki": ("MKI", 3),
    "ki": ("KI", 4),
}
SEGMENT_COLUMNS = {
    "n": ("n", 0),
    "mdape_pct": ("MdAPE %", 2),
    "within_10_pct": (f"±10{NBSP}%", 1),
    "bias_pct": ("bias %", 2),
    "coverage_90_pct": ("täckning %", 1),
    "mean_width_pct": ("bredd %", 1),
}
GOOD_COVERAGE_PCT = (88.0, 92.0)
REFERENCE = "seed_recipe"
MISSES = 20
SHOWN_ID = 10
"""Characters of a sale's id; some are long hashes."""

OPEN_ROWS = 14
"""Longer tables of segments are folded."""


def model_title(name: str) -> str:
    """Name a model for a reader."""
    return MODEL_TITLES.get(name, name)


def protocol_title(name: str) -> str:
    """Name a protocol for a reader."""
    return PROTOCOL_TITLES.get(name, name)


def overview(totals: list[Record], best: str) -> Markup:
    """Tabulate models against protocols: the mean error, and what lies behind it."""
    protocols = list(dict.fromkeys(record["protocol"] for record in totals))
    by_key = {(record["model"], record["protocol"]): record for record in totals}
    rows = []
    for model in dict.fromkeys(record["model"] for record in totals):
        cells = [_overview_cell(by_key.get((model, name))) for name in protocols]
        title = element("th", model_title(model), scope="row")
        rows.append(element("tr", title, *cells, class_=_best_class(model, best)))
    return joined(
        paragraph(
            "Medelfel (MAPE) i procent; under det medianfel, andel inom "
            f"±10{NBSP}% och bias. Varje värde är satt av en modell som bara sett "
            "försäljningar före månaden, utom i det slumpvisa protokollet."
        ),
        table(["Modell", *map(protocol_title, protocols)], rows),
    )


def figures_table(records: list[Record], best: str) -> Markup:
    """Tabulate every figure of one protocol, the ratio study with its bands."""
    is_ranged = any(record["coverage_90_pct"] is not None for record in records)
    ranges = RANGE_COLUMNS if is_ranged else {}
    errors, fairness = [], []
    for record in records:
        title = element("th", model_title(record["model"]), scope="row")
        cells = [cell(record[k], digits) for k, (_, digits) in FIGURE_COLUMNS.items()]
        banded = [
            banded_cell(name, record[name], digits)
            for name, (_, digits) in STUDY_COLUMNS.items()
        ]
        banded += [cell(record[k], digits) for k, (_, digits) in ranges.items()]
        shown = _best_class(record["model"], best)
        errors.append(element("tr", title, *cells, class_=shown))
        fairness.append(element("tr", title, *banded, class_=shown))
    study = [
        band_heading(name, heading) for name, (heading, _) in STUDY_COLUMNS.items()
    ]
    study += [heading for heading, _ in ranges.values()]
    return joined(
        table(["Fel", *(heading for heading, _ in FIGURE_COLUMNS.values())], errors),
        table(["Kvotstudie med IAAO-band; intervall", *study], fairness),
    )


def differences_table(differences: list[Record]) -> Markup:
    """Tabulate what each model lacks to the best of its protocol, with intervals."""
    rows = [
        element(
            "tr",
            element("th", model_title(found["model"]), scope="row"),
            element("td", protocol_title(found["protocol"]), class_="text"),
            element("td", model_title(found["other"]), class_="text"),
            element("td", _METRICS[found["metric"]]),
            cell(found["difference"], 2),
            element("td", interval(found["low"], found["high"])),
            element("td", interval(found["low_by_month"], found["high_by_month"])),
            cell(found["n"], 0),
            class_="best" if found["low"] > 0 or found["high"] < 0 else None,
        )
        for found in differences
    ]
    headings = ["Modell", "Protokoll", "Bäst", "Mått", "Skillnad", "95 %-intervall"]
    headings += ["hela månader", "n"]
    return joined(
        paragraph(
            "Procentenheter sämre än protokollets bästa modell på samma försäljningar; "
            "i fetstil där intervallet utesluter noll. Intervallen är parvis "
            "bootstrap; i kolumnen hela månader dras månader i stället för "
            "försäljningar, när de är minst sex."
        ),
        table(headings, rows, text=(1, 2)),
    )


def error_by_month(
    predictions: pd.DataFrame, results: list[Record], protocol: str
) -> Markup:
    """Draw each model's error and bias by month, and tabulate the widest bias."""
    errors = absolute_errors(predictions)
    models = [str(model) for model in errors]
    months = sorted(set(errors.index.get_level_values("month")))
    series = [
        Series(
            model_title(model),
            [_mean_point(errors[model].loc[[month]]) for month in months],
        )
        for model in models
    ]
    bias = [
        Series(
            model_title(model),
            [_figure_point(by_month.get(month), "bias_pct") for month in months],
        )
        for model in models
        for by_month in [segments_of(results, protocol, model, "month")]
    ]
    return joined(
        element("h3", "MAPE i procent, med 95 %-intervall"),
        interval_chart(months, series, title="Medelfel per månad", lines=False),
        element("h3", "Bias i procent"),
        interval_chart(months, bias, title="Bias per månad", good=(-1.0, 1.0)),
        _widest_bias(results, protocol, models),
    )


def coverage(results: list[Record], protocol: str, model: str) -> Markup:
    """Draw how often prices fell in the 90 % range, by class and by size."""
    drawn = []
    for dimension in ("confidence_class", "size", "month"):
        records = segments_of(results, protocol, model, dimension)
        points = [_share_point(r, "coverage_90_pct") for r in records.values()]
        if any(points):
            title = DIMENSION_TITLES.get(dimension, "Månad")
            row = Series(f"Täckning per {title.lower()}", points)
            drawn.append(
                interval_chart(
                    list(records),
                    [row],
                    title=f"Täckning av 90 %-intervallet per {title.lower()}",
                    good=GOOD_COVERAGE_PCT,
                    lines=False,
                )
            )
    if not drawn:
        return paragraph("Ingen modell gav något intervall för de här månaderna.")
    return joined(
        paragraph(
            "Andel slutpriser inom 90 %-intervallet, med 95 %-osäkerhet; det skuggade "
            "är 88 till 92."
        ),
        *drawn,
    )


def segment_tables(results: list[Record], protocol: str, model: str) -> Markup:
    """Tabulate a model's error by size, price, age, comparables, class, district."""
    tables = [
        _segment_table(results, protocol, model, dimension)
        for dimension in DIMENSION_TITLES
    ]
    return joined(*tables)


def worst_misses(predictions: pd.DataFrame, model: str) -> Markup:
    """List the valuations farthest from their prices, to be looked at one by one."""
    rows = predictions[(predictions["model"] == model) & is_answered(predictions)]
    error_pct = 100 * (rows["value_sek"] / rows["sold_price_sek"] - 1)
    order = error_pct.abs().sort_values(ascending=False, kind="stable").index[:MISSES]
    listed = [_miss(rows.loc[at], float(error_pct[at])) for at in order]
    headings = ["Adress", "Område", "Såld", "m²", "Slutpris", "Värde", "Fel %", "Klass"]
    return table([*headings, "Källa"], listed, text=(1, 8))


_METRICS = {"mape_pct": "MAPE", "mdape_pct": "MdAPE"}


def _miss(row: pd.Series, error_pct: float) -> Markup:
    district = (
        row["city_district"] if pd.notna(row["city_district"]) else row["district"]
    )
    confidence = row["confidence_class"]
    source = f"{row['platform']} {str(row['source_id'])[:SHOWN_ID]}"
    return element(
        "tr",
        element("th", _text(row["address"]), scope="row"),
        element("td", _text(district), class_="text"),
        element("td", f"{row['sold_date']:%Y-%m-%d}"),
        cell(row["living_area_m2"], 0),
        element("td", f"{swedish_number(row['sold_price_sek'])}{NBSP}kr"),
        element("td", f"{swedish_number(row['value_sek'])}{NBSP}kr"),
        cell(error_pct, 1),
        element("td", "–" if pd.isna(confidence) else str(confidence)),
        element("td", link(row["url"], source), class_="text"),
    )


def _segment_table(
    results: list[Record], protocol: str, model: str, dimension: str
) -> Markup:
    records = segments_of(results, protocol, model, dimension)
    reference = segments_of(results, protocol, REFERENCE, dimension)
    if not records:
        return joined()
    if dimension == "district":
        records = dict(sorted(records.items(), key=lambda item: -(item[1]["n"])))
    worst = max((r["mape_pct"] or 0) for r in records.values()) or 1
    is_compared = bool(reference) and model != REFERENCE
    rows = [
        element(
            "tr",
            element("th", LABELS.get(label, label.replace(".", ",")), scope="row"),
            bar_cell(record["mape_pct"], worst),
            *([cell((reference.get(label) or {}).get("mape_pct"), 2)] * is_compared),
            *(cell(record[k], digits) for k, (_, digits) in SEGMENT_COLUMNS.items()),
        )
        for label, record in records.items()
    ]
    headings = ["", "MAPE %", *(["föreg. MAPE %"] * is_compared)]
    headings += [heading for heading, _ in SEGMENT_COLUMNS.values()]
    made = table(headings, rows, text=(1,))
    if len(rows) > OPEN_ROWS:
        summary = element("summary", f"Visa {len(rows)} områden")
        made = element("details", summary, made)
    return element("section", element("h3", DIMENSION_TITLES[dimension]), made)


def _widest_bias(results: list[Record], protocol: str, models: list[str]) -> Markup:
    rows = []
    for model in models:
        together = segments_of(results, protocol, model, "three_months")
        biased = [r for r in together.values() if r["bias_pct"] is not None]
        if biased:
            widest = max(biased, key=lambda record: abs(record["bias_pct"]))
            last = widest["segment"].removeprefix("three_months=")
            title = element("th", model_title(model), scope="row")
            bias = cell(widest["bias_pct"], 2)
            rows.append(element("tr", title, bias, element("td", last)))
    if not rows:
        return joined()
    headings = ["Största bias över tre månader i rad", "bias %", "till och med"]
    return table(headings, rows)


def _overview_cell(record: Record | None) -> Markup:
    if record is None or record["mape_pct"] is None:
        return element("td", "–")
    small = (
        f"{written(record['mdape_pct'], 2)} · {written(record['within_10_pct'], 1)} · "
        f"{written(record['bias_pct'], 2)}"
    )
    answered = record["hit_rate_pct"]
    if answered < 99.95:
        small += f" · {written(answered, 0)}{NBSP}% svar"
    return element("td", written(record["mape_pct"], 2), element("small", small))


def _mean_point(errors: pd.Series) -> Point | None:
    known = errors.dropna().to_numpy()
    if not len(known):
        return None
    low, high = mean_interval(known)
    return Point(float(known.mean()), low, high)


def _figure_point(record: Record | None, key: str) -> Point | None:
    if record is None or record[key] is None:
        return None
    return Point(record[key])


def _share_point(record: Record, key: str) -> Point | None:
    """Give a share in percent with Wilson's 95 % interval."""
    if record[key] is None or not record["n"]:
        return None
    hits = round(record["n"] * record[key] / 100)
    return Point(record[key], *wilson_pct(hits, record["n"])[1:])


def _best_class(model: str, best: str) -> str | None:
    return "best" if model == best else None


def _text(value: str | float | None) -> str:
    return "–" if pd.isna(value) else str(value)

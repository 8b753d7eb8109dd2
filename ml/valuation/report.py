"""A backtest as one page to read: ``report.html``, with its plots beside it.

What belongs here: the page, and in which order its sections come. What does not: the
sections themselves (``report_sections``), drawing (``plots``, ``report_charts``).

The page holds its style and its pictures, so it can be sent as one file and asks
nothing of any server.
"""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.valuation.bootstrap import FEWEST_ANSWERED
from ml.valuation.markup import Markup, element, joined
from ml.valuation.plots import plot_predicted_against_actual
from ml.valuation.report_sections import (
    coverage,
    differences_table,
    error_by_month,
    figures_table,
    model_title,
    overview,
    protocol_title,
    segment_tables,
    worst_misses,
)
from ml.valuation.segments import totals_of
from ml.valuation.swedish import NBSP
from ml.valuation.tables import written
from ml.valuation.valuing import is_answered

if TYPE_CHECKING:
    import pandas as pd

    from ml.valuation.backtest import Backtest
    from ml.valuation.report_sections import Record

REPORT_PAGE = "report.html"
STYLE = Path(__file__).with_name("report.css")
MODE_TITLES = {
    "before_listing": "före annonsering, utan utgångspris",
    "listed": "annonserad, med utgångspris",
}
TILES = {
    "mape_pct": ("medelfel (MAPE), %", 2),
    "mdape_pct": ("medianfel (MdAPE), %", 2),
    "within_10_pct": (f"inom ±10{NBSP}%, %", 1),
    "bias_pct": ("bias, %", 2),
    "coverage_90_pct": ("täckning av 90 %-intervallet, %", 1),
    "n": ("försäljningar", 0),
}


def write_report(backtest: Backtest, folder: Path) -> list[Path]:
    """Write a backtest's page, and each protocol's valuations against prices as PNG.

    Returns
    -------
    list of Path
        The page first, then the plots.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plots = {
        str(protocol): _plot(str(protocol), rows, folder)
        for protocol, rows in backtest.predictions.groupby("protocol", sort=False)
        if is_answered(rows).any()
    }
    page = folder / REPORT_PAGE
    page.write_text(report_page(backtest, plots), encoding="utf-8")
    return [page, *plots.values()]


def report_page(backtest: Backtest, plots: dict[str, Path]) -> str:
    """Write the page; ``plots`` are pictures by protocol, taken into it."""
    start, end = backtest.provenance["start"], backtest.provenance["end"]
    title = f"Så väl träffar värdena, {start} till {end}"
    head = element(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        element("title", title),
        element("style", Markup(STYLE.read_text(encoding="utf-8"))),
    )
    body = element("body", element("h1", title), *_sections(backtest, plots))
    return "<!doctype html>\n" + element("html", head, body, lang="sv") + "\n"


def best_model(totals: list[Record]) -> str:
    """Name the model of least error among those that answer for nearly all sales."""
    most = max(record["n"] for record in totals)
    rivals = [r for r in totals if r["n"] and r["n"] >= FEWEST_ANSWERED * most]
    return min(rivals or totals, key=lambda record: record["mape_pct"] or 0)["model"]


def _sections(backtest: Backtest, plots: dict[str, Path]) -> list[Markup]:
    totals = totals_of(backtest.results)
    protocols = list(dict.fromkeys(record["protocol"] for record in totals))
    headline = protocols[0]
    records = [record for record in totals if record["protocol"] == headline]
    best = best_model(records)
    predictions = backtest.predictions
    rows = predictions[predictions["protocol"] == headline]
    best_record = next(record for record in records if record["model"] == best)
    results = backtest.results
    return [
        _lead(backtest.provenance, best, headline),
        _tiles(best_record),
        _section("Modeller och protokoll", overview(totals, best)),
        *_all_figures(totals, protocols, best),
        _section("Skillnader mellan modeller", differences_table(backtest.differences)),
        _section("Felet månad för månad", error_by_month(rows, results, headline)),
        _section("Intervallen", coverage(results, headline, best)),
        _section("Var felet ligger", segment_tables(results, headline, best)),
        _section("Värde mot slutpris", _picture(plots.get(headline))),
        _section("Största missarna", worst_misses(rows, best)),
        _footer(backtest.provenance),
    ]


def _all_figures(totals: list[Record], protocols: list[str], best: str) -> list[Markup]:
    tables = []
    for protocol in protocols:
        records = [record for record in totals if record["protocol"] == protocol]
        made, title = figures_table(records, best), protocol_title(protocol)
        is_headline = protocol == protocols[0]
        tables += (
            [element("h3", title), made]
            if is_headline
            else [element("details", element("summary", title), made)]
        )
    return [_section("Alla mått", *tables)]


def _lead(provenance: dict[str, Any], best: str, headline: str) -> Markup:
    mode = MODE_TITLES.get(provenance["mode"], provenance["mode"])
    districts = provenance["held_out_districts"]
    return joined(
        element(
            "p",
            f"Lägenheter {mode}. Siffrorna nedan gäller {model_title(best)}, den bästa "
            f"modellen, i protokollet {protocol_title(headline).lower()}.",
            class_="lead",
        ),
        *(
            [element("p", f"Undanhållna områden: {', '.join(districts)}.")]
            if districts
            else []
        ),
    )


def _tiles(record: Record) -> Markup:
    return element(
        "div",
        *[
            element(
                "div",
                element("b", written(record[key], decimals)),
                element("span", title),
                class_="tile",
            )
            for key, (title, decimals) in TILES.items()
        ],
        class_="tiles",
    )


def _section(title: str, *content: Markup) -> Markup:
    return element("section", element("h2", title), *content)


def _picture(path: Path | None) -> Markup:
    if path is None:
        return element("p", "Ingen modell gav något värde.")
    data = b64encode(path.read_bytes()).decode("ascii")
    # <img> has no content, so it is no element() with an end tag.
    return Markup(
        f'<img src="data:image/png;base64,{data}" '
        'alt="Varje värde mot sitt slutpris, en ruta per modell">'
    )


def _footer(provenance: dict[str, Any]) -> Markup:
    commit = provenance["git_commit"] or "okänd"
    return element(
        "footer",
        element(
            "p",
            "Måtten gäller försäljningar som modellen gav ett värde för; svar är "
            "andelen av alla som efterfrågades. Prisdeciler är valda efter utfallet: "
            "billiga ser alltid övervärderade ut och dyra undervärderade, så jämför "
            "modeller, inte deciler. COD, PRD, PRB och MKI med band enligt IAAO, "
            "Standard on Ratio Studies; föreg. är MAPE som föregångaren räknade den.",
            class_="note",
        ),
        element(
            "p",
            f"Skapad {provenance['created_at'][:16].replace('T', ' ')} UTC, "
            f"{written(provenance['rows'], 0)} försäljningar, kod {commit[:12]}, data "
            f"{provenance['data_fingerprint'][:12]}.",
            class_="note",
        ),
    )


def _plot(protocol: str, rows: pd.DataFrame, folder: Path) -> Path:
    first, last = rows["sold_date"].min(), rows["sold_date"].max()
    path = folder / f"predicted_against_actual_{protocol}.png"
    title = f"Värde mot slutpris, {first:%Y-%m} till {last:%Y-%m}"
    return plot_predicted_against_actual(rows[is_answered(rows)], path, title=title)

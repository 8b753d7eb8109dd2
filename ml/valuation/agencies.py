"""Sold price over value by agency and district: ``python -m ml.valuation.agencies``.

What belongs here: which past sales count, what they are held against, and the table a
person reads. What does not: the statistics (``agency_effects``) and which spellings are
one agency (``agency_names``). The values are a backtest's: made without the sale they
are held against, by a model that does not see the agency, else it would take part of
the agency's effect for the home's.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import duckdb
import numpy as np
import pandas as pd
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from ml.valuation.agency_effects import (
    Components,
    Design,
    Effects,
    chance_p_value,
    clipped,
    codes_of,
    components,
    predicted_effects,
)
from ml.valuation.agency_names import brand_of, one_name_each
from ml.valuation.plots import swedish_number
from warehouse.errors import SlutprisError, exit_with
from warehouse.settings import Settings
from warehouse.store import connect

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

Level = Literal["brand", "office"]

CAVEAT_EN = (
    "Not proof that an agency gets a better price. Homes differ in condition, view and "
    "plan, which the model does not see; sellers choose agencies and agencies choose "
    "homes; and of many agencies some are far from the mean by chance alone."
)
CAVEAT_SV = (
    "Inget bevis för att en mäklare ger ett bättre pris. Bostäder skiljer sig i skick, "
    "utsikt och planlösning, som modellen inte ser; säljare väljer mäklare och mäklare "
    "väljer bostäder; och av många mäklare hamnar några långt från snittet av en slump."
)
DECILES = 10
MIN_SALES = 200
MIN_SHOWN_SALES = 20
MIN_HALF_SALES = 30
SHUFFLES = 199
SURE_P_VALUE = 0.05
PREFERRED_PROTOCOLS = ("rolling_monthly", "rolling_quarterly")
PREFERRED_MODELS = ("xgboost_plain", "xgboost_without_agency")
"""Models that do not see the agency."""

PAIRED_SQL = """
    select
        predictions.*,
        sales.agency,
        sales.district
    from read_parquet($path) as predictions
    left join marts.sales
        on
            predictions.platform = sales.platform
            and predictions.source_id = sales.source_id
    order by predictions.sold_date, predictions.platform, predictions.source_id
"""
NEEDED = (
    *("platform", "source_id", "sold_date", "sold_price_sek", "living_area_m2"),
    *("model", "mode", "protocol", "value_sek"),
)


@dataclass(frozen=True)
class AgencyReport:
    """What agencies' sales fetched over their values, as plain values."""

    content: dict[str, Any]

    @property
    def agencies(self) -> list[dict[str, Any]]:
        """One record per agency, the highest first."""
        return self.content["agencies"]

    def in_district(self, district: str) -> list[dict[str, Any]]:
        """One record per agency that sold in a district, the highest first.

        Raises
        ------
        SlutprisError
            When no valued sale with an agency lies there.
        """
        records = self.content["agencies_by_district"]
        found = [
            each
            for each in records
            if each["district"].casefold() == district.casefold()
        ]
        if not found:
            known = sorted({each["district"] for each in records})
            raise SlutprisError(
                f"no valued sale with an agency lies in {district!r}; "
                f"districts are {', '.join(known)}"
            )
        return found


def agency_report(
    valued: pd.DataFrame, *, level: Level = "brand", shuffles: int = SHUFFLES
) -> AgencyReport:
    """Compare what agencies' sales fetched with what they were valued at.

    Parameters
    ----------
    valued
        One row per sale, valued out of sample: agency, district, sold_date,
        living_area_m2, sold_price_sek, value_sek.
    level
        Whether offices of a known chain are one, or each is its own.
    shuffles
        How often names are shuffled to tell difference from chance.

    Raises
    ------
    SlutprisError
        When too few sales have an agency.
    """
    sales = _with_names(valued, level)
    ratio = (sales["sold_price_sek"] / sales["value_sek"]).to_numpy(dtype=float)
    log_ratio = clipped(np.log(ratio))
    design, names, cells = _design(sales)
    found = components(log_ratio, design)
    of_agencies, of_cells = predicted_effects(log_ratio, design, found)
    p_value = chance_p_value(log_ratio, design, design.fixed[0], shuffles=shuffles)
    is_sure = p_value < SURE_P_VALUE and found.agency_sd > 0
    content = {
        "caveat_en": CAVEAT_EN,
        "caveat_sv": CAVEAT_SV,
        "level": level,
        "sales": len(sales),
        "sales_without_agency": len(valued) - len(sales),
        "agency_count": len(names),
        "first_sold_date": f"{sales['sold_date'].min():%Y-%m-%d}",
        "last_sold_date": f"{sales['sold_date'].max():%Y-%m-%d}",
        **_spread(found),
        "chance_p_value": p_value,
        "is_distinguishable_from_chance": is_sure,
        "later_half_slope": later_half_slope(sales, log_ratio),
        "agencies": _records(of_agencies, sales, ["agency"], [(n,) for n in names]),
        "agencies_by_district": _records(
            of_cells, sales, ["agency", "district"], cells
        ),
    }
    return AgencyReport(content)


def later_half_slope(sales: pd.DataFrame, log_ratio: np.ndarray) -> float | None:
    """How much of an agency's effect in the earlier half shows in the later one.

    Near 1 it lasts as the model expects, near 0 it was chance or a few buildings. None
    where fewer than five agencies have thirty sales in each half.
    """
    middle = sales["sold_date"].median()
    is_early = (sales["sold_date"] <= middle).to_numpy()
    halves = []
    for part in (is_early, ~is_early):
        design, names, _ = _design(sales[part])
        found = components(log_ratio[part], design)
        effects, _ = predicted_effects(log_ratio[part], design, found)
        raw = Components(found.residual_sd, 1.0, found.local_sd)
        unshrunk, _ = predicted_effects(log_ratio[part], design, raw)
        halves.append(
            pd.DataFrame(
                {
                    "shrunk": effects.effect,
                    "raw": unshrunk.effect,
                    "sales": np.bincount(design.agencies),
                },
                index=names,
            )
        )
    both = halves[0].join(halves[1], lsuffix="_early", rsuffix="_late", how="inner")
    both = both[both[["sales_early", "sales_late"]].min(axis=1) >= MIN_HALF_SALES]
    if len(both) < 5 or both["shrunk_early"].abs().max() < 1e-6:
        return None
    weight = both["sales_late"]
    early = both["shrunk_early"] - np.average(both["shrunk_early"], weights=weight)
    late = both["raw_late"] - np.average(both["raw_late"], weights=weight)
    return float((weight * early * late).sum() / (weight * early**2).sum())


def read_valued(
    connection: duckdb.DuckDBPyConnection, predictions: Path, model: str | None = None
) -> pd.DataFrame:
    """Read a backtest's valuations of one model before listing, with their agencies.

    Parameters
    ----------
    connection
        To the warehouse, whose sales say the agency.
    predictions
        What ``ml.valuation.backtest --predictions`` wrote.
    model
        Whose values; one that does not see the agency when None and there is one.

    Raises
    ------
    SlutprisError
        When the file cannot be read, or holds no such valuations.
    """
    if not predictions.is_file():
        raise SlutprisError(
            f"there is no file {predictions}; make it with "
            "`python -m ml.valuation.backtest … --predictions FILE`"
        )
    try:
        rows = connection.execute(PAIRED_SQL, {"path": str(predictions)}).df()
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise SlutprisError(f"cannot read {predictions}: {reason}") from error
    absent = [name for name in NEEDED if name not in rows]
    if absent:
        raise SlutprisError(f"{predictions} has no column {', '.join(absent)}")
    rows = rows[rows["mode"] == "before_listing"]
    rows = rows[rows["protocol"] == _chosen(rows["protocol"], PREFERRED_PROTOCOLS)]
    return rows[rows["model"] == (model or _chosen(rows["model"], PREFERRED_MODELS))]


def _chosen(values: pd.Series, preferred: Sequence[str]) -> str:
    """Give the first preferred value that there is, else the first there is."""
    present = sorted(values.unique())
    if not present:
        raise SlutprisError(
            "the file holds no valuations before listing: with an asking price the "
            "agency's part is in the value already"
        )
    return next((name for name in preferred if name in present), present[0])


def _with_names(valued: pd.DataFrame, level: Level) -> pd.DataFrame:
    sales = valued.dropna(subset=["agency", "district"]).reset_index(drop=True)
    if len(sales) < MIN_SALES or sales["agency"].nunique() < 2:
        raise SlutprisError(
            f"only {len(sales)} valued sales say their agency; {MIN_SALES} of at least "
            "two agencies are needed: value more months, or sales that have an agency"
        )
    shown = one_name_each(sales["agency"])
    name = sales["agency"].map(shown)
    return sales.assign(agency=name.map(brand_of) if level == "brand" else name)


def _design(sales: pd.DataFrame) -> tuple[Design, list[str], list[tuple[str, ...]]]:
    """Code what is adjusted for, and give agencies and cells by their codes.

    The level of value stands for that of price: prices themselves would take an
    agency's dear sales for a dear kind of home.
    """
    district, _ = codes_of(sales["district"].tolist())
    month, _ = codes_of(sales["sold_date"].dt.strftime("%Y-%m").tolist())
    size = _deciles(sales["living_area_m2"])
    value = _deciles(sales["value_sek"])
    agency, names = codes_of(sales["agency"].tolist())
    cell_ids = agency * (int(district.max()) + 1) + district
    _, first, cell = np.unique(cell_ids, return_index=True, return_inverse=True)
    pairs = sales[["agency", "district"]].iloc[first].to_records(index=False).tolist()
    design = Design((district, month, size, value), agency, cell, agency[first])
    return design, [str(name) for name in names], pairs


def _deciles(values: pd.Series) -> np.ndarray:
    codes = pd.qcut(values.rank(method="first"), DECILES, labels=False)
    return codes.to_numpy()


def _spread(found: Components) -> dict[str, float]:
    return {
        "between_agency_sd_pct": 100 * found.agency_sd,
        "between_district_sd_pct": 100 * found.local_sd,
        "residual_sd_pct": 100 * found.residual_sd,
    }


def _records(
    effects: Effects,
    sales: pd.DataFrame,
    columns: list[str],
    names: Sequence[tuple[str, ...]],
) -> list[dict[str, Any]]:
    low, high = effects.interval()
    ratio_pct = 100 * (sales["sold_price_sek"] / sales["value_sek"] - 1)
    grouped = ratio_pct.groupby([sales[name] for name in columns])
    counts, medians = grouped.size(), grouped.median()
    records = [
        {
            **dict(zip(columns, name, strict=True)),
            "sales": int(counts[name if len(name) > 1 else name[0]]),
            "effect_pct": _pct(effects.effect[position]),
            "low_pct": _pct(low[position]),
            "high_pct": _pct(high[position]),
            "probability_above_mean": float(effects.probability_above_mean[position]),
            "median_over_value_pct": float(medians[name if len(name) > 1 else name[0]]),
        }
        for position, name in enumerate(names)
    ]
    return sorted(records, key=lambda each: (-each["effect_pct"], each["agency"]))


def _pct(log_effect: float) -> float:
    return float(100 * np.expm1(log_effect))


def print_report(
    report: AgencyReport, out: TextIO, *, district: str | None = None
) -> None:
    """Print the verdict, the table and the caveat."""
    content = report.content
    console = Console(file=out, highlight=False)
    console.print(
        f"Sold price over value, {content['first_sold_date']} to "
        f"{content['last_sold_date']}: {swedish_number(content['sales'])} sales of "
        f"{content['agency_count']} agencies, adjusted for district, month, size and "
        "value"
    )
    console.print(verdict(content))
    records = report.in_district(district) if district else report.agencies
    least = 1 if district else MIN_SHOWN_SALES
    shown = [each for each in records if each["sales"] >= least]
    console.print(_table(shown, district))
    if len(shown) < len(records):
        console.print(f"{len(records) - len(shown)} with fewer sales are in --json")
    console.print(content["caveat_en"])
    console.print(content["caveat_sv"])


def verdict(content: dict[str, Any]) -> str:
    """Say in plain words whether agencies differ at all, and how much."""
    p_value = swedish_number(content["chance_p_value"], 3)
    if not content["is_distinguishable_from_chance"]:
        return (
            "Nothing distinguishes the agencies from chance "
            f"(p = {p_value}): read no order into the table."
        )
    agency, local = (
        swedish_number(content[f"between_{part}_sd_pct"], 1)
        for part in ("agency", "district")
    )
    residual = swedish_number(content["residual_sd_pct"], 1)
    text = (
        f"Agencies differ by more than chance (p = {p_value}): by {agency} % between "
        f"agencies and {local} % more between districts of one agency (standard "
        f"deviations), against {residual} % between single sales."
    )
    slope = content["later_half_slope"]
    if slope is not None:
        text += (
            " An agency 1 % above the mean in the earlier half of the sales was "
            f"{swedish_number(slope, 1)} % above it in the later."
        )
    return text


def _table(records: list[dict[str, Any]], district: str | None) -> Table:
    table = Table(box=SIMPLE, padding=(0, 1), title=district)
    table.add_column("agency")
    for heading in ("sales", "over value %", "90 % range", "above mean"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in records:
        table.add_row(
            each["agency"],
            swedish_number(each["sales"]),
            _signed(each["effect_pct"]),
            f"{_signed(each['low_pct'])} to {_signed(each['high_pct'])}",
            swedish_number(100 * each["probability_above_mean"]) + " %",
        )
    return table


def _signed(number: float) -> str:
    sign = "+" if round(number, 1) > 0 else ""
    return sign + swedish_number(number, 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ml.valuation.agencies",
        description="What agencies' sales fetched over values made without them.",
    )
    parser.add_argument(
        "--predictions",
        type=Path,
        required=True,
        metavar="FILE",
        help="Parquet of `ml.valuation.backtest --predictions`",
    )
    parser.add_argument("--model", help="whose values; one that sees no agency")
    parser.add_argument("--level", choices=get_args(Level), default="brand")
    parser.add_argument("--district", help="agencies in one district")
    parser.add_argument("--json", type=Path, metavar="OUT", help="all of it as JSON")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    options = _parser().parse_args(arguments)
    with connect(Settings().warehouse_path, read_only=True) as connection:
        valued = read_valued(connection, options.predictions, options.model)
    report = agency_report(valued, level=options.level)
    print_report(report, sys.stdout, district=options.district)
    if options.json is not None:
        text = json.dumps(report.content, ensure_ascii=False, indent=1)
        try:
            options.json.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise SlutprisError(
                f"cannot write {options.json} ({error.strerror}); name another file"
            ) from error
    return 0


if __name__ == "__main__":
    exit_with(main)

"""Sold price over value by agency and district: ``python -m ml.valuation.agencies``.

What belongs here: which past sales count, what they are held against, and the command
line. What does not: the statistics (``agency_effects``), which spellings are one agency
(``agency_names``) and the table a person reads (``agency_table``). The values are a
backtest's: made without the sale they are held against, by a model that does not see
the agency, else it would take part of the agency's effect for the home's.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import duckdb
import numpy as np
import pandas as pd

from ml.valuation.agency_effects import (
    Components,
    Design,
    Effects,
    chance_components,
    clipped,
    codes_of,
    components,
    p_value,
    predicted_effects,
)
from ml.valuation.agency_names import brand_of, one_name_each
from ml.valuation.agency_table import CAVEAT_EN, CAVEAT_SV, SURE_P_VALUE, print_report
from warehouse.errors import SlutprisError, exit_with
from warehouse.settings import Settings
from warehouse.store import connect

if TYPE_CHECKING:
    from collections.abc import Sequence

Level = Literal["brand", "office"]

DECILES = 10
MIN_SALES = 200
MIN_HALF_SALES = 30
MIN_DISTRICT_SALES = 30
SMALL_DISTRICTS = "övriga områden"
"""Districts with fewer sales stand together: each would fit its own few."""

SHUFFLES = 99
PREFERRED_PROTOCOLS = ("rolling_monthly", "rolling_quarterly")
PREFERRED_MODELS = ("xgboost_plain", "xgboost", "blend")
"""Models that do not see the agency: before listing its name is no feature."""

PAIRED_SQL = """
    select
        predictions.*,
        sales.agency,
        sales.district
    from (
        -- the district as people write it, not as models compare it
        select columns(lambda name: name <> 'district') from read_parquet($path)
    ) as predictions
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


class TooFewSalesError(SlutprisError):
    """Too few sales say their agency to compare any."""

    def __init__(self, sale_count: int) -> None:
        self.sale_count = sale_count
        super().__init__(
            f"only {sale_count} valued sales say their agency; {MIN_SALES} of at least "
            "two agencies are needed: value more months, or sales that have an agency"
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
    design, names, districts = _design(sales, log_ratio)
    estimated = components(log_ratio, design)
    chance = chance_components(log_ratio, design, shuffles=shuffles)
    found = estimated.less(chance)
    of_agencies, of_cells = predicted_effects(log_ratio, design, found)
    agency_p = p_value(estimated.agency, [each.agency for each in chance])
    local_p = p_value(estimated.local, [each.local for each in chance])
    cells = design.cells
    pairs = [
        (names[agency], districts[district])
        for agency, district in zip(cells.agencies, cells.districts, strict=True)
    ]
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
        "agency_p_value": agency_p,
        "district_p_value": local_p,
        "is_distinguishable_from_chance": agency_p < SURE_P_VALUE and found.agency > 0,
        "later_half_slope": later_half_slope(sales, log_ratio),
        "agencies": _records(of_agencies, sales, ["agency"], [(n,) for n in names]),
        "agencies_by_district": _records(
            of_cells, sales, ["agency", "district"], pairs
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
        design, names, _ = _design(sales[part], log_ratio[part])
        found = components(log_ratio[part], design)
        effects, _ = predicted_effects(log_ratio[part], design, found)
        raw = replace(found, agency=1.0)
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
        raise TooFewSalesError(len(sales))
    shown = one_name_each(sales["agency"])
    name = sales["agency"].map(shown)
    small = sales["district"].value_counts().loc[lambda n: n < MIN_DISTRICT_SALES]
    return sales.assign(
        agency=name.map(brand_of) if level == "brand" else name,
        district=sales["district"].where(
            ~sales["district"].isin(small.index), SMALL_DISTRICTS
        ),
    )


def _design(
    sales: pd.DataFrame, log_ratio: np.ndarray
) -> tuple[Design, list[str], list[str]]:
    """Code what is adjusted for, and give agencies and districts by their codes.

    The level of value stands for that of price: prices themselves would take an
    agency's dear sales for a dear kind of home.
    """
    agencies, names = codes_of(sales["agency"].tolist())
    districts, places = codes_of(sales["district"].tolist())
    month, _ = codes_of(sales["sold_date"].dt.strftime("%Y-%m").tolist())
    size, value = _deciles(sales["living_area_m2"]), _deciles(sales["value_sek"])
    evenly = Design(agencies, districts, (month, size, value), np.ones(len(sales)))
    return evenly.with_noise_of(log_ratio), names, places


def _deciles(values: pd.Series) -> np.ndarray:
    codes = pd.qcut(values.rank(method="first"), DECILES, labels=False)
    return codes.to_numpy()


def _spread(found: Components) -> dict[str, float]:
    return {
        "between_agency_sd_pct": 100 * max(found.agency, 0) ** 0.5,
        "between_district_sd_pct": 100 * max(found.local, 0) ** 0.5,
        "residual_sd_pct": 100 * found.residual**0.5,
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
    parser.add_argument(
        "--shuffles",
        type=int,
        default=SHUFFLES,
        help=f"of names, to tell difference from chance ({SHUFFLES})",
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="all of it as JSON")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    options = _parser().parse_args(arguments)
    with connect(Settings().warehouse_path, read_only=True) as connection:
        valued = read_valued(connection, options.predictions, options.model)
    report = agency_report(valued, level=options.level, shuffles=options.shuffles)
    shown = report.in_district(options.district) if options.district else None
    print_report(report.content, shown or report.agencies, sys.stdout)
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

"""How well ranges held on months their calibration had not seen.

What belongs here: ranges month by month with what was known before each, and a table of
coverage and width by class, size, district and month, beside plain conformal. What does
not: making the values (``backtest``), or calibrating (``intervals``).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from ml.valuation.described import read_described_sales
from ml.valuation.intervals import (
    COVERAGE,
    MIN_SALES,
    Calibration,
    recency_weights,
    upper_quantile,
)
from ml.valuation.plots import swedish_number
from warehouse.errors import SlutprisError, exit_with
from warehouse.settings import Settings
from warehouse.store import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

CALIBRATION_MONTHS = 12
SIZE_EDGES_M2 = (0, 40, 55, 80, 100, np.inf)
SIZE_NAMES = ("-40", "40-55", "55-80", "80-100", "100-")
MIN_DISTRICT_SALES = 100

TABLE_COLUMNS = (
    "by",
    "segment",
    "n",
    "refused",
    "coverage_90_pct",
    "width_pct",
    "plain_coverage_90_pct",
    "plain_width_pct",
    "within_fsd_pct",
    "fsd_pct",
)


def rolling_ranges(
    valued: pd.DataFrame, *, months: int = CALIBRATION_MONTHS
) -> pd.DataFrame:
    """Give each month's homes ranges calibrated on the months before it.

    Parameters
    ----------
    valued
        Rows of ``marts.sale_features`` with ``value_sek`` by a model that had not seen
        the sale.
    months
        How many months before are calibrated on.

    Returns
    -------
    The rows of the months that had enough before them, with the columns of
    ``Calibration.ranges`` and ``plain_half_width``, the log half width of plain
    conformal: one quantile for all homes.
    """
    month = pd.to_datetime(valued["sold_date"]).dt.to_period("M")
    parts = []
    for now in sorted(month.unique()):
        past = valued[(month < now) & (month >= now - months)]
        if len(past) >= MIN_SALES:
            parts.append(_with_ranges(valued[month == now], past))
    if not parts:
        raise SlutprisError(
            f"no month has {MIN_SALES} valued sales before it; value more months"
        )
    return pd.concat(parts)


def _with_ranges(homes: pd.DataFrame, past: pd.DataFrame) -> pd.DataFrame:
    calibration = Calibration.fitted(
        past, past["value_sek"].to_numpy(), past["sold_price_sek"].to_numpy()
    )
    plain = upper_quantile(_log_errors(past), recency_weights(past), COVERAGE)
    ranges = calibration.ranges(homes, homes["value_sek"].to_numpy())
    return pd.concat([homes, ranges], axis=1).assign(plain_half_width=plain)


def _log_errors(valued: pd.DataFrame) -> np.ndarray:
    ratio = valued["sold_price_sek"] / valued["value_sek"]
    return np.abs(np.log(ratio.to_numpy(dtype=float)))


def coverage_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """Coverage and width, overall and by class, size, district and month.

    Parameters
    ----------
    predictions
        Sales with ``sold_price_sek``, ``value_sek``, ``low_sek``, ``high_sek``,
        ``confidence_class``, ``fsd_pct``, ``sold_date``, ``living_area_m2`` and
        ``district``; ``plain_half_width`` where plain conformal is to stand beside.

    Returns
    -------
    Rows of ``TABLE_COLUMNS``. Widths are in percent of the value; of a district only
    where 100 sales or more were given a range. ``within_fsd_pct`` should be 68.
    """
    judged = _judged(predictions)
    rows = [
        {"by": by, "segment": str(segment), **_figures(group)}
        for by, segments in _segments(judged)
        for segment, group in judged.groupby(segments, sort=True, observed=True)
        if by != "district" or group["is_given"].sum() >= MIN_DISTRICT_SALES
    ]
    return pd.DataFrame(rows, columns=list(TABLE_COLUMNS))


def _judged(predictions: pd.DataFrame) -> pd.DataFrame:
    price, value = predictions["sold_price_sek"], predictions["value_sek"]
    low, high = predictions["low_sek"], predictions["high_sek"]
    log_error = pd.Series(_log_errors(predictions), index=predictions.index)
    fsd = predictions["fsd_pct"]
    plain = predictions.get("plain_half_width", pd.Series(np.nan, predictions.index))
    is_in_plain = (log_error <= plain).where(plain.notna())
    return predictions.assign(
        is_given=low.notna(),
        coverage_90_pct=100.0 * (price.between(low, high)),
        width_pct=100 * (high - low) / value,
        plain_coverage_90_pct=100.0 * is_in_plain.astype("float64"),
        plain_width_pct=200 * np.sinh(plain),
        within_fsd_pct=100.0 * (log_error <= np.arcsinh(fsd / 100)),
    )


def _segments(judged: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    yield "all", pd.Series("all", index=judged.index)
    yield "confidence_class", judged["confidence_class"]
    yield "size_m2", pd.cut(judged["living_area_m2"], SIZE_EDGES_M2, labels=SIZE_NAMES)
    yield "district", judged["district"]
    yield "month", pd.to_datetime(judged["sold_date"]).dt.to_period("M")


def _figures(group: pd.DataFrame) -> dict[str, float]:
    given = group[group["is_given"]]
    means = {name: float(given[name].mean()) for name in TABLE_COLUMNS[4:]}
    return {"n": len(given), "refused": len(group) - len(given), **means}


def table_for_terminal(coverage: pd.DataFrame) -> Table:
    """Lay out a coverage table for a terminal."""
    table = Table(box=SIMPLE, show_edge=False, padding=0)
    for name in coverage.columns:
        table.add_column(name, justify="left" if name in ("by", "segment") else "right")
    for row in coverage.itertuples(index=False):
        by, segment, n, refused, *figures = row
        cells = ["–" if x != x else swedish_number(x, 1) for x in figures]
        table.add_row(by, segment, str(n), str(refused), *cells)
    return table


def read_valued(path: Path, settings: Settings, *, model: str) -> pd.DataFrame:
    """Join values that a backtest wrote to the features of the sales.

    Raises
    ------
    SlutprisError
        When there is no such file, or it has no values of the model by monthly rolling
        origin.
    """
    if not path.is_file():
        raise SlutprisError(
            f"there is no {path}; write it with "
            "`python -m ml.valuation.backtest --predictions`"
        )
    values = pd.read_parquet(path)
    is_asked = (values["model"] == model) & (values["protocol"] == "rolling_monthly")
    if not is_asked.any():
        raise SlutprisError(
            f"{path} has no rolling_monthly values of {model}; run "
            "`python -m ml.valuation.backtest --predictions` with that model"
        )
    with connect(settings.warehouse_path, read_only=True) as connection:
        sales = read_described_sales(connection, settings)
    return sales.merge(values.loc[is_asked, ["sale_id", "value_sek"]], on="sale_id")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m ml.valuation.coverage", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "predictions", type=Path, help="what backtest --predictions wrote"
    )
    parser.add_argument("--model", default="xgboost")
    parser.add_argument("--months", type=int, default=CALIBRATION_MONTHS)
    parser.add_argument("--csv", type=Path, metavar="OUT")
    return parser.parse_args()


def main() -> None:
    """Run the command line."""
    arguments = _arguments()
    valued = read_valued(arguments.predictions, Settings(), model=arguments.model)
    coverage = coverage_table(rolling_ranges(valued, months=arguments.months))
    if arguments.csv:
        coverage.to_csv(arguments.csv, index=False)
    Console().print(table_for_terminal(coverage))


if __name__ == "__main__":
    exit_with(main)

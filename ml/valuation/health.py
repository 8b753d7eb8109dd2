"""How well the models do: figures of the standing backtest, each with its interval.

What belongs here: which model is the champion, and error, bias and coverage by month,
class, price, size and district. What does not: reading reports (``kept_reports``), the
formulas of the figures (``metrics``, ``assessment``), and how anything is shown.

Intervals hold 95 %: of means and medians by resampling sales, of shares by Wilson's
formula. The sales of one month share its market, so a month's interval says how sure
the month's figure is, not what the next month will be.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import wraps
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    NamedTuple,
    ParamSpec,
    TypeVar,
)

import numpy as np
import pandas as pd

from ml.valuation.bootstrap import CONFIDENCE_QUANTILES, FEWEST_ANSWERED, SEED
from ml.valuation.places import TEXT_KEY_SQL
from ml.valuation.segments import figures_of
from warehouse.serving import open_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from ml.valuation.kept_reports import Backtested

Figures = dict[str, Any]
P = ParamSpec("P")
T = TypeVar("T")

RESAMPLES = 400
MISSES = 20
FEWEST_SHOWN = 5
"""A segment of fewer sales says nothing by itself."""
FEWEST_FOR_INTERVAL = 3
DRAWN_AT_ONCE = 500_000
"""Of resampled sales: some megabytes."""
PROMISED_COVERAGE_PCT = 90.0
Z_95 = 1.959964

# Some districts of the report are larger ones than those the sales were filed under.
_DISTRICTS_SQL = f"""
    select
        asked.label,
        coalesce(
            mode(sales.district) filter (
                {TEXT_KEY_SQL.format("sales.district")}
                = {TEXT_KEY_SQL.format("asked.label")}
            ),
            upper(asked.label[1]) || asked.label[2:]
        ) as name,
        avg(sales.latitude) as latitude,
        avg(sales.longitude) as longitude
    from asked
    inner join marts.sales using (sale_id)
    where sales.latitude is not null and sales.longitude is not null
    group by asked.label
"""


def kept_with_report(
    function: Callable[Concatenate[Backtested, P], T],
) -> Callable[Concatenate[Backtested, P], T]:
    """Compute once for each report and arguments; kept as long as the report is."""

    @wraps(function)
    def kept(backtested: Backtested, *args: P.args, **options: P.kwargs) -> T:
        key = (function, args, tuple(sorted(options.items())))
        with backtested.lock:
            if key not in backtested.computed:
                backtested.computed[key] = function(backtested, *args, **options)
            return backtested.computed[key]

    return kept


class Estimate(NamedTuple):
    """A figure with its 95 % interval; the ends are NaN of too few sales."""

    figure: float
    low: float = float("nan")
    high: float = float("nan")


@dataclass(frozen=True)
class SegmentHealth:
    """One model's error on the sales of a segment; ``label`` as ``segments`` has it."""

    label: str
    n: int
    mdape_pct: Estimate
    mape_pct: Estimate
    bias_pct: Estimate

    @property
    def month(self) -> dt.date:
        """The first day of the segment, where it is a month."""
        return dt.date.fromisoformat(f"{self.label}-01")


@dataclass(frozen=True)
class ClassCoverage:
    """How often prices fell in the 90 % range of one confidence class."""

    label: str
    n: int
    covered_pct: Estimate
    mean_width_pct: float


@dataclass(frozen=True)
class Standing:
    """Who is champion, and where the report and the registry differ."""

    champion: str | None
    challengers: list[str]
    untested: list[str]
    """Registered, but not in the report."""
    unregistered: list[str]
    """Compared, but not registered: marks to beat, or models since removed."""


class Lead(NamedTuple):
    """By how many percentage points one model errs less, with the 95 % interval."""

    difference: float
    low: float
    high: float


class DistrictPlace(NamedTuple):
    """A district as it is written, and where its sales lie, on average."""

    name: str
    latitude: float
    longitude: float


@kept_with_report
def totals(backtested: Backtested) -> dict[str, Figures]:
    """Give every figure of each model over all sales, best MAPE first."""
    found = {model: figures_of(backtested.of(model)) for model in backtested.models}
    return dict(sorted(found.items(), key=lambda item: _or_inf(item[1]["mape_pct"])))


def champion(figures: Mapping[str, Figures], registered: Collection[str]) -> str | None:
    """Name the champion: the registered model of least MAPE in the latest backtest.

    One that answered less than 95 % of what the most answering one did chose its sales
    and does not count. None when no registered model was tested.
    """
    rivals = {
        model: each
        for model, each in figures.items()
        if model in registered and each["mape_pct"] is not None
    }
    most = max((each["n"] for each in rivals.values()), default=0)
    fair = [
        name for name, each in rivals.items() if each["n"] >= FEWEST_ANSWERED * most
    ]
    return min(fair, key=lambda name: rivals[name]["mape_pct"], default=None)


def standing(figures: Mapping[str, Figures], registered: Collection[str]) -> Standing:
    """Set the models of the report against those of the registry."""
    best = champion(figures, registered)
    return Standing(
        best,
        challengers=[name for name in figures if name in registered and name != best],
        untested=[name for name in registered if name not in figures],
        unregistered=[name for name in figures if name not in registered],
    )


def lead(backtested: Backtested, best: str, second: str) -> Lead | None:
    """Give how much lower the mean error of the best is, on the same sales.

    None where the report did not compare the two, which it does with its own best.
    """
    asked = {
        "protocol": backtested.predictions["protocol"].iloc[0],
        "model": second,
        "other": best,
        "metric": "mape_pct",
    }
    for found in backtested.provenance.get("differences") or []:
        if all(found.get(key) == value for key, value in asked.items()):
            # Sales of one month share its market: whole months tell more, if enough.
            suffix = "" if found.get("low_by_month") is None else "_by_month"
            ends = (float(found[f"{end}{suffix}"]) for end in ("low", "high"))
            return Lead(float(found["difference"]), *ends)
    return None


@kept_with_report
def by_segment(
    backtested: Backtested, model: str, dimension: str, *, fewest: int = FEWEST_SHOWN
) -> list[SegmentHealth]:
    """Give a model's error in each segment of a dimension, in the dimension's order.

    Segments of fewer answered sales than ``fewest`` are left out.
    """
    rows = backtested.answered(model)
    labels = backtested.labels.loc[rows.index, dimension]
    return [
        segment_health(str(label), part)
        for label, part in rows.groupby(labels, observed=True)
        if len(part) >= fewest
    ]


def by_month(backtested: Backtested, model: str) -> list[SegmentHealth]:
    """Give a model's error in each month that had a sale, oldest first."""
    return by_segment(backtested, model, "month", fewest=1)


def with_range(backtested: Backtested, model: str) -> pd.DataFrame:
    """Give the answered sales with a range: the first months of a test have none."""
    rows = backtested.answered(model)
    return rows[rows["low_sek"].notna() & rows["high_sek"].notna()]


@kept_with_report
def coverage(backtested: Backtested, model: str) -> list[ClassCoverage]:
    """Give how often prices fell in the 90 % range, the surest class first."""
    rows = with_range(backtested, model)
    labels = backtested.labels.loc[rows.index, "confidence_class"]
    found = [_coverage(str(label), part) for label, part in rows.groupby(labels)]
    return found[::-1]


@kept_with_report
def coverage_of_all(backtested: Backtested, model: str) -> ClassCoverage | None:
    """Give how often prices fell in the range, of all classes; None without ranges."""
    rows = with_range(backtested, model)
    return _coverage("all", rows) if len(rows) else None


@kept_with_report
def worst_misses(
    backtested: Backtested, model: str, count: int = MISSES
) -> pd.DataFrame:
    """Give the valuations farthest from their prices, in percent, the worst first."""
    rows = with_error(backtested.answered(model))
    order = rows["error_pct"].abs().sort_values(ascending=False, kind="stable")
    return rows.loc[order.index[:count]]


def with_error(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the error of each value in percent of its price."""
    return rows.assign(error_pct=100 * (rows["value_sek"] / rows["sold_price_sek"] - 1))


def last_months(backtested: Backtested, model: str, months: int) -> pd.DataFrame:
    """Give a model's answered sales of the last months of the backtest."""
    rows = with_error(backtested.answered(model))
    month = rows["sold_date"].dt.to_period("M")
    return rows[
        month > backtested.predictions["sold_date"].max().to_period("M") - months
    ]


@kept_with_report
def sale_count(backtested: Backtested) -> int:
    """Count the sales of a report, each once whatever models valued it."""
    return len(backtested.predictions.drop_duplicates(["platform", "source_id"]))


@kept_with_report
def district_places(
    backtested: Backtested, serving_dir: Path, snapshot_id: str | None
) -> dict[str, DistrictPlace]:
    """Find each district of the report: its name, and the middle of its sales there.

    A district none of whose sales the published snapshot places is left out.

    Raises
    ------
    SlutprisError
        When nothing is published.
    """
    del snapshot_id  # what is kept is stale when another one is published
    sales = backtested.predictions.drop_duplicates("sale_id")
    labels = backtested.labels.loc[sales.index, "district"]
    asked = pd.DataFrame(
        {"sale_id": sales["sale_id"].astype(str), "label": labels.astype(str)}
    )
    with open_snapshot(serving_dir) as snapshot:
        snapshot.connection.register("asked", asked)
        found = snapshot.connection.execute(_DISTRICTS_SQL).fetchall()
    return {label: DistrictPlace(*place) for label, *place in found}


def segment_health(label: str, rows: pd.DataFrame) -> SegmentHealth:
    """Give the error of answered valuations; three are needed for an interval."""
    error_pct = with_error(rows)["error_pct"].to_numpy(dtype=float)
    mdape, mape, bias = _estimates(error_pct)
    return SegmentHealth(label, len(rows), mdape, mape, bias)


def wilson_pct(hits: int, count: int) -> Estimate:
    """Give a share in percent with Wilson's 95 % interval; NaN of nothing."""
    if not count:
        return Estimate(float("nan"))
    share = hits / count
    denominator = 1 + Z_95**2 / count
    middle = (share + Z_95**2 / (2 * count)) / denominator
    spread = np.sqrt(share * (1 - share) / count + Z_95**2 / (4 * count**2))
    half = Z_95 * spread / denominator
    ends = (max(0.0, middle - half), min(1.0, middle + half))
    return Estimate(100 * share, *(float(100 * end) for end in ends))


def _estimates(error_pct: np.ndarray) -> Iterator[Estimate]:
    """Yield median and mean of the absolute errors, and mean of the errors."""
    absolute = np.abs(error_pct)
    found = np.median(absolute), np.mean(absolute), np.mean(error_pct)
    if len(error_pct) < FEWEST_FOR_INTERVAL:
        yield from (Estimate(float(figure)) for figure in found)
        return
    for figure, figures in zip(found, _resampled(error_pct), strict=True):
        low, high = np.quantile(figures, CONFIDENCE_QUANTILES)
        yield Estimate(float(figure), float(low), float(high))


def _resampled(error_pct: np.ndarray) -> np.ndarray:
    """Give the three figures of resampled sales: a row each, a column per resample."""
    generator = np.random.default_rng(SEED)
    count = len(error_pct)
    absolute = np.abs(error_pct)
    at_once = max(1, DRAWN_AT_ONCE // count)
    parts = []
    for start in range(0, RESAMPLES, at_once):
        size = (min(at_once, RESAMPLES - start), count)
        drawn = generator.integers(0, count, size, dtype=np.int32)
        errors = absolute[drawn]
        median, mean = np.median(errors, axis=1), errors.mean(axis=1)
        parts.append([median, mean, error_pct[drawn].mean(axis=1)])
    return np.concatenate(parts, axis=1)


def _coverage(label: str, rows: pd.DataFrame) -> ClassCoverage:
    price, value = rows["sold_price_sek"], rows["value_sek"]
    hits = int(((rows["low_sek"] <= price) & (price <= rows["high_sek"])).sum())
    width_pct = 100 * (rows["high_sek"] - rows["low_sek"]) / value
    return ClassCoverage(
        label, len(rows), wilson_pct(hits, len(rows)), float(width_pct.mean())
    )


def _or_inf(figure: float | None) -> float:
    return float("inf") if figure is None else figure

"""The hedonic features of any home on any day, from what was sold before that day.

What belongs here: which sales count when, the effects of each month, and the features
made of them. What does not: the regression (``ridge``) and the neighbours' weights
(``neighbours``).

At the first of each month effects are fitted on the sales of the four years before. A
home asked about later in the month is described with those effects, and with the
sales of all earlier days, the same month's included: levels and neighbours are never
older than yesterday's sales, however old the effects or the trees are. Nothing sold on
the day or later is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml.valuation.hedonic.kept import Arrays, KeptArrays, fingerprint
from ml.valuation.hedonic.neighbours import (
    LARGEST_LOG_RESIDUAL,
    Points,
    Pool,
)
from ml.valuation.hedonic.ridge import Effects, fit_effects
from ml.valuation.hedonic.terms import (
    PARTS,
    TERMS,
    class_keys,
    known_year,
    log_fee_per_m2,
)

if TYPE_CHECKING:
    from collections.abc import Callable


WINDOW_DAYS = 1460
HALF_LIFE_DAYS = 400
"""Tastes change: a sale of a year ago counts about half."""
FEWEST_SALES = 200
"""Below, no effects are fitted and there are no hedonic features."""
PERIOD_SHRINKAGE_SALES = 3
LEVEL_DAYS, LEVEL_FADE_DAYS = 60, 15
LARGEST_LEVEL_DEVIATION = 0.15
"""How far from the median a sale moves the level: a new suburb is not a new market."""
SIZE_STEP, SIZE_DRIFT_SHRINKAGE = 0.35, 15
SIZE_DRIFT_DAYS, SIZE_DRIFT_FADE_DAYS = 75, 30

EPOCH = pd.Timestamp(2000, 1, 1)
METRES_PER_DEGREE = 111_320
METRES_PER_DEGREE_EAST = METRES_PER_DEGREE * float(np.cos(np.radians(59.33)))

PART_FEATURES = tuple(f"hedonic_{part}_log_premium" for part in PARTS)
HEDONIC_FEATURES = (
    "hedonic_log_premium",
    *PART_FEATURES,
    "market_log_level",
    "size_log_drift",
    "neighbours_log_residual",
    "neighbours_certainty",
    "asking_log_premium",
    "neighbours_asking_log_residual",
)
"""Logs of price per m² over the price index of the day, but for the certainty, a share.

``hedonic_log_premium`` is the sum of its parts; ``market_log_level`` what homes of
equal qualities sold above the index in the last weeks, ``size_log_drift`` those of
about the size beyond that, ``neighbours_log_residual`` what neighbours fetched beyond
it all. ``asking_log_premium`` is how much above their asking prices homes sold in the
last weeks, ``neighbours_asking_log_residual`` how much more than that neighbours did.
"""


_TERMS_OF_PARTS = [np.array([term.part == part for term in TERMS]) for part in PARTS]


@dataclass(frozen=True)
class _Level:
    """The market of one day, as the sales of the days before show it."""

    log_level: float
    size_drift: dict[int, float]
    asking_log_premium: float


class Hedonics:
    """What past sales say of homes, month by month.

    Parameters
    ----------
    sales
        Rows of ``marts.sale_features``, in any order; those from before there was a
        price index are left out.
    kept
        Where a month's effects and features are kept for the next process; None keeps
        nothing.
    """

    def __init__(self, sales: pd.DataFrame, kept: KeptArrays | None = None) -> None:
        known = sales["price_index_sek_per_m2"].notna()
        self.sales = sales[known].sort_values(["sold_date", "sale_id"], kind="stable")
        self.day = days_of(self.sales["sold_date"])
        self.log_ratio = _log_price_ratio(self.sales)
        self.asking_premium = _asking_log_premium(self.sales)
        self.points = points_of(self.sales)
        self.size = size_class(self.points.log_area)
        self.keys = class_keys(self.sales)
        self._kept = kept
        self._markets: dict[int, Market | None] = {}

    def features(self, homes: pd.DataFrame) -> pd.DataFrame:
        """Hedonic features of homes on their days (``sold_date``), as of before them.

        Parameters
        ----------
        homes
            Rows with the columns of ``marts.sale_features``; sales, or requests as
            ``marts.features_of`` gives them.

        Returns
        -------
        pandas.DataFrame
            ``HEDONIC_FEATURES``, with the index of ``homes``; missing where no effects
            were known yet.
        """
        found = np.full((len(homes), len(HEDONIC_FEATURES)), np.nan)
        month = month_start(days_of(homes["sold_date"]))
        for first_day in np.unique(month).tolist():
            market = self.market(first_day)
            if market is not None:
                rows = np.flatnonzero(month == first_day)
                found[rows] = market.features(homes.iloc[rows])
        return pd.DataFrame(found, index=homes.index, columns=list(HEDONIC_FEATURES))

    def features_of_sales(
        self, watch: Callable[[pd.Timestamp], None] = lambda _month: None
    ) -> pd.DataFrame:
        """Features of the sales themselves, by ``sale_id``: ``features`` of each.

        With a folder to keep them in, only months of which something has changed are
        worked on.
        """
        frames = []
        month = month_start(self.day)
        for first_day in np.unique(month).tolist():
            watch(date_of(first_day))
            sales = self.sales.iloc[np.flatnonzero(month == first_day)]
            since = slice(self._window(first_day).start, self._end(first_day))
            made = self._known(
                "features",
                first_day,
                since,
                lambda sales=sales: {"features": self.features(sales).to_numpy()},
            )
            self._markets.pop(first_day, None)
            frames.append(
                pd.DataFrame(
                    made["features"],
                    index=pd.Index(sales["sale_id"], name="sale_id"),
                    columns=list(HEDONIC_FEATURES),
                )
            )
        return pd.concat(frames) if frames else _no_features()

    def neighbours(self, home: pd.DataFrame) -> pd.DataFrame:
        """Tell the sales behind ``neighbours_log_residual`` of one home.

        Returns
        -------
        pandas.DataFrame
            ``sale_id``, ``weight`` and ``log_residual``, heaviest first; the sum of
            their products is the feature. Empty where there are none.
        """
        first_day = month_start(days_of(home["sold_date"]))[0]
        market = self.market(int(first_day))
        if market is None:
            return pd.DataFrame(columns=["sale_id", "weight", "log_residual"])
        return market.neighbours_of(home)

    def market(self, first_day: int) -> Market | None:
        """Give the month that begins on a day; None before there are enough sales."""
        if first_day not in self._markets:
            rows = self._window(first_day)
            is_enough = rows.stop - rows.start >= FEWEST_SALES
            self._markets[first_day] = (
                Market(self, rows, first_day, self._effects(rows, first_day))
                if is_enough
                else None
            )
        return self._markets[first_day]

    def _window(self, first_day: int) -> slice:
        return slice(
            int(np.searchsorted(self.day, first_day - WINDOW_DAYS)),
            int(np.searchsorted(self.day, first_day)),
        )

    def _end(self, first_day: int) -> int:
        return int(np.searchsorted(self.day, _next_month_start(first_day)))

    def _effects(self, rows: slice, first_day: int) -> Effects:
        def fitted() -> Arrays:
            age_days = first_day - self.day[rows]
            return fit_effects(
                self.keys[rows],
                period_of(self.day[rows]),
                self.log_ratio[rows],
                0.5 ** (age_days / HALF_LIFE_DAYS),
                [*(term.shrinkage_sales for term in TERMS), PERIOD_SHRINKAGE_SALES],
            ).to_arrays()

        return Effects.from_arrays(self._known("effects", first_day, rows, fitted))

    def _known(
        self, what: str, first_day: int, rows: slice, make: Callable[[], Arrays]
    ) -> Arrays:
        """Make something of sales, or read what an earlier process made of them."""
        if self._kept is None:
            return make()
        made_of = fingerprint(
            [
                *(array[rows] for array in (self.keys, self.day, self.log_ratio)),
                *(array[rows] for array in (self.points.steps(), self.points.year)),
                self.points.log_fee[rows],
                self.asking_premium[rows],
            ]
        )
        return self._kept.get(f"{what}-{date_of(first_day):%Y-%m}", made_of, make)


class Market:
    """One month: its effects, the sales before it, and those in it day by day."""

    def __init__(
        self, past: Hedonics, settled: slice, first_day: int, effects: Effects
    ) -> None:
        self._past = past
        self._effects = effects
        self._settled_count = settled.stop - settled.start
        self._rows = slice(settled.start, past._end(first_day))
        self._day = past.day[self._rows]
        self._size = past.size[self._rows]
        premium = effects.of(past.keys[self._rows]).sum(axis=1)
        self._above_index = past.log_ratio[self._rows] - premium
        self._asking_premium = past.asking_premium[self._rows]
        self._levels: dict[int, _Level] = {}

    def features(self, homes: pd.DataFrame) -> np.ndarray:
        """``HEDONIC_FEATURES`` of homes of this month, a row each."""
        by_term = self._effects.of(class_keys(homes))
        parts = [by_term[:, rows].sum(axis=1) for rows in _TERMS_OF_PARTS]
        points = points_of(homes)
        levels = [self._level(int(day)) for day in points.day]
        size = size_class(points.log_area)
        near = self._pool.neighbours(points)
        residual = np.append(self._residual, 0.0)[near.rows]
        asking_residual = np.append(self._asking_residual, 0.0)[near.rows]
        return np.column_stack(
            [
                np.sum(parts, axis=0),
                *parts,
                [level.log_level for level in levels],
                [
                    level.size_drift.get(int(each), 0.0)
                    for level, each in zip(levels, size, strict=True)
                ],
                (near.weight * residual).sum(axis=1),
                near.certainty,
                [level.asking_log_premium for level in levels],
                (near.weight * asking_residual).sum(axis=1),
            ]
        )

    def neighbours_of(self, home: pd.DataFrame) -> pd.DataFrame:
        """Tell the neighbours of one home: see ``Hedonics.neighbours``."""
        near = self._pool.neighbours(points_of(home))
        is_there = near.rows[0] >= 0
        rows = near.rows[0][is_there]
        sale_ids = self._past.sales["sale_id"].to_numpy()[self._rows.start + rows]
        found = pd.DataFrame(
            {
                "sale_id": sale_ids,
                "weight": near.weight[0][is_there],
                "log_residual": self._residual[rows],
            }
        )
        return found.sort_values("weight", ascending=False, ignore_index=True)

    @cached_property
    def _pool(self) -> Pool:
        points = self._past.points[self._rows]
        newest = np.s_[self._settled_count :]
        return Pool(points[: self._settled_count], points[newest])

    @cached_property
    def _residual(self) -> np.ndarray:
        """What each sale fetched beyond its qualities and the market of its day."""
        newest = [
            self._level(int(day)).log_level for day in self._day[self._settled_count :]
        ]
        return self._beyond_common(self._above_index, newest)

    @cached_property
    def _asking_residual(self) -> np.ndarray:
        """How much more above its asking price each sale went than others then did."""
        newest = [
            self._level(int(day)).asking_log_premium
            for day in self._day[self._settled_count :]
        ]
        return np.nan_to_num(self._beyond_common(self._asking_premium, newest))

    def _beyond_common(self, values: np.ndarray, newest: list[float]) -> np.ndarray:
        """Free values of what sales of their half-month, or day, have in common."""
        settled = values[: self._settled_count]
        period = period_of(self._day[: self._settled_count])
        period -= period.min()
        is_known = np.isfinite(settled)
        known = settled[is_known]
        cut = (
            known.clip(*_around(float(np.median(known)), 0.5)) if len(known) else known
        )
        count = np.bincount(period[is_known], minlength=period.max() + 1)
        total = np.bincount(period[is_known], cut, minlength=period.max() + 1)
        common = total / (count + PERIOD_SHRINKAGE_SALES)
        beyond = values - np.concatenate([common[period], newest])
        return beyond.clip(-LARGEST_LOG_RESIDUAL, LARGEST_LOG_RESIDUAL)

    def _level(self, day: int) -> _Level:
        if day not in self._levels:
            self._levels[day] = self._measured_level(day)
        return self._levels[day]

    def _measured_level(self, day: int) -> _Level:
        end = int(np.searchsorted(self._day, day))
        # After the last sale the market stays where it was.
        now = min(day, int(self._day[end - 1]) + 1) if end else day
        rows = slice(int(np.searchsorted(self._day, now - LEVEL_DAYS)), end)
        above, age = self._above_index[rows], now - self._day[rows]
        weight = np.exp(-age / LEVEL_FADE_DAYS)
        middle = _weighted_median(above, weight)
        near_middle = np.clip(above, *_around(middle, LARGEST_LEVEL_DEVIATION))
        level = float(np.average(near_middle, weights=weight))
        asking = self._asking_level(self._asking_premium[rows], weight)
        return _Level(level, self._size_drift(now, end, level), asking)

    @staticmethod
    def _asking_level(premium: np.ndarray, weight: np.ndarray) -> float:
        is_known = np.isfinite(premium)
        if not is_known.any():
            return 0.0
        known, weight = premium[is_known], weight[is_known]
        near = known.clip(*_around(_weighted_median(known, weight), 0.3))
        return float(np.average(near, weights=weight))

    def _size_drift(self, now: int, end: int, level: float) -> dict[int, float]:
        rows = slice(int(np.searchsorted(self._day, now - SIZE_DRIFT_DAYS)), end)
        weight = np.exp(-(now - self._day[rows]) / SIZE_DRIFT_FADE_DAYS)
        beyond = np.clip(self._above_index[rows] - level, *_around(0.0, 0.3))
        size = self._size[rows]
        total = np.bincount(size, weight * beyond)
        count = np.bincount(size, weight) + SIZE_DRIFT_SHRINKAGE
        return dict(enumerate((total / count).tolist()))


def _no_features() -> pd.DataFrame:
    return pd.DataFrame(
        columns=list(HEDONIC_FEATURES), index=pd.Index([], name="sale_id"), dtype=float
    )


def _around(middle: float, width: float) -> tuple[float, float]:
    return middle - width, middle + width


def _weighted_median(values: np.ndarray, weight: np.ndarray) -> float:
    order = np.argsort(values, kind="stable")
    running = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(running, running[-1] / 2)])


def _log_price_ratio(sales: pd.DataFrame) -> np.ndarray:
    price = sales["sold_price_sek"] / sales["living_area_m2"]
    return np.log((price / sales["price_index_sek_per_m2"]).to_numpy(dtype=float))


def _asking_log_premium(sales: pd.DataFrame) -> np.ndarray:
    """Log of the price over the asking price; NaN where none is known."""
    asked = pd.to_numeric(sales["list_price_sek"]).to_numpy(float, na_value=np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        premium = np.log(sales["sold_price_sek"].to_numpy(dtype=float) / asked)
    return np.where(asked > 0, premium, np.nan)


def points_of(homes: pd.DataFrame) -> Points:
    """Give homes as points to find neighbours by."""
    latitude = pd.to_numeric(homes["latitude"]).to_numpy(float, na_value=np.nan)
    longitude = pd.to_numeric(homes["longitude"]).to_numpy(float, na_value=np.nan)
    return Points(
        east_m=longitude * METRES_PER_DEGREE_EAST,
        north_m=latitude * METRES_PER_DEGREE,
        day=days_of(homes["sold_date"]),
        log_area=np.log(homes["living_area_m2"].to_numpy(dtype=float)),
        year=known_year(homes),
        log_fee=log_fee_per_m2(homes),
    )


def size_class(log_area: np.ndarray) -> np.ndarray:
    """Class sizes coarsely, for how their prices drift apart."""
    return np.floor(log_area / SIZE_STEP).clip(7, 14).astype(np.int64)


def days_of(dates: pd.Series) -> np.ndarray:
    """Give dates as numbers of days."""
    return (pd.to_datetime(dates) - EPOCH).dt.days.to_numpy(dtype=np.int64)


def date_of(day: int) -> pd.Timestamp:
    """Give the date of a day's number."""
    return EPOCH + pd.Timedelta(days=int(day))


def _dates(days: np.ndarray) -> pd.DatetimeIndex:
    return EPOCH + pd.to_timedelta(days, unit="D")


def month_start(days: np.ndarray) -> np.ndarray:
    """Give the first day of each day's month."""
    dates = _dates(days)
    return days - dates.day.to_numpy() + 1


def _next_month_start(first_day: int) -> int:
    following = date_of(first_day) + pd.offsets.MonthBegin(1)
    return (following - EPOCH).days


def period_of(days: np.ndarray) -> np.ndarray:
    """Give half-months in a row, as numbers."""
    dates = _dates(days)
    month = dates.year.to_numpy() * 12 + dates.month.to_numpy()
    return (2 * month + (dates.day.to_numpy() > 15)).astype(np.int64)

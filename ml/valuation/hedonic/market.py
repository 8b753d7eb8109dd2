"""One month's market: what its effects, its days and its neighbours say of homes.

What belongs here: the level of each day, what sales fetched beyond it, and the features
made of both. What does not: fitting the month's effects (``ridge``), and which sales
count (``hedonics``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ml.valuation.hedonic.days import period_of
from ml.valuation.hedonic.groups import GroupMeans
from ml.valuation.hedonic.neighbours import LARGEST_LOG_RESIDUAL, Neighbours, Pool
from ml.valuation.hedonic.terms import PARTS, TERMS

if TYPE_CHECKING:
    from ml.valuation.hedonic.past import Homes, PastSales
    from ml.valuation.hedonic.ridge import Effects

PERIOD_SHRINKAGE_SALES = 3
LEVEL_DAYS = 60
LEVEL_FADE_DAYS, SLOW_LEVEL_FADE_DAYS = 6, 15
LEVEL_SHRINKAGE_SALES = 40
"""How many fresh sales it takes to believe the fast level by half, not the slow one.

Of 20 sales a day the level is that of the last week: when prices turned by 15 % in two
months, a fade of 15 days lagged 3 % behind, and then overshot as much.
"""
LARGEST_LEVEL_DEVIATION = 0.15
"""How far from the median a sale moves the level: a new suburb is not a new market."""
SIZE_DRIFT_SHRINKAGE = 15
SIZE_DRIFT_DAYS, SIZE_DRIFT_FADE_DAYS = 75, 30
AGENCY_HALF_LIFE_DAYS, AGENCY_SHRINKAGE_SALES = 120, 8
DISTRICT_HALF_LIFE_DAYS, DISTRICT_SHRINKAGE_SALES = 60, 10
LARGEST_DEVIATION = 0.3
"""How far from the middle a sale moves the drift of its size, or the asking level."""
LARGEST_SETTLED_DEVIATION = 0.5
"""How far from the median of all a sale moves what its half-month has in common."""

PART_FEATURES = tuple(f"hedonic_{part}_log_premium" for part in PARTS)
MARKET_FEATURES = (
    "hedonic_log_premium",
    *PART_FEATURES,
    "market_log_level",
    "size_log_drift",
    "neighbours_log_residual",
    "neighbours_certainty",
    "asking_log_premium",
    "neighbours_asking_log_residual",
    "agency_asking_log_residual",
    "district_asking_log_residual",
)
"""Logs of price per m² over the price index of the day, but for the certainty, a share.

``hedonic_log_premium`` is the sum of its parts; ``market_log_level`` what homes of
equal qualities sold above the index in the last weeks, ``size_log_drift`` those of
about the size beyond that, ``neighbours_log_residual`` what neighbours fetched beyond
it all. ``asking_log_premium`` is how much above their asking prices homes sold in the
last weeks; the residuals of asking are how much more than that neighbours, the agency's
sales and the district's did: some agencies ask for less than they expect.
"""
FORESEEN = ("market_log_level", "hedonic_log_premium", "neighbours_log_residual")
"""What is foretold of a sale, in logs over the index: the sum of these features."""

_FORESEEN = [MARKET_FEATURES.index(name) for name in FORESEEN]

_TERMS_OF_PARTS = [np.array([term.part == part for term in TERMS]) for part in PARTS]


class NearSales(NamedTuple):
    """The sales behind ``neighbours_log_residual`` of one home, heaviest first.

    The sum of the products of ``weight`` and ``log_residual`` is the feature; ``row``
    counts from the month's first sale, or all sales' (``Hedonics``).
    """

    sale_id: np.ndarray
    row: np.ndarray
    weight: np.ndarray
    log_residual: np.ndarray

    def counted(self) -> NearSales:
        """Leave out those that weigh nothing."""
        return NearSales(*(values[self.weight > 0] for values in self))


NO_SALES = NearSales(np.array([], object), *np.zeros((3, 0)))._replace(
    row=np.array([], np.int64)
)


@dataclass(frozen=True)
class _Level:
    """The market of one day, as the sales of the days before show it."""

    log_level: float
    size_drift: dict[int, float]
    asking_log_premium: float


class Market:
    """One month: its effects, the sales before it, and those in it day by day.

    Parameters
    ----------
    sales
        Of the years before the month, and of the month itself.
    settled_count
        How many of them are from before the month.
    effects
        Fitted on those.
    """

    def __init__(self, sales: PastSales, settled_count: int, effects: Effects) -> None:
        self._sales = sales
        self._settled_count = settled_count
        self._effects = effects
        self._above_index = sales.log_ratio - effects.of(sales.homes.keys).sum(axis=1)
        self._levels: dict[int, _Level] = {}

    def features(self, homes: Homes) -> np.ndarray:
        """``MARKET_FEATURES`` of homes of this month, a row each."""
        return self.features_by(homes, self.neighbours(homes))

    def neighbours(self, homes: Homes) -> Neighbours:
        """Find the neighbours of homes of this month among the sales before them."""
        return self._pool.neighbours(homes.points)

    def nearest(self, homes: Homes) -> np.ndarray:
        """Find the same as rows, without weighing them."""
        return self._pool.nearest(homes.points)

    def features_by(self, homes: Homes, near: Neighbours) -> np.ndarray:
        """``MARKET_FEATURES`` of homes whose neighbours are known already."""
        by_term = self._effects.of(homes.keys)
        # Row by row in memory: added up otherwise, a home alone ends in another digit.
        parts = [
            np.ascontiguousarray(by_term[:, terms]).sum(axis=1)
            for terms in _TERMS_OF_PARTS
        ]
        levels = [self._level(int(day)) for day in homes.day]
        # Where there are fewer neighbours, another's residual stands, of no weight.
        residual = self._residual[near.rows]
        asking_residual = np.nan_to_num(self._asking_residual[near.rows])
        return np.column_stack(
            [
                np.sum(parts, axis=0),
                *parts,
                [level.log_level for level in levels],
                _size_drifts(levels, homes.size),
                (near.weight * residual).sum(axis=1),
                near.certainty,
                [level.asking_log_premium for level in levels],
                (near.weight * asking_residual).sum(axis=1),
                self._by_agency.before(homes.agency, homes.day),
                self._by_district.before(homes.district, homes.day),
            ]
        )

    def near_sales(self, near: Neighbours, home: int) -> NearSales:
        """Tell the neighbours of one of the homes they were found for."""
        is_there = near.rows[home] >= 0
        rows, weight = near.rows[home][is_there], near.weight[home][is_there]
        heaviest = np.argsort(-weight, kind="stable")
        rows = rows[heaviest]
        return NearSales(
            self._sales.sale_id[rows], rows, weight[heaviest], self._residual[rows]
        )

    @cached_property
    def _pool(self) -> Pool:
        points = self._sales.homes.points
        newest = np.s_[self._settled_count :]
        return Pool(points[: self._settled_count], points[newest])

    @cached_property
    def _residual(self) -> np.ndarray:
        """What each sale fetched beyond its qualities and the market of its day."""
        newest = [level.log_level for level in self._newest_levels()]
        return self._beyond_common(self._above_index, newest)

    @cached_property
    def _asking_residual(self) -> np.ndarray:
        """How much more above its asking price a sale went than others; NaN unknown."""
        newest = [level.asking_log_premium for level in self._newest_levels()]
        return self._beyond_common(self._sales.asking_log_premium, newest)

    @cached_property
    def _by_agency(self) -> GroupMeans:
        return GroupMeans(
            self._sales.homes.agency,
            self._sales.day,
            self._asking_residual,
            half_life_days=AGENCY_HALF_LIFE_DAYS,
            shrinkage_sales=AGENCY_SHRINKAGE_SALES,
        )

    @cached_property
    def _by_district(self) -> GroupMeans:
        return GroupMeans(
            self._sales.homes.district,
            self._sales.day,
            self._asking_residual,
            half_life_days=DISTRICT_HALF_LIFE_DAYS,
            shrinkage_sales=DISTRICT_SHRINKAGE_SALES,
        )

    def _newest_levels(self) -> list[_Level]:
        return [self._level(int(day)) for day in self._sales.day[self._settled_count :]]

    def _beyond_common(self, values: np.ndarray, newest: list[float]) -> np.ndarray:
        """Free values of what sales of their half-month, or day, have in common."""
        settled = slice(self._settled_count)
        common = _common(values[settled], period_of(self._sales.day[settled]))
        beyond = values - np.concatenate([common, newest])
        return beyond.clip(-LARGEST_LOG_RESIDUAL, LARGEST_LOG_RESIDUAL)

    def _level(self, day: int) -> _Level:
        if day not in self._levels:
            self._levels[day] = self._measured_level(day)
        return self._levels[day]

    def _measured_level(self, day: int) -> _Level:
        sold = self._sales.day
        end = int(np.searchsorted(sold, day))
        # After the last sale the market stays where it was.
        now = min(day, int(sold[end - 1]) + 1) if end else day
        rows = slice(int(np.searchsorted(sold, now - LEVEL_DAYS)), end)
        weight = np.exp(-(now - sold[rows]) / SLOW_LEVEL_FADE_DAYS)
        level = _level_now(self._above_index[rows], now - sold[rows])
        asked = self._sales.asking_log_premium[rows]
        is_known = np.isfinite(asked)
        asking = 0.0
        if is_known.any():
            asking = _middle(asked[is_known], weight[is_known], LARGEST_DEVIATION)
        return _Level(level, self._size_drift(now, end, level), asking)

    def _size_drift(self, now: int, end: int, level: float) -> dict[int, float]:
        sold = self._sales.day
        rows = slice(int(np.searchsorted(sold, now - SIZE_DRIFT_DAYS)), end)
        weight = np.exp(-(now - sold[rows]) / SIZE_DRIFT_FADE_DAYS)
        beyond = self._above_index[rows] - level
        beyond = beyond.clip(-LARGEST_DEVIATION, LARGEST_DEVIATION)
        size = self._sales.homes.size[rows]
        total = np.bincount(size, weight * beyond)
        count = np.bincount(size, weight) + SIZE_DRIFT_SHRINKAGE
        return dict(enumerate((total / count).tolist()))


def foreseen(features: np.ndarray) -> np.ndarray:
    """Add up what rows of ``MARKET_FEATURES`` foretell: the log ratio to the index."""
    return features[:, _FORESEEN].sum(axis=1)


def _size_drifts(levels: list[_Level], size: np.ndarray) -> list[float]:
    return [
        level.size_drift.get(each, 0.0)
        for level, each in zip(levels, size.tolist(), strict=True)
    ]


def _common(values: np.ndarray, period: np.ndarray) -> np.ndarray:
    """Mean of each sale's period, shrunk where it has few; unknown values aside."""
    period = period - period.min()
    is_known = np.isfinite(values)
    known = values[is_known]
    if len(known):
        known = known.clip(*_around(float(np.median(known)), LARGEST_SETTLED_DEVIATION))
    count = np.bincount(period[is_known], minlength=period.max() + 1)
    total = np.bincount(period[is_known], known, minlength=period.max() + 1)
    return (total / (count + PERIOD_SHRINKAGE_SALES))[period]


def _level_now(above_index: np.ndarray, days: np.ndarray) -> float:
    """Middle of the newest sales, the more so the more there are of them."""
    fast, slow = (
        np.exp(-days / fade) for fade in (LEVEL_FADE_DAYS, SLOW_LEVEL_FADE_DAYS)
    )
    share = fast.sum() / (fast.sum() + LEVEL_SHRINKAGE_SALES)
    return share * _middle(above_index, fast, LARGEST_LEVEL_DEVIATION) + (
        1 - share
    ) * _middle(above_index, slow, LARGEST_LEVEL_DEVIATION)


def _middle(values: np.ndarray, weight: np.ndarray, largest: float) -> float:
    """Mean of values cut to lie so near their median."""
    near = values.clip(*_around(_weighted_median(values, weight), largest))
    return float(np.average(near, weights=weight))


def _around(middle: float, width: float) -> tuple[float, float]:
    return middle - width, middle + width


def _weighted_median(values: np.ndarray, weight: np.ndarray) -> float:
    order = np.argsort(values, kind="stable")
    running = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(running, running[-1] / 2)])

"""What a home's neighbours fetched beyond what their qualities explain.

What belongs here: choosing neighbours and weighing them. What does not: what is left
unexplained of a sale (``hedonics``).

Kriging: the best linear prediction of a home's own residual from those of 50 sales,
when residuals resemble one another the more the closer the sales are in place, time,
size, age of the house and fee.
Unlike a mean weighed by distance, it does not count ten sales of one house ten times,
and it leaves the more unsaid the farther the neighbours are: the weights add up to less
than one, and the rest is the usual price for such a home.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial import KDTree

KEPT = 50
LARGEST_LOG_RESIDUAL = 0.4
"""A residual is cut there: beyond, it says more of that sale than of its neighbours."""
BATCH = 500


@dataclass(frozen=True)
class Likeness:
    """One reason for residuals to be alike, and how it fades; variances of logs."""

    variance: float
    distance_m: float
    days: float
    log_size: float
    years_of_age: float = np.inf
    log_fee: float = np.inf


LIKENESS = (
    # The house.
    Likeness(0.0006, 60, 4800, 0.5),
    # The housing association: houses of one age and fee, next to each other.
    Likeness(0.0014, 100, 3000, 0.5, years_of_age=7, log_fee=0.19),
    # The blocks around.
    Likeness(0.0021, 350, 1150, 0.45, years_of_age=60, log_fee=0.47),
    # The part of town as it is just now, for flats of any size.
    Likeness(0.0006, 2500, 290, 7.5),
)
"""Searched on real sales of March to May of 2014 and 2015."""
UNKNOWN_YEARS, UNKNOWN_LOG_FEE = 15.0, 0.2
"""How far apart two houses' ages and fees are taken to be when one is unknown."""
OWN_VARIANCE = 0.0030
"""What each sale has to itself: condition, luck, the mood of two bidders."""
SHARED_VARIANCE = sum(likeness.variance for likeness in LIKENESS)


class Scale(NamedTuple):
    """How far counts as one step when the nearest sales are looked for."""

    metres: float
    days: float
    log_size: float


ALIKE = Scale(99.0, 710.0, 0.5)

FIELDS = ("east_m", "north_m", "day", "log_area", "year", "log_fee")


@dataclass(frozen=True)
class Points:
    """Sales or homes by place (metres on a plane), day and log area; rows align."""

    east_m: np.ndarray
    north_m: np.ndarray
    day: np.ndarray
    log_area: np.ndarray
    year: np.ndarray
    log_fee: np.ndarray

    def __getitem__(self, rows: Any) -> Points:  # noqa: ANN401 - as NumPy's
        return Points(*(getattr(self, name)[rows] for name in FIELDS))

    def __len__(self) -> int:
        return len(self.day)

    @property
    def is_placed(self) -> np.ndarray:
        """Whether the position and size are known."""
        return np.isfinite(self.east_m + self.north_m + self.log_area)

    def steps(self, scale: Scale) -> np.ndarray:
        """Coordinates in which sales are near or far, one row a point."""
        return np.column_stack(
            [
                self.east_m / scale.metres,
                self.north_m / scale.metres,
                self.day / scale.days,
                self.log_area / scale.log_size,
            ]
        )


@dataclass(frozen=True)
class Neighbours:
    """For each home (row), its neighbours by weight; -1 where there are fewer.

    ``rows`` are positions in the pool that was searched.
    """

    rows: np.ndarray
    weight: np.ndarray
    certainty: np.ndarray
    """Share of the shared variance that the neighbours explain: 0 none, 1 all."""

    def of(self, homes: np.ndarray, first_row: int) -> Neighbours:
        """Give those of some homes, in a pool that begins at a later row."""
        rows = self.rows[homes]
        rows = np.where(rows >= 0, rows - first_row, -1)
        return Neighbours(rows, self.weight[homes], self.certainty[homes])


def covariance(first: Points, second: Points) -> np.ndarray:
    """How much residuals at two points resemble each other; shapes broadcast."""
    distance_m = np.hypot(first.east_m - second.east_m, first.north_m - second.north_m)
    days = np.abs(first.day - second.day)
    log_size = np.abs(first.log_area - second.log_area)
    years = _or(UNKNOWN_YEARS, np.abs(first.year - second.year))
    log_fee = _or(UNKNOWN_LOG_FEE, np.abs(first.log_fee - second.log_fee))
    return sum(
        likeness.variance
        * np.exp(
            -distance_m / likeness.distance_m
            - days / likeness.days
            - log_size / likeness.log_size
            - years / likeness.years_of_age
            - log_fee / likeness.log_fee
        )
        for likeness in LIKENESS
    )


def _or(unknown: float, values: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), unknown, values)


def weighed(rows: np.ndarray, sales: Points, homes: Points) -> Neighbours:
    """Weigh the neighbours of homes, given as rows of sales."""
    found = [
        _weighed(rows[start : start + BATCH], sales, homes[start : start + BATCH])
        for start in range(0, len(homes), BATCH)
    ]
    return Neighbours(
        *(
            np.concatenate([getattr(each, name) for each in found])
            for name in ("rows", "weight", "certainty")
        )
    )


def _weighed(rows: np.ndarray, sales: Points, homes: Points) -> Neighbours:
    is_there = rows >= 0
    near = sales[rows]
    to_home = np.where(is_there, covariance(near, homes[np.s_[:, None]]), 0.0)
    among = covariance(near[np.s_[:, :, None]], near[np.s_[:, None, :]])
    among *= is_there[:, :, None] & is_there[:, None, :]
    diagonal = np.arange(rows.shape[1])
    among[:, diagonal, diagonal] = SHARED_VARIANCE + OWN_VARIANCE
    weight = np.linalg.solve(among, to_home[:, :, None])[:, :, 0]
    # The few below zero only take back what nearer sales have said twice.
    weight = np.where(is_there, weight, 0.0).clip(0)
    certainty = (weight * to_home).sum(axis=1) / SHARED_VARIANCE
    return Neighbours(rows, weight, certainty)


class Nearest:
    """The nearest past sales of homes; the newest of them may change by the day.

    Parameters
    ----------
    settled
        Sales from before every home that will be asked about.
    newest
        Sales of the days homes are asked about, searched one by one: a home sees those
        of earlier days only.
    scale
        What counts as near.
    kept
        How many are found for each home.
    """

    def __init__(
        self, settled: Points, newest: Points, scale: Scale, kept: int
    ) -> None:
        self.points = Points(
            *(
                np.concatenate([getattr(settled, name), getattr(newest, name)])
                for name in FIELDS
            )
        )
        self._scale = scale
        self._kept = kept
        self._placed = np.flatnonzero(settled.is_placed)
        self._tree = KDTree(settled.steps(scale)[self._placed])
        is_placed = newest.is_placed
        self._newest = np.flatnonzero(is_placed) + len(settled)
        self._newest_day = newest.day[is_placed]
        self._newest_steps = newest.steps(scale)[is_placed]

    def rows(self, homes: Points) -> np.ndarray:
        """Find the nearest rows of ``points``, -1 where there are fewer than kept."""
        rows = np.full((len(homes), self._kept), -1)
        placed = np.flatnonzero(homes.is_placed)
        if len(placed):
            rows[placed] = self._of_placed(homes[placed])
        return rows

    def _of_placed(self, homes: Points) -> np.ndarray:
        steps = homes.steps(self._scale)
        distance, found = self._nearest_settled(steps)
        if len(self._newest):
            new_distance, newest = self._newest_earlier(homes.day, steps)
            distance = np.concatenate([distance, new_distance], axis=1)
            found = np.concatenate([found, newest], axis=1)
            # Stable: of two equally near, the settled one, whatever came later.
            nearest = np.argsort(distance, axis=1, kind="stable")[:, : self._kept]
            distance = np.take_along_axis(distance, nearest, axis=1)
            found = np.take_along_axis(found, nearest, axis=1)
        return np.where(np.isfinite(distance), found, -1)

    def _nearest_settled(self, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        distance = np.full((len(steps), self._kept), np.inf)
        found = np.full((len(steps), self._kept), -1)
        count = min(self._kept, len(self._placed))
        if count:
            near, which = self._tree.query(steps, k=np.arange(1, count + 1))
            distance[:, :count] = near
            found[:, :count] = self._placed[which]
        return distance, found

    def _newest_earlier(
        self, day: np.ndarray, steps: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        # Coordinates first: a sum along four numbers at a time is slow.
        way = steps.T[:, :, None] - self._newest_steps.T[:, None, :]
        apart = np.sqrt((way**2).sum(axis=0))
        apart[self._newest_day[None, :] >= day[:, None]] = np.inf
        found = np.broadcast_to(self._newest, apart.shape)
        if apart.shape[1] > self._kept:
            nearest = np.argpartition(apart, self._kept - 1, axis=1)[:, : self._kept]
            apart = np.take_along_axis(apart, nearest, axis=1)
            found = np.take_along_axis(found, nearest, axis=1)
        return apart, found


class Pool:
    """Past sales to find and weigh neighbours among: see ``Nearest``."""

    def __init__(self, settled: Points, newest: Points) -> None:
        self._nearest = Nearest(settled, newest, ALIKE, KEPT)

    @property
    def points(self) -> Points:
        """All of them, the settled ones first."""
        return self._nearest.points

    def nearest(self, homes: Points) -> np.ndarray:
        """Find the neighbours of homes, as rows; one without a place has none."""
        found = [
            self._nearest.rows(homes[start : start + BATCH])
            for start in range(0, len(homes), BATCH)
        ]
        return np.concatenate(found)

    def neighbours(self, homes: Points) -> Neighbours:
        """Find and weigh the neighbours of homes."""
        return weighed(self.nearest(homes), self.points, homes)

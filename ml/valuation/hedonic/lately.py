"""What sells better or worse just now than the whole market, here and of this size.

What belongs here: the mean of what the sales of the last months fetched beyond all that
was known of them on their day, beside that of the whole city. What does not: that
knowledge itself, and the city's level (``market``).

The regression is of the first of the month and the neighbours' weights look back for
years: a part of town whose small flats turned in spring is seen late by both. What they
missed in the last weeks, within some kilometres and among flats of about the size, they
miss tomorrow too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ml.valuation.hedonic.groups import GroupMeans
from ml.valuation.hedonic.neighbours import Nearest, Scale

if TYPE_CHECKING:
    from ml.valuation.hedonic.neighbours import Points

LATELY_DAYS = 240
"""Sales older than this are not looked at."""
HALF_LIFE_DAYS = 60
LATELY = Scale(metres=1440.0, days=HALF_LIFE_DAYS / np.log(2), log_size=0.28)
"""Half-distance 1 000 m, half-life 60 days: of eight kernels the best on real sales of
July 2014 to June 2016."""
KEPT = 200
SHRINKAGE_SALES = 5.0
"""How many sales next door, of today and of the size, are believed by half."""
LARGEST_LOG_RESIDUAL = 0.25
BATCH = 500
CITY = 1
"""The group of all sales."""


class Lately:
    """The sales of the last months, by what was not foreseen of them.

    Parameters
    ----------
    settled, newest
        Sales from before the homes that will be asked about, and of their days; oldest
        first.
    unforeseen
        Log residual of each, settled and newest, as of its own day; NaN says nothing.
    """

    def __init__(self, settled: Points, newest: Points, unforeseen: np.ndarray) -> None:
        told = np.isfinite(unforeseen)
        count = len(settled)
        self._nearest = Nearest(
            settled[told[:count]], newest[told[count:]], LATELY, KEPT
        )
        self._unforeseen = unforeseen[told].clip(
            -LARGEST_LOG_RESIDUAL, LARGEST_LOG_RESIDUAL
        )
        sold = self._nearest.points.day
        # The city's level is followed by the day; here is what differs from it.
        self._city = GroupMeans(
            np.full(len(sold), CITY),
            sold,
            self._unforeseen,
            half_life_days=HALF_LIFE_DAYS,
            shrinkage_sales=SHRINKAGE_SALES,
        )

    def before(self, homes: Points) -> np.ndarray:
        """Shrunk mean around each home, as of its day; 0 where nothing is known."""
        found = [
            self._mean(homes[start : start + BATCH])
            for start in range(0, len(homes), BATCH)
        ]
        return np.concatenate(found) if found else np.zeros(0)

    def _mean(self, homes: Points) -> np.ndarray:
        if not len(self._unforeseen):
            return np.zeros(len(homes))
        rows = self._nearest.rows(homes)
        weight = np.where(
            rows >= 0, _likeness(self._nearest.points[rows], homes[np.s_[:, None]]), 0
        )
        # Where there are fewer, another's stands, of no weight.
        city = self._city.before(np.full(len(homes), CITY), homes.day)
        total = (weight * (self._unforeseen[rows] - city[:, None])).sum(axis=1)
        return total / (weight.sum(axis=1) + SHRINKAGE_SALES)


def _likeness(near: Points, homes: Points) -> np.ndarray:
    apart_m = np.hypot(near.east_m - homes.east_m, near.north_m - homes.north_m)
    log_size = (near.log_area - homes.log_area) / LATELY.log_size
    days = (homes.day - near.day) / LATELY.days
    return np.exp(-apart_m / LATELY.metres - days - log_size**2)

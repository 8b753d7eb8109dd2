"""What the sales of an agency, or of a district, have in common just before a day.

What belongs here: fading, shrunk means by group, as of any day. What does not: what is
averaged (``market``).
"""

from __future__ import annotations

import numpy as np

NO_GROUP = 0
"""The key of homes that belong to none."""

_DAYS = 1_000_000


class GroupMeans:
    """Means of values by group, in which older sales fade.

    Parameters
    ----------
    keys, days, values
        Group, day and value of each sale, oldest first; a value of NaN says nothing.
    half_life_days
        Age at which a sale counts half.
    shrinkage_sales
        How many fresh sales it takes to believe a group's mean by half.
    """

    def __init__(
        self,
        keys: np.ndarray,
        days: np.ndarray,
        values: np.ndarray,
        *,
        half_life_days: float,
        shrinkage_sales: float,
    ) -> None:
        told = np.isfinite(values) & (keys != NO_GROUP)
        self._keys, group = np.unique(keys[told], return_inverse=True)
        self._first_day = int(days[0]) if len(days) else 0
        self._half_life_days = half_life_days
        self._shrinkage_sales = shrinkage_sales
        order = np.argsort(group, kind="stable")
        self._place = (group * _DAYS + days[told] - self._first_day)[order]
        starts = np.searchsorted(group[order], np.arange(1, len(self._keys)))
        weight = 1 / self._faded(days[told][order])
        self._weight = _running(weight, starts)
        self._sum = _running(weight * values[told][order], starts)

    def before(self, keys: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Mean of each home's group over the days before its own; 0 of an unknown."""
        if not len(self._keys):
            return np.zeros(len(keys))
        group = np.searchsorted(self._keys, keys).clip(max=len(self._keys) - 1)
        first = np.searchsorted(self._place, group * _DAYS)
        end = np.searchsorted(self._place, group * _DAYS + days - self._first_day)
        faded = self._faded(days)
        mean = self._sum[end] * faded
        mean /= self._weight[end] * faded + self._shrinkage_sales
        return np.where((self._keys[group] == keys) & (end > first), mean, 0.0)

    def _faded(self, days: np.ndarray) -> np.ndarray:
        return 0.5 ** ((days - self._first_day) / self._half_life_days)


def _running(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Add up values before each place, each group for itself.

    Added up through all groups, what one sold later would change another's last digit.
    """
    totals = [np.cumsum(each) for each in np.split(values, starts)]
    return np.concatenate([[0.0], *totals])

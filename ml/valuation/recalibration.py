"""Catching up with a market that has moved since the price index was last known.

The index of a month is known when the month is over, and it smooths; in a falling
market values are therefore too high for a month or two. What the latest sales fetched
against what a model that had not seen them said tells how much. What belongs here:
measuring that shift and applying it. What does not: the index itself, which is dbt's.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable

RECENT_DAYS = 31
SHRINKAGE = 0.5
"""Share of the measured shift that is applied.

On sales of 2015, month by month, half of it over 31 days was worth 0.05 points of MAPE
and the whole nothing; half also turns back sooner when the market does.
"""
MIN_RECENT_SALES = 30
MIN_EARLIER_SALES = 200


def recently_sold(sales: pd.DataFrame) -> pd.Series:
    """Tell which sales are of the last days before the newest one."""
    newest = sales["sold_date"].max()
    return sales["sold_date"] > newest - pd.Timedelta(days=RECENT_DAYS)


@dataclass(frozen=True)
class Recalibration:
    """A shift of log values, for homes valued on or after a day.

    Earlier days are left alone: the index of their month was complete.
    """

    log_shift: float = 0.0
    since: str = ""

    @classmethod
    def measured(
        cls,
        sales: pd.DataFrame,
        values_of_recent: Callable[[pd.DataFrame, pd.DataFrame], np.ndarray],
    ) -> Self:
        """Compare the latest sales with what the earlier ones alone say of them.

        Parameters
        ----------
        sales
            All sales a model is fitted on.
        values_of_recent
            Values in SEK of its second argument, learnt from its first alone.

        Returns
        -------
        No shift when there are too few sales on either side to tell.
        """
        is_recent = recently_sold(sales)
        if is_recent.sum() < MIN_RECENT_SALES or (~is_recent).sum() < MIN_EARLIER_SALES:
            return cls()
        recent = sales[is_recent]
        value_sek = values_of_recent(sales[~is_recent], recent)
        log_error = np.log(recent["sold_price_sek"].to_numpy(dtype=float) / value_sek)
        since = recent["sold_date"].min()
        return cls(SHRINKAGE * float(np.median(log_error)), f"{since:%Y-%m-%d}")

    def applied(self, value_sek: np.ndarray, features: pd.DataFrame) -> np.ndarray:
        """Shift the values of homes that are valued on a recent day."""
        if not self.since:
            return value_sek
        valued_on = pd.to_datetime(features["sold_date"])
        is_recent = (valued_on >= pd.Timestamp(self.since)).to_numpy()
        return np.where(is_recent, value_sek * np.exp(self.log_shift), value_sek)

    def to_json(self) -> dict[str, Any]:
        """Plain values for a model's description file."""
        return asdict(self)

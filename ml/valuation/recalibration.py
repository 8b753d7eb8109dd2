"""Where values lie, on the whole, of the sales a model has not seen: nowhere else.

The trees learn logs, and the middle of a log is below the mean in percent; and what a
model learnt of years may be a little off for these months. What belongs here: choosing
the latest sales, measuring the shift they show and applying it. What does not: the
market's own moves, which the index and the level of the day carry.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from ml.valuation.hedonic.columns import Table

HOLDOUT_DAYS = 92
MIN_RECENT_SALES, MOST_SALES_ASKED_FOR = 50, 500
MIN_EARLIER_SALES = 200
HALF_LIFE_DAYS = 31
SHARE = 0.25
"""Share of the shift of the middle that is applied.

On sales of 2015 and 2016, month by month, half of it and none did equally well, the
whole a little worse, and after a turn each part of it overshot: the level of the day
has caught up already. What is left is for models that are old.
"""
LARGEST_LOG_ERROR = 0.4


def held_out(sales: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Split off the latest sales, to see how a model of the earlier ones does.

    They are those of the last three months, or more where those are few, up to half.

    Returns
    -------
    The earlier and the latest sales; None when there are too few on either side.
    """
    sold = pd.to_datetime(sales["sold_date"])
    asked_for = min(MOST_SALES_ASKED_FOR, len(sales) // 2)
    if asked_for < MIN_RECENT_SALES:
        return None
    since = sold.max() - pd.Timedelta(days=HOLDOUT_DAYS)
    is_recent = sold > min(since, sold.nlargest(asked_for).iloc[-1])
    if is_recent.sum() < MIN_RECENT_SALES or (~is_recent).sum() < MIN_EARLIER_SALES:
        return None
    return sales[~is_recent], sales[is_recent]


@dataclass(frozen=True)
class Recalibration:
    """A shift of log values, for homes valued on or after a day.

    Earlier days are left alone: their months were learnt from.
    """

    log_shift: float = 0.0
    since: str = ""

    @classmethod
    def measured(cls, recent: pd.DataFrame, value_sek: np.ndarray) -> Self:
        """Compare sales with what a model that had not seen them said.

        Half of the shift of the middle is taken over, and all that the mean error in
        percent differs from the middle: values are to be right on average.
        """
        sold = pd.to_datetime(recent["sold_date"])
        weight = 0.5 ** ((sold.max() - sold).dt.days.to_numpy() / HALF_LIFE_DAYS)
        price_sek = recent["sold_price_sek"].to_numpy(dtype=float)
        log_error = np.log(value_sek / price_sek)
        middle = float(np.average(log_error.clip(-0.1, 0.1), weights=weight))
        around = (log_error - middle).clip(-LARGEST_LOG_ERROR, LARGEST_LOG_ERROR)
        skew = float(np.log(np.average(np.exp(around))))
        return cls(-SHARE * middle - skew, f"{sold.min():%Y-%m-%d}")

    def log_shifts(self, features: Table) -> np.ndarray:
        """Give the shift of each home: none before the day it holds from."""
        if not self.since:
            return np.zeros(len(features))
        valued_on = np.asarray(features["sold_date"], dtype="datetime64[D]")
        is_recent = valued_on >= np.datetime64(self.since)
        return np.where(is_recent, self.log_shift, 0.0)

    def applied(self, value_sek: np.ndarray, features: Table) -> np.ndarray:
        """Shift the values of homes that are valued on a recent day."""
        return value_sek * np.exp(self.log_shifts(features))

    def to_json(self) -> dict[str, Any]:
        """Plain values for a model's description file."""
        return asdict(self)

"""Days as numbers, and the months and half-months they lie in.

What belongs here: the calendar of the hedonic features. What does not: which sales of
which days count (``market``, ``hedonics``).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

EPOCH = pd.Timestamp(2000, 1, 1)
EPOCH_DAY = int(np.datetime64("2000-01-01", "D").astype(np.int64))


def days_of(dates: pd.Series) -> np.ndarray:
    """Give dates as numbers of days."""
    return np.asarray(dates, dtype="datetime64[D]").astype(np.int64) - EPOCH_DAY


def date_of(day: int) -> pd.Timestamp:
    """Give the date of a day's number."""
    return EPOCH + pd.Timedelta(days=int(day))


def _dates(days: np.ndarray) -> pd.DatetimeIndex:
    return EPOCH + pd.to_timedelta(days, unit="D")


def month_start(days: np.ndarray) -> np.ndarray:
    """Give the first day of each day's month."""
    dates = (days + EPOCH_DAY).astype("datetime64[D]")
    first = dates.astype("datetime64[M]").astype("datetime64[D]")
    return first.astype(np.int64) - EPOCH_DAY


def next_month_start(first_day: int) -> int:
    """Give the first day of the month after."""
    following = date_of(first_day) + pd.offsets.MonthBegin(1)
    return (following - EPOCH).days


def period_of(days: np.ndarray) -> np.ndarray:
    """Give half-months in a row, as numbers."""
    dates = _dates(days)
    month = dates.year.to_numpy() * 12 + dates.month.to_numpy()
    return (2 * month + (dates.day.to_numpy() > 15)).astype(np.int64)

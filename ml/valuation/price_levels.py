"""The days a home is valued at, and which price level is known on each.

What belongs here: the other days of a valuation, and the periods of the price index.
What does not: the index itself, which is dbt's.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

    from ml.valuation.valuation import When

BEFORE_INVASION = dt.date(2022, 2, 23)
"""The day before Russia's full-scale invasion of Ukraine."""


def other_dates(date: dt.date) -> dict[When, dt.date]:
    """Give the other days a home is valued at, for a valuation of ``date``."""
    return {
        "three_years_ago": _years_later(date, -3),
        "before_invasion": BEFORE_INVASION,
        "one_year_ago": _years_later(date, -1),
        "in_one_year": _years_later(date, 1),
    }


class PriceLevels:
    """The half-months of a snapshot's price index, and the day each became known."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        rows = connection.execute(
            "select period_start::date, known_from::date from marts.price_index "
            "order by known_from"
        ).fetchall()
        self._starts = [start for start, _ in rows]
        self._known_from = [known_from for _, known_from in rows]

    def period_start(self, date: dt.date) -> dt.date | None:
        """Give the start of the newest half-month whose level is known on a day."""
        known = bisect_right(self._known_from, date)
        return self._starts[known - 1] if known else None

    def is_extrapolation(self, date: dt.date) -> bool:
        """Tell a day before the first index, or so late that its own is not known."""
        if not self._known_from:
            return True
        first, last = self._known_from[0], self._known_from[-1]
        return not first <= date < _next_month(last)


def _years_later(date: dt.date, years: int) -> dt.date:
    is_leap_day = (date.month, date.day) == (2, 29)
    return date.replace(year=date.year + years, day=28 if is_leap_day else date.day)


def _next_month(date: dt.date) -> dt.date:
    return (date.replace(day=1) + dt.timedelta(days=32)).replace(day=1)

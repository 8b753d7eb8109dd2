"""Windows of sold dates, the crawl's unit of work, and the query that asks for one.

Closed windows do not move while they are paged, and can be asked for again. What does
not belong here: requests, and which windows have landed (``warehouse.crawl_store``).
"""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import attrs

from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy_project.pages.search import SearchEcho

MAX_PAGES_PER_WINDOW = 30


class EchoMismatchError(SlutprisError):
    """The site answered another question than the one asked."""

    exit_code = 5


@attrs.frozen
class DateWindow:
    """Sold dates from ``from_date`` to ``to_date``, both inclusive."""

    from_date: date
    to_date: date

    def halves(self) -> tuple[DateWindow, DateWindow] | None:
        """Its two halves; None when it is a single day."""
        days = (self.to_date - self.from_date).days
        if days == 0:
            return None
        middle = self.from_date + timedelta(days=days // 2)
        return (
            DateWindow(self.from_date, middle),
            DateWindow(middle + timedelta(days=1), self.to_date),
        )

    def __str__(self) -> str:
        return f"{self.from_date}..{self.to_date}"


def months(from_date: date, to_date: date) -> Iterator[DateWindow]:
    """Calendar months from first to last, clipped to the two dates."""
    start = from_date
    while start <= to_date:
        month_end = start.replace(day=monthrange(start.year, start.month)[1])
        yield DateWindow(start, min(month_end, to_date))
        start = month_end + timedelta(days=1)


@attrs.frozen
class SearchQuery:
    """The sold search of some areas and one object type."""

    area_ids: str
    object_type: str

    @property
    def prefix(self) -> str:
        """Path and query without the dates."""
        asked = {"areaIds": self.area_ids, "objectType": self.object_type}
        return f"/sok/slutpriser?{urlencode(asked, safe=',')}&"

    def url(self, window: DateWindow, page: int) -> str:
        """Path and query of one page; the first carries no page number."""
        dates = f"minSoldDate={window.from_date}&maxSoldDate={window.to_date}"
        return f"{self.prefix}{dates}" + (f"&page={page}" if page > 1 else "")

    def verify(self, echo: SearchEcho, window: DateWindow, page: int) -> None:
        """Compare what the site understood with what was asked.

        A misspelt or renamed parameter is silently ignored by the site, which then
        answers with the sales of all Sweden.

        Raises
        ------
        EchoMismatchError
            When area, filters, page or order differ.
        """
        asked = {
            "areas": frozenset(self.area_ids.split(",")),
            "filters": {
                "objectType": self.object_type,
                "minSoldDate": str(window.from_date),
                "maxSoldDate": str(window.to_date),
            },
            "page": page,
            "is_sorted": False,
        }
        heard = {
            "areas": echo.area_ids,
            "filters": dict(echo.filters),
            "page": echo.page,
            "is_sorted": echo.is_sorted,
        }
        for part, value in asked.items():
            if heard[part] != value:
                raise EchoMismatchError(
                    f"asked {self.url(window, page)} but the site answered {part} "
                    f"{heard[part]!r} instead of {value!r}; nothing of it was landed"
                )

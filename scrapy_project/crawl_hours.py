"""The hours in which the crawl may ask, on the clock of the site's country.

What does not belong here: waiting for them (``retry_after``).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import attrs

from warehouse.errors import SlutprisError

SITE_ZONE = ZoneInfo("Europe/Stockholm")
_HOURS = re.compile(r"(\d{1,2})(?::(\d\d))?-(\d{1,2})(?::(\d\d))?")


class CrawlHoursError(SlutprisError):
    """The setting CRAWL_HOURS cannot be read."""

    exit_code = 2


@attrs.frozen
class CrawlHours:
    """A part of every day, which may reach over midnight."""

    opening: time
    closing: time

    @classmethod
    def parse(cls, text: str) -> CrawlHours | None:
        """Read ``22-06`` or ``22:30-05:45``; None when empty: at any hour.

        Raises
        ------
        CrawlHoursError
            When it is neither.
        """
        if not text.strip():
            return None
        match = _HOURS.fullmatch(text.strip())
        try:
            if match is None:
                raise ValueError
            opening = time(int(match[1]), int(match[2] or 0))
            closing = time(int(match[3]) % 24, int(match[4] or 0))
            if opening == closing or int(match[3]) > 24:
                raise ValueError
        except ValueError:
            raise CrawlHoursError(
                f"CRAWL_HOURS={text} are no hours; expected two different times of "
                "day such as 22-06 or 22:30-05:45 (Swedish time), or nothing"
            ) from None
        return cls(opening, closing)

    def opens_at(self, now: datetime) -> datetime | None:
        """Tell when the crawl may ask next; None when it may ask now."""
        local = now.astimezone(SITE_ZONE)
        clock = local.time().replace(tzinfo=None)
        is_open = self.opening <= clock < self.closing
        if self.opening > self.closing:
            is_open = clock >= self.opening or clock < self.closing
        if is_open:
            return None
        day = local.date() + timedelta(days=clock >= self.opening)
        opens = datetime.combine(day, self.opening, tzinfo=SITE_ZONE)
        return opens.astimezone(UTC)

"""What happens between the spider and the site: a challenge stops, a 429 waits.

What does not belong here: any way around a challenge. None is wanted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Self

from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Response
    from scrapy.statscollectors import StatsCollector

logger = logging.getLogger(__name__)

DEFAULT_RETRY_AFTER_S = 60.0
MAX_RETRY_AFTER_S = 900.0
WHAT_TO_DO = (
    "do not run it again at once; ask Booli for consent or for its API, or save the "
    "pages from a browser and crawl them with -a pages=DIR"
)


class ChallengedError(SlutprisError):
    """The site answered with a bot challenge instead of a page."""

    exit_code = 4


class ChallengeMiddleware:
    """Turns the three known forms of a challenge into an error that ends the crawl.

    Answers other than pages are let through where a request says so
    (``is_page: False``), as robots.txt does by having no mark at all.
    """

    def process_response(self, request: Request, response: Response) -> Response:
        """Let a page pass; raise on 202, 403 and on 200 without a payload.

        Raises
        ------
        ChallengedError
            When the answer is a challenge.
        """
        if not request.meta.get("is_page"):
            return response
        is_empty = response.status == 200 and b"__NEXT_DATA__" not in response.body
        if response.status in (202, 403) or is_empty:
            what = "200 without a page" if is_empty else str(response.status)
            raise ChallengedError(
                f"{response.url} answered {what}: the site challenges us; {WHAT_TO_DO}"
            )
        return response


class RetryAfterMiddleware:
    """Waits as long as a 429 asks, then asks again; nothing is sent meanwhile."""

    def __init__(self, stats: StatsCollector) -> None:
        self._stats = stats
        self._resume_at_s = 0.0

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build it with the crawl's statistics."""
        return cls(crawler.stats)

    async def process_request(self, request: Request) -> None:
        """Hold a request back while a wait lasts."""
        while (left_s := self._resume_at_s - time.monotonic()) > 0:
            await asyncio.sleep(left_s)

    async def process_response(
        self, request: Request, response: Response
    ) -> Request | Response:
        """Start the wait on a 429 and give the request back to the scheduler."""
        if response.status != 429:
            return response
        wait_s = _retry_after_s(response)
        self._stats.inc_value("booli/429")
        self._resume_at_s = max(self._resume_at_s, time.monotonic() + wait_s)
        logger.warning("the site asks us to wait %d s", wait_s)
        # With one request at a time, sleeping here holds the whole crawl back.
        await asyncio.sleep(wait_s)
        return request.replace(dont_filter=True, priority=request.priority + 1)


def _retry_after_s(response: Response) -> float:
    value = (response.headers.get("Retry-After") or b"").decode()
    seconds = float(value) if value.isdigit() else DEFAULT_RETRY_AFTER_S
    return min(seconds, MAX_RETRY_AFTER_S)

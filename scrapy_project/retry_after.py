"""Sends one request at a time, at the pace the site allows, in the hours we may.

What belongs here: waiting before a request, and reading ``Retry-After``. What does not:
how fast is too fast (``pace``), what is no page (``challenge``), ``robots``.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Self

from scrapy import signals
from scrapy.exceptions import IgnoreRequest

from scrapy_project.crawl_hours import SITE_ZONE, CrawlHours
from scrapy_project.pace import Pace
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Response
    from scrapy.robotstxt import RobotParser

logger = logging.getLogger(__name__)

MAX_WAIT_S = 900.0
# A timer may fire a moment early, and the site counts from its own clock.
MARGIN_S = 0.01
# An HTTP date drops the fraction of a second, and travels.
MAX_CLOCK_DIFFERENCE_S = 2.0
# A crawl that is told to end must not first sit through a wait.
NAP_S = 0.5


class LongWaitError(SlutprisError):
    """The site asks for a longer wait than a crawl will sit through."""

    exit_code = 7


class RetryAfterMiddleware:
    """Holds every request back until it may be sent; one is under way at a time.

    It stands between Scrapy's other middlewares and its downloader, so that retries,
    redirects and robots.txt keep the pace too. Scrapy's slot would delay on its own:
    its delay, which AutoThrottle moves, is taken from it and kept here.
    """

    def __init__(self, crawler: Crawler) -> None:
        settings = crawler.settings
        self._crawler = crawler
        self._pace = Pace()
        self._hours = CrawlHours.parse(settings.get("CRAWL_HOURS") or "")
        self._delay_s = settings.getfloat("DOWNLOAD_DELAY")
        self._jitter = settings.getfloat("DOWNLOAD_DELAY_JITTER")
        self._crawl_delay_s = 0.0
        self._lock = asyncio.Lock()
        self._under_way: tuple[Request, float] | None = None
        self._long_wait: LongWaitError | None = None
        crawler.signals.connect(self.robots_parsed, signals.robots_parsed)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build it for a crawl."""
        return cls(crawler)

    def robots_parsed(self, robotparser: RobotParser) -> None:
        """Lift the delay to what robots.txt asks for.

        Scrapy reads its ``Crawl-delay``, and leaves obeying it to us.
        """
        settings = self._crawler.settings
        agent = settings["ROBOTSTXT_USER_AGENT"] or settings["USER_AGENT"]
        self._crawl_delay_s = robotparser.crawl_delay(agent) or 0.0
        if self._crawl_delay_s > MAX_WAIT_S:
            self._long_wait = LongWaitError(
                f"robots.txt asks for {self._crawl_delay_s:.0f} s between requests, "
                "which no crawl can keep; ask Booli for consent or its API"
            )
        if self._crawl_delay_s > self._delay_s:
            logger.info("robots.txt asks for a delay of %g s", self._crawl_delay_s)
        self._draw_delay()

    async def process_request(self, request: Request) -> None:
        """Hold a request back until it may be sent.

        Raises
        ------
        LongWaitError
            When the site asked for a wait that is not sat through.
        IgnoreRequest
            When the crawl ended meanwhile.
        """
        await self._lock.acquire()
        try:
            await self._wait_for_hours()
            await self._wait_for_pace()
        except BaseException:
            self._lock.release()
            raise
        self._under_way = (request, time.monotonic())

    def process_response(
        self, request: Request, response: Response
    ) -> Request | Response:
        """Let an answer pass; give a refused request back to the scheduler.

        Raises
        ------
        LongWaitError
            When the site asks for a wait that is not sat through.
        """
        sent_s, received_s = self._left(request)
        if response.status != 429:
            self._pace.accepted(sent_s, received_s)
            return response
        asked_s = retry_after_s(response, datetime.now(UTC))
        wait_s = self._pace.refused(sent_s, received_s, asked_s)
        stats = self._crawler.stats
        stats.inc_value("booli/429")
        until = datetime.now(UTC) + timedelta(seconds=wait_s)
        if wait_s > MAX_WAIT_S:
            self._long_wait = LongWaitError(
                f"the site asks us to wait until {_clock(until)}; what is landed is "
                "kept: run the same command again after that"
            )
            raise self._long_wait
        stats.inc_value("booli/wait_s", math.ceil(wait_s))
        logger.warning("the site asks us to wait %g s, until %s", wait_s, _clock(until))
        return request.replace(dont_filter=True, priority=request.priority + 1)

    def process_exception(self, request: Request, exception: Exception) -> None:
        """Note a request that got no answer; the site may have seen it."""
        if self._under_way is not None and self._under_way[0] is request:
            self._pace.unanswered(*self._left(request))

    def _left(self, request: Request) -> tuple[float, float]:
        """End the turn of a request: when it was sent, and when answered."""
        now_s = time.monotonic()
        if self._under_way is None or self._under_way[0] is not request:
            return now_s, now_s  # answered by another middleware, never sent
        sent_s = self._under_way[1]
        self._take_delay(request)
        self._under_way = None
        self._lock.release()
        return sent_s, now_s

    def _take_delay(self, request: Request) -> None:
        assert self._crawler.engine is not None
        slots = self._crawler.engine.downloader.slots
        slot = slots.get(request.meta.get("download_slot", ""))
        if slot is not None and slot.delay:
            # What AutoThrottle just set, or the setting.
            self._delay_s = slot.delay
            slot.delay = 0.0
        self._draw_delay()

    def _draw_delay(self) -> None:
        drawn_s = self._delay_s * (1 + random.uniform(-self._jitter, self._jitter))
        self._pace.delay_s = max(self._crawl_delay_s, drawn_s)

    async def _wait_for_pace(self) -> None:
        while True:
            self._stop_if_over()
            now_s = time.monotonic()
            at_s = self._pace.send_at(now_s)
            if self._pace.wait_until_s > now_s - 1:
                at_s = max(at_s, self._pace.wait_until_s + MARGIN_S)
            if at_s <= now_s:
                return
            await asyncio.sleep(min(at_s - now_s, NAP_S))

    async def _wait_for_hours(self) -> None:
        said = None
        while self._hours and (opens := self._hours.opens_at(datetime.now(UTC))):
            self._stop_if_over()
            if opens != said:
                logger.info("outside CRAWL_HOURS: waiting until %s", _clock(opens))
            said = opens
            left_s = (opens - datetime.now(UTC)).total_seconds()
            await asyncio.sleep(max(0.0, min(left_s, NAP_S)))

    def _stop_if_over(self) -> None:
        if self._long_wait is not None:
            raise self._long_wait
        engine = self._crawler.engine
        # Scrapy has no public word for "closing", and waits for what is under way.
        slot = None if engine is None else engine._slot
        if slot is None or slot.closing or (engine and not engine.running):
            raise IgnoreRequest("the crawl is ending")


def retry_after_s(response: Response, now: datetime) -> float | None:
    """Read the seconds to wait; None when the header is missing or unreadable.

    A date is taken on our clock, unless the answer's own ``Date`` shows that the two
    clocks differ: then it is taken on the site's.
    """
    text = _header(response, "Retry-After")
    if text.isascii() and text.isdigit():
        return float(text)
    until = _http_date(text)
    if until is None:
        return None
    site_now = _http_date(_header(response, "Date"))
    if site_now and abs((now - site_now).total_seconds()) > MAX_CLOCK_DIFFERENCE_S:
        now = site_now
    return max(0.0, (until - now).total_seconds())


def _header(response: Response, name: str) -> str:
    return (response.headers.get(name) or b"").decode("latin-1").strip()


def _http_date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(SITE_ZONE):%Y-%m-%d %H:%M:%S} (Swedish time)"

"""What a person sees while the crawl runs: one line every few seconds.

What does not belong here: counting (the spider does) and the statistics that land.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, Self

from rich.console import Console
from scrapy import signals
from scrapy.exceptions import NotConfigured
from scrapy.utils.asyncio import create_looping_call

from scrapy_project.progress import progress_line
from scrapy_project.spiders.booli import BooliSpider

if TYPE_CHECKING:
    from rich.status import Status
    from scrapy.crawler import Crawler

logger = logging.getLogger(__name__)


class Progress:
    """Shows windows, pages, sales, homes, the rate and the time left.

    On a terminal one line is redrawn; elsewhere a line is logged.
    """

    def __init__(self, crawler: Crawler, interval_s: float) -> None:
        self._crawler = crawler
        self._interval_s = interval_s
        self._started_s = time.monotonic()
        self._status: Status | None = None
        self._call = create_looping_call(self.show)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build it when ``PROGRESS_INTERVAL_S`` is set."""
        interval_s = crawler.settings.getfloat("PROGRESS_INTERVAL_S")
        if not interval_s or not issubclass(crawler.spidercls, BooliSpider):
            raise NotConfigured
        progress = cls(crawler, interval_s)
        crawler.signals.connect(progress.spider_opened, signals.spider_opened)
        crawler.signals.connect(progress.spider_closed, signals.spider_closed)
        return progress

    def spider_opened(self) -> None:
        """Start the clock."""
        self._started_s = time.monotonic()
        if sys.stderr.isatty():
            self._status = Console(stderr=True).status("starting")
            self._status.start()
        self._call.start(self._interval_s, now=False)

    def spider_closed(self, reason: str) -> None:
        """Show the final counts."""
        if self._call.running:
            self._call.stop()
        if self._status is not None:
            self._status.stop()
            self._status = None
        self.show()
        logger.info("crawl ended: %s", reason)

    def show(self) -> None:
        """Show where the crawl is."""
        spider = self._crawler.spider
        assert isinstance(spider, BooliSpider)
        line = progress_line(spider.progress, time.monotonic() - self._started_s)
        if self._status is not None:
            self._status.update(line)
        else:
            logger.info(line)

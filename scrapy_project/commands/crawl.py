"""``scrapy crawl`` that checks first and says by its exit code how the crawl ended.

Scrapy's own accepts any argument and exits 0 however a crawl ends. The codes:
0 finished, 1 other failure, 2 bad argument, 3 warehouse busy, 4 challenged, 5 unknown
shape or another question answered, 6 incomplete, 7 told to wait for long, 8 monitors
object, 130 interrupted.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from scrapy.commands.crawl import Command as CrawlCommand
from scrapy.spiderloader import get_spider_loader

from scrapy_project.middlewares import check_settings
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    import argparse

    from scrapy import Spider
    from scrapy.crawler import Crawler

INTERRUPTED = 130
QUIET = {
    "scrapy": logging.WARNING,
    "scrapy_poet": logging.WARNING,
    # Both log tracebacks of pages that could not be had; the spider says so in a line.
    "scrapy.downloadermiddlewares.robotstxt": logging.CRITICAL,
    "scrapy.downloadermiddlewares.retry": logging.CRITICAL,
}


class Command(CrawlCommand):
    """Run a spider; fail before it starts, or after it, with a code that says why."""

    def process_options(self, args: list[str], opts: argparse.Namespace) -> None:
        """Ask the spider whether it could run, before anything starts or logs."""
        super().process_options(args, opts)
        assert self.settings is not None
        loader = get_spider_loader(self.settings)
        if len(args) != 1 or args[0] not in loader.list():
            return
        preflight = getattr(loader.load(args[0]), "preflight", None)
        if preflight is None:
            return
        try:
            check_settings(self.settings)
            preflight(opts.spargs)
        except SlutprisError as error:
            sys.stderr.write(f"error: {error}\n")
            sys.exit(error.exit_code)

    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        """Run the crawl and set the exit code."""
        if not opts.loglevel:
            # A person follows the progress lines; Scrapy's own are for a debugger.
            for name, level in QUIET.items():
                logging.getLogger(name).setLevel(level)
        super().run(args, opts)
        self.exitcode = self.exitcode or self._ending()

    def _create_crawler(self, spidercls: type[Spider] | str) -> Crawler:
        self._crawler = super()._create_crawler(spidercls)
        return self._crawler

    def _ending(self) -> int:
        spider = self._crawler.spider
        failure = getattr(spider, "failure", None)
        if isinstance(failure, SlutprisError):
            sys.stderr.write(f"error: {failure}\n")
            return failure.exit_code
        reason = self._crawler.stats.get_value("finish_reason")
        if reason == "shutdown":
            return INTERRUPTED
        return 0 if getattr(spider, "has_finished", reason == "finished") else 1

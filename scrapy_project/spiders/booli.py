"""The spider of booli.se: windows of sold dates first, the homes' own pages after.

What belongs here: which pages to ask for and in what order. What does not: reading a
page (``pages``), landing it (``pipelines``), waits and challenges (``middlewares``).
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import uuid
from collections import Counter

# scrapy-poet evaluates the callbacks' annotations, so their names exist at run time.
from collections.abc import Iterator  # noqa: TC003
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from scrapy import Request, Spider, signals
from scrapy.exceptions import CloseSpider, DontCloseSpider, IgnoreRequest
from scrapy.http import Response  # noqa: TC002

from scrapy_project.arguments import UNSETTLED_DAYS, CrawlArguments, today
from scrapy_project.endings import IncompleteCrawlError, reason_of
from scrapy_project.items import Home, SaleCard
from scrapy_project.monitors import MonitorsError, run_monitors
from scrapy_project.open_window import OpenWindow
from scrapy_project.pages.listing import ListingPage  # noqa: TC001
from scrapy_project.pages.next_data import UnknownShapeError
from scrapy_project.pages.search import SearchPage  # noqa: TC001
from scrapy_project.pipelines import Landing, ReadSearchPage, ServedPage
from scrapy_project.progress import Progress
from scrapy_project.reading import PageReader, kept, past_the_end
from scrapy_project.saved_pages import read_saved_pages, saved_page_count
from scrapy_project.shape_guard import ShapeGuard
from scrapy_project.windows import (
    MAX_PAGES_PER_WINDOW,
    DateWindow,
    EchoMismatchError,
    SearchQuery,
    months,
)
from warehouse.crawl_store import (
    CardChanges,
    CrawlRun,
    CrawlStore,
    SearchScope,
    WarehouseWriteError,
)
from warehouse.errors import SlutprisError
from warehouse.settings import Settings
from warehouse.store import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Mapping
    from datetime import date
    from pathlib import Path

    from scrapy.crawler import Crawler
    from scrapy.settings import BaseSettings
    from twisted.python.failure import Failure

    from scrapy_project.saved_pages import SavedPage, UnreadableSource

logger = logging.getLogger(__name__)

OBJECT_TYPE = "Lägenhet"
SAVED_PAGES = "saved pages"
RECENT_DAYS = 365
MAX_FAILURES_AT_START = 3
LISTINGS_AT_ONCE = 500
PRIORITY_NEXT_PAGE, PRIORITY_FIRST_PAGE, PRIORITY_LISTING = 20, 10, 0


class BooliSpider(Spider):
    """Sold apartments of booli.se, or of the replica of it."""

    name = "booli"

    def __init__(self, **given: str) -> None:
        super().__init__()
        self.arguments = CrawlArguments.parse(given)
        self.base_url = Settings().booli_base_url.rstrip("/")
        self.query = SearchQuery(self.arguments.areas, OBJECT_TYPE)
        self.progress = Progress(reads_homes=self.arguments.details != "none")
        self.failure: SlutprisError | None = None
        self.has_finished = False
        self._landing: Landing | None = None
        self._open_windows: dict[DateWindow, OpenWindow] = {}
        self._landed_since = datetime.max
        self._months_left: list[DateWindow] = []
        self._listings_left: Iterator[str] = iter(())
        self._listings_are_counted = False
        self._given_up: set[str] = set()
        self._not_read: list[str] = []
        self._failed_pages: Counter[str] = Counter()

    @classmethod
    def preflight(cls, given: Mapping[str, str]) -> None:
        """Find out what would stop the crawl before anything is started.

        Raises
        ------
        SlutprisError
            For a bad argument, or a warehouse that cannot be opened.
        """
        CrawlArguments.parse(given)
        address = urlsplit(Settings().booli_base_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise SlutprisError(
                f"BOOLI_BASE_URL={Settings().booli_base_url} is no address; expected "
                "one such as https://www.booli.se"
            )
        connect().close()

    @classmethod
    def update_settings(cls, settings: BaseSettings) -> None:
        """Drop the politeness when the site is this machine."""
        super().update_settings(settings)
        if _is_loopback(Settings().booli_base_url):
            settings.setdict(settings.getdict("LOOPBACK_SETTINGS"), priority="spider")

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: str, **kwargs: str) -> Self:
        """Build the spider and listen for the moment when nothing is left to do."""
        spider = super().from_crawler(crawler, *args, **kwargs)
        crawler.signals.connect(spider.on_idle, signal=signals.spider_idle)
        return spider

    # Start

    async def start(self) -> AsyncIterator[Any]:
        """Open the warehouse, then ask for windows; homes follow when they are read."""
        with self._stopping():
            self._landing = Landing(CrawlStore(self._run()))
        self.reader = PageReader(self.landing, ShapeGuard(), self._count)
        if self.arguments.pages is not None:
            async for item in self._read_saved_pages(self.arguments.pages):
                yield item
            return
        mode = self.arguments.mode
        self._landed_since = self.landing.store.unfinished_since(mode)
        # Newest first: they are asked for most, and their homes' pages say most.
        newest_first = reversed([*months(*self.arguments.sold_dates)])
        self._months_left = [*newest_first]
        for month in self._months_left:
            for request in self._window_requests(month):
                yield request

    @property
    def landing(self) -> Landing:
        """The open warehouse."""
        assert self._landing is not None, "start() opens it"
        return self._landing

    @property
    def scope(self) -> SearchScope:
        """The ledger's name for this crawl's query."""
        return SearchScope(
            site=self._site,
            area_ids=self.query.area_ids,
            object_type=self.query.object_type,
            search_prefix=self.query.prefix,
        )

    @property
    def _site(self) -> str:
        if self.arguments.pages is not None:
            return SAVED_PAGES
        return urlsplit(self.base_url).hostname or self.base_url

    def _run(self) -> CrawlRun:
        asked = self.arguments.model_dump(mode="json", by_alias=True)
        return CrawlRun(uuid.uuid4().hex, self.name, self._site, asked)

    # Windows

    def _window_requests(self, window: DateWindow) -> Iterator[Request]:
        status = self.landing.store.window_status(
            self.scope,
            window.from_date,
            window.to_date,
            landed_since=self._landed_since,
            again=self.arguments.mode == "daily" or self.arguments.again,
        )
        halves = window.halves()
        if status in ("complete", "open"):
            self._count("windows_already_complete")
        elif status == "split" and halves:
            for half in halves:
                yield from self._window_requests(half)
        else:
            self.progress.windows += 1
            self._open_windows[window] = OpenWindow(window)
            yield self._search_request(window, 1)

    def _search_request(self, window: DateWindow, number: int) -> Request:
        return self._request(
            self.query.url(window, number),
            callback=self.parse_search,
            cb_kwargs={"window": window, "number": number},
            priority=PRIORITY_FIRST_PAGE if number == 1 else PRIORITY_NEXT_PAGE,
            # A window is asked for again after a split or in the next run only.
            dont_filter=True,
        )

    def _request(self, url: str, **options: Any) -> Request:  # noqa: ANN401
        meta = {"is_page": True, "handle_httpstatus_list": [404]}
        return Request(
            f"{self.base_url}{url}", errback=self.on_failure, meta=meta, **options
        )

    def parse_search(
        self, response: Response, page: SearchPage, window: DateWindow, number: int
    ) -> Iterator[Any]:
        """Verify a search page, keep it, and land its window once it is whole."""
        opened = self._open_windows.get(window)
        if opened is None or (number > 1 and not opened.attempt):
            # Left in JOBDIR by a crawl that was cut off: start() asks for it anew.
            self._count("stale_pages")
            return
        with self._stopping(response):
            read = self._read_search(response, page, window, number)
            if number == 1:
                if page.page_count > MAX_PAGES_PER_WINDOW and window.halves():
                    yield from self._split(opened, page)
                    return
                opened.begin(page.page_count, page.total_count)
                for following in range(2, opened.page_count + 1):
                    yield self._search_request(window, following)
            is_page = response.status == 200
            opened.add(number, read, page.total_count if is_page else None)
            if opened.is_whole:
                yield from self._land_or_read_again(opened)

    def _read_search(
        self, response: Response, page: SearchPage, window: DateWindow, number: int
    ) -> ReadSearchPage:
        url = self.query.url(window, number)
        if response.status == 404:
            return past_the_end(url, number)
        read = self.reader.search(
            page, ServedPage(url=url, kind="search", payload=kept(page, response.body))
        )
        try:
            self.query.verify(page.echo, window, number)
        except EchoMismatchError:
            self._count("echo_mismatch")
            raise
        self.progress.search_pages += 1
        return read

    def _split(self, opened: OpenWindow, page: SearchPage) -> Iterator[Request]:
        window = opened.window
        del self._open_windows[window]
        opened.begin(page.page_count, page.total_count)
        self.landing.land_window(self.scope, opened.ledger_line("split"))
        self.progress.windows -= 1
        for half in window.halves() or ():
            yield from self._window_requests(half)

    def _land_or_read_again(self, opened: OpenWindow) -> Iterator[SaleCard | Request]:
        if opened.is_worth_another_try:
            self._count("windows_read_again")
            yield self._search_request(opened.window, 1)
            return
        del self._open_windows[opened.window]
        if not opened.is_reconciled:
            self._count("windows_not_reconciled")
            logger.warning(
                "window %s: the pages do not add up to the %d sales the site says; "
                "it landed and will be read again next time",
                opened.window,
                opened.total_count,
            )
        is_settled = opened.window.to_date < today() - timedelta(days=UNSETTLED_DAYS)
        line = opened.ledger_line(
            "complete" if is_settled and opened.is_reconciled else "open"
        )
        pages = [*opened.all_pages()]
        changes = self.landing.land_window(self.scope, line, pages)
        self.progress.windows_done += 1
        self._count_changes(changes)
        for page in pages:
            self.progress.cards += len(page.cards)
            yield from page.cards

    # Homes

    def _next_listings(self) -> list[Request]:
        """Ask for some of the homes to read, newest sales first.

        The warehouse is asked month by month, so that a crawl of all years holds the
        paths of one month only.
        """
        if not self._listings_are_counted:
            self._count_listings()
        paths = [*islice(self._listings_left, LISTINGS_AT_ONCE)]
        while not paths and self._months_left and self.progress.reads_homes:
            self.landing.flush()
            self._listings_left = iter(self._listings_of(self._months_left.pop(0)))
            paths = [*islice(self._listings_left, LISTINGS_AT_ONCE)]
        return [self._listing_request(path) for path in paths]

    def _count_listings(self) -> None:
        self._listings_are_counted = True
        if self._months_left and self.progress.reads_homes:
            first, last = self.arguments.sold_dates
            self.progress.listings = self.landing.store.count_listings_to_read(
                self.scope, self._first_detailed(first), last
            )

    def _first_detailed(self, first: date) -> date:
        if self.arguments.details == "recent":
            return max(first, today() - timedelta(days=RECENT_DAYS))
        return first

    def _listings_of(self, month: DateWindow) -> list[str]:
        first = self._first_detailed(month.from_date)
        found = self.landing.store.listings_to_read(self.scope, first, month.to_date)
        return [path for path in found if path not in self._given_up]

    def _listing_request(self, path: str) -> Request:
        return self._request(
            path,
            callback=self.parse_listing,
            cb_kwargs={"path": path},
            priority=PRIORITY_LISTING,
            # The ledger decides; a filter of every url would grow with the crawl.
            dont_filter=True,
        )

    def parse_listing(
        self, response: Response, page: ListingPage, path: str
    ) -> Iterator[Home]:
        """Land a home, under the path its card gave: a redirect changes no identity."""
        with self._stopping(response):
            self.progress.listings_done += 1
            if response.status == 404:
                gone = ServedPage(url=path, kind="listing", http_status=404)
                self.landing.add_home(gone, None)
                self._count("listings_gone")
                return
            payload = kept(page, response.body)
            served = ServedPage(url=path, kind="listing", payload=payload)
            home = self.reader.home(page, served)
            if home is None:
                self._given_up.add(path)
                return
            self.progress.homes += 1
            yield home

    # Saved pages

    async def _read_saved_pages(self, folder: Path) -> AsyncIterator[SaleCard | Home]:
        """Read what a person saved; what cannot be read is named at the end."""
        self.progress.files = saved_page_count(folder)
        seen: set[str] = set()
        for source in read_saved_pages(folder):
            seen.add(source.source.partition("#")[0])
            self.progress.files_done = len(seen)
            try:
                items = self._read_saved(source)
            except UnknownShapeError as error:
                logger.warning("%s: %s", source.source, error)
                self._not_read.append(f"{source.source} ({error})")
                continue
            except WarehouseWriteError:
                with self._stopping():
                    raise
            for item in items:
                yield item
            # The progress line needs its turn; nothing else here ever waits.
            await asyncio.sleep(0)

    def _read_saved(self, source: SavedPage | UnreadableSource) -> list[Any]:
        read = self.reader.saved(source)
        if isinstance(read, Home):
            self.progress.listings_done += 1
            self.progress.homes += 1
            return [read]
        self._count_changes(self.landing.land_search_page(read))
        self.progress.search_pages += 1
        self.progress.cards += len(read.cards)
        return read.cards

    # The end

    @contextmanager
    def _stopping(self, source: Response | None = None) -> Generator[None]:
        """End the crawl on an error a person must see; anything else rises."""
        try:
            yield
        except SlutprisError as error:
            self.failure = error
            if isinstance(error, UnknownShapeError) and source is not None:
                self.failure = type(error)(f"{source.url}: {error}")
            raise CloseSpider(reason_of(error)) from error

    def on_failure(self, failure: Failure) -> None:
        """Stop on a challenge; remember any other page that could not be had."""
        if isinstance(failure.value, SlutprisError):
            with self._stopping():
                raise failure.value
        if isinstance(failure.value, IgnoreRequest):
            # Held back because the crawl is ending; the ledger has it.
            return
        self._failed_pages[type(failure.value).__name__] += 1
        # Scrapy hangs the request on the failure it hands over.
        request: Request = failure.request  # ty: ignore[missing-attribute]
        self._given_up.add(request.cb_kwargs.get("path", ""))
        self._count("failed_pages")
        logger.warning("a page could not be had: %s", failure.value)
        if not self.progress.pages and self._failed_pages.total() >= (
            MAX_FAILURES_AT_START
        ):
            with self._stopping():
                raise IncompleteCrawlError(
                    f"{self.base_url} cannot be reached ({failure.value}); "
                    "check the network and BOOLI_BASE_URL"
                )

    def on_idle(self) -> None:
        """Ask for more homes; with none left, say whether the crawl is whole."""
        if self.failure or self._landing is None:
            return
        with self._stopping():
            requests = self._next_listings()
            for request in requests:
                self.crawler.engine.crawl(request)
            if requests:
                raise DontCloseSpider
            self.reader.guard.verdict()
            self._check_is_whole()

    def _check_is_whole(self) -> None:
        """Name a crawl that lost pages incomplete, so that it is run again."""
        broken = self.crawler.stats.get_value("spider_exceptions/count", 0)
        failed = self._failed_pages.total()
        if self._not_read:
            shown = "; ".join(self._not_read[:3])
            raise UnknownShapeError(
                f"{len(self._not_read)} saved pages could not be read: {shown}; "
                "they are kept in raw.quarantine, all others have landed"
            )
        if failed or broken or self._open_windows:
            kinds = ", ".join(sorted(self._failed_pages)) or "see the log"
            raise IncompleteCrawlError(
                f"{failed} pages could not be had ({kinds}), {broken} errors while "
                f"reading, {len(self._open_windows)} windows unfinished; run the same "
                "command again"
            )

    def closed(self, reason: str) -> None:
        """Land the homes that wait, and write how the crawl ended."""
        if self._landing is None:
            return
        self._count("windows", self.progress.windows_done)
        self._count("pages", self.progress.pages)
        self._count("cards", self.progress.cards)
        self._count("homes", self.progress.homes)
        try:
            self._landing.flush()
            reason = self._judged(reason)
            self._landing.store.close(reason, self.crawler.stats.get_stats())
        except WarehouseWriteError as error:
            self.failure = self.failure or error
        self.has_finished = reason == "finished"

    def _judged(self, reason: str) -> str:
        """Let the monitors look at the statistics before they land."""
        # Bulk crawls read years apart, which know different fields.
        is_daily = self.arguments.mode == "daily"
        previous = self.landing.store.previous_statistics("daily") if is_daily else []
        objections = run_monitors(self.crawler, reason, previous)
        if reason != "finished" or not objections:
            return reason
        self.failure = MonitorsError(objections)
        return reason_of(self.failure)

    def _count_changes(self, changes: CardChanges) -> None:
        self._count("cards_landed", changes.new + changes.changed)
        for kind, number in asdict(changes).items():
            name = kind if "_" in kind else f"cards_{kind}"
            self._count(name, number)

    def _count(self, name: str, count: int = 1) -> None:
        self.crawler.stats.inc_value(f"booli/{name}", count)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

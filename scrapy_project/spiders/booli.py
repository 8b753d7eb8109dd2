"""The spider of booli.se: windows of sold dates first, the homes' own pages after.

What belongs here: which pages to ask for and in what order. What does not: reading a
page (``pages``), landing it (``pipelines``), waits and challenges (``middlewares``).
"""

from __future__ import annotations

import ipaddress
import logging
import uuid
from collections import Counter

# scrapy-poet evaluates the callbacks' annotations, so their names exist at run time.
from collections.abc import Iterator  # noqa: TC003
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode, urlsplit

import attrs
from scrapy import Request, Spider, signals
from scrapy.exceptions import CloseSpider
from scrapy.http import Response  # noqa: TC002
from web_poet import HttpResponse

from scrapy_project.arguments import CrawlArguments, today
from scrapy_project.items import Home, SaleCard  # noqa: TC001
from scrapy_project.middlewares import ChallengedError
from scrapy_project.pages.listing import ListingPage
from scrapy_project.pages.next_data import UnknownShapeError
from scrapy_project.pages.search import SearchPage
from scrapy_project.pipelines import (
    LandedWindow,
    Landing,
    ReadSearchPage,
    ServedPage,
)
from scrapy_project.windows import (
    MAX_PAGES_PER_WINDOW,
    DateWindow,
    EchoMismatchError,
    SearchQuery,
    months,
)
from warehouse.crawl_store import (
    CrawlRun,
    CrawlStore,
    SearchScope,
    WarehouseWriteError,
)
from warehouse.errors import SlutprisError, WarehouseBusyError
from warehouse.settings import Settings
from warehouse.store import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Mapping
    from datetime import date
    from pathlib import Path

    from scrapy.crawler import Crawler
    from scrapy.settings import BaseSettings
    from twisted.python.failure import Failure

logger = logging.getLogger(__name__)

OBJECT_TYPE = "Lägenhet"
SAVED_PAGES = "saved pages"
RECENT_DAYS = 365
# Sales are reported late, and bids become final prices, for weeks.
UNSETTLED_DAYS = 45
MAX_FAILURES_AT_START = 3
PRIORITY_NEXT_PAGE, PRIORITY_FIRST_PAGE, PRIORITY_LISTING = 20, 10, 0


class IncompleteCrawlError(SlutprisError):
    """Some pages could not be had; what landed is whole, the rest is still to do."""

    exit_code = 6


REASONS: dict[type[SlutprisError], str] = {
    WarehouseBusyError: "warehouse_busy",
    WarehouseWriteError: "warehouse_failed",
    ChallengedError: "challenged",
    EchoMismatchError: "echo_mismatch",
    UnknownShapeError: "unknown_shape",
    IncompleteCrawlError: "incomplete",
}


@attrs.define
class Progress:
    """How far the crawl is; the progress extension shows it."""

    windows: int = 0
    windows_done: int = 0
    search_pages: int = 0
    cards: int = 0
    listings: int = 0
    listings_done: int = 0
    homes: int = 0


@attrs.define
class OpenWindow:
    """A window whose pages are arriving; nothing of it is in the warehouse yet."""

    window: DateWindow
    page_count: int
    total_count: int
    pages: dict[int, ReadSearchPage] = attrs.field(factory=dict)
    has_moved: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether every page has arrived."""
        return len(self.pages) == self.page_count

    @property
    def is_reconciled(self) -> bool:
        """Whether the distinct sales on its pages are as many as the site said."""
        ids = {card.booli_id for page in self.pages.values() for card in page.cards}
        bad = sum(len(page.unreadable) for page in self.pages.values())
        return not self.has_moved and len(ids) + bad == self.total_count


class BooliSpider(Spider):
    """Sold apartments of booli.se, or of the replica of it."""

    name = "booli"

    def __init__(self, **given: str) -> None:
        super().__init__()
        self.arguments = CrawlArguments.parse(given)
        self.base_url = Settings().booli_base_url.rstrip("/")
        self.query = SearchQuery(self.arguments.areas, OBJECT_TYPE)
        self.progress = Progress()
        self.failure: SlutprisError | None = None
        self.has_finished = False
        self._landing: Landing | None = None
        self._open_windows: dict[DateWindow, OpenWindow] = {}
        self._listings_seen: set[str] = set()
        self._unknown_listings = 0
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
        """Open the warehouse, then ask for windows, then for homes still missing."""
        with self._stopping():
            self._landing = Landing(CrawlStore(self._run()))
        if self.arguments.pages is not None:
            for path in sorted(self.arguments.pages.glob("*.html")):
                for item in self._read_saved(path):
                    yield item
            return
        # Newest first: they are asked for most, and their homes' pages say most.
        for month in reversed([*months(*self._dates)]):
            for request in self._window_requests(month):
                yield request
        for path in self._missing_listings(*self._dates):
            # One by one as the site answers: a hundred thousand at once would keep
            # the first from being sent for a minute.
            if self.crawler.engine.needs_backout():
                await self.crawler.signals.wait_for(signals.scheduler_empty)
            yield self._listing_request(path)

    @property
    def _dates(self) -> tuple[date, date]:
        return self.arguments.from_date, self.arguments.to_date

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
            self.scope, window.from_date, window.to_date
        )
        halves = window.halves()
        if status == "complete":
            self._count("windows_already_complete")
        elif status == "split" and halves:
            for half in halves:
                yield from self._window_requests(half)
        else:
            self.progress.windows += 1
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
        with self._stopping(response, page):
            if number == 1 and response.status == 200:
                self.query.verify(page.echo, window, number)
                if page.page_count > MAX_PAGES_PER_WINDOW and window.halves():
                    yield from self._split(window, page)
                    return
                yield from self._open_window(window, page)
            self._keep(response, page, window, number)
            if self._open_windows[window].is_whole:
                yield from self._land(self._open_windows.pop(window))

    def _split(self, window: DateWindow, page: SearchPage) -> Iterator[Request]:
        self.landing.land_window(self.scope, _ledger_line(window, "split", page))
        self.progress.windows -= 1
        for half in window.halves() or ():
            yield from self._window_requests(half)

    def _open_window(self, window: DateWindow, page: SearchPage) -> Iterator[Request]:
        page_count = max(1, page.page_count)
        self._open_windows[window] = OpenWindow(window, page_count, page.total_count)
        for number in range(2, page_count + 1):
            yield self._search_request(window, number)

    def _keep(
        self, response: Response, page: SearchPage, window: DateWindow, number: int
    ) -> None:
        if response.status == 404:
            read = self._past_the_end(window, number)
        else:
            self.query.verify(page.echo, window, number)
            read = ReadSearchPage(
                page=ServedPage(
                    url=self.query.url(window, number),
                    kind="search",
                    payload=page.payload,
                ),
                cards=page.cards,
                unreadable=page.unreadable,
            )
            self._count_oddities(page)
        opened = self._open_windows[window]
        opened.pages[number] = read
        moved = response.status == 404 or page.total_count != opened.total_count
        opened.has_moved = opened.has_moved or moved
        self.progress.search_pages += 1

    def _past_the_end(self, window: DateWindow, number: int) -> ReadSearchPage:
        if number == 1:
            raise UnknownShapeError(
                f"{self.query.url(window, 1)} answered 404; expected a search page"
            )
        url = self.query.url(window, number)
        gone = ServedPage(url=url, kind="search", http_status=404)
        return ReadSearchPage(page=gone, cards=[], unreadable=[])

    def _land(self, opened: OpenWindow) -> Iterator[SaleCard | Request]:
        window = opened.window
        is_settled = window.to_date < today() - timedelta(days=UNSETTLED_DAYS)
        if not opened.is_reconciled:
            self._count("windows_not_reconciled")
            logger.warning(
                "window %s: the pages do not add up to the %d sales the site says; "
                "it landed and will be read again next time",
                window,
                opened.total_count,
            )
        pages = [opened.pages[number] for number in sorted(opened.pages)]
        line = LandedWindow(
            from_date=window.from_date,
            to_date=window.to_date,
            status="complete" if is_settled and opened.is_reconciled else "open",
            page_count=opened.page_count,
            total_count=opened.total_count,
        )
        new_count = self.landing.land_window(self.scope, line, pages)
        self._count("cards_landed", new_count)
        self.progress.windows_done += 1
        for page in pages:
            self.progress.cards += len(page.cards)
            self._count("cards_quarantined", len(page.unreadable))
            yield from page.cards
        missing = self._missing_listings(window.from_date, window.to_date)
        yield from map(self._listing_request, missing)

    # Homes

    def _missing_listings(self, from_date: date, to_date: date) -> list[str]:
        if self.arguments.details == "none":
            return []
        if self.arguments.details == "recent":
            from_date = max(from_date, today() - timedelta(days=RECENT_DAYS))
        missing = self.landing.store.missing_listings(self.scope, from_date, to_date)
        paths = [path for path in missing if path not in self._listings_seen]
        self._listings_seen.update(paths)
        self.progress.listings += len(paths)
        return paths

    def _listing_request(self, path: str) -> Request:
        return self._request(
            path,
            callback=self.parse_listing,
            cb_kwargs={"path": path},
            priority=PRIORITY_LISTING,
        )

    def parse_listing(
        self, response: Response, page: ListingPage, path: str
    ) -> Iterator[Home]:
        """Land a home, under the path its card gave: a redirect changes no identity."""
        with self._stopping(response, page):
            self.progress.listings_done += 1
            if response.status == 404:
                gone = ServedPage(url=path, kind="listing", http_status=404)
                self.landing.add_home(gone, None)
                self._count("listings_gone")
                return
            served = ServedPage(url=path, kind="listing", payload=page.payload)
            home = self._home_or_quarantine(served, page)
            if home is not None:
                home = attrs.evolve(home, url=path)
                self.landing.add_home(served, home)
                yield home

    def _home_or_quarantine(self, served: ServedPage, page: ListingPage) -> Home | None:
        try:
            home = page.home
        except UnknownShapeError as error:
            # One odd home must not stop every crawl at the same place, but a changed
            # site must: more than one in a hundred is no longer odd.
            self._unknown_listings += 1
            if self._unknown_listings > 1 + self.progress.listings_done // 100:
                raise
            self._count("listings_quarantined")
            self.landing.quarantine_page(served, str(error))
            return None
        self.progress.homes += 1
        self._count(f"root_type/{home.detail_typename}")
        self._count_oddities(page)
        return home

    # Saved pages

    def _read_saved(self, path: Path) -> Iterator[SaleCard | Home]:
        response = HttpResponse(url=path.resolve().as_uri(), body=path.read_bytes())
        search, listing = SearchPage(response), ListingPage(response)
        with self._stopping(path, search):
            if search.data.root_queries("searchSold"):
                yield from self._land_saved_search(search)
            else:
                served = ServedPage(
                    url=listing.home.url, kind="listing", payload=listing.payload
                )
                self.progress.homes += 1
                self.landing.add_home(served, listing.home)
                self._count_oddities(listing)
                yield listing.home

    def _land_saved_search(self, page: SearchPage) -> Iterator[SaleCard]:
        asked = dict(page.data.envelope.get("query") or {})
        asked.pop("searchType", None)
        url = f"/sok/slutpriser?{urlencode(asked, safe=',')}"
        served = ServedPage(url=url, kind="search", payload=page.payload)
        read = ReadSearchPage(page=served, cards=page.cards, unreadable=page.unreadable)
        self._count("cards_landed", self.landing.land_search_page(read))
        self._count("cards_quarantined", len(read.unreadable))
        self._count_oddities(page)
        self.progress.search_pages += 1
        self.progress.cards += len(read.cards)
        yield from read.cards

    # The end

    @contextmanager
    def _stopping(
        self,
        source: Response | Path | None = None,
        page: SearchPage | ListingPage | None = None,
    ) -> Generator[None]:
        """End the crawl on an error a person must see; anything else rises."""
        try:
            yield
        except SlutprisError as error:
            where = getattr(source, "url", source)
            self.failure = error
            if isinstance(error, UnknownShapeError) and where is not None:
                self._quarantine_whole(str(where), page, error)
                self.failure = type(error)(f"{where}: {error}")
            raise CloseSpider(_reason(error)) from error

    def _quarantine_whole(
        self, url: str, page: SearchPage | ListingPage | None, error: UnknownShapeError
    ) -> None:
        try:
            payload = page.payload if page is not None else b""
        except UnknownShapeError:
            payload = b""
        served = ServedPage(url=url, kind="search", payload=payload)
        self.landing.quarantine_page(served, str(error))

    def on_failure(self, failure: Failure) -> None:
        """Stop on a challenge; remember any other page that could not be had."""
        if isinstance(failure.value, SlutprisError):
            with self._stopping():
                raise failure.value
        self._failed_pages[type(failure.value).__name__] += 1
        self._count("failed_pages")
        logger.warning("a page could not be had: %s", failure.value)
        nothing_yet = not (self.progress.search_pages or self.progress.listings_done)
        if nothing_yet and self._failed_pages.total() >= MAX_FAILURES_AT_START:
            with self._stopping():
                raise IncompleteCrawlError(
                    f"{self.base_url} cannot be reached ({failure.value}); "
                    "check the network and BOOLI_BASE_URL"
                )

    def on_idle(self) -> None:
        """Name a crawl that lost pages incomplete, so that it is run again."""
        broken = self.crawler.stats.get_value("spider_exceptions/count", 0)
        failed = self._failed_pages.total()
        if not (failed or broken or self._open_windows) or self.failure:
            return
        kinds = ", ".join(sorted(self._failed_pages)) or "see the log"
        self.failure = IncompleteCrawlError(
            f"{failed} pages could not be had ({kinds}), {broken} errors while reading,"
            f" {len(self._open_windows)} windows unfinished; run the same command again"
        )
        raise CloseSpider("incomplete")

    def closed(self, reason: str) -> None:
        """Land the homes that wait, and write how the crawl ended."""
        if self._landing is None:
            return
        self._landing.flush()
        self._count("windows", self.progress.windows_done)
        self._count("pages", self.progress.search_pages + self.progress.listings_done)
        self._count("cards", self.progress.cards)
        self._count("homes", self.progress.homes)
        self._landing.store.close(reason, self.crawler.stats.get_stats())
        self.has_finished = reason == "finished"

    def _count_oddities(self, page: SearchPage | ListingPage) -> None:
        for name, count in page.data.oddities.items():
            self._count(name, count)

    def _count(self, name: str, count: int = 1) -> None:
        self.crawler.stats.inc_value(f"booli/{name}", count)


def _ledger_line(window: DateWindow, status: str, page: SearchPage) -> LandedWindow:
    return LandedWindow(
        from_date=window.from_date,
        to_date=window.to_date,
        status=status,
        page_count=page.page_count,
        total_count=page.total_count,
    )


def _reason(error: SlutprisError) -> str:
    known = (reason for kind, reason in REASONS.items() if isinstance(error, kind))
    return next(known, "failed")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

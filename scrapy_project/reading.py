"""From a page to what lands: items, the page itself, and everything odd about it.

Used for pages as they are served and for pages a person saved. What does not belong
here: requests and windows (the spider), SQL (``warehouse.crawl_store``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import attrs
from web_poet import HttpResponse

from scrapy_project.pages.listing import ListingPage
from scrapy_project.pages.next_data import UnknownShapeError
from scrapy_project.pages.search import SearchPage
from scrapy_project.pipelines import ReadSearchPage, ServedPage
from scrapy_project.saved_pages import SavedPage, UnreadableSource

if TYPE_CHECKING:
    from typing import Protocol

    from scrapy_project.items import Home
    from scrapy_project.pipelines import Landing
    from scrapy_project.shape_guard import ShapeGuard

    class Count(Protocol):
        """Adds to the crawl's statistics."""

        def __call__(self, name: str, count: int = 1) -> None:
            """Add so many to the statistic of that name."""


@attrs.frozen
class PageReader:
    """Reads pages, counts what is odd about them, and quarantines what is no page.

    Parameters
    ----------
    landing
        The open warehouse.
    guard
        Ends the crawl when too many pages are not understood.
    count
        Adds to the crawl's statistics.
    """

    landing: Landing
    guard: ShapeGuard
    count: Count

    def search(self, page: SearchPage, served: ServedPage) -> ReadSearchPage:
        """Read a search page; landing it is the caller's, with its window.

        Raises
        ------
        UnknownShapeError
            When the page is not understood at all, or is one odd page too many; it is
            in quarantine then.
        """
        try:
            read = self._read_search(page, served)
            self.guard.saw("search", served.url, page.oddities)
        except UnknownShapeError as error:
            self._quarantine(served, error)
            raise
        return read

    def _read_search(self, page: SearchPage, served: ServedPage) -> ReadSearchPage:
        read = ReadSearchPage(page=served, cards=page.cards, unreadable=page.unreadable)
        self.count("cards_quarantined", len(read.unreadable))
        self._count_odd(page, served.kind)
        return read

    def home(self, page: ListingPage, served: ServedPage) -> Home | None:
        """Read a listing page and land it; None when it went to quarantine.

        Raises
        ------
        UnknownShapeError
            When one page too many is not understood: one odd home must not stop every
            crawl at the same place, but a changed site must.
        """
        try:
            home = attrs.evolve(page.home, url=served.url)
        except UnknownShapeError as error:
            self._quarantine(served, error)
            self.guard.unreadable("listing", served.url, str(error))
            return None
        self._land_home(page, home, served)
        self.guard.saw("listing", served.url, page.oddities)
        return home

    def saved(self, source: SavedPage | UnreadableSource) -> Home | ReadSearchPage:
        """Read a page a person saved; a home lands, a search page is the caller's.

        Raises
        ------
        UnknownShapeError
            When it is not understood; it is in quarantine then.
        """
        served = ServedPage(url=source.source, kind="listing", payload=source.body)
        try:
            if isinstance(source, UnreadableSource):
                raise UnknownShapeError(source.reason)
            served = attrs.evolve(served, fetched_at=source.saved_at)
            return self._read_saved(source, served)
        except UnknownShapeError as error:
            self._quarantine(served, error)
            raise

    def _read_saved(
        self, source: SavedPage, served: ServedPage
    ) -> Home | ReadSearchPage:
        response = HttpResponse(url=source.url or "file:///", body=source.body)
        search, listing = SearchPage(response), ListingPage(response)
        if search.data.root_queries("searchSold"):
            url = search_path(search)
            served = attrs.evolve(
                served, url=url, kind="search", payload=search.payload
            )
            return self._read_search(search, served)
        url = listing.home.url or urlsplit(source.url).path
        home = attrs.evolve(listing.home, url=url)
        self._land_home(
            listing, home, attrs.evolve(served, url=url, payload=listing.payload)
        )
        return home

    def _land_home(self, page: ListingPage, home: Home, served: ServedPage) -> None:
        self.landing.add_home(served, home)
        self.count(f"root_type/{home.detail_typename}")
        self._count_odd(page, served.kind)

    def _quarantine(self, served: ServedPage, error: UnknownShapeError) -> None:
        """Keep a page that was not understood, with the reason."""
        kind = "listings" if served.kind == "listing" else "searches"
        self.count(f"{kind}_quarantined")
        self.landing.quarantine_page(served, str(error))

    def _count_odd(self, page: SearchPage | ListingPage, kind: str) -> None:
        for name, number in (page.oddities + page.suspicions).items():
            self.count(name, number)
        if page.oddities:
            self.count(f"odd_pages/{kind}")


def kept(page: SearchPage | ListingPage, body: bytes) -> bytes:
    """Choose what to keep of a page: its payload, or all of it if it has none."""
    try:
        return page.payload
    except UnknownShapeError:
        return body


def past_the_end(url: str, number: int) -> ReadSearchPage:
    """Stand for a search page that answered 404, as one past the last does.

    Raises
    ------
    UnknownShapeError
        When it is the first page, which every search has.
    """
    if number == 1:
        raise UnknownShapeError(f"{url} answered 404; expected a search page")
    gone = ServedPage(url=url, kind="search", http_status=404)
    return ReadSearchPage(page=gone, cards=[], unreadable=[])


def search_path(page: SearchPage) -> str:
    """Write path and query of a saved search page, as the page tells them."""
    asked = dict(page.data.query)
    asked.pop("searchType", None)
    return f"/sok/slutpriser?{urlencode(asked, safe=',', doseq=True)}"

"""A window of sold dates whose pages are arriving; nothing of it has landed yet.

What does not belong here: requests, and how a window lands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from scrapy_project.pipelines import LandedWindow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy_project.pipelines import ReadSearchPage
    from scrapy_project.windows import DateWindow

MAX_ATTEMPTS = 3
"""How often a window that moves while it is paged is read in one crawl."""


@attrs.define
class OpenWindow:
    """The pages of one window, and whether they add up."""

    window: DateWindow
    page_count: int = 0
    total_count: int = 0
    attempt: int = 0
    pages: dict[int, ReadSearchPage] = attrs.field(factory=dict)
    earlier: list[ReadSearchPage] = attrs.field(factory=list)
    """Pages of earlier attempts: a sale on any of them was on the site."""
    has_moved: bool = False

    _ids_before: frozenset[int] | None = None

    def begin(self, page_count: int, total_count: int) -> None:
        """Start reading it, or start anew and keep what was read before."""
        self._ids_before = self._ids if self.attempt else None
        self.earlier += self.pages.values()
        self.pages = {}
        self.has_moved = False
        self.attempt += 1
        self.page_count, self.total_count = max(1, page_count), total_count

    def add(self, number: int, page: ReadSearchPage, total_count: int | None) -> None:
        """Add a page; another total than the first page's tells that sales moved."""
        self.pages[number] = page
        self.has_moved |= total_count != self.total_count

    @property
    def is_whole(self) -> bool:
        """Whether every page has arrived."""
        return len(self.pages) == self.page_count

    @property
    def is_reconciled(self) -> bool:
        """Whether the distinct sales on its pages are as many as the site said."""
        bad = sum(len(page.unreadable) for page in self.pages.values())
        return not self.has_moved and len(self._ids) + bad == self.total_count

    @property
    def _ids(self) -> frozenset[int]:
        return frozenset(c.booli_id for page in self.pages.values() for c in page.cards)

    @property
    def is_worth_another_try(self) -> bool:
        """Whether it moved while it was read, and may hold still next time.

        One that shows the same sales twice and still does not add up will not.
        """
        is_new = self._ids != self._ids_before
        return not self.is_reconciled and is_new and self.attempt < MAX_ATTEMPTS

    def all_pages(self) -> Iterator[ReadSearchPage]:
        """Give every page that was read, in order."""
        yield from self.earlier
        yield from (self.pages[number] for number in sorted(self.pages))

    def ledger_line(self, status: str) -> LandedWindow:
        """Write the window as the ledger will hold it."""
        return LandedWindow(
            from_date=self.window.from_date,
            to_date=self.window.to_date,
            status=status,
            page_count=self.page_count,
            total_count=self.total_count,
        )

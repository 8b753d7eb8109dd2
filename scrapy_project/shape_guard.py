"""Ends a crawl when the site is no longer built as we know it.

Pages tell what they did not understand; this counts how many pages of a kind were odd
and raises when they are too many. What does not belong here: what is odd about a page
(``pages``), and keeping it (``pipelines``).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import attrs

from scrapy_project.pages.next_data import UnknownShapeError

if TYPE_CHECKING:
    from collections.abc import Mapping

SHARE_OF_ODD_PAGES = 0.01
"""Real pages hold a rare text now and then; a changed site shows on most pages."""

_SHOWN_NAMES = 6


@attrs.define
class _Tally:
    pages: int = 0
    odd_pages: int = 0
    names: Counter[str] = attrs.field(factory=Counter)
    last_odd_url: str = ""

    def told(self, kind: str) -> str:
        names = self.names.most_common(_SHOWN_NAMES)
        shown = ", ".join(f"{name} ({count})" for name, count in names)
        more = len(self.names) - len(names)
        return (
            f"{self.odd_pages} of {self.pages} {kind} pages were not understood: "
            f"{shown}{f' and {more} more' if more else ''}; the last: "
            f"{self.last_odd_url}; the site may have changed shape, and the odd pages "
            "are kept: compare one with the page objects before the next crawl"
        )


class ShapeGuard:
    """Counts the pages of one run, by kind, and the odd ones among them.

    A page is odd when it holds anything the page objects do not know. The first page
    of a run may not be odd at all; after it one odd page of a kind is borne, or one in
    a hundred.
    """

    def __init__(self) -> None:
        self._tallies: dict[str, _Tally] = {}

    def saw(self, kind: str, url: str, oddities: Mapping[str, int]) -> None:
        """Count a page that was read.

        Raises
        ------
        UnknownShapeError
            When the very first page of the run is odd, or too many of the kind are.
        """
        is_first = not self._tallies
        tally = self._tallies.setdefault(kind, _Tally())
        tally.pages += 1
        if not any(oddities.values()):
            return
        tally.odd_pages += 1
        tally.names.update(oddities)
        tally.last_odd_url = url
        borne = max(1.0, SHARE_OF_ODD_PAGES * tally.pages)
        if is_first or tally.odd_pages > borne:
            raise UnknownShapeError(tally.told(kind))

    def unreadable(self, kind: str, url: str, reason: str) -> None:
        """Count a page that could not be read at all; it is odd.

        Raises
        ------
        UnknownShapeError
            As for :meth:`saw`.
        """
        self.saw(kind, url, {f"unreadable page ({reason})": 1})

    def verdict(self) -> None:
        """Judge the whole run at its end.

        Raises
        ------
        UnknownShapeError
            When more than one page in a hundred of a kind was odd.
        """
        for kind, tally in self._tallies.items():
            if tally.odd_pages > SHARE_OF_ODD_PAGES * tally.pages:
                raise UnknownShapeError(tally.told(kind))

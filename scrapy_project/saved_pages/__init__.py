"""Pages a person saved from an ordinary browser, as HTML, HAR, WARC or WACZ.

What belongs here: which files of a folder hold pages of sold homes, and a reason a
person can act on for each that was meant to and does not. What does not: what a page
says (``scrapy_project.pages``), and whether it is a search or a home (the spider).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from scrapy_project.saved_pages.addresses import site_hosts
from scrapy_project.saved_pages.folder import sources_in
from scrapy_project.saved_pages.readers import read_source
from scrapy_project.saved_pages.sources import SavedPage, UnreadableSource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "SavedPage",
    "UnreadableSource",
    "has_saved_pages",
    "read_saved_pages",
    "saved_page_count",
]


def read_saved_pages(folder: Path) -> Iterator[SavedPage | UnreadableSource]:
    """Read all saved pages below a folder, in the order of paths, then of archives.

    The same body under the same address comes once, however often it was saved.
    """
    hosts = site_hosts()
    seen: set[bytes] = set()
    for path, fault in sources_in(folder):
        name = path.name if path == folder else path.relative_to(folder).as_posix()
        if fault:
            yield UnreadableSource(name, fault)
            continue
        for read in read_source(path, name, hosts):
            if isinstance(read, UnreadableSource) or _is_new(read, seen):
                yield read


def _is_new(page: SavedPage, seen: set[bytes]) -> bool:
    digest = hashlib.sha256(page.url.encode() + b"\n" + page.body).digest()
    is_new = digest not in seen
    seen.add(digest)
    return is_new


def saved_page_count(folder: Path) -> int:
    """Count the files that may hold pages, without opening them; an archive is one."""
    return sum(not fault for _, fault in sources_in(folder))


def has_saved_pages(folder: Path) -> bool:
    """Tell whether any file below the folder may hold a page."""
    return any(not fault for _, fault in sources_in(folder))

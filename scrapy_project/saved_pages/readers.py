"""One file of any kind: opened, read by what its name says, never an exception."""

from __future__ import annotations

import stat
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from pathlib import Path

from scrapy_project.saved_pages.archive import Answer, pages_in
from scrapy_project.saved_pages.folder import HAR, WACZ, WARC, WITHOUT_DATA, unopened
from scrapy_project.saved_pages.har import answers_in_har
from scrapy_project.saved_pages.html_files import read_html
from scrapy_project.saved_pages.sources import (
    SavedPage,
    UnreadableSource,
    utc_of_timestamp,
)
from scrapy_project.saved_pages.warc import answers_in_wacz, answers_in_warc

Read = Iterator[SavedPage | UnreadableSource]
Archive = Callable[[Path, Collection[str], datetime], Iterator[Answer | None]]

_ARCHIVES: dict[tuple[str, ...], Archive] = {
    HAR: answers_in_har,
    WARC: answers_in_warc,
    WACZ: answers_in_wacz,
}


def read_source(path: Path, name: str, hosts: Collection[str]) -> Read:
    """Read one file's pages; what cannot be read is told, and never raised."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return
        saved_at = utc_of_timestamp(status.st_mtime)
        if status.st_size == 0:
            yield UnreadableSource(name, "the file is empty; save it again")
        else:
            yield from _read(path, name, hosts, saved_at)
    except OSError as error:
        yield UnreadableSource(name, unopened(error))


def _read(path: Path, name: str, hosts: Collection[str], saved_at: datetime) -> Read:
    lower = path.name.lower()
    for suffixes, answers_in in _ARCHIVES.items():
        if lower.endswith(suffixes):
            yield from pages_in(name, answers_in(path, hosts, saved_at))
            return
    if lower.endswith(WITHOUT_DATA):
        yield UnreadableSource(
            name,
            "it is a single-file page, which lacks the script with the data; save the "
            "page as 'Webpage, HTML Only' or 'Complete'",
        )
        return
    yield read_html(path.read_bytes(), name, hosts, saved_at)

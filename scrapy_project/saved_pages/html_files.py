"""One page in one HTML file, as a browser's "Save page as" writes it."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from scrapy import Selector

from scrapy_project.saved_pages.addresses import is_sold_page, page_url, split
from scrapy_project.saved_pages.payload import (
    SAVE_AGAIN,
    as_utf8,
    fault_of,
    is_of_another_page,
)
from scrapy_project.saved_pages.sources import SavedPage, UnreadableSource

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

# Chrome writes it above <html>, for view-source pages with that scheme before it.
_SAVED_FROM = re.compile(
    rb"<!-- saved from url=\(\d+\)(?:view-source:)?(https?://\S+) -->"
)
_LINK = re.compile(rb"<link\b[^>]*>", re.IGNORECASE)
_CANONICAL = re.compile(rb"""\brel=["']?canonical\b""", re.IGNORECASE)
_HREF = re.compile(rb"""\bhref=["']([^"']+)["']""", re.IGNORECASE)
_SCRIPT = re.compile(rb"<script\b[^>]*__NEXT_DATA__")
# How Chrome and Firefox show the source of a page, when that is what was saved.
_SOURCE_LINES = '//td[@class="line-content"] | //body[@id="viewsource"]/pre'


def read_html(
    raw: bytes, source: str, hosts: Collection[str], saved_at: datetime
) -> SavedPage | UnreadableSource:
    """Read the page of one file."""
    outer = as_utf8(raw)
    body = _shown_source(outer)
    saved_from = page_url(_saved_from(outer))
    url = saved_from or page_url(_canonical(body))
    reason = (
        _fault_of_host(url, hosts)
        or fault_of(body)
        or _fault_of_path(url, hosts)
        or _fault_of_age(saved_from, body)
    )
    if reason:
        return UnreadableSource(source, reason, body)
    return SavedPage(source, url, body, saved_at)


def _saved_from(body: bytes) -> str:
    comment = _SAVED_FROM.search(body, 0, 4096)
    return comment[1].decode(errors="replace") if comment else ""


def _canonical(body: bytes) -> str:
    for link in _LINK.finditer(body):
        href = _HREF.search(link[0])
        if href and _CANONICAL.search(link[0]):
            return html.unescape(href[1].decode(errors="replace"))
    return ""


def _shown_source(body: bytes) -> bytes:
    shows_source = b"line-content" in body or b"viewsource" in body
    if not shows_source or _SCRIPT.search(body):
        return body
    lines = Selector(text=body.decode(errors="replace")).xpath(_SOURCE_LINES)
    text = "\n".join(line.xpath("string(.)").get("") for line in lines)
    return text.encode() or body


def _fault_of_host(url: str, hosts: Collection[str]) -> str:
    host = split(url).hostname
    if not host or host in hosts:
        return ""
    return f"it is a page of {host}; expected one of booli.se; take it away"


def _fault_of_path(url: str, hosts: Collection[str]) -> str:
    if not url or is_sold_page(url, hosts):
        return ""
    return (
        f"it is the page {split(url).path or '/'}; expected a search of sold homes "
        "(/sok/slutpriser) or a home (/bostad, /annons); take it away"
    )


def _fault_of_age(saved_from: str, body: bytes) -> str:
    if not is_of_another_page(saved_from, body):
        return ""
    return (
        "it shows one page but holds the data of the one opened before it, as after a "
        f"click inside the site; {SAVE_AGAIN}"
    )

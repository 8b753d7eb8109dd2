"""Addresses: which are of pages of sold homes, and which page an address means."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qs, urlsplit

from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Collection

BOOLI_HOSTS = ("booli.se", "www.booli.se")

_HOME_PATH = re.compile(r"/(?:bostad|annons|lagfart)/(?P<id>-?\d+)/?")
_SEARCH_PATH = re.compile(r"/(?:sok/)?slutpriser(?:/.*)?")
# What the site's own pages fetch instead of HTML when a person clicks from one to the
# next: /_next/data/<release>/sv/bostad/691097.json?id=691097
_DATA_PATH = re.compile(r"/_next/data/[^/]+(?:/[a-z]{2}(?=/))?(?P<page>/.+)\.json")
_NOT_ASKED_OF_A_PAGE = re.compile(r"__cf_chl|(?:searchType|id)(?:=|$)")


def site_hosts() -> frozenset[str]:
    """Name the hosts whose pages are read: Booli's, and the configured site's."""
    configured = split(Settings().booli_base_url).hostname
    return frozenset(filter(None, (*BOOLI_HOSTS, configured)))


def split(url: str) -> SplitResult:
    """Split an address; one that cannot be is as good as none."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def is_sold_page(url: str, hosts: Collection[str]) -> bool:
    """Tell whether the address is of a search of sold homes, or of a home."""
    parts = split(url)
    return parts.hostname in hosts and bool(
        _HOME_PATH.fullmatch(page_path(parts.path))
        or _SEARCH_PATH.fullmatch(page_path(parts.path))
    )


def is_data(url: str) -> bool:
    """Tell whether the address is of a page's data alone, as JSON."""
    return _DATA_PATH.fullmatch(split(url).path) is not None


def page_path(path: str) -> str:
    """Name the page's own path for the path of its data."""
    data = _DATA_PATH.fullmatch(path)
    return data["page"] if data else path


def page_url(url: str) -> str:
    """Write the address of the page itself.

    Without fragment, without what a challenge appended, and for the address of a page's
    data that of the page.
    """
    parts = split(url)
    asked = [
        pair for pair in parts.query.split("&") if not _NOT_ASKED_OF_A_PAGE.match(pair)
    ]
    path = page_path(parts.path)
    return parts._replace(path=path, query="&".join(asked), fragment="").geturl()


def asked_by(url: str) -> dict[str, str]:
    """List what an address asks for, as Next.js names it: ``id``, or the search's."""
    parts = split(url)
    home = _HOME_PATH.fullmatch(page_path(parts.path))
    if home:
        return {"id": home["id"]}
    return {key: ",".join(values) for key, values in parse_qs(parts.query).items()}

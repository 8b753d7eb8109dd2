"""A release nobody captured: what was reported of September 2026, filled in freely.

Reported: ``searchSoldV2(...)`` with ``items(...)`` of ``ListableProperty``, an
``originId`` "sold:<origin>:<id>", a null ``listingId``, prices as strings, and listing
pages of Next's App Router. All else is invented. It exists so that a crawl's refusal of
a shape it does not know can be rehearsed; nothing should ever be taught to read it.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import orjson

from scrapy_project.replica.text import kronor

if TYPE_CHECKING:
    from scrapy_project.replica.market import Sale
    from scrapy_project.replica.search import Query
    from scrapy_project.replica.values import Entity


def key(sale: Sale) -> str:
    """Give the card's key in the Apollo cache."""
    return f"ListableProperty:{_origin_id(sale)}"


def card(sale: Sale) -> Entity:
    """Write a sold home of a search page."""
    return {
        "__typename": "ListableProperty",
        "originId": _origin_id(sale),
        "listingId": None,
        "price": kronor(sale.sold_price_sek),
        "address": sale.street_address,
        "soldAt": sale.sold_date.isoformat(),
        "href": sale.url,
    }


def search_result(query: Query, shown: list[Sale], pages: int, total: int) -> Entity:
    """Write the member of ``ROOT_QUERY`` that holds the result."""
    return {
        f"searchSoldV2({query.arguments()})": {
            "__typename": "SearchSoldV2Result",
            "pageInfo": {"pages": pages, "totalCount": total},
            'items({"limit":35})': [{"__ref": key(sale)} for sale in shown],
        }
    }


def listing_html(sale: Sale) -> bytes:
    """Write a listing page as the App Router streams one."""
    told = orjson.dumps(["$", "main", None, {"property": card(sale)}]).decode()
    pushed = orjson.dumps([1, f"5:{told}\n"]).replace(b"</", b"<\\/")
    head = (
        '<!DOCTYPE html><html lang="sv"><head><meta charset="utf-8">'
        f"<title>{escape(sale.street_address or '')} – Booli</title></head><body>"
        "<script>self.__next_f.push("
    )
    return head.encode() + pushed + b")</script></body></html>"


def _origin_id(sale: Sale) -> str:
    return f"sold:booli:{sale.booli_id}"

"""The sample payloads as pages, to be changed and read: helpers of the page tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from web_poet import HttpResponse

from scrapy_project.pages.listing import ListingPage
from scrapy_project.pages.search import SearchPage

SAMPLES = Path(__file__).parent / "samples"
SALE = "SoldProperty:9000004"
SEVERAL_SALES = "listing_page_several_sales"
OLD_SALE = "listing_page_sale_older_than_12_months"


def page_html(payload: Any) -> bytes:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    script = f'<script id="__NEXT_DATA__" type="application/json">{text}</script>'
    return f"<html><body>{script}</body></html>".encode()


def sample(name: str) -> dict[str, Any]:
    path = SAMPLES / f"{name}.next_data.json"
    return json.loads(path.read_text(encoding="utf-8"))


def cache_of(payload: dict[str, Any]) -> dict[str, Any]:
    return payload["props"]["pageProps"]["__APOLLO_STATE__"]


def enveloped(cache: dict[str, Any]) -> bytes:
    return page_html({"props": {"pageProps": {"__APOLLO_STATE__": cache}}})


def search_page(body: bytes) -> SearchPage:
    return SearchPage(HttpResponse("https://www.booli.se/sok/slutpriser", body))


def listing_page(body: bytes) -> ListingPage:
    return ListingPage(HttpResponse("https://www.booli.se/bostad/1", body))


def sample_search() -> SearchPage:
    return search_page(page_html(sample("search_page")))


def sample_listing(name: str) -> ListingPage:
    return listing_page(page_html(sample(name)))


def search_with(**changes: Any) -> SearchPage:
    """The sample search page, its first card changed."""
    payload = sample("search_page")
    cache_of(payload)[SALE].update(changes)
    return search_page(page_html(payload))


def search_without(*names: str, **changes: Any) -> SearchPage:
    """The sample search page, its first card without these fields, and changed."""
    payload = sample("search_page")
    card = cache_of(payload)[SALE]
    for key in [key for key in card if key.partition("(")[0] in names]:
        del card[key]
    card.update(changes)
    return search_page(page_html(payload))


def card_of(page: SearchPage, booli_id: int = 9000004) -> Any:
    (card,) = [card for card in page.cards if card.booli_id == booli_id]
    return card


def listing_with(**changes: Any) -> ListingPage:
    """The sample listing page of a recent sale, its root changed."""
    payload = sample(SEVERAL_SALES)
    cache_of(payload)[SALE].update(changes)
    return listing_page(page_html(payload))


def old_listing_with(**changes: Any) -> ListingPage:
    """The sample listing page of an old sale, its root changed."""
    payload = sample(OLD_SALE)
    cache_of(payload)["ResidenceWithSoldProperty:800009"].update(changes)
    return listing_page(page_html(payload))


def info_point(key: str, markdown: str) -> dict[str, Any]:
    points = [{"key": key, "displayText": {"markdown": markdown}}]
    return {"key": "propertyInfo", "content": {"infoPoints": points}}

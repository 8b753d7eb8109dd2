"""Recognises an answer that is no page: a bot challenge, or a page cut short.

What does not belong here: any way around a challenge. None is wanted.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Self

from scrapy.downloadermiddlewares.retry import get_retry_request
from scrapy.exceptions import ResponseDataLossError

from scrapy_project.pages.next_data import (
    MissingPayloadError,
    UnknownShapeError,
    payload_of,
)
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Response

WHAT_TO_DO = (
    "do not run it again at once. Ask Booli (api@booli.se) for consent or for its API, "
    "or save the pages from an ordinary browser and run: scrapy crawl booli -a "
    "pages=DIR"
)
SOFT_BLOCKS = ("no_next_data", "no_apollo_state", "search_error")
# Before every other request: what follows depends on its answer.
PRIORITY_SECOND_TRY = 1000
_HEADERS = {
    "cf-mitigated": "a Cloudflare challenge",
    "x-amzn-waf-action": "an AWS WAF challenge",
}
_TEXTS = {
    b"_cf_chl_opt": "a Cloudflare challenge",
    b"<title>Just a moment...</title>": "a Cloudflare challenge",
    "<title>Vänta…</title>".encode(): "a Cloudflare challenge",
    b"awsWafCookieDomainList": "an AWS WAF challenge",
}
_BEGINNING_BYTES = 20_000
_SEARCH_ERROR = re.compile(
    rb'"initialSearchError"\s*:\s*(?!\s|""|null|false|\{\}|\[\])(.{1,60})'
)


class ChallengedError(SlutprisError):
    """The site answered with a bot challenge instead of a page."""

    exit_code = 4


class ChallengeMiddleware:
    """Turns a challenge into an error that ends the crawl; sends nothing after it.

    Pages are requests marked ``is_page``; of other answers only robots.txt is looked
    at. A page without data is asked for once more, a page cut short as often as a
    failed download.
    """

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._challenged: ChallengedError | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build it for a crawl."""
        return cls(crawler)

    def process_request(self, request: Request) -> None:
        """Send nothing after a challenge.

        Raises
        ------
        ChallengedError
            The one that ended the crawl.
        """
        if self._challenged is not None:
            raise self._challenged

    def process_response(
        self, request: Request, response: Response
    ) -> Request | Response:
        """Let a page pass; ask again where it was cut short, or once without data.

        Raises
        ------
        ChallengedError
            When the answer is a challenge.
        ResponseDataLossError
            When the page was cut short too often.
        """
        kind = _kind(request, response)
        if kind is None:
            return response
        if kind == "truncated":
            return self._again(request, response)
        is_soft = kind in SOFT_BLOCKS and not marker_of(response)
        if is_soft and not request.meta.get("is_second_try"):
            self._crawler.stats.inc_value("booli/asked_again")
            meta = request.meta | {"is_second_try": True}
            return request.replace(
                meta=meta, dont_filter=True, priority=PRIORITY_SECOND_TRY
            )
        self._crawler.stats.inc_value(f"booli/challenge/{kind}")
        self._challenged = ChallengedError(
            f"{response.url} answered {_described(response, kind)}; {WHAT_TO_DO}"
        )
        raise self._challenged

    def _again(self, request: Request, response: Response) -> Request:
        spider = self._crawler.spider
        assert spider is not None
        again = get_retry_request(request, spider=spider, reason="truncated page")
        if again is None:
            raise ResponseDataLossError(f"{response.url} arrived cut short")
        return again


def marker_of(response: Response) -> str | None:
    """Name the bot wall whose mark the answer bears; None when it bears none."""
    for header, name in _HEADERS.items():
        if (response.headers.get(header) or b"").lower() in (b"challenge", b"captcha"):
            return name
    beginning = response.body[:_BEGINNING_BYTES]
    found = (name for text, name in _TEXTS.items() if text in beginning)
    return next(found, None)


def _kind(request: Request, response: Response) -> str | None:
    """Name what is wrong with an answer; None when it is what was asked for."""
    is_page = request.meta.get("is_page")
    if not is_page and not is_robots(request):
        return None
    if response.status in (202, 403):
        return str(response.status)
    if response.status != 404 and response.status != 200 and marker_of(response):
        return str(response.status)
    if response.status != 200:
        return None
    return _kind_of_page(response) if is_page else _kind_of_robots(response)


def is_robots(request: Request) -> bool:
    """Whether this is Scrapy's own request for robots.txt."""
    return request.url.endswith("/robots.txt") and not request.meta.get("is_page")


def _kind_of_robots(response: Response) -> str | None:
    beginning = response.body.lstrip()[:15].lower()
    is_html = beginning.startswith((b"<!doctype html", b"<html", b"<head", b"<script"))
    return "robots_html" if is_html else None


def _kind_of_page(response: Response) -> str | None:
    content_type = (response.headers.get("Content-Type") or b"").lower()
    if b"json" in content_type or "/_next/data/" in response.url:
        return _kind_of_payload(response.body.strip())
    try:
        return _kind_of_payload(payload_of(response.body))
    except MissingPayloadError:
        has_marker = b"__NEXT_DATA__" in response.body
        return "truncated" if has_marker else "no_next_data"
    except UnknownShapeError:
        # A page of another kind is no refusal: the page object will name it.
        return None


def _kind_of_payload(payload: bytes) -> str | None:
    if not _is_whole(payload):
        return "truncated"
    if _SEARCH_ERROR.search(payload):
        return "search_error"
    return None if b'"__APOLLO_STATE__"' in payload else "no_apollo_state"


def _is_whole(payload: bytes) -> bool:
    # Reading every page twice would cost more than all else here: count first.
    if payload.endswith(b"}") and payload.count(b"{") == payload.count(b"}"):
        return True
    try:
        json.loads(payload)
    except (ValueError, RecursionError):
        return False
    return True


def _described(response: Response, kind: str) -> str:
    what = {
        "no_next_data": "200 without the page's data, twice (a soft block)",
        "no_apollo_state": "200 with an empty page, twice (a soft block)",
        "robots_html": "200 with a web page in place of robots.txt",
    }.get(kind, str(response.status))
    found = _SEARCH_ERROR.search(response.body) if kind == "search_error" else None
    if found:
        text = found[1].decode("utf-8", "replace").split('",')[0].strip('"')
        what = f"200 with the error {text!r} instead of sales, twice (a soft block)"
    marker = marker_of(response)
    return f"{what}: {marker}" if marker else f"{what}: the site does not let us in"

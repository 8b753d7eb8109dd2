"""The replica's web site: addresses, and how a page is wrapped and sent.

What a page holds is built in ``page_data``, whether it is refused is decided in
``limits``, and what is set from outside is read in ``control``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import (
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import Route

from scrapy_project.replica import unknown_shape
from scrapy_project.replica.compression import MINIMUM_SIZE, BrotliMiddleware
from scrapy_project.replica.control import Control, truth_lines
from scrapy_project.replica.drift import Drift, DriftMiddleware
from scrapy_project.replica.graphql import GraphqlError, answer
from scrapy_project.replica.limits import Limits, LimitsMiddleware
from scrapy_project.replica.page_data import PageData
from scrapy_project.replica.requests_log import RequestLog, RequestLogMiddleware
from scrapy_project.replica.shapes import DEFAULT_SHAPE, Shape

if TYPE_CHECKING:
    from starlette.requests import Request

    from scrapy_project.replica.market import Market

__all__ = ["replica_app", "truth_lines"]

_ROBOTS = """User-agent: *
Disallow: /auth/
Disallow: /save/
Disallow: /user/
Disallow: /mail/
"""
_GZIP_LEVEL = 1
"""The fastest: a crawl on the same machine waits for it."""
_DATA = "/_next/data/{build_id}/sv"
_LISTING_PATH = re.compile(r"/(bostad|annons|lagfart)/(-?\d+)(?:\.json)?$")


def replica_app(
    market: Market,
    shape: Shape = DEFAULT_SHAPE,
    crawl_delay_s: float | None = None,
) -> Starlette:
    """Build the site over a market."""
    site = _Site(PageData(market, shape), crawl_delay_s)
    return Starlette(
        routes=[*site.routes(), *Control(site).routes()],
        middleware=[
            Middleware(RequestLogMiddleware, log=site.log),
            Middleware(LimitsMiddleware, limits=site.limits),
            Middleware(DriftMiddleware, drift=site.drift),
            Middleware(BrotliMiddleware),
            Middleware(
                GZipMiddleware,
                minimum_size=MINIMUM_SIZE,
                compresslevel=_GZIP_LEVEL,
            ),
        ],
        exception_handlers={404: site.answer_not_found},
    )


@dataclass
class _Site:
    pages: PageData
    crawl_delay_s: float | None
    is_graphql_closed: bool = False
    limits: Limits = field(default_factory=Limits)
    log: RequestLog = field(default_factory=RequestLog)

    def __post_init__(self) -> None:
        self.drift = Drift(self.pages.market)

    def routes(self) -> list[Route]:
        return [
            Route("/robots.txt", self.robots),
            Route("/sok/slutpriser", self.search_page),
            Route("/slutpriser", self.search_page),
            Route("/slutpriser/{slug}/{area_id:int}", self.redirect_to_search),
            Route("/bostad/{number:int}", self.listing_page),
            Route("/annons/{number:int}", self.listing_page),
            Route("/lagfart/-{number:int}", self.listing_page),
            Route("/bostadsrattsforening/{number:int}", self.brf_page),
            Route(f"{_DATA}/sok/slutpriser.json", self.search_data),
            Route(f"{_DATA}/bostad/{{number:int}}.json", self.listing_data),
            Route(f"{_DATA}/annons/{{number:int}}.json", self.listing_data),
            Route(f"{_DATA}/lagfart/-{{number:int}}.json", self.listing_data),
            Route("/graphql", self.graphql, methods=["POST"]),
        ]

    async def robots(self, request: Request) -> Response:
        delay_s = self.crawl_delay_s
        line = "" if delay_s is None else f"Crawl-delay: {delay_s:g}\n"
        return PlainTextResponse(_ROBOTS + line)

    async def search_page(self, request: Request) -> Response:
        parameters = request.query_params.multi_items()
        props = self.pages.search(parameters)
        if props is None:
            return self._not_found()
        query = {**_joined(parameters), "searchType": "slutpriser"}
        title = "Slutpriser för lägenheter – Booli"
        return self._page(title, "/sok/[searchType]", query, props)

    async def redirect_to_search(self, request: Request) -> Response:
        area_id = request.path_params["area_id"]
        query = urlencode([("areaIds", area_id), *request.query_params.multi_items()])
        return RedirectResponse(f"/sok/slutpriser?{query}", status_code=307)

    async def listing_page(self, request: Request) -> Response:
        kind, number = _listing(request.url.path)
        found = self.pages.home(kind, number)
        if found is None:
            return self._not_found()
        newest, state = found
        if not self.pages.shape.is_known:
            return HTMLResponse(unknown_shape.listing_html(newest))
        return self._page(
            f"{newest.street_address} – Booli",
            "/bostad/[id]",
            {"id": str(number)},
            {"__APOLLO_STATE__": state},
        )

    async def brf_page(self, request: Request) -> Response:
        number = request.path_params["number"]
        found = self.pages.brf(number)
        if found is None:
            return self._not_found()
        name, state = found
        return self._page(
            f"{name} – Booli",
            "/bostadsrattsforening/[id]",
            {"id": str(number)},
            {"__APOLLO_STATE__": state},
        )

    async def search_data(self, request: Request) -> Response:
        return self._data(
            request, self.pages.search(request.query_params.multi_items())
        )

    async def listing_data(self, request: Request) -> Response:
        found = self.pages.home(*_listing(request.url.path))
        return self._data(request, found and {"__APOLLO_STATE__": found[1]})

    def _data(self, request: Request, props: dict[str, Any] | None) -> Response:
        """Serve a page's properties alone, to who knows the build they belong to."""
        shape = self.pages.shape
        # The App Router has none of these addresses.
        if request.path_params["build_id"] != shape.build_id or not shape.is_known:
            return self._not_found()
        if props is None:
            return _json({"notFound": True}, 404)
        return _json({"pageProps": props, "__N_SSP": True})

    async def graphql(self, request: Request) -> Response:
        if self.is_graphql_closed:
            return Response("Forbidden", 403)
        try:
            asked = orjson.loads(await request.body())
        except orjson.JSONDecodeError:
            return _json({"errors": [{"message": "POST body is no JSON"}]}, 400)
        if not isinstance(asked, dict) or "__schema" in str(asked.get("query")):
            return _json({"errors": [{"message": "Internal Server Error"}]}, 500)
        try:
            return _json({"data": answer(self.pages, asked)})
        except GraphqlError as error:
            return _json({"errors": [{"message": str(error)}]})

    async def answer_not_found(self, _request: Request, _error: Exception) -> Response:
        return self._not_found()

    def _not_found(self) -> Response:
        return self._page("Sidan hittades inte – Booli", "/404", {}, {}, 404)

    def _page(
        self,
        title: str,
        page: str,
        query: dict[str, Any],
        props: dict[str, Any],
        status_code: int = 200,
    ) -> Response:
        data = {
            "props": {"pageProps": props, "__N_SSP": True},
            "page": page,
            "query": query,
            "buildId": self.pages.shape.build_id,
            "runtimeConfig": {},
            "isFallback": False,
            "isExperimentalCompile": False,
            "gssp": True,
            "locale": "sv",
            "locales": ["sv"],
            "defaultLocale": "sv",
            "scriptLoader": [],
        }
        return HTMLResponse(_html(title, data), status_code)


def _listing(path: str) -> tuple[str, int]:
    """Read the kind and the number off a listing page's path."""
    match = _LISTING_PATH.search(path)
    if match is None:
        raise ValueError(f"{path} is no listing page; the routes let it through")
    return match[1], int(match[2])


def _joined(parameters: list[tuple[str, str]]) -> dict[str, str | list[str]]:
    """Parameters as the site's framework hands them on: a repeated one is a list."""
    values: dict[str, list[str]] = {}
    for key, value in parameters:
        values.setdefault(key, []).append(value)
    return {key: v[0] if len(v) == 1 else v for key, v in values.items()}


def _json(value: object, status_code: int = 200) -> Response:
    return Response(orjson.dumps(value), status_code, media_type="application/json")


def _html(title: str, data: dict[str, Any]) -> bytes:
    # "</" would end the script element early.
    payload = orjson.dumps(data).replace(b"</", b"<\\/")
    head = (
        '<!DOCTYPE html><html lang="sv"><head><meta charset="utf-8">'
        f'<title>{escape(title)}</title></head><body><div id="__next"></div>'
        '<script id="__NEXT_DATA__" type="application/json">'
    )
    return head.encode() + payload + b"</script></body></html>"

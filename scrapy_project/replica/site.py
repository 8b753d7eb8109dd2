"""The replica's web site: routes, pages and the log of what was asked.

Pages are put together here from the entities of ``payloads``; what a sale looks like,
and which sales answer a search, is decided there and in ``search``.
"""

from __future__ import annotations

import time
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

from scrapy_project.replica import payloads
from scrapy_project.replica.areas import COUNTRY
from scrapy_project.replica.noise import SearchNoise, search_noise
from scrapy_project.replica.search import PAGE_SIZE, Query, SoldSearch, understood

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from scrapy_project.replica.market import Ad, Market, Sale

BUILD_ID = "REPLICAbuild000000001"
SHAPES = ("2026-06",)

_ROBOTS = """User-agent: *
Disallow: /auth/
Disallow: /save/
Disallow: /user/
Disallow: /mail/
"""
_GZIP_LEVEL = 1
"""The fastest: a crawl on the same machine waits for it."""


def replica_app(market: Market) -> Starlette:
    """Build the site over a market."""
    site = _Site(market, SoldSearch(market), search_noise())
    routes = [
        Route("/robots.txt", site.robots),
        Route("/sok/slutpriser", site.search_page),
        Route("/slutpriser", site.search_page),
        Route("/slutpriser/{slug}/{area_id:int}", site.redirect_to_search),
        Route("/bostad/{number:int}", site.residence_page),
        Route("/annons/{number:int}", site.sale_page),
        Route("/bostadsrattsforening/{number:int}", site.brf_page),
        Route("/__replica__/truth.jsonl", site.truth),
        Route("/__replica__/log", site.request_log),
    ]
    middleware = [
        Middleware(_RequestLog, requests=site.requests),
        Middleware(GZipMiddleware, minimum_size=500, compresslevel=_GZIP_LEVEL),
    ]
    return Starlette(
        routes=routes,
        middleware=middleware,
        exception_handlers={404: _answer_not_found},
    )


class _RequestLog:
    """Notes every request but those about the replica itself."""

    def __init__(self, app: ASGIApp, requests: list[dict[str, Any]]) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith("/__replica__/"):
            headers = dict(scope["headers"])
            self._requests.append(
                {
                    "time": time.time(),
                    "path": scope["path"],
                    "query": scope["query_string"].decode(),
                    "user_agent": headers.get(b"user-agent", b"").decode("latin-1"),
                }
            )
        await self._app(scope, receive, send)


@dataclass
class _Site:
    market: Market
    search: SoldSearch
    noise: SearchNoise
    requests: list[dict[str, Any]] = field(default_factory=list)

    async def robots(self, request: Request) -> Response:
        return PlainTextResponse(_ROBOTS)

    async def search_page(self, request: Request) -> Response:
        parameters = request.query_params.multi_items()
        query = understood(parameters)
        results = self.search.results(query)
        pages = -(-len(results) // PAGE_SIZE)
        if query.page > max(1, pages):
            return _not_found()
        first = (query.page - 1) * PAGE_SIZE
        shown = list(results[first : first + PAGE_SIZE])
        state = self._search_state(query, shown, pages, len(results))
        data = _next_data(
            "/sok/[searchType]",
            {**_joined(parameters), "searchType": "slutpriser"},
            {
                "initialState": query.initial_state(),
                "initialSearchError": "",
                "__APOLLO_STATE__": state,
            },
        )
        return _page("Slutpriser för lägenheter – Booli", data)

    def _search_state(
        self, query: Query, shown: list[Sale], pages: int, total: int
    ) -> dict[str, Any]:
        asked = {**self.market.areas, COUNTRY.area_id: COUNTRY}
        areas = [asked[int(i)] for i in query.area_ids if int(i) in asked]
        refs = [{"__ref": f"Area_V3:{area.area_id}"} for area in areas]
        ids = orjson.dumps(query.area_ids).decode()
        return {
            **self.noise.entities,
            **{f"SoldProperty:{sale.booli_id}": payloads.card(sale) for sale in shown},
            **payloads.amenity_entities(shown),
            **{f"Area_V3:{a.area_id}": payloads.area_entity(a) for a in areas},
            "ROOT_QUERY": {
                "__typename": "Query",
                **self.noise.root_members,
                query.echo_key(): {
                    "__typename": "SearchSoldResult",
                    "pages": pages,
                    "totalCount": total,
                    "adTargetingProperties": [],
                    "result": [
                        {"__ref": f"SoldProperty:{sale.booli_id}"} for sale in shown
                    ],
                    "meta": None,
                },
                f'areasById({{"areaIds":{ids},"resolveGracefully":true}})': refs,
            },
        }

    async def redirect_to_search(self, request: Request) -> Response:
        area_id = request.path_params["area_id"]
        query = urlencode([("areaIds", area_id), *request.query_params.multi_items()])
        return RedirectResponse(f"/sok/slutpriser?{query}", status_code=307)

    async def residence_page(self, request: Request) -> Response:
        number = request.path_params["number"]
        history = self.market.by_residence_id.get(number)
        ad = self.market.ads.get(number)
        if history is None:
            return _not_found()
        field_name = f'propertyByResidenceId({{"residenceId":{number}}})'
        return self._listing_page(number, field_name, list(history), ad)

    async def sale_page(self, request: Request) -> Response:
        """Serve a sale whose home has no page of its own; others are only there."""
        number = request.path_params["number"]
        sale = self.market.by_booli_id.get(number)
        if sale is None or sale.residence_id is not None:
            return _not_found()
        field_name = f'propertyByListingId({{"listingId":{number}}})'
        return self._listing_page(number, field_name, [sale], None)

    def _listing_page(
        self, number: int, field_name: str, history: list[Sale], ad: Ad | None
    ) -> Response:
        newest = history[0] if ad is None else ad.sale
        state = _home_entities(newest)
        root = self._root(history, ad)
        root_key = f"{root['__typename']}:{root['id']}"
        state[root_key] = root
        if ad is None:
            for sale in history:
                stub = {"__typename": "SoldProperty", "id": str(sale.booli_id)}
                state.setdefault(
                    f"SoldProperty:{sale.booli_id}",
                    {**stub, "booliId": str(sale.booli_id)},
                )
        state["ROOT_QUERY"] = {"__typename": "Query", field_name: {"__ref": root_key}}
        data = _next_data(
            "/bostad/[id]", {"id": str(number)}, {"__APOLLO_STATE__": state}
        )
        return _page(f"{newest.street_address} – Booli", data)

    def _root(self, history: list[Sale], ad: Ad | None) -> dict[str, Any]:
        if ad is not None:
            return payloads.ad_root(ad)
        age = self.market.today - history[0].sold_date
        if age.days <= payloads.DAYS_AS_SOLD_PROPERTY:
            return payloads.sold_root(history[0], history)
        return payloads.residence_root(history[0], history)

    async def brf_page(self, request: Request) -> Response:
        number = request.path_params["number"]
        sales = self.market.sales_of_brf.get(number)
        if sales is None or sales[0].brf is None:
            return _not_found()
        key = f"HousingCoop:{number}"
        state = {
            key: payloads.brf_entity(sales[0].brf, sales),
            "ROOT_QUERY": {
                "__typename": "Query",
                f'housingCoop({{"id":"{number}"}})': {"__ref": key},
            },
        }
        data = _next_data(
            "/bostadsrattsforening/[id]",
            {"id": str(number)},
            {"__APOLLO_STATE__": state},
        )
        return _page(f"{sales[0].brf.name} – Booli", data)

    async def truth(self, request: Request) -> Response:
        lines = b"".join(truth_lines(self.market))
        return Response(lines, media_type="application/x-ndjson")

    async def request_log(self, request: Request) -> Response:
        return Response(orjson.dumps(self.requests), media_type="application/json")


def truth_lines(market: Market) -> Iterator[bytes]:
    """One JSON line per sale: what is shown, and what was true before the dirt."""
    for sale in market.sales:
        yield orjson.dumps(sale.record(), option=orjson.OPT_APPEND_NEWLINE)


def _home_entities(sale: Sale) -> dict[str, Any]:
    state: dict[str, Any] = {
        f"Area_V3:{area.area_id}": payloads.area_entity(area) for area in sale.areas
    }
    if sale.brf is not None:
        brf_id = str(sale.brf.brf_id)
        state[f"HousingCoop:{brf_id}"] = {"__typename": "HousingCoop", "id": brf_id}
    return {**state, **payloads.amenity_entities([sale])}


def _joined(parameters: list[tuple[str, str]]) -> dict[str, str | list[str]]:
    """Parameters as the site's framework hands them on: a repeated one is a list."""
    values: dict[str, list[str]] = {}
    for key, value in parameters:
        values.setdefault(key, []).append(value)
    return {key: v[0] if len(v) == 1 else v for key, v in values.items()}


def _next_data(
    page: str, query: dict[str, Any], page_props: dict[str, Any]
) -> dict[str, Any]:
    return {
        "props": {"pageProps": page_props, "__N_SSP": True},
        "page": page,
        "query": query,
        "buildId": BUILD_ID,
        "runtimeConfig": {},
        "isFallback": False,
        "isExperimentalCompile": False,
        "gssp": True,
        "locale": "sv",
        "locales": ["sv"],
        "defaultLocale": "sv",
        "scriptLoader": [],
    }


def _page(title: str, data: dict[str, Any], status_code: int = 200) -> Response:
    # "</" would end the script element early.
    payload = orjson.dumps(data).replace(b"</", b"<\\/")
    head = (
        '<!DOCTYPE html><html lang="sv"><head><meta charset="utf-8">'
        f'<title>{escape(title)}</title></head><body><div id="__next"></div>'
        '<script id="__NEXT_DATA__" type="application/json">'
    )
    return HTMLResponse(
        head.encode() + payload + b"</script></body></html>", status_code=status_code
    )


def _not_found() -> Response:
    data = _next_data("/404", {}, {})
    return _page("Sidan hittades inte – Booli", data, status_code=404)


async def _answer_not_found(_request: Request, _error: Exception) -> Response:
    return _not_found()

"""What a test or a person sets and asks under ``/__replica__/``, as JSON.

``POST mode`` takes any of: a limits mode with its options, ``shape``,
``crawl_delay_s``, ``graphql_closed``, ``drift_*``; what is not named stays. ``GET
mode`` tells them all. ``POST change`` lets things happen between two crawls, ``POST
night`` a day pass, and ``POST reprice`` multiplies a district's prices. ``GET
log?since=<epoch>``, ``DELETE log``, ``GET truth.jsonl``. What a mode does belongs to
``limits``, what a change does to ``changes``.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol

import orjson
from starlette.responses import Response
from starlette.routing import Route

from scrapy_project.replica.changes import Change, apply, reprice
from scrapy_project.replica.limits import Limits, Mode
from scrapy_project.replica.nights import Night, fall
from scrapy_project.replica.shapes import SHAPES, Shape
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from starlette.requests import Request

    from scrapy_project.replica.drift import Drift
    from scrapy_project.replica.market import Market
    from scrapy_project.replica.page_data import PageData
    from scrapy_project.replica.requests_log import RequestLog

    Handler = Callable[[Request], Awaitable[Response]]


class Controllable(Protocol):
    """The site, as far as it can be set from outside."""

    pages: PageData
    crawl_delay_s: float | None
    is_graphql_closed: bool
    limits: Limits
    drift: Drift
    log: RequestLog


class Control:
    """Answers the requests about the replica itself."""

    def __init__(self, site: Controllable) -> None:
        self._site = site

    def routes(self) -> list[Route]:
        """List the controls."""
        named = {
            "mode": (self.mode, ("GET", "POST")),
            "change": (self.change, ("POST",)),
            "night": (self.night, ("POST",)),
            "reprice": (self.reprice, ("POST",)),
            "truth.jsonl": (self.truth, ("GET",)),
            "log": (self.request_log, ("GET", "DELETE")),
        }
        return [
            Route(f"/__replica__/{name}", _explaining(handler), methods=methods)
            for name, (handler, methods) in named.items()
        ]

    async def mode(self, request: Request) -> Response:
        """Set what is given; give what is set, with the counters."""
        if request.method == "POST":
            self._set(_json_object(await request.body()))
        site = self._site
        return _json(
            {
                **site.limits.described(),
                "shape": site.pages.shape.name,
                "crawl_delay_s": site.crawl_delay_s,
                "graphql_closed": site.is_graphql_closed,
                **site.drift.described(),
            }
        )

    def _set(self, given: dict[str, Any]) -> None:
        """Read everything before anything is set."""
        site, limits = self._site, dict(given)
        drift = {
            name: _drift_value(name, limits.pop(name))
            for name in tuple(limits)
            if name in _DRIFT
        }
        shape = _shape(limits.pop("shape", site.pages.shape.name))
        delay_s = _delay(limits.pop("crawl_delay_s", site.crawl_delay_s))
        is_closed = limits.pop("graphql_closed", site.is_graphql_closed)
        if not isinstance(is_closed, bool):
            raise SlutprisError(f"graphql_closed is {is_closed!r}; expected a boolean")
        mode = Mode.parse(limits)
        if limits and "mode" not in limits:
            raise SlutprisError(f"{', '.join(limits)} without a mode; give a mode too")
        site.pages.shape, site.crawl_delay_s = shape, delay_s
        site.is_graphql_closed = is_closed
        for name, value in drift.items():
            setattr(site.drift, _DRIFT[name], value)
        if drift:
            site.drift.restart()
        if limits:
            site.limits.set(mode)

    async def change(self, request: Request) -> Response:
        """Let things happen; give the ids they happened to."""
        given = _json_object(await request.body())
        names = [field.name for field in fields(Change)]
        for name, value in given.items():
            if name not in names:
                raise SlutprisError(f"{name} is no change; expected {', '.join(names)}")
            _whole(name, value, lowest=1 if name == "late_days" else 0)
        return _json(apply(self._site.pages.market, Change(**given)))

    async def night(self, request: Request) -> Response:
        """Let a day pass; give the ids of the sales it brought."""
        night = Night.parse(_json_object(await request.body()))
        return _json(fall(self._site.pages.market, night))

    async def reprice(self, request: Request) -> Response:
        """Multiply prices by a factor; give the ids of the sales it happened to."""
        given = _json_object(await request.body())
        try:
            district, factor = str(given["district"]), float(given["factor"])
            since = date.fromisoformat(given["since"])
        except (KeyError, TypeError, ValueError) as error:
            raise SlutprisError(
                f"cannot reprice ({error}); expected district, since and factor"
            ) from error
        return _json(
            {"sales": reprice(self._site.pages.market, district, since, factor)}
        )

    async def truth(self, request: Request) -> Response:
        """Give every sale as it is shown now."""
        lines = b"".join(truth_lines(self._site.pages.market))
        return Response(lines, media_type="application/x-ndjson")

    async def request_log(self, request: Request) -> Response:
        """Give the log, from a moment on if one is given, or forget it."""
        if request.method == "DELETE":
            self._site.log.clear()
            return Response(status_code=204)
        since = request.query_params.get("since", "0")
        try:
            return _json(self._site.log.since(float(since)))
        except ValueError as error:
            raise SlutprisError(
                f"since is {since!r}; expected seconds since 1970"
            ) from error


def truth_lines(market: Market) -> Iterator[bytes]:
    """One JSON line per sale: what is shown, and what was true before the dirt."""
    for sale in market.sales:
        yield orjson.dumps(sale.record(), option=orjson.OPT_APPEND_NEWLINE)


_DRIFT = {
    "drift_every_requests": "every_requests",
    "drift_sales": "sales",
    "drift_from": "first",
    "drift_to": "last",
    "drift_seed": "seed",
}


def _drift_value(name: str, value: object) -> int | date | None:
    if name not in ("drift_from", "drift_to"):
        return _whole(name, value)
    if value is None:
        return None
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        raise SlutprisError(f"{name} is {value!r}; expected YYYY-MM-DD") from error


def _whole(name: str, value: object, *, lowest: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
        raise SlutprisError(
            f"{name} is {value!r}; expected a whole number from {lowest}"
        )
    return value


def _shape(name: object) -> Shape:
    shape = SHAPES.get(str(name))
    if shape is None:
        raise SlutprisError(f"shape is {name!r}; expected {', '.join(SHAPES)}")
    return shape


def _delay(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (is_number and value >= 0):
        raise SlutprisError(f"crawl_delay_s is {value!r}; expected seconds or null")
    return value


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise SlutprisError(f"the body is no JSON ({error})") from error
    if not isinstance(given, dict):
        raise SlutprisError("the body is no JSON object; expected {...}")
    return given


def _explaining(handler: Handler) -> Handler:
    """Answer a mistake with 400 and what was expected."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except SlutprisError as error:
            return _json({"error": str(error)}, status_code=400)

    return answer


def _json(value: object, status_code: int = 200) -> Response:
    return Response(
        orjson.dumps(value), status_code=status_code, media_type="application/json"
    )

"""HTTP: which handler answers a request, who may ask, and how faults are acted out.

Segments of a path are split before they are decoded, so that `%2F` stays inside its
segment as on a real server. Handlers are plain functions from a `Call` to JSON or a
response; they live in the `*_routes` modules and raise `ApiError` to refuse.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

    from fake_hopsworks.faults import Fault
    from fake_hopsworks.state import State

BASE = "/hopsworks-api/api"
# By these the client knows "not found"; every other code is an error to it.
NOT_FOUND_CODES = (
    ("/featuregroups/[^/]+/commits", 270227),
    ("/statistics", 270228),
    ("/featuregroups", 270009),
    ("/featureview", 270181),
    ("/models/", 360000),
    ("/jobs/", 130009),
    ("/dataset/", 110018),
)
UNKNOWN_ROUTE = 100001
PROXY_PAGE = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"


class ApiError(Exception):
    """A refusal, as the client gets it."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def response(self) -> Response:
        """The refusal as a server words it."""
        body = {"type": "restApiJsonResponse", "errorCode": self.code}
        body |= {"errorMsg": self.message, "usrMsg": self.message}
        return JSONResponse(body, self.status)


@dataclass
class Call:
    """One request, decoded, and the state it is about."""

    state: State
    method: str
    path: str
    params: dict[str, str]
    query: QueryParams
    body: bytes = b""
    form: FormData = field(default_factory=FormData)

    def json(self) -> Any:
        """The body as JSON; NaN is refused, as a strict parser does."""
        try:
            return json.loads(self.body, parse_constant=_no_constant)
        except ValueError as error:
            raise ApiError(400, 100000, f"Body is not valid JSON: {error}") from error

    def href(self) -> str:
        """The address of the thing asked for."""
        return f"https://{self.state.address}:{self.state.port}{BASE}{self.path}"


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


Handler = Callable[[Call], Any]
_ROUTES: dict[tuple[str, int], list[tuple[list[str], Handler]]] = {}


def route(method: str, pattern: str) -> Callable[[Handler], Handler]:
    """Register a handler for a method and a path; `{name}` is one decoded segment."""
    parts = pattern.strip("/").split("/")

    def register(handler: Handler) -> Handler:
        _ROUTES.setdefault((method, len(parts)), []).append((parts, handler))
        return handler

    return register


def find(method: str, segments: list[str]) -> tuple[Handler, dict[str, str]] | None:
    """The handler of a path, and what its `{names}` stand for."""
    for parts, handler in _ROUTES.get((method, len(segments)), []):
        params = _bind(parts, segments)
        if params is not None:
            return handler, params
    return None


def _bind(parts: list[str], segments: list[str]) -> dict[str, str] | None:
    params: dict[str, str] = {}
    for part, segment in zip(parts, segments, strict=True):
        if part.startswith("{"):
            params[part[1:-1]] = segment
        elif part != segment:
            return None
    return params


@dataclass
class Asked:
    """One line of the request log; holds no body and no key."""

    method: str
    path: str
    status: int = 0
    seconds: float = 0.0
    authorized: bool = False
    known: bool = True
    fault: str | None = None


class App:
    """The ASGI application.

    `rival` finishes what another publisher began, when a `race` is injected. Requests
    are answered one at a time, but for the bytes of datasets.
    """

    def __init__(self, state: State, rival: Callable[[Call], None]) -> None:
        self.state = state
        self.rival = rival
        self.log: list[Asked] = []
        self.busy = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        raw = scope["raw_path"].partition(b"?")[0].decode("ascii")
        segments = [unquote(each) for each in raw.removeprefix(BASE)[1:].split("/")]
        path = "/" + "/".join(segments)
        query = unquote(request.url.query)
        line = f"{path}?{query}" if query else path
        asked = Asked(request.method, line.replace(self.state.api_key, "***"))
        self.log.append(asked)
        started = time.monotonic()
        self.busy += 1
        try:
            await self._answer(request, raw, segments, asked, _noting(send, asked))
        finally:
            self.busy -= 1
            asked.seconds = round(time.monotonic() - started, 3)

    async def _answer(
        self, request: Request, raw: str, segments: list[str], asked: Asked, send: Send
    ) -> None:
        call = await self._read(request, asked, "/" + "/".join(segments))
        key = request.headers.get("authorization", "")
        asked.authorized = key == f"ApiKey {self.state.api_key}"
        found = find(request.method, segments) if raw.startswith(BASE + "/") else None
        asked.known = found is not None
        fault = self.state.faults.meet("http", request.method, asked.path)
        asked.fault = fault.kind if fault else None

        async def work() -> Response:
            return await run_in_threadpool(self._work, call, found, asked.authorized)

        if fault is None:
            response = await work()
        else:
            response = await self._faulty(fault, request, call, work)
            send = _faulty_send(fault, send)
        await response(request.scope, request.receive, send)

    async def _read(self, request: Request, asked: Asked, path: str) -> Call:
        call = Call(self.state, request.method, path, {}, request.query_params)
        if request.headers.get("content-type", "").startswith("multipart/"):
            call.form = await request.form()
        else:
            call.body = await request.body()
        return call

    def _work(
        self,
        call: Call,
        found: tuple[Handler, dict[str, str]] | None,
        authorized: bool,
    ) -> Response:
        try:
            if not authorized:
                raise ApiError(401, 320004, "The API key is not valid.")
            if found is None:
                message = f"The fake has no {call.method} {call.path}"
                raise ApiError(404, UNKNOWN_ROUTE, message)
            handler, call.params = found
            alone = "/dataset/" not in call.path
            with self.state.lock if alone else contextlib.nullcontext():
                answer = handler(call)
        except ApiError as error:
            return error.response()
        if call.method != "GET":
            self.state.save()
        return as_response(answer)

    async def _faulty(
        self, fault: Fault, request: Request, call: Call, work: Callable[[], Any]
    ) -> Response:
        if fault.kind == "race":
            await work()
            self.rival(call)
            return await work()
        if fault.kind == "gone":
            shutil.rmtree(self.state.datasets / _folder_of_file(call.path))
            return await work()
        if fault.kind in ("trickle", "truncate"):
            return await work()
        done = await work() if fault.work_done else None
        if fault.kind == "stall":
            await self._stall(fault, request)
            return done or await work()
        return refusal(fault, call.path)

    async def _stall(self, fault: Fault, request: Request) -> None:
        """Wait until the client goes away, the faults are lifted or time is up."""
        started, generation = time.monotonic(), self.state.faults.generation
        while self.state.faults.generation == generation:
            if await request.is_disconnected():
                return
            if fault.seconds and time.monotonic() - started > fault.seconds:
                return
            await asyncio.sleep(0.05)


def _folder_of_file(path: str) -> str:
    """The folder, in the project, of the file that a request is about."""
    inside = path.rpartition("/dataset/")[2].removeprefix("download/with_auth/")
    return inside.rpartition("/")[0]


def as_response(answer: Any) -> Response:
    """A handler's answer as HTTP; nothing is an empty 200."""
    if isinstance(answer, Response):
        return answer
    if answer is None:
        return Response(status_code=200)
    assert isinstance(answer, Mapping | list)
    return JSONResponse(answer)


def refusal(fault: Fault, path: str) -> Response:
    """What the client gets instead of an answer."""
    if fault.kind == "404_html":
        return HTMLResponse(PROXY_PAGE.format("404 Not Found"), 404)
    if fault.kind == "503":
        return HTMLResponse(PROXY_PAGE.format("503 Service Unavailable"), 503)
    if fault.kind == "401":
        return ApiError(401, 320004, "The API key is not valid.").response()
    if fault.kind == "404":
        return ApiError(404, not_found_code(path), "Not found.").response()
    if fault.kind == "404_other":
        return ApiError(404, UNKNOWN_ROUTE, "Not found.").response()
    return ApiError(fault.status, fault.code, "A fault was injected.").response()


def not_found_code(path: str) -> int:
    """The error code by which the client knows "not found" under a path."""
    for pattern, code in NOT_FOUND_CODES:
        if re.search(pattern, path):
            return code
    return UNKNOWN_ROUTE


def _noting(send: Send, asked: Asked) -> Send:
    async def noted(message: Message) -> None:
        if message["type"] == "http.response.start":
            asked.status = message["status"]
        await send(message)

    return noted


def _faulty_send(fault: Fault, send: Send) -> Send:
    if fault.kind == "trickle":
        return _trickling(fault.bytes_per_second, send)
    if fault.kind == "truncate":
        return _truncating(fault.fraction, send)
    return send


def _trickling(bytes_per_second: int, send: Send) -> Send:
    step = max(1, bytes_per_second // 10)

    async def trickle(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        for start in range(0, len(body), step):
            part = body[start : start + step]
            await send({"type": message["type"], "body": part, "more_body": True})
            await asyncio.sleep(0.1)
        if not more:
            await send({"type": message["type"], "body": b"", "more_body": False})

    return trickle


def _truncating(fraction: float, send: Send) -> Send:
    """Promise the whole length, send a part of it, and close the connection.

    The server below closes a connection whose promised length was not sent.
    """
    left = 0

    async def truncate(message: Message) -> None:
        nonlocal left
        if message["type"] == "http.response.start":
            lengths = [v for k, v in message["headers"] if k == b"content-length"]
            left = int(int(lengths[0]) * fraction) if lengths else 0
            await send(message)
            return
        body = message.get("body", b"")[:left]
        left -= len(body)
        if body:
            await send({"type": message["type"], "body": body, "more_body": True})
        if left <= 0 or not message.get("more_body", False):
            await send({"type": message["type"], "body": b"", "more_body": False})

    return truncate

"""How the replica refuses: rate limits, challenges and broken answers, on command.

A mode is set from outside (``control``), never by anything in a request that is
limited. robots.txt and the controls are never limited. What the pages hold does not
belong here.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import asdict, dataclass, field, fields
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Literal, get_args

from starlette.responses import HTMLResponse, PlainTextResponse, Response

from scrapy_project.replica.requests_log import CONTROL_PATH
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

ModeName = Literal[
    "open",
    "token_bucket",
    "challenge_202",
    "challenge_403",
    "forbidden_403",
    "no_data_200",
    "truncated",
    "error_500",
    "slow",
]
_CHOICES: dict[str, tuple[str, ...]] = {
    "mode": get_args(ModeName),
    "retry_after": ("seconds", "date", "none"),
    "language": ("en", "sv"),
    "length": ("correct", "broken"),
}
_WAIT_TITLES = {"en": "Just a moment...", "sv": "Vänta…"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """One way to answer, and when it applies."""

    mode: str = "open"
    after_requests: int = 0
    """Begins after so many further requests to its path."""
    for_requests: int | None = None
    """Ends itself after so many answers."""
    path: str = "/"
    """Beginning of the paths it applies to."""
    rate_per_s: float = 0.5
    capacity: float = 6
    retry_after: str = "seconds"
    delay_s: float = 5
    language: str = "en"
    """Of the challenge's title: ``Just a moment...`` or ``Vänta…``."""
    length: str = "correct"
    """Of a truncated body's ``Content-Length``; ``broken`` closes the line early."""

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Mode:
        """Read a mode from JSON.

        Raises
        ------
        SlutprisError
            If a name or value is not known.
        """
        known = {f.name: f.type for f in fields(cls)}
        for name, value in given.items():
            if name not in known:
                raise SlutprisError(
                    f"{name} is no option of a mode; expected {', '.join(known)}"
                )
            _check(name, value)
        return cls(**given)


def _check(name: str, value: object) -> None:
    choices = _CHOICES.get(name)
    if choices is not None and value not in choices:
        raise SlutprisError(f"{name} is {value!r}; expected {', '.join(choices)}")
    if name == "path" and not str(value).startswith("/"):
        raise SlutprisError(f"path is {value!r}; expected the beginning of a path")
    if name == "for_requests" and value is None:
        return
    if choices is None and name != "path":
        _check_number(name, value)


def _check_number(name: str, value: object) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    is_whole = isinstance(value, int) or not name.endswith("_requests")
    may_be_zero = name in ("after_requests", "delay_s")
    if not is_number or not is_whole or value < 0 or (value == 0 and not may_be_zero):
        raise SlutprisError(f"{name} is {value!r}; expected a positive number")


@dataclass
class TokenBucket:
    """Lets so many requests through at once, and so many a second in the long run."""

    rate_per_s: float
    capacity: float
    tokens: float = field(init=False)
    granted: int = 0
    first_asked: float | None = None
    _filled_at: float = 0.0

    def __post_init__(self) -> None:
        self.tokens = self.capacity

    def wait_s(self, now: float) -> float:
        """Take a token and give 0, or give the seconds until there is one."""
        if self.first_asked is None:
            self.first_asked = self._filled_at = now
        gained = (now - self._filled_at) * self.rate_per_s
        self.tokens = min(self.capacity, self.tokens + gained)
        self._filled_at = now
        # A hair below one is one: sums of seconds are not exact.
        if self.tokens < 1 - 1e-9:
            return (1 - self.tokens) / self.rate_per_s
        self.tokens -= 1
        self.granted += 1
        return 0.0

    def counters(self, now: float) -> dict[str, float]:
        """Tell what was granted, and what a perfect client could have had by now."""
        elapsed_s = 0.0 if self.first_asked is None else now - self.first_asked
        return {
            "granted": self.granted,
            "grantable": int(self.capacity + self.rate_per_s * elapsed_s),
            "elapsed_s": round(elapsed_s, 3),
        }


@dataclass
class Limits:
    """The present mode, and how often it has answered."""

    mode: Mode = field(default_factory=Mode)
    page_requests: int = 0
    """Requests for pages since the start, limited or not."""
    _seen: int = 0
    _answered: int = 0
    _refused: int = 0
    _bucket: TokenBucket | None = None

    def set(self, mode: Mode) -> None:
        """Begin a mode, its counters at zero."""
        self.mode = mode
        self._seen = self._answered = self._refused = 0
        is_bucket = mode.mode == "token_bucket"
        self._bucket = (
            TokenBucket(mode.rate_per_s, mode.capacity) if is_bucket else None
        )

    def described(self) -> dict[str, Any]:
        """Give the mode with its counters."""
        counters: dict[str, Any] = {
            "page_requests": self.page_requests,
            "seen": self._seen,
            "answered": self._answered,
            "refused": self._refused,
        }
        if self._bucket is not None:
            counters |= self._bucket.counters(time.monotonic())
        return {**asdict(self.mode), "counters": counters}

    def next_mode(self, path: str) -> Mode:
        """Count a page request and give the mode that answers it."""
        self.page_requests += 1
        mode = self.mode
        if mode.mode == "open" or not path.startswith(mode.path):
            return Mode()
        self._seen += 1
        if self._seen <= mode.after_requests:
            return Mode()
        self._answered += 1
        if self._answered == mode.for_requests:
            # The counters stay, so that what the mode did can still be asked for.
            self.mode = Mode()
        return mode

    def refusal(self, mode: Mode) -> Response | None:
        """Give the answer in place of the page; None where the page itself comes."""
        answer = self._refusal(mode)
        self._refused += answer is not None
        return answer

    def _refusal(self, mode: Mode) -> Response | None:
        if mode.mode == "token_bucket" and self._bucket is not None:
            wait_s = self._bucket.wait_s(time.monotonic())
            return _too_many(wait_s, mode.retry_after) if wait_s else None
        if mode.mode == "challenge_403":
            return _cloudflare_challenge(mode.language)
        build = _PLAIN_REFUSALS.get(mode.mode)
        return build() if build else None


def _too_many(wait_s: float, retry_after: str) -> Response:
    # Rounded up: who comes back at that moment is let in.
    headers = {
        "seconds": {"Retry-After": str(math.ceil(wait_s))},
        "date": {
            "Retry-After": formatdate(math.ceil(time.time() + wait_s), usegmt=True)
        },
        "none": {},
    }[retry_after]
    return PlainTextResponse("Too Many Requests", 429, headers)


def _cloudflare_challenge(language: str) -> Response:
    title = _WAIT_TITLES[language]
    body = (
        f"<!DOCTYPE html><html><head><title>{title}</title></head><body>"
        "<script>window._cf_chl_opt = {cType: 'managed'};</script></body></html>"
    )
    headers = {
        "cf-mitigated": "challenge",
        "server": "cloudflare",
        "cf-ray": "8f0c0ffee0000000-ARN",
    }
    return HTMLResponse(body, 403, headers)


def _aws_challenge() -> Response:
    return Response(status_code=202, headers={"x-amzn-waf-action": "challenge"})


def _forbidden() -> Response:
    return HTMLResponse("<!DOCTYPE html><title>Forbidden</title>", 403)


def _no_data() -> Response:
    return HTMLResponse(
        '<!DOCTYPE html><html lang="sv"><head><title>Booli</title></head>'
        '<body><div id="__next"></div></body></html>'
    )


def _server_error() -> Response:
    return HTMLResponse("<!DOCTYPE html><title>Något gick fel</title>", 500)


_PLAIN_REFUSALS = {
    "challenge_202": _aws_challenge,
    "forbidden_403": _forbidden,
    "no_data_200": _no_data,
    "error_500": _server_error,
}


class LimitsMiddleware:
    """Answers in place of the site, or lets through, as the mode says."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request as the mode says."""
        if scope["type"] != "http" or is_never_limited(scope["path"]):
            await self._app(scope, receive, send)
            return
        mode = self._limits.next_mode(scope["path"])
        refusal = self._limits.refusal(mode)
        if refusal is not None:
            await refusal(scope, receive, send)
        elif mode.mode == "truncated":
            await self._cut(scope, receive, send, mode)
        else:
            if mode.mode == "slow":
                await asyncio.sleep(mode.delay_s)
            await self._app(scope, receive, send)

    async def _cut(
        self, scope: Scope, receive: Receive, send: Send, mode: Mode
    ) -> None:
        """Send the first half of the page's own, uncompressed bytes."""
        start, body = await self._buffered(scope, receive)
        kept = body[: len(body) // 2]
        told = len(kept) if mode.length == "correct" else len(body)
        headers = [
            (name, value)
            for name, value in start["headers"]
            if name.lower() != b"content-length"
        ]
        start["headers"] = [*headers, (b"content-length", str(told).encode())]
        await send(start)
        # With a broken length this stays the last word: the server hangs up.
        is_broken = mode.length == "broken"
        await send({"type": "http.response.body", "body": kept, "more_body": is_broken})

    async def _buffered(self, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
        start: Message = {}
        parts: list[bytes] = []

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                parts.append(message.get("body", b""))

        plain = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
        await self._app({**scope, "headers": plain}, receive, keep)
        return start, b"".join(parts)


def is_never_limited(path: str) -> bool:
    """Tell whether a path is outside all limits."""
    return path == "/robots.txt" or path.startswith(CONTROL_PATH)

"""The log of what was asked and how it was answered, for tests of politeness.

Requests to the replica's own controls are not part of it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTROL_PATH = "/__replica__/"

Record = dict[str, Any]


@dataclass
class RequestLog:
    """Every request so far, oldest first; ``status`` is null until it is answered."""

    records: list[Record] = field(default_factory=list)

    def since(self, epoch_s: float) -> list[Record]:
        """List what came in at that moment or later."""
        return [record for record in self.records if record["time"] >= epoch_s]

    def clear(self) -> None:
        """Forget all."""
        self.records.clear()


class RequestLogMiddleware:
    """Notes every request when it comes in, and its answer when that begins."""

    def __init__(self, app: ASGIApp, log: RequestLog) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note a request, then let it pass."""
        if scope["type"] != "http" or scope["path"].startswith(CONTROL_PATH):
            await self._app(scope, receive, send)
            return
        record = _record(scope)
        self._log.records.append(record)

        async def noting_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = dict(message["headers"])
                record["status"] = message["status"]
                record["retry_after_s"] = _wait_s(headers.get(b"retry-after"))
            await send(message)

        await self._app(scope, receive, noting_send)


def _record(scope: Scope) -> Record:
    headers = dict(scope["headers"])
    return {
        "time": time.time(),
        "path": scope["path"],
        "query": scope["query_string"].decode(),
        "user_agent": headers.get(b"user-agent", b"").decode("latin-1"),
        "status": None,
        "retry_after_s": None,
    }


def _wait_s(retry_after: bytes | None) -> float | None:
    """Read a ``Retry-After`` of seconds or of a date."""
    if retry_after is None:
        return None
    text = retry_after.decode()
    if text.isdigit():
        return int(text)
    return round(parsedate_to_datetime(text).timestamp() - time.time(), 3)

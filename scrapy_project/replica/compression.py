"""Answers packed with Brotli for who takes it; gzip is left to Starlette."""

from __future__ import annotations

from typing import TYPE_CHECKING

import brotli

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MINIMUM_SIZE = 500
_QUALITY = 1
"""The fastest but one: a crawl on the same machine waits for it."""


class BrotliMiddleware:
    """Packs whole answers; a streamed one, which the site has not, goes as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, packed if it asks for that."""
        if scope["type"] != "http" or not _takes_brotli(scope):
            await self._app(scope, receive, send)
            return
        start: Message = {}

        async def packing_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            elif start:
                is_whole = not message.get("more_body", False)
                await send(_packed(start, message) if is_whole else {**start})
                start.clear()
                await send(message)
            else:
                await send(message)

        # What lies further in is not to pack it too.
        plain = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
        await self._app({**scope, "headers": plain}, receive, packing_send)


def _takes_brotli(scope: Scope) -> bool:
    offers = dict(scope["headers"]).get(b"accept-encoding", b"").decode("latin-1")
    tokens = [offer.replace(" ", "").lower() for offer in offers.split(",")]
    return any(token == "br" or token.startswith("br;q=") for token in tokens)


def _packed(start: Message, message: Message) -> Message:
    """Pack the body in place; give the headers that go before it."""
    body = message.get("body", b"")
    headers = [pair for pair in start["headers"] if pair[0] != b"content-length"]
    headers.append((b"vary", b"Accept-Encoding"))
    if len(body) >= MINIMUM_SIZE:
        message["body"] = body = brotli.compress(body, quality=_QUALITY)
        headers.append((b"content-encoding", b"br"))
    headers.append((b"content-length", str(len(body)).encode()))
    return {**start, "headers": headers}

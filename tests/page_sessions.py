"""Visitors of a page without a browser: its websocket, spoken as the browser does.

Twenty browsers would measure themselves on a small machine; a visitor here costs next
to nothing, and what it sends and gets are the same messages.
"""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = re.compile(r'"token":"([^"]+)"')
Message = tuple[str, dict[str, Any]]
"""A message's kind and content."""
MESSAGE_MAX_BYTES = 64 * 1024 * 1024


class PageSession:
    """One visitor of a page that Panel serves."""

    def __init__(
        self, connection: WebSocketClientConnection, document: dict[str, Any]
    ) -> None:
        self._connection = connection
        self._messages: asyncio.Queue[Message | ConnectionError] = asyncio.Queue()
        self._reading = asyncio.create_task(self._read_on())
        self.document = document

    @classmethod
    async def open(cls, page_url: str, **query: str) -> Self:
        """Open a page, with a query, as far as a browser's first paint."""
        url = f"{page_url}?{urlencode(query)}" if query else page_url
        page = await AsyncHTTPClient().fetch(HTTPRequest(url, request_timeout=120))
        token = TOKEN.search(page.body.decode())
        assert token is not None, f"{url} holds no session"
        connection = await websocket_connect(
            f"{page_url.replace('http', 'ws', 1)}/ws",
            subprotocols=["bokeh", token[1]],
            max_message_size=MESSAGE_MAX_BYTES,
        )
        await _read(connection)  # the acknowledgement
        session = cls(connection, {})
        await session._send("PULL-DOC-REQ", {})
        kind, content = await session.receive()
        while kind != "PULL-DOC-REPLY":
            kind, content = await session.receive()
        session.document = content["doc"]
        await session._send_event("document_ready", [])
        return session

    def data_labelled(self, label: str) -> str:
        """Give the id of the data of a component with a label."""
        for made in _objects(self.document):
            if made.get("attributes", {}).get("label") == label:
                return made["id"]
        raise AssertionError(f"the page has no component labelled {label}")

    async def change(self, model_id: str, name: str, value: object) -> None:
        """Change a component's data, as its own code in the browser does."""
        changed = {"kind": "ModelChanged", "model": {"id": model_id}}
        await self._send(
            "PATCH-DOC", {"events": [changed | {"attr": name, "new": value}]}
        )

    async def receive(self) -> Message:
        """Wait for the next message: its kind and content."""
        message = await self._messages.get()
        if isinstance(message, ConnectionError):
            raise message
        return message

    async def settle(self, quiet_s: float = 1.0) -> None:
        """Pass over what the page still says, until it has been quiet for a while."""
        with suppress(TimeoutError):
            while True:
                await asyncio.wait_for(self.receive(), quiet_s)

    def close(self) -> None:
        """Leave the page."""
        self._reading.cancel()
        self._connection.close()

    async def _read_on(self) -> None:
        """Read all the while: a wait that is given up must not lose half a message."""
        try:
            while True:
                self._messages.put_nowait(await _read(self._connection))
        except ConnectionError as error:
            self._messages.put_nowait(error)

    async def _send_event(self, name: str, values: list[Any]) -> None:
        event = {
            "type": "event",
            "name": name,
            "values": {"type": "map", "entries": values},
        }
        sent = {"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": event}
        await self._send("PATCH-DOC", {"events": [sent]})

    async def _send(self, kind: str, content: dict[str, Any]) -> None:
        header = {"msgid": uuid.uuid4().hex, "msgtype": kind}
        for part in (header, {}, content):
            await self._connection.write_message(json.dumps(part))


async def _read(connection: WebSocketClientConnection) -> Message:
    header = json.loads(await _frame(connection))
    await _frame(connection)  # metadata
    content = json.loads(await _frame(connection))
    for _ in range(2 * header.get("num_buffers", 0)):
        await _frame(connection)
    return header["msgtype"], content


async def _frame(connection: WebSocketClientConnection) -> str | bytes:
    frame = await connection.read_message()
    if frame is None:
        raise ConnectionError(f"the server closed the page: {connection.close_reason}")
    return frame


def _objects(content: object) -> Iterator[dict[str, Any]]:
    if isinstance(content, dict):
        if content.get("type") == "object":
            yield content
        for value in content.values():
            yield from _objects(value)
    elif isinstance(content, list):
        for value in content:
            yield from _objects(value)

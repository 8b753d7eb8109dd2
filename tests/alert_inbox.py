"""A webhook of this machine that keeps the alerts it is sent."""

from __future__ import annotations

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class Inbox(ThreadingHTTPServer):
    """Takes every message; ``address`` is what SLUTPRIS_ALERT_WEBHOOK is to be."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.messages: list[dict[str, Any]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def empty(self) -> list[str]:
        """Give the titles of what came since the last time."""
        titles = [f"{each['kind']}: {each['title']}" for each in self.messages]
        self.messages.clear()
        return titles


class _Handler(BaseHTTPRequestHandler):
    server: Inbox

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.messages.append(json.loads(body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def inbox() -> Iterator[Inbox]:
    """Serve an inbox for a while."""
    with Inbox() as box:
        Thread(target=box.serve_forever, daemon=True).start()
        try:
            yield box
        finally:
            box.shutdown()

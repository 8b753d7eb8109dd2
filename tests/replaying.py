"""A cassette served over HTTPS: the client is told what the cluster once said.

Each request is answered by the next answer recorded for it, the last one again when
there are no more. What was never asked before is refused and remembered. A body of
which only the length was kept comes as so many zero bytes.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections import defaultdict
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from fake_hopsworks.tls import certificates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = "127.0.0.1"
NEVER_ASKED = 501
Question = tuple[str, tuple[str, ...], tuple[tuple[str, str], ...]]


class Replay:
    """The answers of a cassette, and what was asked that it does not know."""

    def __init__(self, cassette: dict[str, Any]) -> None:
        self.never_asked: list[str] = []
        self.answered = 0
        self._answers: dict[Question, list[dict[str, Any]]] = defaultdict(list)
        self._lock = threading.Lock()
        for exchange in cassette["exchanges"]:
            query = [(name, value) for name, value in exchange["query"]]
            asked = _question(exchange["method"], exchange["path"], query)
            self._answers[asked].append(exchange)

    def answer(self, method: str, target: str) -> dict[str, Any] | None:
        """The next exchange for a request; None for one that was never recorded."""
        address = urlsplit(target)
        query = parse_qsl(address.query, keep_blank_values=True)
        with self._lock:
            answers = self._answers.get(_question(method, address.path, query))
            if not answers:
                self.never_asked.append(f"{method} {unquote(target)}")
                return None
            self.answered += 1
            return answers.pop(0) if len(answers) > 1 else answers[0]


def _question(method: str, path: str, query: list[tuple[str, str]]) -> Question:
    parts = tuple(unquote(part) for part in path.split("/"))
    return method, parts, tuple(sorted(query))


@contextmanager
def replaying(
    cassette: dict[str, Any], folder: Path
) -> Iterator[tuple[Replay, int, Path]]:
    """Serve a cassette; gives it, the port, and the authority to trust."""
    replay = Replay(cassette)
    place = certificates(folder, HOST)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place.certificate("server"), place.key("server"))
    server = ThreadingHTTPServer((HOST, 0), _handler(replay))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield replay, server.server_port, place.ca
    finally:
        server.shutdown()
        server.server_close()


def _handler(replay: Replay) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", "0")))
            exchange = replay.answer(self.command, self.path)
            if exchange is not None and "failure" in exchange:
                self.close_connection = True
                return
            self._say(exchange)

        def _say(self, exchange: dict[str, Any] | None) -> None:
            body = b"" if exchange is None else _bytes(exchange["said"])
            self.send_response(NEVER_ASKED if exchange is None else exchange["status"])
            self.send_header("content-type", (exchange or {}).get("type", ""))
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing on stderr."""

        do_GET = do_POST = do_PUT = do_DELETE = _serve

    return Handler


def _bytes(body: dict[str, Any]) -> bytes:
    if "json" in body:
        return json.dumps(body["json"]).encode()
    return bytes(body.get("byte_count", 0))

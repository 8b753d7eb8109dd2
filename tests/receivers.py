"""A webhook and a mail server, on this machine, that keep what they are sent.

What belongs here: what real ones do that matters to a sender. What does not: asserts.
"""

from __future__ import annotations

import json
import socketserver
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Webhook:
    """What was posted, and how the next posts are answered."""

    address: str = ""
    posted: list[dict[str, Any]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    """Statuses of the next answers; 200 when there are none left."""


@dataclass
class MailServer:
    """What was mailed: envelope and text."""

    port: int = 0
    mails: list[str] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Listen on a free port."""
    kept = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = kept.answers.pop(0) if kept.answers else 200
            if status == 200:
                kept.posted.append(json.loads(body))
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    kept.address = f"http://127.0.0.1:{server.server_port}/hook/s3cret"
    with _serving(server):
        yield kept


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """Take mail for anybody, as RFC 5321's shortest session goes."""
    kept = MailServer()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 test")
            for line in self.rfile:
                command = line.decode().strip()
                verb = command.upper().split(":")[0].split(" ")[0]
                if verb == "RCPT":
                    kept.recipients.append(command.partition(":")[2].strip("<> "))
                if verb == "QUIT":
                    self._say("221 bye")
                    return
                if verb == "DATA":
                    self._say("354 go on")
                    kept.mails.append(self._text())
                self._say("250 test")

        def _text(self) -> str:
            lines = []
            for line in self.rfile:
                if line == b".\r\n":
                    break
                lines.append(line.decode())
            return "".join(lines)

        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    server = socketserver.TCPServer(("127.0.0.1", 0), Handler)
    kept.port = server.server_address[1]
    with _serving(server):
        yield kept


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

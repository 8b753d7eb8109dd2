"""Keeping what the client says over HTTPS, redacted before it reaches the disk.

The recorder is a transport adapter of ``requests``, put in the place of the usual one
before the client opens its session: it sees each request as it leaves, headers and all,
and each answer as it comes; the client is not changed. Arrow Flight, Kafka and the file
system go other ways and are not seen. Headers are not kept, for the key is in one.

A body that is JSON is kept; of any other, its length and its sha256. An answer is read
whole before the client gets it, so large downloads need memory while they are recorded.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import HTTPAdapter

from ml.hopsworks.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


FILE_PATH = "/dataset/download/"
"""A file's content is not traffic, even where it is JSON."""


class Recorder:
    """A file that exchanges are added to, one a line."""

    def __init__(self, path: Path, redactor: Redactor) -> None:
        self._path = path
        self._redactor = redactor

    def keep(
        self, request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """Add a request and its answer."""
        path = urlsplit(str(request.url)).path
        sent = _body(request.body)
        said = _body(response.content, is_file=FILE_PATH in path)
        # A variable's name is in the path, its value under another key.
        key = "domain" if "domain" in path else ""
        for body in (sent, said):
            self._redactor.learn(body.get("json"), key)
        self._add(
            self._line(request)
            | {
                "sent": self._body(sent, key),
                "status": response.status_code,
                "type": response.headers.get("content-type", "").partition(";")[0],
                "said": self._body(said, key),
            }
        )

    def keep_failure(self, request: requests.PreparedRequest, error: Exception) -> None:
        """Add a request that got no answer."""
        self._add(self._line(request) | {"failure": type(error).__name__})

    def _line(self, request: requests.PreparedRequest) -> dict[str, Any]:
        address = urlsplit(str(request.url))
        query = parse_qsl(address.query, keep_blank_values=True)
        return {
            "method": request.method,
            "path": self._redactor.path(address.path),
            "query": [
                [name, self._redactor.body(value, name)] for name, value in query
            ],
        }

    def _body(self, body: dict[str, Any], key: str) -> dict[str, Any]:
        if "json" not in body:
            return body
        return {"json": self._redactor.body(body["json"], key)}

    def _add(self, exchange: dict[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(exchange, ensure_ascii=False) + "\n")


def record_all(path: Path, secrets: Iterable[str], hosts: Iterable[str]) -> None:
    """Record every session of ``requests`` that this process opens from now on."""
    recorder = Recorder(path, Redactor(secrets, hosts))

    class RecordingAdapter(HTTPAdapter):
        def send(
            self,
            request: requests.PreparedRequest,
            *args: Any,  # noqa: ANN401
            **kwargs: Any,  # noqa: ANN401
        ) -> requests.Response:
            try:
                response = super().send(request, *args, **kwargs)
                response.content  # noqa: B018 - reads it whole; the client gets it too
            except requests.RequestException as error:
                recorder.keep_failure(request, error)
                raise
            recorder.keep(request, response)
            return response

    # Sessions find the adapter by this name when they are opened.
    requests.sessions.HTTPAdapter = RecordingAdapter  # ty: ignore[invalid-assignment]


def _body(content: Any, *, is_file: bool = False) -> dict[str, Any]:  # noqa: ANN401
    """Give what is kept of a body; of a file's content never more than its digest."""
    if not content:
        return {}
    if not isinstance(content, (bytes, str)):
        return {"stream": True}
    raw = content.encode() if isinstance(content, str) else content
    parsed = None if is_file else _json(raw)
    if isinstance(parsed, (dict, list)):
        return {"json": parsed}
    return {"byte_count": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}


def _json(raw: bytes) -> Any:  # noqa: ANN401
    try:
        return json.loads(raw)
    except ValueError:
        return None

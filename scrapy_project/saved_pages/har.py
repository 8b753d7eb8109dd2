"""HAR: what the network tab of a browser's developer tools saves, one JSON document."""

from __future__ import annotations

import base64
import binascii
import codecs
import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any

import orjson

from scrapy_project.saved_pages.addresses import is_sold_page
from scrapy_project.saved_pages.archive import Answer, tells_of_a_page
from scrapy_project.saved_pages.sources import DamagedSourceError, utc

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime
    from pathlib import Path

_EXPORT_AGAIN = (
    "export it again from the developer tools' network tab, as HAR with content"
)


def answers_in_har(
    path: Path, hosts: Collection[str], written_at: datetime
) -> Iterator[Answer | None]:
    """List the answers of one file in their order, None for those of no page of ours.

    Raises
    ------
    DamagedSourceError
        When it is no HAR.
    """
    entries = _at(_loaded(path), "log", "entries")
    if not isinstance(entries, list):
        raise DamagedSourceError(
            f"it is JSON but no HAR (log.entries); {_EXPORT_AGAIN}"
        )
    for number, entry in enumerate(entries, start=1):
        yield _answer(str(number), entry, hosts, written_at)


def _loaded(path: Path) -> Any:  # noqa: ANN401 - any JSON at all
    try:
        text = _unpacked(path).removeprefix(codecs.BOM_UTF8)
        return _parsed(text)
    except (
        ValueError,
        EOFError,
        zlib.error,
        gzip.BadGzipFile,
        RecursionError,
    ) as error:
        raise DamagedSourceError(
            f"it is no complete JSON document ({error}); {_EXPORT_AGAIN}"
        ) from error


def _unpacked(path: Path) -> bytes:
    raw = path.read_bytes()
    return gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw


def _parsed(text: bytes) -> Any:  # noqa: ANN401 - any JSON at all
    try:
        # Reads the bytes as they are; json would make a text of them first, of two or
        # four bytes a character.
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # Half an emoji in some other site's answer is refused by orjson only.
        return json.loads(text)


def _at(value: Any, *keys: str) -> Any:  # noqa: ANN401 - any JSON at all
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _answer(
    number: str, entry: object, hosts: Collection[str], written_at: datetime
) -> Answer | None:
    url, status = _at(entry, "request", "url"), _at(entry, "response", "status")
    is_asked = _at(entry, "request", "method") == "GET" and isinstance(url, str)
    if not is_asked or not tells_of_a_page(status) or not is_sold_page(url, hosts):
        return None
    body, fault = _body(_at(entry, "response", "content"))
    saved_at = utc(_at(entry, "startedDateTime"), otherwise=written_at)
    return Answer(number, url, status, saved_at, body, fault)


def _body(content: object) -> tuple[bytes, str]:
    text = _at(content, "text")
    if not isinstance(text, str) or not text:
        return b"", f"the HAR was saved without its content; {_EXPORT_AGAIN}"
    if _at(content, "encoding") != "base64":
        return text.encode(errors="replace"), ""
    try:
        return base64.b64decode(text, validate=True), ""
    except binascii.Error as error:
        return b"", f"its base64 is damaged ({error}); {_EXPORT_AGAIN}"

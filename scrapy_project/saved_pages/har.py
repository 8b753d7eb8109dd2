"""HAR: what the network tab of a browser's developer tools saves, as JSON."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import mmap
import re
import shutil
import tempfile
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
# Possessive: nothing to step back to, and so no memory, in a string of megabytes.
_STRING_OR_BRACKET = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[][{}"]', re.DOTALL)
_LOG_DEPTH, _ENTRIES_DEPTH = 2, 3


def answers_in_har(
    path: Path, hosts: Collection[str], written_at: datetime
) -> Iterator[Answer | None]:
    """List the answers of one file in their order, None for those of no page of ours.

    Raises
    ------
    DamagedSourceError
        When it is no HAR.
    """
    for number, entry in enumerate(_entries(_text(path)), start=1):
        yield _answer(str(number), _parsed(entry), hosts, written_at)


def _text(path: Path) -> mmap.mmap:
    """Map the text into memory, which then holds of it only what is being read."""
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    with gzip.open(path) as packed, tempfile.TemporaryFile() as unpacked:
        try:
            shutil.copyfileobj(packed, unpacked)
            unpacked.flush()
            return mmap.mmap(unpacked.fileno(), 0, access=mmap.ACCESS_READ)
        # The last is what mmap says of no bytes at all.
        except (EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
            raise DamagedSourceError(
                f"it is no complete gzip file ({error}); {_EXPORT_AGAIN}"
            ) from error


def _entries(text: mmap.mmap) -> Iterator[bytes]:
    """Cut out the members of ``log.entries`` one by one.

    Read as one document, a HAR takes four times its size in memory, and gives nothing
    when its end is missing.
    """
    depth = start = 0
    name, is_inside = b"", False
    for token in _STRING_OR_BRACKET.finditer(text):
        kind = text[token.start()]
        if kind in b"{[":
            is_inside |= depth == _LOG_DEPTH and name == b'"entries"'
            start = token.start() if depth == _ENTRIES_DEPTH else start
            depth += 1
        elif kind in b"}]":
            depth -= 1
            if is_inside and depth == _LOG_DEPTH:
                return
            if is_inside and depth == _ENTRIES_DEPTH:
                yield text[start : token.end()]
        elif token.end() - token.start() == 1:
            break  # a string without an end
        elif depth == _LOG_DEPTH:
            name = token[0]
    if not is_inside:
        raise DamagedSourceError(f"it is no HAR: no log.entries; {_EXPORT_AGAIN}")
    raise DamagedSourceError(
        f"it is cut off in the entry at byte {start}; what stands before it was read; "
        f"{_EXPORT_AGAIN}"
    )


def _parsed(entry: bytes) -> Any:  # noqa: ANN401 - any JSON at all
    try:
        return orjson.loads(entry)
    except orjson.JSONDecodeError:
        pass
    try:
        # Half an emoji in some other site's answer is refused by orjson only.
        return json.loads(entry)
    except (ValueError, RecursionError) as error:
        raise DamagedSourceError(
            f"an entry of it is no JSON ({error}); {_EXPORT_AGAIN}"
        ) from error


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

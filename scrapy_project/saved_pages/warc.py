"""WARC: what web archive recorders write, record by record; WACZ is a ZIP of them."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from typing import IO, TYPE_CHECKING

import brotli
from warcio.archiveiterator import ArchiveIterator
from warcio.bufferedreaders import ChunkedDataReader
from warcio.exceptions import ArchiveLoadFailed
from warcio.limitreader import LimitReader
from warcio.statusandheaders import StatusAndHeadersParserException

from scrapy_project.saved_pages.addresses import is_sold_page
from scrapy_project.saved_pages.archive import Answer, tells_of_a_page
from scrapy_project.saved_pages.folder import WARC
from scrapy_project.saved_pages.sources import DamagedSourceError, utc

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from datetime import datetime
    from pathlib import Path

    from warcio.recordloader import ArcWarcRecord

_BLOCK_BYTES = 65536
_UNPACKING_ERRORS = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile)
# The last two are what warcio meets in a record without an address or a status.
_RECORD_ERRORS = (
    ArchiveLoadFailed,
    StatusAndHeadersParserException,
    EOFError,
    AttributeError,
    ValueError,
)


def answers_in_warc(
    path: Path, hosts: Collection[str], written_at: datetime
) -> Iterator[Answer | None]:
    """List the answers of one file in their order, None for those of no page of ours.

    Raises
    ------
    DamagedSourceError
        When it is no WARC, or is damaged from some record on.
    """
    with path.open("rb") as file:
        yield from _answers(_Unpacked(file), "", hosts, written_at)


def answers_in_wacz(
    path: Path, hosts: Collection[str], written_at: datetime
) -> Iterator[Answer | None]:
    """List the answers of all WARCs in one WACZ.

    Raises
    ------
    DamagedSourceError
        When it is no ZIP file, or a WARC in it is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if not (name.startswith("archive/") and name.endswith(WARC)):
                    continue
                with archive.open(name) as file:
                    records = _Unpacked(file)
                    yield from _answers(records, f"{name}#", hosts, written_at)
    # The last two: a way of packing that zipfile does not know, or a password.
    except (*_UNPACKING_ERRORS, NotImplementedError, RuntimeError) as error:
        raise DamagedSourceError(
            f"it is no complete ZIP file, as a WACZ is ({error}); export it again"
        ) from error


class _NotUnpackedError(Exception):
    """The packed bytes are cut off or damaged."""


class _Unpacked:
    """A WARC's bytes, whether packed as a whole, by record, or not at all."""

    def __init__(self, file: IO[bytes]) -> None:
        is_packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        # read1: what was unpacked before the damage must not be lost with it.
        self._read = gzip.GzipFile(fileobj=file).read1 if is_packed else file.read
        self._offset = 0

    def read(self, size: int) -> bytes:
        try:
            block = self._read(size)
        except _UNPACKING_ERRORS as error:
            # Not as EOFError: warcio takes that for the good end of an archive.
            raise _NotUnpackedError(str(error)) from error
        self._offset += len(block)
        return block

    def tell(self) -> int:
        return self._offset


def _answers(
    file: _Unpacked, archive: str, hosts: Collection[str], written_at: datetime
) -> Iterator[Answer | None]:
    records = ArchiveIterator(file)
    try:
        for number, record in enumerate(records, start=1):
            answer = _answer(f"{archive}{number}", record, hosts, written_at)
            _read_to_its_end(record)
            yield answer
    except (_NotUnpackedError, *_RECORD_ERRORS) as error:
        raise DamagedSourceError(
            f"it is cut off or damaged in the record at byte {records.offset} "
            f"(unpacked): {_one_line(error)}; what stands before it was read; record "
            "the rest again"
        ) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _read_to_its_end(record: ArcWarcRecord) -> None:
    """Make sure that the record is whole, for warcio takes half a record as it is."""
    while record.raw_stream.read(_BLOCK_BYTES):
        pass
    if not isinstance(record.raw_stream, LimitReader) or record.raw_stream.limit:
        raise ArchiveLoadFailed("the record is shorter than its Content-Length")


def _answer(
    place: str, record: ArcWarcRecord, hosts: Collection[str], written_at: datetime
) -> Answer | None:
    url = record.rec_headers.get_header("WARC-Target-URI") or ""
    # A revisit holds no body: it says that the answer was the same as another one.
    if record.rec_type != "response" or not is_sold_page(url, hosts):
        return None
    if record.http_headers is None:
        return None
    status = int(record.http_headers.get_statuscode())
    if not tells_of_a_page(status):
        return None
    date = utc(record.rec_headers.get_header("WARC-Date"), otherwise=written_at)
    encoding = (record.http_headers.get_header("content-encoding") or "").lower()
    if encoding not in _DECODERS:
        fault = f"its encoding {encoding} is not known; record it without"
        return Answer(place, url, status, date, fault=fault)
    return Answer(place, url, status, date, _decoded(_content(record), encoding))


def _content(record: ArcWarcRecord) -> bytes:
    # Not record.content_stream(): warcio 1.8 cannot unpack with the brotli of today.
    if record.http_headers.get_header("transfer-encoding") == "chunked":
        return ChunkedDataReader(record.raw_stream).read()
    return record.raw_stream.read()


def _decoded(content: bytes, encoding: str) -> bytes:
    try:
        return _DECODERS[encoding](content)
    except (*_UNPACKING_ERRORS, brotli.error):
        # Some recorders keep the header and write what the browser had unpacked.
        return content


def _inflated(content: bytes) -> bytes:
    try:
        return zlib.decompress(content)
    except zlib.error:  # without zlib's header, as some servers send it
        return zlib.decompress(content, -zlib.MAX_WBITS)


_DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.decompress,
    "deflate": _inflated,
    "br": brotli.decompress,
}

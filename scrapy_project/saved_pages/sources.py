"""What reading a saved file gives: a page, or the reason why there is none."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs


@attrs.frozen
class SavedPage:
    """One page as the site served it."""

    source: str
    """The file it was read from, and the place in it: ``evening.har#12``."""
    url: str
    """Its address; empty when the file does not tell."""
    body: bytes
    """HTML in UTF-8."""
    saved_at: datetime
    """When it was fetched or saved, UTC without a zone."""


@attrs.frozen
class UnreadableSource:
    """A file, or an answer in an archive, that should hold a page and does not."""

    source: str
    reason: str
    """What it is, what was expected, what to do."""
    body: bytes = b""


class DamagedSourceError(Exception):
    """A file cannot be read further; the message is the reason."""


def utc(text: object, otherwise: datetime) -> datetime:
    """Read an ISO time as UTC without a zone; other things give the second time."""
    try:
        read = datetime.fromisoformat(text if isinstance(text, str) else "")
    except ValueError:
        return otherwise
    return read.astimezone(UTC).replace(tzinfo=None) if read.tzinfo else read


def utc_of_timestamp(seconds: float) -> datetime:
    """Write a file's modification time as UTC without a zone."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)

"""The forward log: every valuation that was made, kept until the sale can judge it.

``python -m ml.valuation.forward_log`` scores it. What belongs here: what a record
holds, appending records from many processes at once, reading them again, and the
command line. What does not: finding the sale of a valuation (``forward_matching``) and
the figures (``forward_score``).

One file a day, ``<data>/valuations/2026-11-23.jsonl``, which all processes append to: a
dashboard, a command line and a batch never wait for each other, nor for the warehouse,
which has one writer. Every record goes out in one ``write`` on a file opened with
O_APPEND, which a local file system does not mix with others' writes, and stands between
two line ends, so that one torn by a full disk or a lost power supply spoils no other.
There is no fsync: it would cost a valuation more time than the valuation itself. A
process that dies loses nothing; a machine that dies loses what the operating system had
not yet written, seconds at most. Of who asked, nothing is kept.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import re
import sys
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.valuation.provenance import git_commit
from warehouse.errors import SlutprisError, exit_with
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ml.valuation.features import Mode
    from ml.valuation.places import Place
    from ml.valuation.request import ValuationRequest

logger = logging.getLogger(__name__)

RECORD_FORMAT = 1
ID_LENGTH = 32
BATCH_RECORDS = 1_000
"""Records in one write of a batch: less than a megabyte."""

NUMBER_OF_ADDRESS = re.compile(
    r"^(?P<street>[^0-9]*)(?P<number>[0-9]+(?:\s*[A-Za-z]\b)?)"
)
"""Street, number and letter, as dbt's ``address_key`` splits them."""


@dataclass(frozen=True)
class LoggedValuation:
    """One valuation as it was made: what was asked, where it lies, what was said."""

    request: ValuationRequest
    place: Place
    value_sek: int
    low_sek: int | None
    high_sek: int | None
    model_version: int
    mode: Mode = "before_listing"
    confidence_class: int | None = None

    def record(
        self, made_at: datetime, snapshot_id: str, code_commit: str | None
    ) -> dict[str, Any]:
        """Give the fields of a record, but for its id."""
        return {
            "format": RECORD_FORMAT,
            "made_at": made_at.astimezone(UTC).isoformat(timespec="microseconds"),
            "valuation_date": self.request.date.isoformat(),
            "mode": self.mode,
            "value_sek": self.value_sek,
            "low_sek": self.low_sek,
            "high_sek": self.high_sek,
            "confidence_class": self.confidence_class,
            "model": self.request.model,
            "model_version": self.model_version,
            "snapshot_id": snapshot_id,
            "code_commit": code_commit,
            "address_key": matching_key(self.request.address, self.place),
            "place_level": self.place.level,
            "district": self.place.district,
            "municipality": self.place.municipality,
            "latitude": self.place.latitude,
            "longitude": self.place.longitude,
            "facts": self.request.model_dump(mode="json"),
        }


class ForwardLog:
    """Appends valuations to the log; safe from many threads and processes at once.

    Parameters
    ----------
    settings
        Where the log lies, and whether it is kept.
    snapshot_id
        The snapshot that the valuations are made of.
    clock
        Gives the time with its zone.
    """

    def __init__(
        self,
        settings: Settings,
        snapshot_id: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.folder = settings.forward_log_dir
        self.is_on = settings.forward_log
        self.snapshot_id = snapshot_id
        self._clock = clock
        self._has_warned = False
        # Here, once: no valuation is to wait for git.
        self._code_commit = git_commit() if self.is_on else None

    def append(self, *valuations: LoggedValuation) -> None:
        """Keep valuations; where that cannot be done, warn once and go on.

        A valuation is worth more than its record: a full disk or a folder that may not
        be written to must not fail it.
        """
        if not self.is_on:
            return
        made_at = self._clock().astimezone(UTC)
        path = self.folder / f"{made_at:%Y-%m-%d}.jsonl"
        lines = [
            _line(each.record(made_at, self.snapshot_id, self._code_commit))
            for each in valuations
        ]
        try:
            for start in range(0, len(lines), BATCH_RECORDS):
                _append(path, "".join(lines[start : start + BATCH_RECORDS]))
        except OSError as error:
            self._warn(path, error)

    def _warn(self, path: Path, error: OSError) -> None:
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "valuations are made but not logged: cannot write %s (%s); mend that, "
                "or set SLUTPRIS_FORWARD_LOG=false",
                path,
                error.strerror,
            )


@dataclass(frozen=True)
class DamagedLine:
    """A line of the log that is no record, and why; it is kept where it stands."""

    file: str
    line_number: int
    reason: str


@dataclass(frozen=True)
class Log:
    """What the log holds: each valuation once, oldest first."""

    records: list[dict[str, Any]]
    duplicate_count: int
    damaged: list[DamagedLine]


def matching_key(address: str, place: Place) -> str | None:
    """Give the key by which the sale of a home is found; None without a number.

    The street is spelt as it is known, a typo mended; the number and letter are those
    that were asked for, also where the place found is only a neighbour's.
    """
    match = NUMBER_OF_ADDRESS.match(address.strip())
    if match is None:
        return None
    return text_key(f"{place.street or match['street']}{match['number']}")


def text_key(text: str) -> str:
    """As dbt's ``text_key``: two spellings of one name are equal as keys."""
    plain = unicodedata.normalize("NFD", text.lower())
    return re.sub("[^a-z0-9]", "", plain)


def read_log(folder: Path) -> Log:
    """Read every record below a folder, each once, and what is damaged."""
    records: dict[str, dict[str, Any]] = {}
    damaged: list[DamagedLine] = []
    duplicate_count = 0
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in _lines(path):
            record = _record(line)
            if isinstance(record, str):
                damaged.append(DamagedLine(path.name, number, record))
            elif record["valuation_id"] in records:
                duplicate_count += 1
            else:
                records[record["valuation_id"]] = record
    in_order = sorted(records.values(), key=lambda r: (r["made_at"], r["valuation_id"]))
    return Log(in_order, duplicate_count, damaged)


def _line(record: dict[str, Any]) -> str:
    """Write a record between two line ends, its id first: the hash of the rest."""
    content = json.dumps(record, separators=(",", ":"))
    return f'\n{{"valuation_id":"{_content_id(content)}",{content[1:]}\n'


def _content_id(content: str) -> str:
    return hashlib.sha256(content.encode("ascii")).hexdigest()[:ID_LENGTH]


def _append(path: Path, text: str) -> None:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    try:
        descriptor = os.open(path, flags, 0o666)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, flags, 0o666)
    content = text.encode("ascii")
    try:
        written = os.write(descriptor, content)
    finally:
        os.close(descriptor)
    if written < len(content):
        raise OSError(0, f"only {written} of {len(content)} bytes found room")


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Give the lines that hold something, with their numbers."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, line.strip()


def _record(line: bytes) -> dict[str, Any] | str:
    """Read one line as a record whose id is the hash of its content, else say why."""
    try:
        record = json.loads(line)
    except ValueError:
        return "torn: not a whole JSON object"
    if not isinstance(record, dict) or "valuation_id" not in record:
        return "not a valuation"
    rest = {key: value for key, value in record.items() if key != "valuation_id"}
    if _content_id(json.dumps(rest, separators=(",", ":"))) != record["valuation_id"]:
        return "changed: its id is not the hash of its content"
    if record.get("format") != RECORD_FORMAT:
        return f"of format {record.get('format')}, which this code does not read"
    return record


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ml.valuation.forward_log",
        description="Score the valuations that were made against the sales since.",
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="the figures as JSON")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    # here, not above: a valuation that is logged needs none of it
    from ml.valuation.forward_report import print_summary
    from ml.valuation.forward_score import score_log
    from warehouse.store import connect

    options = _parser().parse_args(arguments)
    settings = Settings()
    with connect(settings.warehouse_path, read_only=True) as connection:
        scored = score_log(connection, settings)
    print_summary(scored.summary, settings, sys.stdout)
    if options.json is not None:
        _write(options.json, json.dumps(scored.summary, ensure_ascii=False, indent=1))
    return 0


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise SlutprisError(
            f"cannot write {path} ({error.strerror}); name another file"
        ) from error


if __name__ == "__main__":
    exit_with(main)

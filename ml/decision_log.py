"""A model's log of decisions: which version serves, since when, why, and by whom.

What belongs here: reading and appending, and what follows from the lines alone. What
does not: taking decisions (``champions``).

The log is a file of JSON lines, only ever appended to. What serves is what its last
line says: there is no second record that could disagree with it. A decision cut short
leaves half a line, which counts as no decision.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from pathlib import Path

GATE = "gate"
"""Who decides when no person does."""
Action = Literal["promote", "keep", "roll_back"]


@dataclass(frozen=True)
class Entry:
    """One decision: what was decided of ``version``, and what serves since.

    ``to_sha256`` is the content of the version that serves, so that a registry that was
    made anew is not taken for the old one; ``newest`` is the newest version there was.
    """

    at: str
    by: str
    name: str
    action: Action
    version: int
    from_version: int | None
    to_version: int
    to_sha256: str
    newest: int
    reason: str
    figures: dict[str, Any] = field(default_factory=dict)

    def says_the_same(self, other: Entry) -> bool:
        """Tell whether nothing but time and figures differ."""
        return all(
            getattr(self, name) == getattr(other, name)
            for name in ("action", "version", "to_version", "to_sha256", "reason")
        )


@dataclass(frozen=True)
class History:
    """The decisions on one model, oldest first, and the lines that are unreadable."""

    entries: list[Entry] = field(default_factory=list)
    damaged_lines: list[int] = field(default_factory=list)

    @property
    def last(self) -> Entry | None:
        """The decision that stands."""
        return self.entries[-1] if self.entries else None

    @property
    def succession(self) -> list[Entry]:
        """What made the present version serve, and each that it would go back to.

        The present one first. A version that was rolled back is in it no more.
        """
        line: list[Entry] = []
        for entry in self.entries:
            known = [each.to_version for each in line]
            if entry.action == "roll_back" and entry.to_version in known:
                del line[known.index(entry.to_version) + 1 :]
            elif not line or known[-1] != entry.to_version:
                line.append(entry)
        return line[::-1]

    def has_passed(self, version: int) -> bool:
        """Tell whether a version was promoted; one that only stands in was not."""
        return any(
            entry.action == "promote" and entry.to_version == version
            for entry in self.entries
        )

    def passed_over(self, version: int) -> Entry | None:
        """Give the last decision of a person, where it chose another than a version."""
        of_people = [entry for entry in self.entries if entry.by != GATE]
        for entry in of_people[-1:]:
            if version <= entry.newest and version != entry.to_version:
                return entry
        return None


def read_history(path: Path) -> History:
    """Read a log; lines that are unreadable are told by their numbers."""
    history = History()
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return history
    for number, line in enumerate(lines, start=1):
        entry = _entry(line)
        if entry is not None:
            history.entries.append(entry)
        elif line.strip():
            history.damaged_lines.append(number)
    return history


def append(path: Path, entry: Entry) -> None:
    """Write a decision at the end of a log; it stands once this returns."""
    text = json.dumps(asdict(entry), ensure_ascii=False, allow_nan=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        # half a line that was cut short before stays a line of its own
        start = "" if _is_at_line_start(path) else "\n"
        file.write(f"{start}{text}\n".encode())
        file.flush()
        os.fsync(file.fileno())


def _is_at_line_start(path: Path) -> bool:
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _entry(line: bytes) -> Entry | None:
    """Read one line; None where it is not what ``append`` writes."""
    try:
        entry = Entry(**json.loads(line))
    except (ValueError, TypeError):
        return None
    numbers = (entry.version, entry.to_version, entry.newest)
    whole = all(isinstance(number, int) for number in numbers)
    return entry if whole and entry.action in get_args(Action) else None

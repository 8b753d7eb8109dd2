"""What of a data folder is kept, and how each file must be copied.

Everything is kept that is not named here: state that somebody adds later is in the next
backup without another thought.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

LEFT_OUT = {
    "backups": "backups are no state",
    "dbt": "made again by dbt",
    "hopsworks": "a lock of this machine",
    "lake.ducklake": "made again by dbt, from the warehouse",
    "lake_files": "made again by dbt, from the warehouse",
    "set-aside": "another market, back it up by SLUTPRIS_DATA",
    "synthetic": "another data folder, back it up by SLUTPRIS_DATA",
    "dagster/storage": "logs of steps",
    "serving": "old snapshots; the current one is kept",
}
"""Paths below the data folder that are no state of their own, each with the reason."""

PASSING_SUFFIXES = (".lock", ".tmp", ".partial", "-wal", "-shm", "-journal")
LOG_OF_DUCKDB = re.compile(r"\.duck(db|lake)\.wal")
OLD_FORMAT = ".before-"
"""Within the name of a DuckDB file that an upgrade has set aside."""


class Kind(Enum):
    """How a file is copied so that the copy is of one moment."""

    DUCKDB = auto()
    SQLITE = auto()
    PLAIN = auto()


@dataclass(frozen=True)
class Source:
    """A file to copy; ``path`` is relative to the data folder."""

    path: Path
    kind: Kind
    byte_count: int


@dataclass
class Sources:
    """What is copied, in the order of copying, and what is not."""

    files: list[Source] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def find_sources(data: Path) -> Sources:
    """List what a data folder holds.

    What names versions of models comes before the versions, and everything before the
    warehouse: what is named in a backup is then in it.
    """
    found = Sources()
    for folder, folders, files in os.walk(data):
        here = Path(folder)
        folders[:] = [
            name for name in sorted(folders) if _enter(data, here, name, found)
        ]
        for name in sorted(files):
            _add(data, here / name, found)
    found.files.sort(key=_turn)
    return found


def _enter(data: Path, parent: Path, name: str, found: Sources) -> bool:
    relative = (parent / name).relative_to(data).as_posix()
    if (parent / name).is_symlink():
        found.left_out.append(f"{relative}: a link out of the data folder")
        return False
    if relative in LEFT_OUT:
        found.left_out.append(f"{relative}: {LEFT_OUT[relative]}")
        return False
    return not _is_passing(name)


def _add(data: Path, path: Path, found: Sources) -> None:
    relative = path.relative_to(data)
    if relative.as_posix() in LEFT_OUT:
        found.left_out.append(f"{relative}: {LEFT_OUT[relative.as_posix()]}")
    elif OLD_FORMAT in path.name:
        found.left_out.append(f"{relative}: a file in an older format")
    elif not _is_passing(path.name) and not LOG_OF_DUCKDB.search(path.name):
        # What vanishes between the listing and the look was never to last.
        size = path.stat().st_size if path.is_file() else None
        if size is not None:
            found.files.append(Source(relative, _kind(path), size))


def _is_passing(name: str) -> bool:
    return name.startswith(".") or name.endswith(PASSING_SUFFIXES)


def _kind(path: Path) -> Kind:
    if path.suffix == ".duckdb":
        return Kind.DUCKDB
    return Kind.SQLITE if path.suffix in (".sqlite", ".db") else Kind.PLAIN


def _turn(source: Source) -> tuple[bool, bool, bool, str]:
    parts = source.path.parts
    return (
        source.kind is Kind.DUCKDB,
        len(parts) > 1 and parts[0] == "registry",
        len(parts) > 2,
        source.path.as_posix(),
    )

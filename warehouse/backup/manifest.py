"""What a backup holds: its manifest, written last, and the names around it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = "manifest.json"
DATA = "data"
FORMAT = 1
PARTIAL = ".partial-"
"""Begins the name of a backup that is being made; nothing reads such a folder."""


class BackupError(SlutprisError):
    """A backup cannot be made, is not whole, or may not be put there."""


@dataclass(frozen=True)
class KeptFile:
    """A file of a backup; ``path`` is relative to the data folder."""

    path: str
    byte_count: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a backup holds, where it came from, and the digests that prove it."""

    created_at: str
    """UTC, ISO 8601."""
    data_dir: str
    """Where it lay; it may be restored anywhere."""
    project_commit: str | None
    duckdb_version: str
    storage_versions: dict[str, str]
    """DuckDB file to the version of its format."""
    row_counts: dict[str, dict[str, int]]
    """DuckDB file to its tables and their rows."""
    files: tuple[KeptFile, ...]
    links: dict[str, str]
    """Symbolic links, to where they lead."""
    left_out: tuple[str, ...]
    """What lay in the data folder and is not in the backup, each with the reason."""

    @property
    def byte_count(self) -> int:
        """The size of all files together."""
        return sum(file.byte_count for file in self.files)

    def to_json(self) -> str:
        """Write the manifest as the text of ``manifest.json``."""
        content = {"format": FORMAT, **asdict(self)}
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a manifest; raises ValueError, KeyError or TypeError if it is none."""
        content: dict[str, Any] = json.loads(text)
        if content.pop("format") != FORMAT:
            raise ValueError("unknown format")
        files = tuple(KeptFile(**file) for file in content.pop("files"))
        return cls(files=files, left_out=tuple(content.pop("left_out")), **content)


@dataclass(frozen=True)
class Backup:
    """A whole backup: its folder and its manifest."""

    folder: Path
    manifest: Manifest

    @property
    def data(self) -> Path:
        """The copy of the data folder."""
        return self.folder / DATA


def read_backup(folder: Path) -> Backup:
    """Read a backup's manifest; says nothing of its files yet.

    Raises
    ------
    BackupError
        When the folder is no whole backup.
    """
    if folder.name.startswith(PARTIAL):
        raise BackupError(f"{folder} is a backup that was never finished; take another")
    try:
        text = (folder / MANIFEST).read_text(encoding="utf-8")
        return Backup(folder, Manifest.from_json(text))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupError(
            f"{folder} is no whole backup: its {MANIFEST} cannot be read ({error}); "
            "name a folder that `python -m warehouse.backup make` wrote"
        ) from error


def backups_in(folder: Path) -> list[Path]:
    """Give the folders of finished backups, oldest first."""
    return sorted(
        path.parent
        for path in folder.glob(f"*/{MANIFEST}")
        if not path.parent.name.startswith(PARTIAL)
    )

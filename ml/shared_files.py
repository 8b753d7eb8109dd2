"""The port to shared files: publishing a file under a name, and getting it back whole.

What belongs here: what can be asked, and the embedded keeper of files, a folder. What
does not: what a file holds.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ml.model_versions import file_sha256
from warehouse.errors import SlutprisError
from warehouse.store import make_folder

if TYPE_CHECKING:
    from pathlib import Path

NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")


class SharedFileError(SlutprisError):
    """The file cannot be kept, is not there, or did not arrive as it was kept."""


class SharedFilesUnreachableError(SharedFileError):
    """Who keeps the files did not answer, or not in time: it may, another time."""


@dataclass(frozen=True)
class FileReceipt:
    """What publishing a file came to; ``skipped`` when it lay there already."""

    backend: str
    name: str
    path: str
    sha256: str
    byte_count: int
    skipped: bool


class SharedFiles(Protocol):
    """Where files are published by name; a ``SharedFileError`` says what went wrong."""

    backend: str

    def put(self, path: Path, name: str) -> FileReceipt:
        """Keep a file under a name; the same bytes again change nothing."""
        ...

    def get(self, name: str, into: Path) -> Path:
        """Copy the file of that name to a path, whole and verified, or not at all."""
        ...


class FolderFiles:
    """Files in a folder; ``SharedFiles`` says what the calls do."""

    backend = "embedded"

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, path: Path, name: str) -> FileReceipt:
        """Keep a file under a name; the same bytes again change nothing."""
        check_file_name(name)
        digest, kept = file_sha256(path), self.root / name
        skipped = kept.is_file() and file_sha256(kept) == digest
        if not skipped:
            make_folder(self.root)
            _copy_whole(path, kept)
        size = kept.stat().st_size
        return FileReceipt(self.backend, name, str(kept), digest, size, skipped)

    def get(self, name: str, into: Path) -> Path:
        """Copy the file of that name to a path, whole or not at all."""
        check_file_name(name)
        if not (self.root / name).is_file():
            raise SharedFileError(
                f"there is no file {name!r} in {self.root}; publish it first"
            )
        make_folder(into.parent)
        _copy_whole(self.root / name, into)
        return into


def check_file_name(name: str) -> None:
    """Refuse what is no plain file name.

    Raises
    ------
    SharedFileError
        Saying what a name may hold.
    """
    if not NAME_PATTERN.fullmatch(name):
        raise SharedFileError(
            f"{name!r} is no name for a shared file; use a-z, 0-9, '_', '-' and '.'"
        )


def _copy_whole(source: Path, target: Path) -> None:
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(source, aside)
    aside.replace(target)

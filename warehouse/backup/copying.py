"""Copying one file so that the copy is of one moment, whoever writes meanwhile.

A DuckDB file is copied byte for byte, with its log, under the lock that keeps writers
out: seconds for gigabytes, and nothing of it is written anew. What belongs here: the
copying. What does not: which files, and what is said of them.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import time
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

from warehouse.backup.manifest import BackupError
from warehouse.errors import WarehouseBusyError
from warehouse.store import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path
    from typing import IO

    import duckdb

    Advance = Callable[[int], None]
    """Told how many bytes more have been copied."""

POLL_S = 0.05
CHUNK_BYTES = 4 << 20
SETTLE_ATTEMPTS = 5
SQLITE_WAIT_S = 60


@contextmanager
def held_from_writers(
    path: Path, wait_s: float
) -> Generator[duckdb.DuckDBPyConnection]:
    """Hold a DuckDB file open for reading, waiting for whoever writes to it.

    Others may read it meanwhile; who would write gets ``WarehouseBusyError``.

    Raises
    ------
    WarehouseBusyError
        When somebody still writes after ``wait_s`` seconds.
    """
    deadline = time.monotonic() + wait_s
    while True:
        try:
            connection = connect(path, read_only=True)
            break
        except WarehouseBusyError as error:
            if not wait_s:
                raise
            if time.monotonic() > deadline:
                raise WarehouseBusyError(
                    f"{error}; waited {wait_s:g} s (a crawl holds it from beginning to "
                    "end), give it more time with --wait SECONDS"
                ) from error
            time.sleep(POLL_S)
    with connection:
        yield connection


def copy_duckdb(source: Path, target: Path, wait_s: float, advance: Advance) -> None:
    """Copy a DuckDB file as its last commit left it, and fold its log into the copy."""
    with ExitStack() as files:
        # The kernel drops all of a process's locks on a file when the process closes
        # any descriptor of it (fcntl(2)), DuckDB's too: ours are closed last of all.
        opened = files.enter_context(source.open("rb"))
        with _turn_of(source, wait_s), held_from_writers(source, wait_s):
            _copy_stream(opened, target, advance)
            for log in source.parent.glob(f"{source.name}.wal*"):
                stream = files.enter_context(log.open("rb"))
                _copy_stream(stream, target.with_name(log.name), advance)
    with connect(target) as copy:
        copy.execute("checkpoint")
    leftovers = list(target.parent.glob(f"{target.name}.wal*"))
    if leftovers:
        raise BackupError(
            f"the copy of {source} kept a log, {leftovers[0].name}; take another backup"
        )


@contextmanager
def _turn_of(path: Path, wait_s: float) -> Generator[None]:
    """Take the turn that some files are used by, where this one has a lock file."""
    lock = path.with_name(f"{path.name}.lock")
    if not lock.exists():
        yield
        return
    deadline = time.monotonic() + wait_s
    with lock.open("rb") as file:
        while not _is_locked(file.fileno()):
            if time.monotonic() > deadline:
                raise WarehouseBusyError(
                    f"{path} was in use for {wait_s:g} s on end; run the same command "
                    "again, or give it more time with --wait SECONDS"
                )
            time.sleep(POLL_S)
        yield


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def copy_sqlite(source: Path, target: Path, advance: Advance) -> None:
    """Copy an SQLite file by SQLite's own online backup."""
    # Opened as a file that must be there: what vanished must not come to be.
    address = f"{source.resolve().as_uri()}?mode=rw"
    with (
        closing(sqlite3.connect(address, uri=True, timeout=SQLITE_WAIT_S)) as opened,
        closing(sqlite3.connect(target)) as copy,
    ):
        opened.backup(copy)
    advance(target.stat().st_size)


def copy_plain(source: Path, target: Path, advance: Advance) -> None:
    """Copy a file that is replaced whole or only grows; one that changes, again."""
    for _ in range(SETTLE_ATTEMPTS):
        before = _state(source)
        with source.open("rb") as stream:
            _copy_stream(stream, target, lambda _: None)
        if _state(source) == before:
            break
    # A file that never keeps still grows: its beginning is what it was a moment ago.
    shutil.copystat(source, target)
    advance(target.stat().st_size)


def _state(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _copy_stream(stream: IO[bytes], target: Path, advance: Advance) -> None:
    with target.open("wb") as copy:
        while chunk := stream.read(CHUNK_BYTES):
            copy.write(chunk)
            advance(len(chunk))


def flush(path: Path) -> None:
    """Have a file or a folder written to the disk, so that a power cut keeps it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

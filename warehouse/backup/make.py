"""Making a backup: everything is copied aside, counted, and named last of all."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import sqlite3
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb

from warehouse.backup.copying import copy_duckdb, copy_plain, copy_sqlite, flush
from warehouse.backup.counts import row_counts, storage_version
from warehouse.backup.manifest import (
    DATA,
    MANIFEST,
    PARTIAL,
    Backup,
    BackupError,
    KeptFile,
    Manifest,
    backups_in,
)
from warehouse.backup.sources import Kind, Source, Sources, find_sources
from warehouse.code_version import git_commit
from warehouse.errors import SlutprisError, WarehouseBusyError
from warehouse.serving import current_snapshot_id, open_snapshot
from warehouse.store import connect, make_folder

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from warehouse.backup.copying import Advance
    from warehouse.settings import Settings

HEADROOM_BYTES = 64 << 20
"""Room that must be left on the disk beside the copy."""


def make_backup(
    settings: Settings, folder: Path, *, wait_s: float, advance: Advance
) -> Backup:
    """Copy all state into a new folder below ``folder``, while the system runs.

    Parameters
    ----------
    settings
        Over the data folder.
    folder
        Where backups lie; made where it is missing.
    wait_s
        Seconds to wait for each file that somebody writes to.
    advance
        Told how many bytes more have been copied.

    Raises
    ------
    BackupError
        When there is nothing to copy, or no room for it.
    WarehouseBusyError
        When a file was in use all that time, or another backup is being made.
    """
    with _one_at_a_time(folder):
        for unfinished in folder.glob(f"{PARTIAL}*"):
            shutil.rmtree(unfinished)
        sources = find_sources(settings.data)
        if not sources.files:
            raise BackupError(
                f"there is nothing in {settings.data}; set SLUTPRIS_DATA to the folder "
                "that holds the state"
            )
        _check_room(folder, sources)
        now = datetime.now(UTC)
        partial = folder / f"{PARTIAL}{now:%Y%m%dT%H%M%SZ}"
        try:
            manifest = _copy_all(settings, sources, partial, now, wait_s, advance)
            return Backup(_finish(partial, manifest), manifest)
        except OSError as error:
            raise BackupError(
                f"cannot write the backup to {folder} ({error.strerror}); give it a "
                "folder you may write to, with room on its disk: --to DIR"
            ) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def rotate(folder: Path, keep: int) -> list[Path]:
    """Remove all finished backups but the newest ``keep``; gives what was removed."""
    too_old = backups_in(folder)[:-keep]
    for path in too_old:
        # Out of sight first: a removal that is killed leaves nothing to be trusted.
        hidden = path.rename(path.with_name(f"{PARTIAL}{path.name}"))
        shutil.rmtree(hidden)
    return too_old


def total_bytes(settings: Settings) -> int:
    """Tell how much there is to copy, the published snapshot apart."""
    return sum(source.byte_count for source in find_sources(settings.data).files)


@contextmanager
def _one_at_a_time(folder: Path) -> Generator[None]:
    make_folder(folder)
    # The kernel releases the lock of a killed process, so no lock is ever stale.
    with (folder / "backup.lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise WarehouseBusyError(
                f"another backup is being made in {folder}; wait for it"
            ) from error
        yield


def _check_room(folder: Path, sources: Sources) -> None:
    needed = HEADROOM_BYTES + sum(source.byte_count for source in sources.files)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise BackupError(
            f"a backup needs {needed >> 20} MiB and the disk of {folder} has "
            f"{free >> 20} MiB; remove old ones (--keep N), or name another disk: "
            "--to DIR"
        )


def _copy_all(
    settings: Settings,
    sources: Sources,
    partial: Path,
    now: datetime,
    wait_s: float,
    advance: Advance,
) -> Manifest:
    data = partial / DATA
    data.mkdir(parents=True)
    # First, so that no snapshot is newer than the warehouse it is said to be of.
    links = _copy_snapshot(settings, data, sources.left_out, advance)
    for source in sources.files:
        _copy(settings.data, data, source, wait_s, advance)
    kept = tuple(
        _kept(data, path) for path in sorted(data.rglob("*")) if _is_file(path)
    )
    versions, counts = _numbers(data, kept)
    return Manifest(
        created_at=now.isoformat(timespec="seconds"),
        data_dir=str(settings.data),
        project_commit=git_commit(),
        duckdb_version=duckdb.__version__,
        storage_versions=versions,
        row_counts=counts,
        files=kept,
        links=links,
        left_out=tuple(sources.left_out),
    )


def _copy_snapshot(
    settings: Settings, data: Path, left_out: list[str], advance: Advance
) -> dict[str, str]:
    """Copy the current snapshot, which stays whole while it is open."""
    if current_snapshot_id(settings.serving_dir) is None:
        return {}
    try:
        opened = open_snapshot(settings.serving_dir)
    except SlutprisError as error:
        # It is made again of the warehouse: no reason to go without a backup.
        left_out.append(f"serving/current: {error}")
        return {}
    with opened as snapshot:
        target = data / "serving" / "snapshots" / snapshot.snapshot_id
        target.mkdir(parents=True)
        for path in sorted(snapshot.folder.iterdir()):
            copy_plain(path, target / path.name, advance)
    leads_to = f"snapshots/{snapshot.snapshot_id}"
    (data / "serving" / "current").symlink_to(leads_to)
    return {"serving/current": leads_to}


def _copy(
    origin: Path, data: Path, source: Source, wait_s: float, advance: Advance
) -> None:
    path, target = origin / source.path, data / source.path
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if source.kind is Kind.DUCKDB:
            copy_duckdb(path, target, wait_s, advance)
        elif source.kind is Kind.SQLITE:
            copy_sqlite(path, target, advance)
        else:
            copy_plain(path, target, advance)
    except (FileNotFoundError, sqlite3.OperationalError):
        # Removed since it was listed, as reports and records of old runs are.
        if path.exists():
            raise
        target.unlink(missing_ok=True)


def _is_file(path: Path) -> bool:
    return path.is_file() and not any(parent.is_symlink() for parent in path.parents)


def _kept(data: Path, path: Path) -> KeptFile:
    flush(path)
    relative = path.relative_to(data).as_posix()
    return KeptFile(relative, path.stat().st_size, file_sha256(path))


def _numbers(
    data: Path, kept: tuple[KeptFile, ...]
) -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    versions, counts = {}, {}
    for file in kept:
        if file.path.endswith(".duckdb"):
            with connect(data / file.path, read_only=True) as connection:
                versions[file.path] = storage_version(connection)
                counts[file.path] = row_counts(connection)
    return versions, counts


def _finish(partial: Path, manifest: Manifest) -> Path:
    # Flushed before it is named: after a power cut a named backup is whole.
    path = partial / MANIFEST
    path.write_text(manifest.to_json(), encoding="utf-8")
    flush(path)
    for folder in (partial / DATA, partial):
        flush(folder)
    finished = partial.rename(partial.with_name(partial.name.removeprefix(PARTIAL)))
    flush(finished.parent)
    return finished


def file_sha256(path: Path) -> str:
    """Hash a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

"""Judging a backup: whether every byte is as it was written, and can be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from warehouse.backup.counts import Fates, fates, row_counts
from warehouse.backup.make import file_sha256
from warehouse.backup.manifest import Backup, BackupError, read_backup
from warehouse.errors import SlutprisError
from warehouse.serving import open_snapshot
from warehouse.store import connect

if TYPE_CHECKING:
    from pathlib import Path

    from warehouse.backup.copying import Advance

WAREHOUSE = "warehouse.duckdb"


@dataclass(frozen=True)
class Verified:
    """A backup that is whole, and what it holds."""

    backup: Backup
    snapshot_id: str | None
    fates: Fates | None
    """What became of the raw rows; None when nothing was built."""


def verify_backup(folder: Path, advance: Advance) -> Verified:
    """Hash every file, open every database, count every table, open the snapshot.

    Raises
    ------
    BackupError
        Saying what is wrong; such a backup must not be restored.
    """
    backup = read_backup(folder)
    _check_names(backup)
    for file in backup.manifest.files:
        path = backup.data / file.path
        if path.stat().st_size != file.byte_count or file_sha256(path) != file.sha256:
            raise _damaged(backup, f"{file.path} is not as it was written")
        advance(file.byte_count)
    found = [
        _check_database(backup, path, expected)
        for path, expected in sorted(backup.manifest.row_counts.items())
    ]
    of_warehouse = [each for path, each in found if path == WAREHOUSE]
    return Verified(backup, _snapshot_id(backup), *(of_warehouse or [None]))


def _check_names(backup: Backup) -> None:
    files = {file.path for file in backup.manifest.files}
    lying = {
        path.relative_to(backup.data).as_posix()
        for path in backup.data.rglob("*")
        if path.is_file() and not path.is_symlink()
    }
    # A link to a folder is not walked into, so no file is met twice.
    for what, names in (
        ("is missing", files - lying),
        ("is not of it", lying - files),
    ):
        if names:
            raise _damaged(backup, f"{min(names)} {what}")
    for name, leads_to in backup.manifest.links.items():
        link = backup.data / name
        if not link.is_symlink() or str(link.readlink()) != leads_to:
            raise _damaged(backup, f"the link {name} does not lead to {leads_to}")


def _check_database(
    backup: Backup, path: str, expected: dict[str, int]
) -> tuple[str, Fates | None]:
    try:
        with connect(backup.data / path, read_only=True) as connection:
            counted, become = row_counts(connection), fates(connection)
    except (SlutprisError, duckdb.Error) as error:
        reason = str(error).splitlines()[0]
        raise _damaged(backup, f"DuckDB cannot read {path} [{reason}]") from error
    if counted != expected:
        names = sorted(dict(set(counted.items()) ^ set(expected.items())))
        raise _damaged(backup, f"{path} has other rows than were counted, in {names}")
    if become and not become.add_up:
        raise _damaged(
            backup,
            f"the rows of {path} do not add up: {become}, and {become.not_raw} in the "
            "marts are not raw; were they so before, build (`dbt build --project-dir "
            "dbt_project`) and make another",
        )
    return path, become


def _snapshot_id(backup: Backup) -> str | None:
    if not backup.manifest.links:
        return None
    try:
        with open_snapshot(backup.data / "serving") as snapshot:
            return snapshot.snapshot_id
    except SlutprisError as error:
        raise _damaged(backup, str(error)) from error


def _damaged(backup: Backup, what: str) -> BackupError:
    return BackupError(
        f"the backup {backup.folder} must not be used: {what}; take an older one"
    )

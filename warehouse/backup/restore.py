"""Putting a backup in place of a data folder, or where there is none."""

from __future__ import annotations

import os
import shutil
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from warehouse.backup.copying import flush, held_from_writers
from warehouse.backup.manifest import BackupError
from warehouse.backup.verify import verify_backup
from warehouse.store import make_folder

if TYPE_CHECKING:
    from pathlib import Path

    from warehouse.backup.copying import Advance
    from warehouse.backup.verify import Verified


@dataclass(frozen=True)
class Restored:
    """What was put where, and where what lay there before lies now."""

    verified: Verified
    data: Path
    set_aside: Path | None


def restore_backup(
    folder: Path, into: Path, *, replace: bool, advance: Advance
) -> Restored:
    """Verify a backup, copy it beside the data folder, and rename it into place.

    Parameters
    ----------
    folder
        The backup.
    into
        The data folder; absent or empty, unless ``replace``.
    replace
        Set aside what lies there; nothing is removed.
    advance
        Told how many bytes have been verified.

    Raises
    ------
    BackupError
        When the backup is not whole, or ``into`` holds something.
    WarehouseBusyError
        When somebody writes to the warehouse that is to be replaced.
    """
    is_empty = not into.exists() or not any(into.iterdir())
    if not (is_empty or replace):
        raise BackupError(
            f"{into} is not empty; name another folder with --into, or say --replace: "
            "what lies there is then set aside"
        )
    if into.is_mount():
        raise BackupError(
            f"{into} is a mount point, which cannot be renamed; restore into a folder "
            "below it and set SLUTPRIS_DATA to that"
        )
    verified = verify_backup(folder, advance)
    beside = into.with_name(f".restoring-{into.name}")
    shutil.rmtree(beside, ignore_errors=True)
    make_folder(into.parent)
    try:
        shutil.copytree(verified.backup.data, beside, symlinks=True)
        # On the disk before it is named: after a power cut the name leads to all of it.
        os.sync()
        set_aside = _put_in_place(beside, into, is_empty=is_empty)
    except OSError as error:
        raise BackupError(
            f"cannot restore to {into} ({error.strerror or error}); "
            "nothing was replaced"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return Restored(verified, into, set_aside)


def _put_in_place(beside: Path, into: Path, *, is_empty: bool) -> Path | None:
    if is_empty:
        if into.exists():
            into.rmdir()
        beside.rename(into)
        return None
    warehouse = into / "warehouse.duckdb"
    with held_from_writers(warehouse, 0) if warehouse.exists() else nullcontext():
        return _swap(beside, into)


def _swap(beside: Path, into: Path) -> Path:
    now = datetime.now(UTC)
    name = f"{into.name}.before-restore-{now:%Y%m%dT%H%M%SZ}"
    set_aside = into.rename(into.with_name(name))
    # Between the two names there is no data folder: killed here, rename by hand.
    try:
        beside.rename(into)
    except OSError:
        set_aside.rename(into)
        raise
    flush(into.parent)
    return set_aside

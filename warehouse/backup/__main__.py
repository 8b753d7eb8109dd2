"""``python -m warehouse.backup``: make, verify, restore, upgrade."""

from __future__ import annotations

import argparse
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from warehouse.backup.make import make_backup, rotate, total_bytes
from warehouse.backup.manifest import read_backup
from warehouse.backup.restore import restore_backup
from warehouse.backup.upgrade import upgrade_file
from warehouse.backup.verify import verify_backup
from warehouse.errors import exit_with
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from warehouse.backup.copying import Advance
    from warehouse.backup.verify import Verified

WAIT_S = 300
LATEST = "latest"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    options = _parser().parse_args(arguments)
    options.command(options, Settings())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m warehouse.backup",
        description="Copy all state while the system runs, verify it, put it back.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    make = commands.add_parser("make", help="copy all state of SLUTPRIS_DATA")
    make.add_argument("--to", type=Path, metavar="DIR", help="default: DATA/backups")
    make.add_argument("--verify", action="store_true", help="then verify it")
    make.add_argument("--keep", type=_at_least_one, metavar="N", help="then the newest")
    _add_wait(make)
    make.set_defaults(command=_make)
    verify = commands.add_parser("verify", help="hash, open and count a backup")
    verify.add_argument("folder", type=Path, metavar="DIR")
    verify.set_defaults(command=_verify)
    restore = commands.add_parser("restore", help="verify a backup and put it back")
    restore.add_argument("folder", type=Path, metavar="DIR")
    restore.add_argument(
        "--into", type=Path, metavar="DATA", help="default: SLUTPRIS_DATA"
    )
    restore.add_argument(
        "--replace", action="store_true", help="set aside what lies there"
    )
    restore.set_defaults(command=_restore)
    upgrade = commands.add_parser("upgrade", help="write a DuckDB file in a new format")
    upgrade.add_argument("file", type=Path, nargs="?", help="default: the warehouse")
    upgrade.add_argument("--storage-version", default=LATEST, metavar="VERSION")
    _add_wait(upgrade)
    upgrade.set_defaults(command=_upgrade)
    return parser


def _add_wait(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wait",
        type=float,
        default=WAIT_S,
        metavar="SECONDS",
        help=f"for whoever writes to a file ({WAIT_S})",
    )


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("keep at least one")
    return number


def _make(options: argparse.Namespace, settings: Settings) -> None:
    folder = (options.to or settings.backups_dir).expanduser().resolve()
    with _progress("copying", total_bytes(settings)) as advance:
        backup = make_backup(settings, folder, wait_s=options.wait, advance=advance)
    manifest = backup.manifest
    _say(f"{backup.folder}: {len(manifest.files)} files, {_size(manifest.byte_count)}")
    for reason in manifest.left_out:
        _say(f"  left out {reason}")
    if options.verify:
        _say_verified(_verified(backup.folder))
    for path in rotate(folder, options.keep) if options.keep else ():
        _say(f"  removed {path}")


def _verify(options: argparse.Namespace, _: Settings) -> None:
    _say_verified(_verified(options.folder))


def _verified(folder: Path) -> Verified:
    with _progress("verifying", read_backup(folder).manifest.byte_count) as advance:
        return verify_backup(folder, advance)


def _say_verified(verified: Verified) -> None:
    manifest = verified.backup.manifest
    rows = sum(sum(counts.values()) for counts in manifest.row_counts.values())
    _say(
        f"{verified.backup.folder} is whole: {len(manifest.files)} files, "
        f"{_size(manifest.byte_count)}, {rows} rows, made {manifest.created_at} by "
        f"DuckDB {manifest.duckdb_version} at commit {manifest.project_commit}"
    )
    _say(f"  snapshot {verified.snapshot_id or 'none'}")
    _say(f"  {verified.fates or 'nothing was built'}")


def _restore(options: argparse.Namespace, settings: Settings) -> None:
    into = (options.into or settings.data).expanduser().resolve()
    total = read_backup(options.folder).manifest.byte_count
    with _progress("verifying", total) as advance:
        restored = restore_backup(
            options.folder, into, replace=options.replace, advance=advance
        )
    _say_verified(restored.verified)
    _say(f"restored to {restored.data}")
    if restored.set_aside:
        _say(
            f"  what lay there is now {restored.set_aside}; remove it when all is well"
        )
    _say(
        f"next: export SLUTPRIS_DATA={restored.data}, start the services again, and "
        "run the nightly job or `dbt build --project-dir dbt_project`"
    )


def _upgrade(options: argparse.Namespace, settings: Settings) -> None:
    path = (options.file or settings.warehouse_path).expanduser().resolve()
    done = upgrade_file(path, options.storage_version, options.wait)
    _say(
        f"{done.path}: {done.version_before} -> {done.version_after}, "
        f"{done.row_count} rows as before"
    )
    _say(f"  the old file is {done.set_aside}; remove it when all is well")


@contextmanager
def _progress(what: str, total: int) -> Generator[Advance]:
    """Show a bar on a terminal, and nothing in a log."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as shown:
        task = shown.add_task(what, total=total)
        yield lambda copied: shown.advance(task, copied)


def _size(byte_count: int) -> str:
    return f"{byte_count / 1e6:.1f} MB"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    exit_with(main)

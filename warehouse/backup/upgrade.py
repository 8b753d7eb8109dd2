"""Writing a DuckDB file anew in another version of its format, and swapping it in.

DuckDB reads files of every earlier version, and writes them in the version they have;
what a newer one brings (compression, smaller files) comes only by writing all anew.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb

from warehouse.backup.copying import flush, held_from_writers
from warehouse.backup.counts import row_counts, storage_version
from warehouse.backup.manifest import BackupError
from warehouse.backup.sources import OLD_FORMAT
from warehouse.errors import WarehouseBusyError
from warehouse.store import connect

if TYPE_CHECKING:
    from pathlib import Path

_OBJECTS = """
select 'table', schema_name, table_name, estimated_size * 0 from duckdb_tables()
where database_name = current_catalog()
union all
select 'view', schema_name, view_name, 0 from duckdb_views()
where database_name = current_catalog() and not internal
union all
select 'index', schema_name, index_name, 0 from duckdb_indexes()
where database_name = current_catalog()
union all
select 'macro', schema_name, function_name, count(*) from duckdb_functions()
where
    database_name = current_catalog()
    and function_type in ('macro', 'table_macro')
    and not internal
group by all
union all
select 'constraint', schema_name, table_name || ':' || constraint_type, count(*)
from duckdb_constraints()
where database_name = current_catalog()
group by all
order by all
"""


@dataclass(frozen=True)
class Upgraded:
    """What writing a file anew came to."""

    path: Path
    set_aside: Path
    """The old file, whole; remove it when all is well."""
    version_before: str
    version_after: str
    row_count: int


def upgrade_file(path: Path, version: str, wait_s: float) -> Upgraded:
    """Write a DuckDB file anew in another storage version; the old one is kept.

    Nobody can write to the file meanwhile. It is swapped by one rename, after its
    tables, views, macros, indexes, constraints and rows were found to be the same.

    Parameters
    ----------
    path
        The file.
    version
        A storage version DuckDB can write, such as ``v1.5.0`` or ``latest``.
    wait_s
        Seconds to wait for whoever writes to it.

    Raises
    ------
    BackupError
        When DuckDB cannot write it, or what it wrote is not the same; the file is then
        as it was.
    WarehouseBusyError
        When somebody wrote to it all that time.
    """
    _fold_log(path, wait_s)
    aside = path.with_name(f".upgrading-{path.name}")
    aside.unlink(missing_ok=True)
    try:
        # Held for reading: that keeps writers out, and touches neither file at its end.
        with held_from_writers(path, wait_s) as held:
            _refuse_log(path)
            before, counts = storage_version(held), row_counts(held)
            _write_anew(path, aside, version)
            with connect(aside, read_only=True) as written:
                after = storage_version(written)
                _compare(path, held, written)
            set_aside = _swap(path, aside, before)
    finally:
        aside.unlink(missing_ok=True)
    return Upgraded(path, set_aside, before, after, sum(counts.values()))


def _fold_log(path: Path, wait_s: float) -> None:
    with held_from_writers(path, wait_s):
        pass
    with connect(path) as connection:
        connection.execute("checkpoint")


def _refuse_log(path: Path) -> None:
    """Keep a log of the old file from being taken for one of the new."""
    if any(path.parent.glob(f"{path.name}.wal*")):
        raise WarehouseBusyError(
            f"somebody wrote to {path} just now; run the same command again"
        )


def _write_anew(path: Path, aside: Path, version: str) -> None:
    # Views name the catalog they were made in, so the old file keeps its name here.
    catalog = path.name.split(".")[0]
    try:
        with duckdb.connect(":memory:") as both:
            both.execute(f"attach {_text(path)} as {catalog} (read_only)")
            both.execute(
                f"attach {_text(aside)} as written_anew "
                f"(storage_version '{version.replace(chr(39), '')}')"
            )
            both.execute(f"copy from database {catalog} to written_anew")
            both.execute("checkpoint written_anew")
    except duckdb.Error as error:
        raise BackupError(
            f"cannot write {path} anew as {version} "
            f"[{str(error).splitlines()[0]}]; it is as it was"
        ) from error


def _compare(
    path: Path, held: duckdb.DuckDBPyConnection, written: duckdb.DuckDBPyConnection
) -> None:
    same_rows = row_counts(held) == row_counts(written)
    objects = [each.execute(_OBJECTS).fetchall() for each in (held, written)]
    if not same_rows or objects[0] != objects[1]:
        differing = sorted(set(objects[0]) ^ set(objects[1]))[:3]
        raise BackupError(
            f"{path} written anew is not the same (differs in {differing or 'rows'}); "
            "it is as it was"
        )


def _swap(path: Path, aside: Path, version_before: str) -> Path:
    now = datetime.now(UTC)
    name = f"{path.name}{OLD_FORMAT}{now:%Y%m%dT%H%M%SZ}-{version_before.rstrip('+')}"
    set_aside = path.with_name(name)
    # A second name for the old file, then the new one in its place: there is no moment
    # without a file, in which DuckDB would make an empty one.
    os.link(path, set_aside)
    flush(aside)
    aside.replace(path)
    flush(path.parent)
    return set_aside


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"

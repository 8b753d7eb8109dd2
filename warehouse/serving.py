"""Published snapshots of the marts: what dashboards and valuations read.

A snapshot is a folder of Parquet files, one a table of schema ``marts``, the text of
its macros, and a manifest. It becomes visible by one atomic rename of the link
``current``; a reader resolves that link once, so it never sees two snapshots mixed, and
never opens the warehouse, which has one writer. What does not belong here: what the
tables mean.

    serving/current -> snapshots/20261123T183000123456Z-1f0c2a9b7d3e
    serving/snapshots/<id>/manifest.json  sales.parquet  ...
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb

from warehouse.errors import SlutprisError, WarehouseBusyError
from warehouse.store import transaction

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path
    from types import TracebackType
    from typing import IO, Self

SCHEMA = "marts"
MANIFEST_FORMAT = 1
KEPT_SNAPSHOTS = 3
"""Snapshots kept beside those that somebody is reading."""

_PARTIAL = ".partial-"
# A snapshot may be pruned between resolving `current` and locking it: look again.
_OPEN_ATTEMPTS = 20
_PUBLISH_AGAIN = "publish again (`dg launch --assets '*'`, or `make demo`)"

_TABLES = """
select table_name from information_schema.tables
where table_catalog = current_catalog() and table_schema = 'marts'
order by table_name
"""
_MACROS = """
select function_name, function_type, parameters, macro_definition
from duckdb_functions()
where
    database_name = current_catalog()
    and schema_name = 'marts'
    and function_type in ('macro', 'table_macro')
order by function_type, function_name
"""


@dataclass(frozen=True)
class SnapshotTable:
    """One table of a snapshot."""

    name: str
    file: str
    row_count: int
    columns: dict[str, str]
    """Column name to DuckDB type, in order."""
    content_hash: str
    """Of names, types and rows, whatever the order of the rows."""
    sha256: str
    """Of the Parquet file's bytes."""


@dataclass(frozen=True)
class Macro:
    """One macro of schema ``marts``, scalar or table."""

    name: str
    is_table_macro: bool
    parameters: list[str]
    definition: str

    def sql(self) -> str:
        """Write the statement that creates it again."""
        kind = "as table" if self.is_table_macro else "as"
        return (
            f'create macro {SCHEMA}."{self.name}"({", ".join(self.parameters)})'
            f" {kind} {self.definition}"
        )


@dataclass(frozen=True)
class Manifest:
    """What a snapshot holds, and the digests that prove it."""

    snapshot_id: str
    created_at: datetime
    """UTC, without a zone, as every timestamp here."""
    fingerprint: str
    """Of all tables and macros: equal content has an equal fingerprint."""
    tables: tuple[SnapshotTable, ...]
    macros: tuple[Macro, ...]

    def to_json(self) -> str:
        """Write the manifest as the text of ``manifest.json``."""
        return json.dumps(
            {
                "format": MANIFEST_FORMAT,
                **asdict(self),
                "created_at": self.created_at.isoformat(),
            },
            indent=2,
            ensure_ascii=False,
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a manifest; raises ValueError, KeyError or TypeError if it is none."""
        content: dict[str, Any] = json.loads(text)
        if content["format"] != MANIFEST_FORMAT:
            raise ValueError(f"unknown manifest format {content['format']}")
        return cls(
            snapshot_id=content["snapshot_id"],
            created_at=datetime.fromisoformat(content["created_at"]),
            fingerprint=content["fingerprint"],
            tables=tuple(SnapshotTable(**table) for table in content["tables"]),
            macros=tuple(Macro(**macro) for macro in content["macros"]),
        )


@dataclass(frozen=True)
class Snapshot:
    """A published snapshot."""

    folder: Path
    manifest: Manifest

    @property
    def snapshot_id(self) -> str:
        """The id, which begins with the UTC time of publishing."""
        return self.manifest.snapshot_id


@dataclass(frozen=True)
class OpenSnapshot(Snapshot):
    """A snapshot open for reading: it stays whole, unpruned, until it is closed."""

    connection: duckdb.DuckDBPyConnection
    """In memory; schema ``marts`` holds a view per table, and the macros."""
    _lock: IO[bytes] = field(repr=False)

    def close(self) -> None:
        """Close the connection and let the snapshot be pruned."""
        self.connection.close()
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def publish(connection: duckdb.DuckDBPyConnection, serving_dir: Path) -> Snapshot:
    """Publish schema ``marts`` as the current snapshot; equal content changes nothing.

    Parameters
    ----------
    connection
        An open warehouse; one transaction reads all tables.
    serving_dir
        Where snapshots live, see the settings.

    Returns
    -------
    Snapshot
        The one that is current now, new or not.

    Raises
    ------
    SlutprisError
        When there are no marts, or ``serving_dir`` cannot be written.
    WarehouseBusyError
        When another process is publishing.
    """
    snapshots = serving_dir / "snapshots"
    with _publishing(serving_dir), transaction(connection):
        _remove_unfinished(serving_dir)
        macros = _macros(connection)
        contents = _contents(connection)
        hashes = [content.content_hash for content in contents]
        fingerprint = _fingerprint(hashes, macros)
        current = _current(serving_dir)
        if current and current.manifest.fingerprint == fingerprint:
            return current
        now = datetime.now(UTC).replace(tzinfo=None)
        snapshot_id = f"{now:%Y%m%dT%H%M%S%f}Z-{fingerprint[:12]}"
        partial = snapshots / f"{_PARTIAL}{snapshot_id}"
        partial.mkdir()
        tables = tuple(_write(connection, partial, content) for content in contents)
        manifest = Manifest(snapshot_id, now, fingerprint, tables, macros)
        _write_durably(partial / "manifest.json", manifest.to_json())
        folder = _make_visible(partial, serving_dir, snapshot_id)
        _prune(serving_dir)
        return Snapshot(folder, manifest)


def open_snapshot(serving_dir: Path) -> OpenSnapshot:
    """Open the current snapshot for reading, verified against its digests.

    It stays the same snapshot whatever is published meanwhile; open again for newer
    data. Close it, or use it in a ``with`` statement.

    Raises
    ------
    SlutprisError
        When nothing is published, or the snapshot is incomplete or damaged.
    """
    folder, lock = _locked_current(serving_dir)
    try:
        manifest = _verified_manifest(folder)
        return OpenSnapshot(folder, manifest, _connection(folder, manifest), lock)
    except BaseException:
        lock.close()
        raise


def current_snapshot_id(serving_dir: Path) -> str | None:
    """Tell the current snapshot's id without opening it; None before the first."""
    try:
        return (serving_dir / "current").readlink().name
    except OSError:
        return None


def differences(connection: duckdb.DuckDBPyConnection, manifest: Manifest) -> list[str]:
    """Name the tables that a snapshot and the warehouse do not have alike.

    Parameters
    ----------
    connection
        An open warehouse; one transaction reads all tables.
    manifest
        Of the snapshot.

    Returns
    -------
    list of str
        A clause for each, with the rows of both sides.
    """
    with transaction(connection):
        built = {content.name: content for content in _contents(connection)}
    published = {table.name: table for table in manifest.tables}
    found = []
    for name in sorted(built.keys() | published.keys()):
        ours, theirs = built.get(name), published.get(name)
        if ours is None or theirs is None:
            found.append(f"{name} is only {'built' if ours else 'published'}")
        elif ours.content_hash != theirs.content_hash:
            found.append(
                f"{name} has {theirs.row_count} rows published and {ours.row_count} "
                "built, or others"
            )
    return found


# Publishing


@contextmanager
def _publishing(serving_dir: Path) -> Generator[None]:
    # The kernel releases the lock of a killed process, so no lock is ever stale.
    try:
        (serving_dir / "snapshots").mkdir(parents=True, exist_ok=True)
        with (serving_dir / "publish.lock").open("wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise WarehouseBusyError(
                    f"another process is publishing to {serving_dir}; "
                    "wait for it, then run the same command again"
                ) from error
            yield
    except (OSError, duckdb.IOException) as error:
        raise SlutprisError(
            f"cannot publish to {serving_dir} ({str(error).splitlines()[0]}); "
            "set SLUTPRIS_DATA to a folder you may write to, with room on its disk"
        ) from error


@dataclass(frozen=True)
class _Content:
    name: str
    row_count: int
    columns: dict[str, str]
    content_hash: str


def _contents(connection: duckdb.DuckDBPyConnection) -> list[_Content]:
    names = [name for (name,) in connection.execute(_TABLES).fetchall()]
    if not names:
        raise SlutprisError(
            "the warehouse has no marts to publish; "
            "run `dbt build --project-dir dbt_project` first"
        )
    return [_content(connection, name) for name in names]


def _content(connection: duckdb.DuckDBPyConnection, name: str) -> _Content:
    described = connection.execute(f'describe {SCHEMA}."{name}"').fetchall()
    columns = {column: kind for column, kind, *_ in described}
    # The sum does not care in what order dbt built the rows, and counts repeated ones.
    row = connection.execute(
        "select count(*), cast(sum(cast(hash(mart) as hugeint)) as varchar)"
        f' from {SCHEMA}."{name}" as mart'
    ).fetchone()
    row_count, total = row or (0, None)
    digest = _sha256_of_json([name, columns, row_count, total])
    return _Content(name, row_count, columns, digest)


def _macros(connection: duckdb.DuckDBPyConnection) -> tuple[Macro, ...]:
    return tuple(
        Macro(name, kind == "table_macro", parameters, definition)
        for name, kind, parameters, definition in connection.execute(_MACROS).fetchall()
    )


def _fingerprint(content_hashes: list[str], macros: tuple[Macro, ...]) -> str:
    return _sha256_of_json([content_hashes, [macro.sql() for macro in macros]])


def _write(
    connection: duckdb.DuckDBPyConnection, folder: Path, content: _Content
) -> SnapshotTable:
    path = folder / f"{content.name}.parquet"
    connection.execute(
        f'copy {SCHEMA}."{content.name}" to {_quoted(path)}'
        " (format parquet, compression zstd)"
    )
    _flush(path)
    return SnapshotTable(
        name=content.name,
        file=path.name,
        row_count=content.row_count,
        columns=content.columns,
        content_hash=content.content_hash,
        sha256=_sha256(path),
    )


def _make_visible(partial: Path, serving_dir: Path, snapshot_id: str) -> Path:
    # Flushed before it is named: after a power cut `current` leads to whole files.
    _flush(partial)
    snapshots = partial.parent
    folder = partial.rename(snapshots / snapshot_id)
    _flush(snapshots)
    link = serving_dir / f"{_PARTIAL}current"
    link.symlink_to(f"snapshots/{snapshot_id}")
    link.replace(serving_dir / "current")
    _flush(serving_dir)
    return folder


def _remove_unfinished(serving_dir: Path) -> None:
    # Only the lock's holder makes such names, so these are of a publisher that died.
    (serving_dir / f"{_PARTIAL}current").unlink(missing_ok=True)
    for folder in (serving_dir / "snapshots").glob(f"{_PARTIAL}*"):
        shutil.rmtree(folder)


def _prune(serving_dir: Path) -> None:
    current = current_snapshot_id(serving_dir)
    folders = sorted(
        folder
        for folder in (serving_dir / "snapshots").iterdir()
        if folder.is_dir() and folder.name != current
    )
    for folder in folders[: -(KEPT_SNAPSHOTS - 1)]:
        _remove_unless_read(folder)


def _remove_unless_read(folder: Path) -> None:
    try:
        with (folder / "manifest.json").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Out of sight first, so that no reader meets a half removed snapshot.
            hidden = folder.with_name(f"{_PARTIAL}{folder.name}")
            folder.rename(hidden)
            shutil.rmtree(hidden)
    except BlockingIOError:
        return
    except FileNotFoundError:
        shutil.rmtree(folder)


def _current(serving_dir: Path) -> Snapshot | None:
    # A damaged snapshot counts as none: publishing is how it is mended.
    try:
        folder = (serving_dir / "current").resolve(strict=True)
        return Snapshot(folder, _verified_manifest(folder))
    except (OSError, SlutprisError):
        return None


# Reading


def _locked_current(serving_dir: Path) -> tuple[Path, IO[bytes]]:
    for _ in range(_OPEN_ATTEMPTS):
        folder = (serving_dir / "current").resolve()
        try:
            lock = (folder / "manifest.json").open("rb")
        except OSError:
            if current_snapshot_id(serving_dir) in (None, folder.name):
                break
            continue
        fcntl.flock(lock, fcntl.LOCK_SH)
        # Pruned between opening and locking: the name is gone, then look again.
        if folder.exists():
            return folder, lock
        lock.close()
    if current_snapshot_id(serving_dir) is None:
        raise SlutprisError(f"nothing is published in {serving_dir}; {_PUBLISH_AGAIN}")
    raise SlutprisError(
        f"the current snapshot in {serving_dir} has no manifest; {_PUBLISH_AGAIN}"
    )


def _verified_manifest(folder: Path) -> Manifest:
    try:
        text = (folder / "manifest.json").read_text(encoding="utf-8")
        manifest = Manifest.from_json(text)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, "its manifest is unreadable") from error
    hashes = [table.content_hash for table in manifest.tables]
    if manifest.fingerprint != _fingerprint(hashes, manifest.macros):
        raise _damaged(folder, "its manifest is not as it was published")
    for table in manifest.tables:
        try:
            digest = _sha256(folder / table.file)
        except OSError as error:
            raise _damaged(folder, f"{table.file} is missing") from error
        if digest != table.sha256:
            raise _damaged(folder, f"{table.file} is not as it was published")
    return manifest


def _connection(folder: Path, manifest: Manifest) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:")
    try:
        # The files never change, so their footers need reading once.
        connection.execute("set parquet_metadata_cache = true")
        connection.execute(f"create schema {SCHEMA}")
        for table in manifest.tables:
            connection.execute(
                f'create view {SCHEMA}."{table.name}" as'
                f" select * from read_parquet({_quoted(folder / table.file)})"
            )
        for macro in manifest.macros:
            connection.execute(macro.sql())
    except duckdb.Error as error:
        connection.close()
        reason = str(error).splitlines()[0]
        raise _damaged(folder, f"DuckDB cannot read it [{reason}]") from error
    return connection


def _damaged(folder: Path, what: str) -> SlutprisError:
    return SlutprisError(
        f"the published snapshot {folder} is damaged: {what}; {_PUBLISH_AGAIN}"
    )


# Files and digests


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sha256_of_json(content: object) -> str:
    text = json.dumps(content, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _write_durably(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    _flush(path)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"

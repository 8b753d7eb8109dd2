"""The embedded feature store: groups, views and commits in a DuckDB file of its own.

What belongs here: keeping and reading rows in DuckDB. What does not: what a row must be
(``feature_batches``). The file is not the warehouse's, so that writing to it never
holds the warehouse's lock; processes that use it take turns.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ml.feature_batches import (
    DUCKDB_TYPES,
    Batch,
    checked_batch,
    quoted,
    selection,
)
from ml.feature_groups import (
    Feature,
    FeatureGroup,
    FeatureGroupSpec,
    FeatureStoreError,
    FeatureViewSpec,
    changed_group,
    changed_view,
    check_view,
    view_columns,
)
from ml.feature_store import Commit, Receipt
from ml.file_lock import file_lock
from warehouse.store import connect, transaction

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Generator, Sequence
    from pathlib import Path

    import duckdb
    import pyarrow as pa

LOCK_WAIT_S = 120
CATALOG_SQL = """
    create table if not exists stored_groups (
        name varchar not null,
        version integer not null,
        definition json not null,
        content_sha256 varchar not null,     -- of the batch written last
        primary key (name, version)
    );
    create table if not exists commits (
        name varchar not null,
        version integer not null,
        commit_id integer not null,
        committed_at timestamp not null,     -- UTC
        rows_inserted bigint not null,
        rows_updated bigint not null,
        rows_removed bigint not null,
        primary key (name, version, commit_id)
    );
    create table if not exists feature_views (
        name varchar not null,
        version integer not null,
        definition json not null,
        primary key (name, version)
    );
"""
IS_MADE_SQL = """
    select count(*) > 0 from duckdb_tables() where table_name = 'stored_groups'
"""


class EmbeddedFeatureStore:
    """Feature groups in a DuckDB file; ``feature_store.FeatureStore`` says the calls.

    Parameters
    ----------
    path
        The store's file, made by the first write. It is opened for each call and closed
        after it; a process that finds it in use waits for its turn.
    """

    backend = "embedded"

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, spec: FeatureGroupSpec, rows: pa.Table | Path) -> Receipt:
        """Insert or replace rows by primary key and event time, in one transaction."""
        with checked_batch(spec, rows) as batch, self._open() as store:
            store.read_parquet(str(batch.path)).create_view("batch")
            with transaction(store):
                if _is_written(store, batch):
                    return self._receipt(batch, skipped=True)
                commit = _upsert(store, batch)
        return self._receipt(
            batch,
            rows_inserted=commit.rows_inserted,
            rows_updated=commit.rows_updated,
            rows_removed=commit.rows_removed,
            commit_id=commit.commit_id,
        )

    def read(
        self,
        name: str,
        version: int,
        *,
        columns: Sequence[str] | None = None,
        start: dt.date | None = None,
        end: dt.date | None = None,
        as_of: dt.date | None = None,
    ) -> pa.Table:
        """Read rows, ordered by primary key and event time."""
        with self._open(read_only=True) as store:
            spec = self._group(store, name, version)
            query = selection(
                _table(spec),
                spec.types,
                spec.primary_key,
                spec.event_time,
                columns=columns,
                start=start,
                end=end,
                as_of=as_of,
            )
            return store.sql(query).to_arrow_table()

    def groups(self) -> list[FeatureGroup]:
        """Every group and version the store holds, by name and version."""
        if not self.path.exists():
            return []
        with self._open(read_only=True) as store:
            rows = store.execute(
                "select definition from stored_groups order by name, version"
            ).fetchall()
        return [_spec(row[0]).described() for row in rows]

    def commits(self, name: str, version: int) -> list[Commit]:
        """Give the writes to a group that changed it, newest first."""
        with self._open(read_only=True) as store:
            self._group(store, name, version)
            rows = store.execute(
                "select commit_id::varchar, committed_at, rows_inserted, rows_updated, "
                "rows_removed from commits where name = ? and version = ? "
                "order by commits.commit_id desc",
                [name, version],
            ).fetchall()
        return [Commit(*row) for row in rows]

    def create_view(self, view: FeatureViewSpec) -> None:
        """Make a view; one that is there must say the same."""
        with self._open() as store:
            check_view(
                view, self._group(store, view.group, view.group_version).described()
            )
            stored = _definition(store, "feature_views", view.name, view.version)
            if stored is None:
                store.execute(
                    "insert into feature_views values (?, ?, ?)",
                    [view.name, view.version, json.dumps(asdict(view))],
                )
            elif _view(stored) != view:
                raise changed_view(view)

    def read_view(
        self,
        name: str,
        version: int,
        *,
        start: dt.date | None = None,
        end: dt.date | None = None,
        with_labels: bool = False,
    ) -> pa.Table:
        """Read a view's keys, event time and features, as :meth:`read` does."""
        with self._open(read_only=True) as store:
            stored = _definition(store, "feature_views", name, version)
            if stored is None:
                raise FeatureStoreError(
                    f"there is no feature view {name!r} version {version} in "
                    f"{self.path}; create it first"
                )
            view = _view(stored)
            spec = self._group(store, view.group, view.group_version)
        columns = view_columns(view, spec.described(), with_labels=with_labels)
        return self.read(
            view.group, view.group_version, columns=columns, start=start, end=end
        )

    @contextmanager
    def _open(self, *, read_only: bool = False) -> Generator[duckdb.DuckDBPyConnection]:
        if read_only and not self.path.exists():
            raise self._nothing_written()
        lock = self.path.with_name(f"{self.path.name}.lock")
        with (
            file_lock(lock, LOCK_WAIT_S),
            connect(self.path, read_only=read_only) as store,
        ):
            if not read_only:
                store.execute(CATALOG_SQL)
            elif not store.execute(IS_MADE_SQL).fetchall()[0][0]:
                raise self._nothing_written()
            yield store

    def _nothing_written(self) -> FeatureStoreError:
        return FeatureStoreError(
            f"there is no feature store at {self.path}; write a feature group first"
        )

    def _group(
        self, store: duckdb.DuckDBPyConnection, name: str, version: int
    ) -> FeatureGroupSpec:
        stored = _definition(store, "stored_groups", name, version)
        if stored is None:
            raise FeatureStoreError(
                f"there is no feature group {name!r} version {version} in {self.path}; "
                "write it first"
            )
        return _spec(stored)

    def _receipt(
        self, batch: Batch, *, skipped: bool = False, **counts: int | str | None
    ) -> Receipt:
        return Receipt(
            self.backend,
            batch.spec.name,
            batch.spec.version,
            batch.content_sha256,
            batch.row_count,
            batch.byte_count,
            skipped,
            **counts,  # ty: ignore[invalid-argument-type]
        )


def _is_written(store: duckdb.DuckDBPyConnection, batch: Batch) -> bool:
    """Make the group where it is missing; say whether it took this batch last."""
    spec = batch.spec
    stored = _definition(store, "stored_groups", spec.name, spec.version)
    if stored is None:
        _create_group(store, spec)
        return False
    difference = changed_group(spec, _spec(stored).described())
    if difference is not None:
        raise difference
    last = store.execute(
        "select content_sha256 from stored_groups where name = ? and version = ?",
        [spec.name, spec.version],
    ).fetchall()[0][0]
    return last == batch.content_sha256


def _create_group(store: duckdb.DuckDBPyConnection, spec: FeatureGroupSpec) -> None:
    columns = ", ".join(
        f"{quoted(name)} {DUCKDB_TYPES[kind]}" for name, kind in spec.types.items()
    )
    store.execute(f"create table {_table(spec)} ({columns})")
    store.execute(
        "insert into stored_groups values (?, ?, ?, '')",
        [spec.name, spec.version, json.dumps(asdict(spec))],
    )


def _upsert(store: duckdb.DuckDBPyConnection, batch: Batch) -> Commit:
    spec, table = batch.spec, _table(batch.spec)
    updated = _delete_matching(store, table, spec.identity)
    removed = 0
    if not spec.keeps_history:
        removed = _delete_matching(store, table, list(spec.primary_key))
    store.execute(f"insert into {table} by name select * from batch")
    store.execute(
        "update stored_groups set content_sha256 = ?, definition = ? "
        "where name = ? and version = ?",
        [batch.content_sha256, json.dumps(asdict(spec)), spec.name, spec.version],
    )
    inserted = batch.row_count - updated
    return _commit(store, spec, inserted, updated, removed)


def _commit(
    store: duckdb.DuckDBPyConnection, spec: FeatureGroupSpec, *counts: int
) -> Commit:
    now = datetime.now(UTC).replace(tzinfo=None)
    row = store.execute(
        "insert into commits select $name, $version, coalesce(max(commit_id), 0) + 1, "
        "$now, $inserted, $updated, $removed from commits "
        "where name = $name and version = $version returning commit_id::varchar",
        {
            "name": spec.name,
            "version": spec.version,
            "now": now,
            **dict(zip(("inserted", "updated", "removed"), counts, strict=True)),
        },
    ).fetchall()[0]
    return Commit(row[0], now, *counts)


def _delete_matching(
    store: duckdb.DuckDBPyConnection, table: str, key: list[str]
) -> int:
    same = " and ".join(f"{table}.{quoted(k)} = batch.{quoted(k)}" for k in key)
    return store.execute(f"delete from {table} using batch where {same}").fetchall()[0][
        0
    ]


def _definition(
    store: duckdb.DuckDBPyConnection, table: str, name: str, version: int
) -> str | None:
    rows = store.execute(
        f"select definition from {table} where name = ? and version = ?",
        [name, version],
    ).fetchall()
    return rows[0][0] if rows else None


def _spec(definition: str) -> FeatureGroupSpec:
    fields = json.loads(definition)
    fields["features"] = tuple(Feature(**feature) for feature in fields["features"])
    fields["primary_key"] = tuple(fields["primary_key"])
    return FeatureGroupSpec(**fields)


def _view(definition: str) -> FeatureViewSpec:
    fields = json.loads(definition)
    return FeatureViewSpec(
        **fields
        | {"features": tuple(fields["features"]), "labels": tuple(fields["labels"])}
    )


def _table(spec: FeatureGroupSpec) -> str:
    return quoted(f"{spec.name}_{spec.version}")

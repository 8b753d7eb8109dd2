"""Feature groups: named, versioned tables of features with a key and an event time.

What belongs here: keeping rows of features so that they can be read back, as they were
known at a time. What does not: computing a feature (the warehouse does), or any
knowledge of a domain. The embedded store is a DuckDB file of its own, so that pushing
to it never holds the warehouse's lock.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Protocol

from warehouse.errors import SlutprisError
from warehouse.store import connect, transaction

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    import duckdb
    import pandas as pd

GROUP_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,62}")
CATALOG_SQL = """
    create table if not exists feature_groups (
        name varchar not null,
        version integer not null,
        primary_key varchar[] not null,
        event_time varchar not null,
        column_names varchar[] not null,
        column_types varchar[] not null,
        pushed_at timestamp not null,
        primary key (name, version)
    )
"""


class FeatureStoreError(SlutprisError):
    """The store cannot do it: a bad group, a changed schema, a key that is not one."""


@dataclass(frozen=True)
class FeatureGroup:
    """One version of a feature group, and how far it reaches."""

    name: str
    version: int
    primary_key: list[str]
    event_time: str
    schema: dict[str, str]
    row_count: int
    latest_event_time: datetime | date | None
    pushed_at: datetime


class FeatureStore(Protocol):
    """Where features are published to; the embedded store is one such place."""

    def push(
        self,
        group: str,
        version: int,
        connection: duckdb.DuckDBPyConnection,
        query: str,
        *,
        primary_key: Sequence[str],
        event_time: str,
    ) -> int:
        """Insert or replace the query's rows by key; return how many were sent."""
        ...

    def read(
        self, group: str, version: int, *, as_of: date | datetime | None = None
    ) -> pd.DataFrame:
        """Return the group's rows whose event time is at or before ``as_of``."""
        ...

    def groups(self) -> list[FeatureGroup]:
        """Every group and version the store holds."""
        ...


class DuckDBFeatureStore:
    """Feature groups in a DuckDB file; nothing is created before the first push.

    Parameters
    ----------
    path
        The store's file. It is opened for each call and closed after it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def push(
        self,
        group: str,
        version: int,
        connection: duckdb.DuckDBPyConnection,
        query: str,
        *,
        primary_key: Sequence[str],
        event_time: str,
    ) -> int:
        """Insert or replace rows by key, as one unit; pushing twice changes nothing.

        Parameters
        ----------
        group, version
            The group; a new version is needed when the query's columns change.
        connection
            Where the query runs: another database than the store's.
        query
            A select that gives the features, the key and the event time.
        primary_key
            Columns that identify a row; none may be null.
        event_time
            The date or timestamp column from which on the row's values were known.

        Returns
        -------
        int
            Rows the query gave.

        Raises
        ------
        FeatureStoreError
            When the schema, key or event time differs from the version's first push, a
            key occurs twice or is null, or a named column is absent.
        """
        relation = connection.sql(query)
        if relation is None:
            raise FeatureStoreError(f"feature group {group!r}: the query is no select")
        rows = relation.to_arrow_table()
        with self._open() as store:
            store.register("pushed", rows)
            incoming = _describe(store, group, version, list(primary_key), event_time)
            _check_keys(store, incoming)
            with transaction(store):
                _agree_on_group(store, incoming)
                _upsert(store, incoming)
            store.unregister("pushed")
        return rows.num_rows

    def read(
        self, group: str, version: int, *, as_of: date | datetime | None = None
    ) -> pd.DataFrame:
        """Return a group's rows, ordered by key.

        Parameters
        ----------
        group, version
            What to read.
        as_of
            Leave out rows whose event time is later; a date means its midnight.

        Raises
        ------
        FeatureStoreError
            When the group or version does not exist.
        """
        with self._open(read_only=True) as store:
            stored = _stored_group(store, group, version)
            if stored is None:
                raise FeatureStoreError(
                    f"the feature store {self.path} has no group {group!r} "
                    f"version {version}; push it first"
                )
            order = ", ".join(map(_quoted, stored.primary_key))
            return store.execute(
                f"select * from {_table(group, version)} "
                f"where $as_of is null or {_quoted(stored.event_time)} <= $as_of "
                f"order by {order}",
                {"as_of": as_of},
            ).df()

    def groups(self) -> list[FeatureGroup]:
        """Every group and version, with its rows and latest event time."""
        if not self.path.exists():
            return []
        with self._open(read_only=True) as store:
            keys = store.execute(
                "select name, version from feature_groups order by all"
            ).fetchall()
            stored = (_stored_group(store, name, version) for name, version in keys)
            return [group for group in stored if group is not None]

    @contextmanager
    def _open(self, *, read_only: bool = False) -> Generator[duckdb.DuckDBPyConnection]:
        if read_only and not self.path.exists():
            raise FeatureStoreError(
                f"there is no feature store at {self.path}; push a feature group first"
            )
        store = connect(self.path, read_only=read_only)
        try:
            if not read_only:
                store.execute(CATALOG_SQL)
            yield store
        finally:
            store.close()


@dataclass(frozen=True)
class _Incoming:
    group: str
    version: int
    primary_key: list[str]
    event_time: str
    schema: dict[str, str]


def _describe(
    store: duckdb.DuckDBPyConnection,
    group: str,
    version: int,
    primary_key: list[str],
    event_time: str,
) -> _Incoming:
    if not GROUP_PATTERN.fullmatch(group) or version < 1:
        raise FeatureStoreError(
            f"{group!r} version {version} is no feature group; "
            "use a-z, 0-9 and '_' for the name, and versions from 1"
        )
    described = store.execute("describe pushed").fetchall()
    schema = {str(row[0]): str(row[1]) for row in described}
    absent = [name for name in [*primary_key, event_time] if name not in schema]
    if absent or not primary_key:
        raise FeatureStoreError(
            f"feature group {group!r}: the query gives no column "
            f"{', '.join(absent) or 'for the key'}; it gives {', '.join(schema)}"
        )
    return _Incoming(group, version, primary_key, event_time, schema)


def _check_keys(store: duckdb.DuckDBPyConnection, incoming: _Incoming) -> None:
    columns = ", ".join(map(_quoted, incoming.primary_key))
    any_null = " or ".join(f"{_quoted(c)} is null" for c in incoming.primary_key)
    bad = store.execute(
        f"select {columns}, count(*) from pushed group by {columns} "
        f"having count(*) > 1 or ({any_null}) limit 1"
    ).fetchone()
    if bad is not None:
        raise FeatureStoreError(
            f"feature group {incoming.group!r}: the key "
            f"({', '.join(incoming.primary_key)}) = {bad[:-1]} occurs {bad[-1]} "
            "time(s); keys must be present and unique in one push"
        )


def _agree_on_group(store: duckdb.DuckDBPyConnection, incoming: _Incoming) -> None:
    """Create the group's table, or refuse what differs from its first push."""
    stored = _stored_group(store, incoming.group, incoming.version)
    if stored is None:
        _create_group(store, incoming)
        return
    differences = _schema_differences(stored.schema, incoming.schema)
    if stored.primary_key != incoming.primary_key:
        differences.append(f"key was {stored.primary_key}")
    if stored.event_time != incoming.event_time:
        differences.append(f"event time was {stored.event_time}")
    if differences:
        raise FeatureStoreError(
            f"feature group {incoming.group!r} version {incoming.version} has another "
            f"schema: {'; '.join(differences)}. "
            f"Push it as version {incoming.version + 1}"
        )


def _create_group(store: duckdb.DuckDBPyConnection, incoming: _Incoming) -> None:
    columns = ", ".join(f"{_quoted(c)} {t}" for c, t in incoming.schema.items())
    key = ", ".join(map(_quoted, incoming.primary_key))
    table = _table(incoming.group, incoming.version)
    store.execute(f"create table {table} ({columns}, primary key ({key}))")
    store.execute(
        "insert into feature_groups values (?, ?, ?, ?, ?, ?, ?)",
        [
            incoming.group,
            incoming.version,
            incoming.primary_key,
            incoming.event_time,
            list(incoming.schema),
            list(incoming.schema.values()),
            _utc_now(),
        ],
    )


def _schema_differences(stored: dict[str, str], incoming: dict[str, str]) -> list[str]:
    differences = [f"{c} is new" for c in incoming if c not in stored]
    differences += [f"{c} is gone" for c in stored if c not in incoming]
    differences += [
        f"{c} was {stored[c]} and is {incoming[c]}"
        for c in incoming
        if c in stored and stored[c] != incoming[c]
    ]
    return differences


def _upsert(store: duckdb.DuckDBPyConnection, incoming: _Incoming) -> None:
    store.execute(
        f"insert or replace into {_table(incoming.group, incoming.version)} "
        "by name select * from pushed"
    )
    store.execute(
        "update feature_groups set pushed_at = ? where name = ? and version = ?",
        [_utc_now(), incoming.group, incoming.version],
    )


def _stored_group(
    store: duckdb.DuckDBPyConnection, group: str, version: int
) -> FeatureGroup | None:
    row = store.execute(
        "select primary_key, event_time, column_names, column_types, pushed_at "
        "from feature_groups where name = ? and version = ?",
        [group, version],
    ).fetchone()
    if row is None:
        return None
    primary_key, event_time, names, types, pushed_at = row
    extent = store.execute(
        f"select count(*), max({_quoted(event_time)}) from {_table(group, version)}"
    ).fetchone()
    return FeatureGroup(
        name=group,
        version=version,
        primary_key=primary_key,
        event_time=event_time,
        schema=dict(zip(names, types, strict=True)),
        row_count=extent[0] if extent else 0,
        latest_event_time=extent[1] if extent else None,
        pushed_at=pushed_at,
    )


def _table(group: str, version: int) -> str:
    return _quoted(f"{group}_{version}")


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _utc_now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)

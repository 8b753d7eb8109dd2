"""Batches of features: checked against their group and hashed, before they are kept.

What belongs here: everything that must hold of rows before any store takes them, so
that all stores are equally strict, and the selection of rows when they are read again.
What does not: keeping rows. A batch travels as one Parquet file and is checked by
DuckDB within a bounded memory, so that a million rows need no more of it than a
thousand.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ml.feature_groups import ARROW_TYPES, FeatureGroupSpec, FeatureStoreError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Generator, Iterable, Sequence

SAME_TYPES = {
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.timestamp("s"): pa.timestamp("us"),
    pa.timestamp("ms"): pa.timestamp("us"),
}
"""Arrow types that hold nothing another one cannot: taken for it without a loss."""

DUCKDB_TYPES = {
    "bigint": "bigint",
    "int": "integer",
    "double": "double",
    "boolean": "boolean",
    "string": "varchar",
    "date": "date",
    "timestamp": "timestamp",
}
MEMORY_LIMIT = "1GB"
ROWS_PER_READ = 50_000


@dataclass(frozen=True)
class Batch:
    """Rows that passed every check, as one Parquet file with the group's columns.

    ``content_sha256`` is that of the schema and the values, whatever the rows' order.
    """

    spec: FeatureGroupSpec
    path: Path
    row_count: int
    byte_count: int
    content_sha256: str


@contextmanager
def checked_batch(spec: FeatureGroupSpec, rows: pa.Table | Path) -> Generator[Batch]:
    """Check rows against their group; the file goes when the block ends.

    Parameters
    ----------
    spec
        The group that the rows are for.
    rows
        An Arrow table, or a Parquet file, which is left as it is.

    Raises
    ------
    FeatureStoreError
        When a column is absent, unknown or of another type, a key or event time is
        null or occurs twice, a string is too long, or a number is NaN.
    """
    with TemporaryDirectory(prefix="slutpris-batch-") as scratch:
        path = Path(scratch) / "batch.parquet"
        _write(spec, rows, path)
        with small_duckdb(Path(scratch)) as connection:
            connection.read_parquet(str(path)).create_view("batch")
            row_count = _check_values(connection, spec)
            _check_identities(connection, spec)
            digest = _content_sha256(connection, spec)
        yield Batch(spec, path, row_count, path.stat().st_size, digest)


@contextmanager
def small_duckdb(scratch: Path) -> Generator[duckdb.DuckDBPyConnection]:
    """Open a database in memory that spills to ``scratch`` rather than grow."""
    with duckdb.connect() as connection:
        connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
        connection.execute(f"set temp_directory = {quoted_text(str(scratch))}")
        yield connection


def quoted(name: str) -> str:
    """Give a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quoted_text(text: str) -> str:
    """Give a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def listed(names: Iterable[str]) -> str:
    """Give names as a list of SQL identifiers."""
    return ", ".join(map(quoted, names))


def selection(
    relation: str,
    types: dict[str, str],
    primary_key: Sequence[str],
    event_time: str,
    *,
    columns: Sequence[str] | None = None,
    start: dt.date | None = None,
    end: dt.date | None = None,
    as_of: dt.date | None = None,
) -> str:
    """Give the SQL that reads a group: the same rows, types and order in every store.

    Parameters
    ----------
    relation
        The group's rows, as SQL names them.
    types
        The group's columns and their types.
    columns
        Columns to read, in order; all of them when None.
    start, end
        Event times from ``start`` on and before ``end``.
    as_of
        What was known then: of each key the newest row at or before it.
    """
    shown = list(types) if columns is None else list(columns)
    unknown = [name for name in shown if name not in types]
    if unknown:
        raise FeatureStoreError(
            f"there is no column {', '.join(unknown)}; there are {', '.join(types)}"
        )
    time = quoted(event_time)
    rules = [
        f"{time} {sign} timestamp '{bound}'"
        for sign, bound in ((">=", start), ("<", end), ("<=", as_of))
        if bound is not None
    ]
    newest = (
        f"qualify row_number() over (partition by {listed(primary_key)} "
        f"order by {time} desc) = 1 "
    )
    values = ", ".join(
        f"cast({quoted(name)} as {DUCKDB_TYPES[types[name]]}) as {quoted(name)}"
        for name in shown
    )
    return (
        f"select {values} from (select * from {relation} "
        f"{'where ' + ' and '.join(rules) if rules else ''} "
        f"{newest if as_of is not None else ''}"
        f"order by {listed([*primary_key, event_time])})"
    )


def _write(spec: FeatureGroupSpec, rows: pa.Table | Path, path: Path) -> None:
    """Write the group's columns, in its order and with its types, as Parquet."""
    schema = rows.schema if isinstance(rows, pa.Table) else pq.read_schema(rows)
    _check_schema(spec, schema)
    with pq.ParquetWriter(path, spec.arrow_schema) as writer:
        for piece in _pieces(rows, spec.column_names):
            writer.write_table(piece.cast(spec.arrow_schema))


def _pieces(rows: pa.Table | Path, columns: list[str]) -> Generator[pa.Table]:
    if isinstance(rows, pa.Table):
        yield rows.select(columns)
        return
    with pq.ParquetFile(rows) as file:
        for batch in file.iter_batches(ROWS_PER_READ, columns=columns):
            yield pa.Table.from_batches([batch]).select(columns)


def _check_schema(spec: FeatureGroupSpec, schema: pa.Schema) -> None:
    problems = [f"{name} is new" for name in schema.names if name not in spec.types]
    problems += [f"{name} is gone" for name in spec.types if name not in schema.names]
    problems += [
        f"{name} is {schema.field(name).type}, not {kind} ({ARROW_TYPES[kind]})"
        for name, kind in spec.types.items()
        if name in schema.names and not _is_same(schema.field(name).type, kind)
    ]
    if problems:
        raise FeatureStoreError(
            f"{spec.title} has another schema: {'; '.join(problems)}. "
            f"Mend the rows, or define version {spec.version + 1}"
        )


def _is_same(given: pa.DataType, kind: str) -> bool:
    return SAME_TYPES.get(given, given) == ARROW_TYPES[kind]


def _check_values(connection: duckdb.DuckDBPyConnection, spec: FeatureGroupSpec) -> int:
    """Refuse nulls in keys, long strings and NaN, in one pass; give the row count."""
    rules = {
        f"{name} is null in {{}} row(s); keys and event time must be known": (
            f"count_if({quoted(name)} is null)"
        )
        for name in spec.identity
    }
    for feature in spec.features:
        name = quoted(feature.name)
        if feature.type == "string":
            rules[
                f"{feature.name} is longer than {feature.max_length} characters in "
                "{} row(s); shorten it, or allow more in the next version"
            ] = f"count_if(length({name}) > {feature.max_length})"
        elif feature.type == "double":
            rules[f"{feature.name} is NaN in {{}} row(s); null says unknown"] = (
                f"count_if(isnan({name}))"
            )
    counts = connection.execute(
        f"select count(*), {', '.join(rules.values())} from batch"
    ).fetchall()[0]
    problems = [
        rule.format(count)
        for rule, count in zip(rules, counts[1:], strict=True)
        if count
    ]
    if problems:
        raise FeatureStoreError(f"{spec.title}: {'; '.join(problems)}")
    return counts[0]


def _check_identities(
    connection: duckdb.DuckDBPyConnection, spec: FeatureGroupSpec
) -> None:
    """Refuse a batch that says two things of one key."""
    key = spec.identity if spec.keeps_history else list(spec.primary_key)
    twice = connection.execute(
        f"select {listed(key)}, count(*) from batch group by {listed(key)} "
        "having count(*) > 1 order by all limit 1"
    ).fetchall()
    if twice:
        *values, count = twice[0]
        said = ", ".join(
            f"{name}={value}" for name, value in zip(key, values, strict=True)
        )
        raise FeatureStoreError(
            f"{spec.title}: {said} occurs {count} times; "
            "a key may occur once in a batch"
        )


def _content_sha256(
    connection: duckdb.DuckDBPyConnection, spec: FeatureGroupSpec
) -> str:
    digest = hashlib.sha256(json.dumps(asdict(spec), sort_keys=True).encode())
    values = ", ".join(f"{quoted(name)}::varchar" for name in spec.column_names)
    rows = connection.execute(
        f"select sha256(to_json([{values}])::varchar) from batch "
        f"order by {listed(spec.identity)}"
    )
    while fetched := rows.fetchmany(ROWS_PER_READ):
        digest.update("".join(row[0] for row in fetched).encode())
    return digest.hexdigest()

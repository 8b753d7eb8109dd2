"""Columns of a snapshot in memory, and indexes that find their rows by key.

What belongs here: loading a query's rows once, and lookups by equal keys and by the
newest row before a day. What does not: which columns and keys a macro needs.
"""

from __future__ import annotations

import sys
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.row_sql.syntax import UnsupportedSqlError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

INTEGERS = ("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "HUGEINT")


def kind_of_type(column_type: str) -> str:
    """Name the kind of value a DuckDB type holds here; dates are days since 1970."""
    for prefix, kind in (
        ("MAP(VARCHAR, DOUBLE)", "map"),
        ("DOUBLE", "float"),
        ("FLOAT", "float"),
        ("VARCHAR", "str"),
        ("BOOLEAN", "bool"),
        ("DATE", "date"),
    ):
        if column_type.startswith(prefix):
            return kind
    return "int" if column_type in INTEGERS else "other"


@dataclass
class StoredColumn:
    """One column: values by row, and which of them are NULL (None: none is)."""

    kind: str
    values: Any = ()
    nulls: Sequence[int] | None = None


@dataclass
class StoredTable:
    """The rows of a query that reads nothing but the snapshot.

    Columns are asked for while a macro is compiled, and loaded in one query after it,
    so that rows stand in one order in all of them.
    """

    connection: duckdb.DuckDBPyConnection
    sql: str
    types: dict[str, str] = field(init=False)
    row_count: int = field(init=False)
    columns: dict[str, StoredColumn] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        described = self.connection.execute(f"describe {self.sql}").fetchall()
        self.types = {name: kind for name, kind, *_ in described}
        counted = self.connection.execute(
            f"select count(*) from ({self.sql})"
        ).fetchone()
        self.row_count = counted[0] if counted else 0

    def column(self, name: str) -> StoredColumn:
        """Ask for a column; its values come with ``load``."""
        if name not in self.columns:
            kind = kind_of_type(self.types[name])
            if kind == "other":
                raise UnsupportedSqlError(f"column {name} is {self.types[name]}")
            self.columns[name] = StoredColumn(kind)
        return self.columns[name]

    def load(self) -> None:
        """Read the columns that were asked for."""
        if not self.columns:
            return
        names = ", ".join(f'"{name}"' for name in self.columns)
        query = self.connection.cursor().sql(f"select {names} from ({self.sql})")
        table = query.to_arrow_table()
        for name, column in self.columns.items():
            column.values, column.nulls = _stored(column.kind, table.column(name))


def _stored(kind: str, column: pa.ChunkedArray) -> tuple[Any, Sequence[int] | None]:
    """Keep numbers unboxed and equal texts once."""
    if kind in {"map", "bool"}:
        values = column.to_pylist()
        maps = [dict(v) if kind == "map" and v is not None else v for v in values]
        return _objects(maps), None
    if kind == "str":
        encoded = column.combine_chunks().dictionary_encode()
        # A key is found sooner where it is the same object in every table.
        texts = _objects([*map(sys.intern, encoded.dictionary.to_pylist()), None])
        codes = pc.fill_null(encoded.indices, len(texts) - 1)
        return texts[codes.to_numpy(zero_copy_only=False)], None
    arrow_type = {"float": pa.float64(), "int": pa.int64(), "date": pa.int32()}[kind]
    numbers = column.combine_chunks().cast(arrow_type)
    values = pc.fill_null(numbers, 0).to_numpy(zero_copy_only=False).data
    if not numbers.null_count:
        return values, None
    nulls = numbers.is_null().to_numpy(zero_copy_only=False)
    return values, nulls.astype(np.uint8).data


def _objects(values: list[Any]) -> np.ndarray:
    """Keep objects where the garbage collector does not walk them, answer by answer."""
    objects = np.empty(len(values), dtype=object)
    objects[:] = values
    return objects


class Index:
    """Finds the rows of a stored table whose columns equal given keys.

    The rows of each first key lie together, ordered by the further keys and then by the
    day they are known from, so that these are found by bisection.
    """

    def __init__(
        self, table: StoredTable, equal: tuple[str, ...], known_from: str | None
    ) -> None:
        self._table = table
        self._names = (*equal, *((known_from,) if known_from else ()))
        self._columns = [table.column(name) for name in self._names]
        self._has_first = bool(equal)
        self._group_of: dict[Any, int] = {}
        self._is_unique = False

    def build(self) -> None:
        """Order the rows; the table must be loaded."""
        rows = np.flatnonzero(self._complete())
        codes = [_codes(column, rows) for column in self._columns]
        order = np.lexsort(codes[::-1]) if codes else np.arange(len(rows))
        self._order = rows[order].astype(np.int32).data
        self._sorted = [_taken(column, rows[order]) for column in self._columns]
        self._starts = [0, len(rows)]
        if self._has_first:
            self._group(codes[0][order])

    def _group(self, first: np.ndarray) -> None:
        starts = np.flatnonzero(np.r_[True, first[1:] != first[:-1]])
        starts = starts if len(first) else starts[:0]
        self._is_unique = len(starts) == len(first)
        values = self._sorted[0]
        self._group_of = {
            values[start]: group for group, start in enumerate(starts.tolist())
        }
        self._starts = np.r_[starts, len(first)].astype(np.int64).data

    def _complete(self) -> np.ndarray:
        """Tell rows without a NULL among the keys: NULL equals nothing."""
        complete = np.ones(self._table.row_count, dtype=bool)
        for column in self._columns:
            if column.nulls is not None:
                complete &= np.asarray(column.nulls) == 0
            elif isinstance(column.values, np.ndarray):
                complete &= column.values != np.array(None)
        return complete

    def _range(self, keys: Sequence[Any]) -> tuple[int, int]:
        """Give where in the order the rows with these keys begin and end."""
        if not self._has_first:
            return 0, len(self._order)
        group = self._group_of.get(keys[0])
        if group is None:
            return 0, 0
        low, high = self._starts[group], self._starts[group + 1]
        for place in range(1, len(keys)):
            low, high = self._narrowed(place, keys[place], low, high)
        return low, high

    def _narrowed(
        self,
        place: int,
        key: Any,  # noqa: ANN401
        low: int,
        high: int,
    ) -> tuple[int, int]:
        """Give where within a range the rows with one more key begin and end."""
        if key is None or low == high:
            return 0, 0
        values = self._sorted[place]
        if type(key) is int:
            # Ranks count up by one, so that the row is where it would be in a row.
            guess = low + key - values[low]
            is_inside = low < guess < high - 1 and values[guess] == key
            if is_inside and values[guess - 1] < key < values[guess + 1]:
                return guess, guess + 1
        low = bisect_left(values, key, low, high)
        return low, bisect_right(values, key, low, high)

    def pairs(
        self, first: Sequence[Any], *further: Sequence[Any]
    ) -> tuple[list[int], list[int]]:
        """Pair the position of each row asked with the rows that have its keys."""
        order, starts, group_of = self._order, self._starts, self._group_of.get
        if self._is_unique and not further:
            groups = [group_of(key) for key in first]
            ours = [n for n, group in enumerate(groups) if group is not None]
            return ours, [order[group] for group in groups if group is not None]
        ours, theirs = [], []
        for position, key in enumerate(first):
            group = group_of(key)
            if group is None:
                continue
            low, high = starts[group], starts[group + 1]
            for place, keys in enumerate(further, start=1):
                low, high = self._narrowed(place, keys[position], low, high)
            if high - low == 1:
                ours.append(position)
                theirs.append(order[low])
            elif low < high:
                ours.extend(repeat(position, high - low))
                theirs.extend(order[low:high])
        return ours, theirs

    def newest(self, keys: Sequence[Any], day: Any, *, or_equal: bool) -> int:  # noqa: ANN401
        """Give the newest row with these keys known by (or before) a day; -1: none."""
        if day is None:
            return -1
        low, high = self._range(keys)
        bisect = bisect_right if or_equal else bisect_left
        found = bisect(self._sorted[-1], day, low, high) - 1
        return self._order[found] if found >= low else -1


def _taken(column: StoredColumn, rows: np.ndarray) -> Any:  # noqa: ANN401
    """Give a column's values at rows, numbers unboxed as they are stored."""
    values = np.asarray(column.values)[rows]
    return values if values.dtype == object else values.data


def _codes(column: StoredColumn, rows: np.ndarray) -> np.ndarray:
    """Give numbers that are ordered as the values of the rows are."""
    values = column.values
    if isinstance(values, np.ndarray):
        chosen = values[rows].tolist()
        distinct = {value: code for code, value in enumerate(sorted(set(chosen)))}
        return np.fromiter(
            (distinct[value] for value in chosen), dtype=np.int64, count=len(chosen)
        )
    return np.asarray(values)[rows]

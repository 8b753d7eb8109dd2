"""Relations of a compiled program: columns that are written only where they are read.

What belongs here: the program's lines, relations and what joins and filters make of
them. What does not: reading the syntax of a ``select`` (``selects``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from warehouse.row_sql.expressions import Code, Column, column_code
from warehouse.row_sql.syntax import UnsupportedSqlError
from warehouse.row_sql.tables import Index, StoredTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import duckdb

SMALL_ROWS = 1_000
"""A stored table of at most so many rows may be crossed or listed."""


@dataclass
class Writer:
    """The lines of a program, and the objects it reads by name.

    Tables and indexes are those of all programs over the snapshot.
    """

    connection: duckdb.DuckDBPyConnection
    tables: dict[str, StoredTable]
    indexes: dict[tuple[str, ...], Index]
    lines: list[str] = field(default_factory=list)
    names: dict[str, Any] = field(default_factory=dict)
    _written: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _count: int = 0

    def name(self, prefix: str) -> str:
        """Give a name that is not used yet."""
        self._count += 1
        return f"{prefix}{self._count}"

    def line(self, text: str, prefix: str = "x") -> str:
        """Write a line that gives a value its name; an equal line is written once."""
        if text not in self._written:
            name = self.name(prefix)
            self.lines.append(f"{name} = {text}")
            self._written[text] = (name,)
        return self._written[text][0]

    def positions(self, text: str) -> tuple[str, str]:
        """Write a line that gives two lists of positions: ours and theirs."""
        if text not in self._written:
            ours, theirs = self.name("l"), self.name("r")
            self.lines.append(f"{ours}, {theirs} = {text}")
            self._written[text] = (ours, theirs)
        ours, theirs = self._written[text]
        return ours, theirs

    def shared(self, value: Any, prefix: str = "o") -> str:  # noqa: ANN401
        """Give an object a name in the program."""
        for name, known in self.names.items():
            if known is value:
                return name
        name = self.name(prefix)
        self.names[name] = value
        return name

    def table(self, sql: str) -> StoredTable:
        """Give the stored table of a query, one for equal queries."""
        if sql not in self.tables:
            self.tables[sql] = StoredTable(self.connection, sql)
        return self.tables[sql]

    def index(
        self, table: StoredTable, equal: tuple[str, ...], known_from: str | None = None
    ) -> str:
        """Give the name of a table's index by columns."""
        key = (table.sql, *equal, "|", known_from or "")
        if key not in self.indexes:
            self.indexes[key] = Index(table, equal, known_from)
        return self.shared(self.indexes[key], "index")

    def computed(self, code: Code, size: str) -> Column:
        """Write a line that computes an expression for every row."""
        columns = code.columns
        if len(columns) == 1 and code.text == columns[0].value_name:
            return columns[0]
        if not columns:
            text = f"[{code.text}] * {size}"
        elif len(columns) == 1:
            text = f"[{code.text} for {columns[0].value_name} in {columns[0].name}]"
        else:
            values = ", ".join(column.value_name for column in columns)
            lists = ", ".join(column.name for column in columns)
            text = f"[{code.text} for {values} in zip({lists})]"
        return Column(self.line(text, "c"), code.kind, code.is_nullable)


class Relation:
    """Rows in the program: a variable with their number, and columns by name."""

    def __init__(
        self,
        size: str,
        columns: Mapping[str, Callable[[], Column]],
        unique: frozenset[str] = frozenset(),
    ) -> None:
        self.size = size
        self.unique = unique
        """Columns that no two rows have alike, by the names of their variables."""
        self._makers = dict(columns)
        self._made: dict[str, Column] = {}

    @property
    def names(self) -> Iterable[str]:
        """The columns, in order."""
        return self._makers.keys()

    def column(self, name: str) -> Column:
        """Give a column; its line is written when it is first asked for."""
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def taken(
        self, writer: Writer, size: str, positions: str, *, may_miss: bool = False
    ) -> Relation:
        """Give the rows at positions."""

        def maker(name: str) -> Callable[[], Column]:
            return lambda: _taken(writer, self.column(name), positions, may_miss)

        return Relation(size, {name: maker(name) for name in self.names})

    def renamed(self, names: Mapping[str, str]) -> Relation:
        """Give the same rows with other column names, by old name."""

        def maker(name: str) -> Callable[[], Column]:
            return lambda: self.column(name)

        return Relation(self.size, {new: maker(old) for old, new in names.items()})


def _taken(writer: Writer, column: Column, positions: str, may_miss: bool) -> Column:
    function = "take_or_null" if may_miss else "take"
    line = writer.line(f"{function}({column.name}, {positions})", "c")
    return Column(line, column.kind, column.is_nullable or may_miss)


class StoredRelation:
    """A stored table as the right side of a join: rows are read by position."""

    def __init__(self, writer: Writer, table: StoredTable) -> None:
        self.writer = writer
        self.table = table
        self._originals = {name.lower(): name for name in table.types}

    @property
    def names(self) -> Iterable[str]:
        """The columns, in order."""
        return self._originals.keys()

    def original(self, name: str) -> str:
        """Give a column's name as the table spells it."""
        return self._originals[name]

    def taken(self, size: str, positions: str, *, may_miss: bool = True) -> Relation:
        """Give the rows at positions."""

        def maker(name: str) -> Callable[[], Column]:
            return lambda: self._read(name, positions, may_miss)

        return Relation(size, {name: maker(name) for name in self.names})

    def _read(self, name: str, positions: str, may_miss: bool) -> Column:
        column = self.table.column(self.original(name))
        stored = self.writer.shared(column, "stored")
        function = "take_stored_or_null" if may_miss else "take_stored"
        text = f"{function}({stored}.values, {stored}.nulls, {positions})"
        is_nullable = may_miss or self._has_nulls(name)
        return Column(self.writer.line(text, "c"), column.kind, is_nullable)

    def _has_nulls(self, name: str) -> bool:
        row = self.table.connection.execute(
            f'select count(*) > count("{self.original(name)}") from ({self.table.sql})'
        ).fetchone()
        return bool(row and row[0])

    def all_rows(self) -> Relation:
        """Give every row, of a table that is small."""
        if self.table.row_count > SMALL_ROWS:
            raise UnsupportedSqlError(
                f"all {self.table.row_count} rows of {self.table.sql[:60]}"
            )
        size = self.writer.line(repr(self.table.row_count), "n")
        return self.taken(
            size, self.writer.line(f"list(range({size}))", "r"), may_miss=False
        )


AnyRelation = Relation | StoredRelation


class Joined:
    """The tables of a FROM clause, each by its alias, and their common rows."""

    def __init__(self, writer: Writer, size: str) -> None:
        self.writer = writer
        self.connection = writer.connection
        self.size = size
        self.tables: dict[str, Relation] = {}

    def with_tables(self, size: str, tables: Mapping[str, Relation]) -> Joined:
        """Give other rows of the same or further tables."""
        joined = Joined(self.writer, size)
        joined.tables = dict(tables)
        return joined

    def taken(self, positions: str) -> Joined:
        """Give the rows at positions."""
        size = self.writer.line(f"len({positions})", "n")
        tables = {
            alias: relation.taken(self.writer, size, positions)
            for alias, relation in self.tables.items()
        }
        return self.with_tables(size, tables)

    def resolve(self, names: Sequence[str]) -> Code:
        """Give the code of a column."""
        found = self.find(names)
        if found is None:
            raise UnsupportedSqlError(f"column {'.'.join(names)}")
        return column_code(found)

    def find(self, names: Sequence[str]) -> Column | None:
        """Give a column by its name, or by its table's and its own."""
        *alias, name = names
        for own_alias, relation in self.tables.items():
            if alias and alias[-1] != own_alias:
                continue
            if name in relation.names:
                return relation.column(name)
        return None

    def special(self, node: dict[str, Any]) -> Code | None:
        """Give no code: what rows alone can answer is no part of a join."""
        del node
        return None

"""Queries of requests as programs: compiled once, asked as often as one likes.

What belongs here: the whole of a program, from the query's text to its answer, and the
tables that the programs over a snapshot share. What does not: the parts of SQL (the
modules beside).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from warehouse.row_sql import rows, scalars
from warehouse.row_sql.expressions import Column
from warehouse.row_sql.relations import Relation, StoredRelation, Writer
from warehouse.row_sql.selects import Compiler
from warehouse.row_sql.syntax import UnsupportedSqlError, parse
from warehouse.row_sql.tables import Index, StoredTable, kind_of_type

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import duckdb

Columns = dict[str, list[Any]]

RUNTIME: dict[str, Any] = {
    **{name: each for name, each in vars(scalars).items() if not name.startswith("_")},
    **{name: each for name, each in vars(rows).items() if not name.startswith("_")},
    "log": math.log,
    "sqrt": math.sqrt,
    "sin": math.sin,
    "cos": math.cos,
    "asin": math.asin,
    "pow": math.pow,
}


class Programs:
    """The programs over one snapshot, and the tables and indexes they share.

    Compile all of them, then load once.

    Parameters
    ----------
    connection
        To the snapshot, whose schema holds every table the queries read.
    request_types
        Columns of a request, and their DuckDB types.
    macros
        The snapshot's table macros: the text of each by its name.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        request_types: Mapping[str, str],
        macros: Mapping[str, str],
        *,
        schema: str = "marts",
    ) -> None:
        self._connection = connection
        self._macros = macros
        self._schema = schema
        self._request_kinds = {
            name.lower(): kind_of_type(column_type)
            for name, column_type in request_types.items()
        }
        self._tables: dict[str, StoredTable] = {}
        self._indexes: dict[tuple[str, ...], Index] = {}

    def compiled(self, *queries: str) -> Program:
        """Compile queries that read the requests by ``query_table(requests)``.

        What they have in common is computed once for all of them.

        Raises
        ------
        UnsupportedSqlError
            When one says something that is not compiled.
        """
        writer = Writer(self._connection, self._tables, self._indexes)
        requests = _requests(writer, self._request_kinds)
        compiler = Compiler(writer, self._schema, self._macros, requests)
        results = []
        for query in queries:
            result = compiler.query(parse(self._connection, query), {})
            if isinstance(result, StoredRelation):
                raise UnsupportedSqlError("a query that reads no request")
            results.append({name: result.column(name) for name in result.names})
        return Program(writer, results, self._request_kinds)

    def load(self) -> None:
        """Read the tables into memory and order them by what is looked up."""
        for table in self._tables.values():
            table.load()
        for index in self._indexes.values():
            index.build()


class Program:
    """Compiled queries. Safe to ask from several threads once the tables are loaded.

    ``kinds`` holds the kind of every column, for each query.
    """

    def __init__(
        self,
        writer: Writer,
        results: Sequence[Mapping[str, Column]],
        request_kinds: Mapping[str, str],
    ) -> None:
        self.kinds = [
            {name: column.kind for name, column in result.items()} for result in results
        ]
        self.source = _source(writer, results)
        self._request_kinds = request_kinds
        namespace = RUNTIME | writer.names
        exec(compile(self.source, "<compiled SQL>", "exec"), namespace)
        # Taken out, so that a program that is dropped leaves no cycle of garbage.
        self._answer: Callable[[Columns, int], list[dict[str, Sequence[Any]]]]
        self._answer = namespace.pop("answer")

    def ask(self, requests: Sequence[Mapping[str, Any]]) -> list[Columns]:
        """Answer requests, each a value by column name; gives columns for each query.

        Rows stand in no particular order, as in any query without one.
        """
        asked = {
            name: [_given(request.get(name), kind) for request in requests]
            for name, kind in self._request_kinds.items()
        }
        answers = self._answer(asked, len(requests))
        return [
            {name: _told(values, kinds[name]) for name, values in answer.items()}
            for answer, kinds in zip(answers, self.kinds, strict=True)
        ]


def _requests(writer: Writer, kinds: Mapping[str, str]) -> Relation:
    def maker(name: str, kind: str) -> Callable[[], Column]:
        return lambda: Column(writer.line(f"requests[{name!r}]", "c"), kind)

    return Relation(
        "request_count", {name: maker(name, kind) for name, kind in kinds.items()}
    )


def _source(writer: Writer, results: Sequence[Mapping[str, Column]]) -> str:
    columns = (
        ", ".join(f"{name!r}: {column.name}" for name, column in result.items())
        for result in results
    )
    answers = ", ".join(f"{{{each}}}" for each in columns)
    body = "\n    ".join([*writer.lines, f"return [{answers}]"])
    return f"def answer(requests, request_count):\n    {body}\n"


def _given(value: Any, kind: str) -> Any:  # noqa: ANN401
    if value is None:
        return None
    if kind == "date":
        return scalars.as_days(value)
    return float(value) if kind == "float" else value


def _told(values: Sequence[Any], kind: str) -> list[Any]:
    if kind != "date":
        return list(values)
    return [None if days is None else scalars.as_date(days) for days in values]

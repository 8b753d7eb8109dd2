"""Reading SQL as DuckDB parses it, and writing parts of it back.

What belongs here: the tree of a statement, as DuckDB's own parser gives it. What does
not: what any of it means (``expressions``, ``relations``).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

Node = dict[str, Any]
"""One node of DuckDB's syntax tree."""


class UnsupportedSqlError(Exception):
    """A macro says something that is not compiled: DuckDB answers it then."""


def parse(connection: duckdb.DuckDBPyConnection, sql: str) -> Node:
    """Parse one ``select``; gives its query node.

    Raises
    ------
    UnsupportedSqlError
        When it is no ``select``.
    """
    row = connection.execute("select json_serialize_sql(?)", [sql]).fetchone()
    tree = json.loads(row[0]) if row else {}
    if tree.get("error", True) or len(tree["statements"]) != 1:
        raise UnsupportedSqlError(tree.get("error_message", "no single select"))
    return tree["statements"][0]["node"]


def written(connection: duckdb.DuckDBPyConnection, query: Node) -> str:
    """Write a query node as SQL."""
    statement = {"node": query, "named_param_map": []}
    text = json.dumps({"error": False, "statements": [statement]})
    row = connection.execute("select json_deserialize_sql(?)", [text]).fetchone()
    return row[0] if row else ""


def selecting(expression: Node, from_table: Node | None = None) -> Node:
    """Give the query node of ``select expression``."""
    return {
        "type": "SELECT_NODE",
        "modifiers": [],
        "cte_map": {"map": []},
        "select_list": [expression],
        "from_table": from_table or {"type": "EMPTY", "alias": "", "sample": None},
        "where_clause": None,
        "group_expressions": [],
        "group_sets": [],
        "aggregate_handling": "STANDARD_HANDLING",
        "having": None,
        "sample": None,
        "qualify": None,
    }


def nodes(tree: object) -> Iterator[Node]:
    """Walk every node of a tree."""
    if isinstance(tree, dict):
        yield tree
        for child in tree.values():
            yield from nodes(child)
    elif isinstance(tree, list):
        for child in tree:
            yield from nodes(child)


def is_constant(expression: Node) -> bool:
    """Tell an expression that reads no column and is the same each time."""
    return not any(
        node.get("class") in {"COLUMN_REF", "STAR", "WINDOW", "SUBQUERY", "PARAMETER"}
        or node.get("function_name") in {"count_star", "unnest", "list_value"}
        for node in nodes(expression)
    )


def arguments(function: Node) -> list[Node]:
    """Give a function's arguments."""
    return [argument["expression"] for argument in function["arguments"]]


def conjuncts(condition: Node | None) -> list[Node]:
    """Take the parts of ``a and b and c`` apart."""
    if condition is None:
        return []
    if condition["type"] != "CONJUNCTION_AND":
        return [condition]
    return [part for child in condition["children"] for part in conjuncts(child)]

"""Compiling ``select``: tables, filters, groups, windows, and the columns chosen.

What belongs here: the clauses of a query, in the order they act. What does not: joins
(``joins``) and single expressions (``expressions``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.row_sql.expressions import (
    Column,
    aligned,
    column_code,
    compiled,
)
from warehouse.row_sql.joins import join, whole
from warehouse.row_sql.relations import (
    AnyRelation,
    Joined,
    Relation,
    StoredRelation,
    Writer,
)
from warehouse.row_sql.selections import Groups, Selection, is_aggregate
from warehouse.row_sql.syntax import (
    Node,
    UnsupportedSqlError,
    arguments,
    nodes,
    parse,
    written,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Compiler:
    """Compiles queries over one snapshot; equal tables and indexes are shared."""

    def __init__(
        self, writer: Writer, schema: str, macros: Mapping[str, str], requests: Relation
    ) -> None:
        self.writer = writer
        self.schema = schema
        self.macros = macros
        self.requests = requests

    def query(self, node: Node, tables: dict[str, AnyRelation]) -> AnyRelation:
        """Compile a query; ``tables`` are those named around it."""
        if self._is_stored(node, tables):
            sql = written(self.writer.connection, node)
            return StoredRelation(self.writer, self.writer.table(sql))
        if node["modifiers"]:
            raise UnsupportedSqlError("order, limit or distinct")
        tables = dict(tables)
        for entry in node["cte_map"]["map"]:
            query = entry["value"]["query_node"]
            tables[entry["key"].lower()] = self.query(query, tables)
        if node["type"] == "SET_OPERATION_NODE":
            return self._union(node, tables)
        if node["type"] != "SELECT_NODE" or node["sample"]:
            raise UnsupportedSqlError(f"query {node['type']}")
        return self._select(node, tables)

    def _is_stored(self, node: Node, tables: dict[str, AnyRelation]) -> bool:
        """Tell a query that reads nothing but the snapshot: DuckDB runs it, once."""
        return not any(
            (
                part.get("type") == "BASE_TABLE"
                and part["schema_name"] != self.schema
                and part["table_name"].lower() not in _own_tables(node)
            )
            or part.get("type") == "TABLE_FUNCTION"
            for part in nodes(node)
        )

    def _union(self, node: Node, tables: dict[str, AnyRelation]) -> Relation:
        if node["setop_type"] != "UNION":
            raise UnsupportedSqlError(node["setop_type"])
        parts = [whole(self.query(child, tables)) for child in node["children"]]
        names = list(parts[0].names)
        by_place = zip(*(part.names for part in parts), strict=True)
        columns = {
            name: self._appended(
                [part.column(own) for part, own in zip(parts, owns, strict=True)]
            )
            for name, owns in zip(names, by_place, strict=True)
        }
        size = self.writer.line(" + ".join(part.size for part in parts), "n")
        relation = _relation(size, columns)
        if node["setop_all"]:
            return relation
        lists = ", ".join(column.name for column in columns.values())
        firsts = self.writer.line(f"distinct({lists})", "l")
        size = self.writer.line(f"len({firsts})", "n")
        return relation.taken(self.writer, size, firsts)

    def _appended(self, columns: Sequence[Column]) -> Column:
        codes, kind = aligned([column_code(column) for column in columns])
        lists = [
            self.writer.computed(code, f"len({column.name})").name
            for code, column in zip(codes, columns, strict=True)
        ]
        line = self.writer.line(f"[*{', *'.join(lists)}]", "c")
        return Column(line, kind, any(column.is_nullable for column in columns))

    def _select(self, node: Node, tables: dict[str, AnyRelation]) -> Relation:
        joined = self._from(node["from_table"], tables)
        scope = Selection(joined, node["select_list"])
        if node["where_clause"]:
            scope = scope.filtered(node["where_clause"])
        if node["group_expressions"] or _has_aggregate(node):
            scope = Groups.of(scope, node["group_expressions"], node["group_sets"])
            if node["having"]:
                scope = scope.filtered(node["having"])
        if node["qualify"]:
            scope = scope.filtered(node["qualify"])
        return self._projected(node["select_list"], scope)

    def _from(self, node: Node, tables: dict[str, AnyRelation]) -> Joined:
        if node["type"] == "JOIN":
            left = self._from(node["left"], tables)
            if node["right"]["type"] == "JOIN" or node.get("using_columns"):
                raise UnsupportedSqlError("join of a join, or by name")
            alias, right = self._table(node["right"], tables)
            return join(left, right, alias, node)
        alias, relation = self._table(node, tables)
        rows = whole(relation)
        return Joined(self.writer, rows.size).with_tables(rows.size, {alias: rows})

    def _table(
        self, node: Node, tables: dict[str, AnyRelation]
    ) -> tuple[str, AnyRelation]:
        if node.get("sample") or node.get("column_name_alias"):
            raise UnsupportedSqlError("a sample, or columns named anew")
        alias = node["alias"].lower()
        if node["type"] == "SUBQUERY":
            return alias, self.query(node["subquery"]["node"], tables)
        if node["type"] == "TABLE_FUNCTION":
            return alias, self._called(node["function"]["function_name"])
        if node["type"] != "BASE_TABLE":
            raise UnsupportedSqlError(f"table {node['type']}")
        name = node["table_name"].lower()
        if not node["schema_name"] and name in tables:
            return alias or name, tables[name]
        sql = f'select * from {self.schema}."{node["table_name"]}"'
        return alias or name, StoredRelation(self.writer, self.writer.table(sql))

    def _called(self, name: str) -> AnyRelation:
        """Give the requests, or what another macro says of them."""
        if name == "query_table":
            return self.requests
        if name not in self.macros:
            raise UnsupportedSqlError(f"table function {name}")
        return self.query(parse(self.writer.connection, self.macros[name]), {})

    def _projected(self, items: Sequence[Node], scope: Selection) -> Relation:
        unnests = [item for item in items if _is_unnest(item)]
        if unnests:
            return self._unnested(items, scope)
        columns: dict[str, Callable[[], Column]] = {}
        for item in items:
            if item["class"] == "STAR":
                columns |= scope.star(item)
            else:
                columns[_name(item)] = scope.maker(item)
        return Relation(scope.size, columns, scope.unique())

    def _unnested(self, items: Sequence[Node], scope: Selection) -> Relation:
        (item,) = [each for each in items if _is_unnest(each)]
        lists = compiled(arguments(item)[0], scope)
        if lists.kind != "list of int":
            raise UnsupportedSqlError(f"unnest of a {lists.kind}")
        column = self.writer.computed(lists, scope.size)
        ours, elements = self.writer.positions(f"unnested({column.name})")
        size = self.writer.line(f"len({ours})", "n")
        others = [each for each in items if each is not item]
        rest = self._projected(others, scope).taken(self.writer, size, ours)
        columns: dict[str, Callable[[], Column]] = {
            name: (lambda name=name: rest.column(name)) for name in rest.names
        }
        columns[_name(item)] = lambda: Column(elements, "int", is_nullable=False)
        return Relation(size, columns)


def _own_tables(query: Node) -> set[str]:
    return {
        entry["key"].lower()
        for part in nodes(query)
        for entry in (part.get("cte_map") or {}).get("map", [])
    }


def _has_aggregate(node: Node) -> bool:
    return any(
        is_aggregate(part) for item in node["select_list"] for part in nodes(item)
    )


def _is_unnest(item: Node) -> bool:
    return item.get("function_name") == "unnest"


def _name(item: Node) -> str:
    if item["alias"]:
        return item["alias"].lower()
    if item["type"] == "COLUMN_REF":
        return item["column_names"][-1].lower()
    raise UnsupportedSqlError(f"a column without a name ({item['type']})")


def _relation(size: str, columns: dict[str, Column]) -> Relation:
    return Relation(
        size, {name: (lambda column=column: column) for name, column in columns.items()}
    )

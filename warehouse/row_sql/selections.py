"""The rows of a ``select``: filtered, grouped, numbered, before its columns are chosen.

What belongs here: what an expression may read of whole rows, groups and windows. What
does not: the clauses of a query and their order (``selects``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from warehouse.row_sql.expressions import Code, Column, column_code, compiled
from warehouse.row_sql.syntax import Node, UnsupportedSqlError, arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from warehouse.row_sql.relations import Joined

AGGREGATES = {
    "sum": "total",
    "min": "min",
    "max": "max",
    "avg": "mean",
}
CHOSEN = {"arg_min": "min", "min_by": "min", "arg_max": "max", "max_by": "max"}
COUNTS = {"count", "count_star"}
WINDOWS = {"WINDOW_ROW_NUMBER", "WINDOW_AGGREGATE"}


class Selection:
    """The rows of a ``select`` before its columns are chosen."""

    def __init__(self, joined: Joined, items: Sequence[Node]) -> None:
        self.joined = joined
        self.connection = joined.connection
        self.writer = joined.writer
        self.items = items

    @property
    def size(self) -> str:
        """The variable that holds the number of rows."""
        return self.joined.size

    def resolve(self, names: Sequence[str]) -> Code:
        """Give a column's code, or that of the expression of such an alias."""
        column = self.joined.find(list(names))
        if column is not None:
            return column_code(column)
        for item in self.items:
            if len(names) == 1 and item["alias"].lower() == names[0]:
                return compiled(item, self)
        raise UnsupportedSqlError(f"column {'.'.join(names)}")

    def special(self, node: Node) -> Code | None:
        """Give the code of a window."""
        if node["class"] != "WINDOW":
            return None
        if node["type"] not in WINDOWS:
            raise UnsupportedSqlError(node["type"])
        return column_code(self._window(node))

    def filtered(self, condition: Node) -> Selection:
        """Keep the rows a condition holds for."""
        kept = self.column(compiled(condition, self))
        positions = self.writer.line(f"true_rows({kept.name})", "l")
        return self.at(self.joined.taken(positions))

    def at(self, joined: Joined) -> Selection:
        """Give the selection of other rows."""
        return Selection(joined, self.items)

    def unique(self) -> frozenset[str]:
        """Name the columns that no two rows have alike; none is known of."""
        return frozenset()

    def column(self, code: Code) -> Column:
        """Compute an expression for every row."""
        return self.writer.computed(code, self.size)

    def maker(self, item: Node) -> Callable[[], Column]:
        """Give what writes a chosen column when it is read."""
        return lambda: self.column(compiled(item, self))

    def star(self, item: Node) -> dict[str, Callable[[], Column]]:
        """Give the columns of ``*``."""
        if item["replace_list"] or item["columns"] or item["qualified_exclude_list"]:
            raise UnsupportedSqlError("replaced or chosen columns of *")
        excluded = {name.lower() for name in item["exclude_list"]}
        renames = {
            entry["key"]["column"].lower(): entry["value"].lower()
            for entry in item["rename_list"]
        }
        alias = item["relation_name"].lower()
        return {
            renames.get(name, name): (lambda name=name, t=relation: t.column(name))
            for own_alias, relation in self.joined.tables.items()
            if alias in {"", own_alias}
            for name in relation.names
            if name not in excluded
        }

    def _window(self, node: Node) -> Column:
        parts = [self.column(compiled(part, self)).name for part in node["partitions"]]
        groups = (
            self.writer.positions(f"grouped({', '.join(parts)})")[1]
            if parts
            else self.writer.line(f"[list(range({self.size}))]", "g")
        )
        orders = [
            f"({self.column(compiled(order['expression'], self)).name}, "
            f"{order['type'] == 'DESCENDING'})"
            for order in node["orders"]
        ]
        if any(order["null_order"] != "ORDER_DEFAULT" for order in node["orders"]):
            raise UnsupportedSqlError("an order of NULL")
        if node["type"] == "WINDOW_ROW_NUMBER":
            ordered = ", ".join([groups, self.size, *orders])
            return Column(
                self.writer.line(f"row_numbers({ordered})", "c"), "int", False
            )
        if orders or node.get("filter_expr"):
            raise UnsupportedSqlError("a running window")
        figures = aggregate(self, node, groups)
        line = self.writer.line(f"spread({figures.name}, {groups}, {self.size})", "c")
        return Column(line, figures.kind, True)


class Groups(Selection):
    """The groups of a ``select``: its keys, and figures of each group's rows."""

    def __init__(
        self, rows: Selection, joined: Joined, keys: Sequence[Node], groups: str
    ) -> None:
        super().__init__(joined, rows.items)
        self._rows = rows
        self._keys = keys
        self._key_columns = {rows.column(compiled(key, rows)).name for key in keys}
        self._groups = groups

    @classmethod
    def of(cls, rows: Selection, keys: Sequence[Node], sets: Sequence[Any]) -> Groups:
        """Group rows by the values of expressions."""
        if len(sets) > 1 or not keys:
            raise UnsupportedSqlError("several groupings, or none")
        lists = ", ".join(rows.column(compiled(key, rows)).name for key in keys)
        firsts, groups = rows.writer.positions(f"grouped({lists})")
        return cls(rows, rows.joined.taken(firsts), keys, groups)

    def resolve(self, names: Sequence[str]) -> Code:
        """Give a key's code: other columns have no one value in a group."""
        column = self._rows.joined.find(list(names))
        if column is not None and column.name not in self._key_columns:
            raise UnsupportedSqlError(f"column {'.'.join(names)} outside the groups")
        return super().resolve(names)

    def unique(self) -> frozenset[str]:
        """Name the columns that no two groups have alike."""
        return frozenset(self.column(compiled(key, self)).name for key in self._keys)

    def special(self, node: Node) -> Code | None:
        """Give the code of an aggregate."""
        if is_aggregate(node):
            return column_code(aggregate(self._rows, node, self._groups))
        return super().special(node)

    def filtered(self, condition: Node) -> Selection:
        """Keep the groups a condition holds for."""
        kept = self.column(compiled(condition, self))
        positions = self.writer.line(f"true_rows({kept.name})", "l")
        groups = self.writer.line(f"take({self._groups}, {positions})", "g")
        return Groups(self._rows, self.joined.taken(positions), self._keys, groups)


def aggregate(rows: Selection, node: Node, groups: str) -> Column:
    """Write an aggregate of each group's rows."""
    writer = rows.writer
    name = node["function_name"].lower()
    if node["distinct"] or (node.get("order_bys") or {}).get("orders"):
        raise UnsupportedSqlError(f"{name} of distinct or ordered values")
    if node.get("filter"):
        kept = rows.column(compiled(node["filter"], rows))
        groups = writer.line(f"filtered_groups({groups}, {kept.name})", "g")
    columns = [rows.column(compiled(part, rows)) for part in arguments(node)]
    if name in COUNTS:
        text = (
            f"counted({columns[0].name}, {groups})"
            if columns
            else f"[len(group) for group in {groups}]"
        )
        return Column(writer.line(text, "c"), "int", False)
    if name in CHOSEN:
        lists = f"{columns[0].name}, {columns[1].name}"
        text = f"chosen({CHOSEN[name]}, {lists}, {groups})"
        return Column(writer.line(text, "c"), columns[0].kind, True)
    if name not in AGGREGATES:
        raise UnsupportedSqlError(f"aggregate {name}")
    text = f"aggregated({AGGREGATES[name]}, {columns[0].name}, {groups})"
    kind = "float" if name == "avg" else columns[0].kind
    return Column(writer.line(text, "c"), kind, True)


def is_aggregate(node: Node) -> bool:
    """Tell a call of an aggregate."""
    name = node.get("function_name", "").lower()
    is_known = name in COUNTS or name in CHOSEN or name in AGGREGATES
    return node.get("class") == "FUNCTION" and is_known

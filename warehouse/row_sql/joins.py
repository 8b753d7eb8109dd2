"""Compiling joins: which rows meet, by index where one side is stored.

What belongs here: taking a join's condition apart and writing the lookup it asks for.
What does not: what is selected of the rows (``selects``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.row_sql.expressions import Code, Column, compiled
from warehouse.row_sql.relations import AnyRelation, Joined, Relation, StoredRelation
from warehouse.row_sql.syntax import (
    Node,
    UnsupportedSqlError,
    conjuncts,
    nodes,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

MIRRORED = {
    "COMPARE_GREATERTHANOREQUALTO": "COMPARE_LESSTHANOREQUALTO",
    "COMPARE_LESSTHANOREQUALTO": "COMPARE_GREATERTHANOREQUALTO",
    "COMPARE_GREATERTHAN": "COMPARE_LESSTHAN",
    "COMPARE_LESSTHAN": "COMPARE_GREATERTHAN",
}


@dataclass(frozen=True)
class Condition:
    """A join's condition: equal keys, of an as-of join the day, and what is left."""

    ours: list[Column]
    theirs: list[str]
    day: tuple[Column, str, str] | None
    """Our column, the comparison, their column."""
    rest: list[Node]


def join(left: Joined, right: AnyRelation, alias: str, node: Node) -> Joined:
    """Join one more table to those before it."""
    if node["ref_type"] == "CROSS":
        return _cross(left, right, alias)
    condition = _condition(left, right, alias, node)
    if node["ref_type"] == "ASOF":
        return _join_asof(left, right, alias, node["join_type"], condition)
    if node["ref_type"] != "REGULAR" or not condition.ours:
        raise UnsupportedSqlError(f"{node['ref_type']} join without equal keys")
    return _join_equal(left, right, alias, node["join_type"], condition)


def _cross(left: Joined, right: AnyRelation, alias: str) -> Joined:
    theirs = right.all_rows() if isinstance(right, StoredRelation) else right
    return _together(left, theirs, alias, f"crossed({left.size}, {theirs.size})")


def _together(left: Joined, right: AnyRelation, alias: str, pairs: str) -> Joined:
    ours, theirs = left.writer.positions(pairs)
    joined = left.taken(ours)
    return _with_right(joined, right, alias, theirs, may_miss=False)


def _with_right(
    joined: Joined, right: AnyRelation, alias: str, theirs: str, *, may_miss: bool
) -> Joined:
    if isinstance(right, StoredRelation):
        taken = right.taken(joined.size, theirs, may_miss=may_miss)
    else:
        taken = right.taken(joined.writer, joined.size, theirs, may_miss=may_miss)
    return joined.with_tables(joined.size, {**joined.tables, alias: taken})


def _condition(left: Joined, right: AnyRelation, alias: str, node: Node) -> Condition:
    found = Condition([], [], None, [])
    day = None
    for part in conjuncts(node["condition"]):
        sides = _sides(left, right, alias, part)
        if sides and part["type"] == "COMPARE_EQUAL":
            found.ours.append(left.writer.computed(sides[0], left.size))
            found.theirs.append(sides[1])
        elif sides and node["ref_type"] == "ASOF" and part["type"] in MIRRORED:
            column = left.writer.computed(sides[0], left.size)
            day = (column, sides[2], sides[1])
        else:
            found.rest.append(part)
    return Condition(found.ours, found.theirs, day, found.rest)


def _sides(
    left: Joined, right: AnyRelation, alias: str, part: Node
) -> tuple[Code, str, str] | None:
    """Give our side's code, their column and the comparison as we say it."""
    if part["class"] != "COMPARISON":
        return None
    kind = part["type"]
    for ours, theirs, comparison in (
        (part["left"], part["right"], kind),
        (part["right"], part["left"], MIRRORED.get(kind, kind)),
    ):
        name = _their_column(left, right, alias, theirs)
        if name and not _reads(ours, left, right, alias):
            return compiled(ours, left), name, comparison
    return None


def _is_theirs(
    names: Sequence[str], left: Joined, right: AnyRelation, alias: str
) -> bool:
    lowered = [name.lower() for name in names]
    if len(lowered) > 1:
        return lowered[-2] == alias
    is_ours = any(lowered[-1] in table.names for table in left.tables.values())
    return lowered[-1] in right.names and not is_ours


def _their_column(
    left: Joined, right: AnyRelation, alias: str, node: Node
) -> str | None:
    if node["type"] != "COLUMN_REF":
        return None
    names = node["column_names"]
    return names[-1].lower() if _is_theirs(names, left, right, alias) else None


def _reads(node: Node, left: Joined, right: AnyRelation, alias: str) -> bool:
    return any(
        _is_theirs(part["column_names"], left, right, alias)
        for part in nodes(node)
        if part.get("type") == "COLUMN_REF"
    )


def _join_asof(
    left: Joined,
    right: AnyRelation,
    alias: str,
    join_type: str,
    condition: Condition,
) -> Joined:
    day = condition.day
    if not isinstance(right, StoredRelation) or day is None or condition.rest:
        raise UnsupportedSqlError("as-of join of this kind")
    if day[1] not in {"COMPARE_GREATERTHAN", "COMPARE_GREATERTHANOREQUALTO"}:
        raise UnsupportedSqlError("as-of join with later rows")
    writer = left.writer
    index = writer.index(
        right.table,
        tuple(right.original(name) for name in condition.theirs),
        right.original(day[2]),
    )
    or_equal = day[1] == "COMPARE_GREATERTHANOREQUALTO"
    keys = ", ".join([day[0].name, repr(or_equal), *(c.name for c in condition.ours)])
    found = f"newest({index}, {left.size}, {keys})"
    if join_type == "INNER":
        return _together(left, right, alias, f"found_rows({found})")
    if join_type != "LEFT":
        raise UnsupportedSqlError(f"{join_type} as-of join")
    return _with_right(left, right, alias, writer.line(found, "r"), may_miss=True)


def _join_equal(
    left: Joined,
    right: AnyRelation,
    alias: str,
    join_type: str,
    condition: Condition,
) -> Joined:
    writer = left.writer
    keys = ", ".join(column.name for column in condition.ours)
    ours, theirs = writer.positions(f"{_lookup(right, condition, left)}.pairs({keys})")
    if condition.rest:
        ours, theirs = _kept(left, right, alias, condition, ours, theirs)
    if join_type == "INNER":
        return _with_right(left.taken(ours), right, alias, theirs, may_miss=False)
    if join_type == "LEFT" and _has_one_each(right, condition):
        theirs = writer.line(f"one_each({ours}, {theirs}, {left.size})", "r")
        return _with_right(left, right, alias, theirs, may_miss=True)
    if join_type == "LEFT":
        ours, theirs = writer.positions(f"with_missing({ours}, {theirs}, {left.size})")
        size = writer.line(f"len({theirs})", "n")
        joined = left.with_tables(
            size,
            {
                name: table.taken(writer, size, ours)
                for name, table in left.tables.items()
            },
        )
        return _with_right(joined, right, alias, theirs, may_miss=True)
    if join_type in {"ANTI", "SEMI"}:
        wanted = join_type == "SEMI"
        return left.taken(writer.line(f"partnered({ours}, {left.size}, {wanted})", "l"))
    raise UnsupportedSqlError(f"{join_type} join")


def _has_one_each(right: AnyRelation, condition: Condition) -> bool:
    """Tell whether no row can find two: then ours stay as they are."""
    if isinstance(right, StoredRelation) or not right.unique:
        return False
    return right.unique <= {right.column(name).name for name in condition.theirs}


def _lookup(right: AnyRelation, condition: Condition, left: Joined) -> str:
    """Write how their rows are found by key, and give its name."""
    if isinstance(right, StoredRelation):
        originals = tuple(right.original(name) for name in condition.theirs)
        return left.writer.index(right.table, originals)
    columns = ", ".join(right.column(name).name for name in condition.theirs)
    return left.writer.line(f"Grouped({columns})", "lookup")


def _kept(
    left: Joined,
    right: AnyRelation,
    alias: str,
    condition: Condition,
    ours: str,
    theirs: str,
) -> tuple[str, str]:
    """Keep the pairs that what is left of the condition holds for."""
    pair = _with_right(left.taken(ours), right, alias, theirs, may_miss=False)
    for part in condition.rest:
        is_kept = left.writer.computed(compiled(part, pair), pair.size)
        ours, theirs = left.writer.positions(
            f"kept_pairs({ours}, {theirs}, {is_kept.name})"
        )
        if part is not condition.rest[-1]:
            pair = _with_right(left.taken(ours), right, alias, theirs, may_miss=False)
    return ours, theirs


def whole(relation: AnyRelation) -> Relation:
    """Give a relation whose rows can be listed."""
    return relation.all_rows() if isinstance(relation, StoredRelation) else relation

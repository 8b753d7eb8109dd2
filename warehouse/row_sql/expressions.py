"""Compiling one SQL expression to one Python expression.

What belongs here: operators, CASE, casts and NULL. What does not: the functions by name
(``functions``), and what rows a column has (``relations``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol

from warehouse.row_sql.scalars import as_days
from warehouse.row_sql.syntax import (
    Node,
    UnsupportedSqlError,
    arguments,
    is_constant,
    selecting,
    written,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import duckdb

NUMBERS = ("int", "float")
COMPARISONS = {
    "COMPARE_EQUAL": "==",
    "COMPARE_NOTEQUAL": "!=",
    "COMPARE_LESSTHAN": "<",
    "COMPARE_LESSTHANOREQUALTO": "<=",
    "COMPARE_GREATERTHAN": ">",
    "COMPARE_GREATERTHANOREQUALTO": ">=",
}
CASTS = {
    "VARCHAR": "str",
    "DOUBLE": "float",
    "BIGINT": "int",
    "INTEGER": "int",
    "DATE": "date",
}


@dataclass(frozen=True)
class Column:
    """A list of values in the program, by the name of its variable."""

    name: str
    kind: str
    is_nullable: bool = True

    @property
    def value_name(self) -> str:
        """The variable that holds one row's value within a comprehension."""
        return f"v_{self.name}"


@dataclass(frozen=True)
class Code:
    """A Python expression of the values of one row, and what is known of it."""

    text: str
    kind: str
    is_nullable: bool = False
    columns: tuple[Column, ...] = ()
    constant: Any = None
    """The value itself, where it is a text or a number written in the SQL."""
    null_tests: tuple[str, ...] = ()
    """Where they are given, it is NULL if and only if one of them holds."""
    known_text: str = ""
    """The expression where none of them holds: what is made of it tests but once."""


class Scope(Protocol):
    """Where an expression finds its columns, and what only whole rows can answer."""

    connection: duckdb.DuckDBPyConnection

    def resolve(self, names: Sequence[str]) -> Code:
        """Give the code of a column, by its name or its table's and its own."""
        ...

    def special(self, node: Node) -> Code | None:
        """Give the code of an aggregate or a window; None where a node is neither."""
        ...


def column_code(column: Column) -> Code:
    """Read a column."""
    return Code(column.value_name, column.kind, column.is_nullable, (column,))


def compiled(node: Node, scope: Scope) -> Code:
    """Compile an expression.

    Raises
    ------
    UnsupportedSqlError
        When a part of it is not known here.
    """
    special = scope.special(node)
    if special is not None:
        return special
    if node["type"] == "VALUE_CONSTANT":
        return _literal(node)
    if is_constant(node):
        return _folded(node, scope)
    compile_node = _NODES.get(node["type"]) or _NODES.get(node["class"])
    if compile_node is None:
        raise UnsupportedSqlError(f"expression {node['type']}")
    return compile_node(node, scope)


def temporary(part: Code) -> str:
    """Name the value of a part: equal parts have one name, so equal lines are equal."""
    return f"t_{blake2b(part.text.encode(), digest_size=8).hexdigest()}"


def unless_null(parts: Sequence[Code], text: str, kind: str) -> Code:
    """Compute ``text`` of the parts, as ``{0}``, ``{1}`` …; NULL where one is NULL."""
    columns = _columns(parts)
    if any(part.kind == "null" for part in parts):
        return Code("None", kind, True, columns)
    names: list[str] = []
    tests: list[str] = []
    for place, part in enumerate(parts):
        name = part.text
        if part.null_tests and text.count(f"{{{place}}}") == 1:
            name = part.known_text
            tests.extend(part.null_tests)
        elif part.is_nullable and not name.isidentifier():
            name = temporary(part)
            tests.append(f"({name} := {part.text}) is None")
        elif part.is_nullable:
            tests.append(f"{name} is None")
        names.append(name)
    known = f"({text.format(*names)})"
    if not tests:
        return Code(known, kind, False, columns)
    null_tests = tuple(dict.fromkeys(tests))
    whole = f"(None if {' or '.join(null_tests)} else {known})"
    return Code(whole, kind, True, columns, null_tests=null_tests, known_text=known)


def aligned(parts: Sequence[Code]) -> tuple[list[Code], str]:
    """Give alternatives one kind: where one is a double, whole numbers become so."""
    kinds = {part.kind for part in parts} - {"null"}
    if kinds == set(NUMBERS):
        parts = [
            unless_null([part], "float({0})", "float") if part.kind == "int" else part
            for part in parts
        ]
        return list(parts), "float"
    if len(kinds) > 1:
        raise UnsupportedSqlError(f"values of kinds {', '.join(sorted(kinds))} in one")
    return list(parts), kinds.pop() if kinds else "null"


def as_text(part: Code) -> Code:
    """Write a value as text."""
    if part.kind in {"str", "null"}:
        return part
    if part.kind not in {"int", "float", "bool"}:
        raise UnsupportedSqlError(f"a {part.kind} as text")
    return unless_null([part], "text({0})", "str")


def _columns(parts: Sequence[Code]) -> tuple[Column, ...]:
    return tuple(dict.fromkeys(column for part in parts for column in part.columns))


def constant_code(value: Any) -> Code:  # noqa: ANN401
    """Write a value DuckDB computed."""
    if value is None:
        return Code("None", "null", True)
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, timedelta):
        if value % timedelta(days=1):
            raise UnsupportedSqlError("an interval of part of a day")
        return Code(repr(value.days), "interval")
    if type(value) is date:
        return Code(repr(as_days(value)), "date")
    kinds: dict[type, str] = {bool: "bool", int: "int", float: "float", str: "str"}
    if type(value) not in kinds:
        raise UnsupportedSqlError(f"a constant of type {type(value).__name__}")
    return Code(repr(value), kinds[type(value)], constant=value)


def _literal(node: Node) -> Code:
    kind, text = node["literal"]["kind"], node["literal"]["text"]
    readers: dict[str, Callable[[str], Any]] = {
        "INTEGER": int,
        "NUMERIC": float,
        "STRING": str,
        "BOOLEAN": lambda text: text == "true",
        "NULL_LITERAL": lambda _: None,
    }
    if kind not in readers:
        raise UnsupportedSqlError(f"a literal {kind}")
    return constant_code(readers[kind](text))


def _folded(node: Node, scope: Scope) -> Code:
    """Let DuckDB compute what is the same each time."""
    query = written(scope.connection, selecting(node | {"alias": "value"}))
    ((value, column_type),) = scope.connection.execute(
        f"select value, typeof(value) from ({query})"
    ).fetchall()
    if value is None:
        return Code("None", CASTS.get(column_type, "null"), is_nullable=True)
    return constant_code(value)


def _column(node: Node, scope: Scope) -> Code:
    return scope.resolve([name.lower() for name in node["column_names"]])


def _comparison(node: Node, scope: Scope) -> Code:
    parts = [compiled(node["left"], scope), compiled(node["right"], scope)]
    operator = COMPARISONS.get(node["type"])
    if operator is None:
        raise UnsupportedSqlError(f"comparison {node['type']}")
    _check_comparable(parts)
    return unless_null(parts, f"{{0}} {operator} {{1}}", "bool")


def _check_comparable(parts: Sequence[Code]) -> None:
    kinds = {part.kind for part in parts} - {"null"}
    if len(kinds) > 1 and not kinds <= set(NUMBERS):
        raise UnsupportedSqlError(f"comparing {' with '.join(sorted(kinds))}")


def _between(node: Node, scope: Scope) -> Code:
    parts = [compiled(node[name], scope) for name in ("input", "lower", "upper")]
    _check_comparable(parts)
    return unless_null(parts, "{1} <= {0} <= {2}", "bool")


def _conjunction(node: Node, scope: Scope) -> Code:
    """Join truths: the deciding one decides though the others are NULL."""
    decides = node["type"] == "CONJUNCTION_OR"
    parts = [compiled(child, scope) for child in node["children"]]
    word = "or" if decides else "and"
    if not any(part.is_nullable for part in parts):
        text = f" {word} ".join(part.text for part in parts)
        return Code(f"({text})", "bool", False, _columns(parts))
    names = [temporary(part) for part in parts]
    decided = " or ".join(
        f"({name} := {part.text}) is {decides}"
        for name, part in zip(names, parts, strict=True)
    )
    unknown = " or ".join(f"{name} is None" for name in names)
    text = f"({decides} if {decided} else None if {unknown} else {not decides})"
    return Code(text, "bool", True, _columns(parts))


def _case(node: Node, scope: Scope) -> Code:
    whens = [compiled(check["when_expr"], scope) for check in node["case_checks"]]
    thens = [compiled(check["then_expr"], scope) for check in node["case_checks"]]
    otherwise = (
        compiled(node["else_expr"], scope)
        if node["else_expr"]
        else Code("None", "null", True)
    )
    results, kind = aligned([*thens, otherwise])
    text = results[-1].text
    for when, then in zip(reversed(whens), reversed(results[:-1]), strict=True):
        text = f"({then.text} if {when.text} else {text})"
    is_nullable = any(result.is_nullable for result in results)
    return Code(text, kind, is_nullable, _columns([*whens, *results]))


def _coalesce(node: Node, scope: Scope) -> Code:
    parts, kind = aligned([compiled(child, scope) for child in node["children"]])
    text = parts[-1].text
    for part in reversed(parts[:-1]):
        if not part.is_nullable:
            text = part.text
            continue
        name = temporary(part)
        text = f"({text} if ({name} := {part.text}) is None else {name})"
    is_nullable = all(part.is_nullable for part in parts)
    return Code(text, kind, is_nullable, _columns(parts))


def _is_null(node: Node, scope: Scope) -> Code:
    part = compiled(node["children"][0], scope)
    word = "is" if node["type"] == "OPERATOR_IS_NULL" else "is not"
    return Code(f"({part.text} {word} None)", "bool", False, part.columns)


def _not(node: Node, scope: Scope) -> Code:
    return unless_null([compiled(node["children"][0], scope)], "not {0}", "bool")


def _in(node: Node, scope: Scope) -> Code:
    asked, *choices = [compiled(child, scope) for child in node["children"]]
    if any(choice.constant is None for choice in choices):
        raise UnsupportedSqlError("IN with anything but constants")
    among = ", ".join(choice.text for choice in choices)
    return unless_null([asked], f"{{0}} in ({among},)", "bool")


def _extract(node: Node, scope: Scope) -> Code:
    container, key = [compiled(child, scope) for child in node["children"]]
    if container.kind != "map":
        raise UnsupportedSqlError(f"an element of a {container.kind}")
    code = unless_null([container, key], "{0}.get({1})", "float")
    return Code(code.text, code.kind, True, code.columns)


def _cast(node: Node, scope: Scope) -> Code:
    part = compiled(node["child"], scope)
    type_name = node["type_expr"]["type_name"].upper()
    kind = CASTS.get(type_name)
    if kind is None:
        raise UnsupportedSqlError(f"cast to {type_name}")
    if part.kind == kind:
        return part
    if part.kind == "null":
        return Code("None", kind, True)
    if kind == "str":
        return as_text(part)
    if kind == "float" and part.kind == "int":
        return unless_null([part], "float({0})", "float")
    if kind == "int" and part.kind == "float":
        return unless_null([part], "round({0})", "int")
    if kind in NUMBERS and part.kind == "str":
        reader = f"read_{kind}({{0}}, {type_name!r}, {node['try_cast']})"
        code = unless_null([part], reader, kind)
        return Code(code.text, kind, code.is_nullable or node["try_cast"], code.columns)
    raise UnsupportedSqlError(f"cast of a {part.kind} to {type_name}")


def _function(node: Node, scope: Scope) -> Code:
    from warehouse.row_sql.functions import function_code

    if node["filter"] or node["distinct"]:
        raise UnsupportedSqlError(f"function {node['function_name']} of chosen rows")
    parts = [compiled(argument, scope) for argument in arguments(node)]
    return function_code(node["function_name"].lower(), parts)


_NODES: dict[str, Callable[[Node, Scope], Code]] = {
    "COLUMN_REF": _column,
    "COMPARISON": _comparison,
    "COMPARE_BETWEEN": _between,
    "COMPARE_IN": _in,
    "CONJUNCTION": _conjunction,
    "CASE_EXPR": _case,
    "OPERATOR_COALESCE": _coalesce,
    "OPERATOR_IS_NULL": _is_null,
    "OPERATOR_IS_NOT_NULL": _is_null,
    "OPERATOR_NOT": _not,
    "OPERATOR_CAST": _cast,
    "ARRAY_EXTRACT": _extract,
    "FUNCTION": _function,
}

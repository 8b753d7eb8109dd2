"""SQL's functions and operators by name, as Python expressions.

What belongs here: which code a function of given kinds becomes. What does not: how its
value is computed (``scalars``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.row_sql.expressions import (
    NUMBERS,
    Code,
    aligned,
    as_text,
    unless_null,
)
from warehouse.row_sql.syntax import UnsupportedSqlError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OF_A_NUMBER = {
    "exp": "exp({0})",
    "ln": "log({0})",
    "sqrt": "sqrt({0})",
    "sin": "sin({0})",
    "cos": "cos({0})",
    "asin": "asin({0})",
    "radians": "radians({0})",
    "power": "pow({0}, {1})",
}
OF_A_TEXT = {
    "lower": "{0}.lower()",
    "upper": "{0}.upper()",
    "strip_accents": "strip_accents({0})",
    "nfc_normalize": "nfc_normalize({0})",
    "trim": "{0}.strip(SPACES)",
    "ltrim": "{0}.lstrip(SPACES)",
    "rtrim": "{0}.rstrip(SPACES)",
    "length": "len({0})",
}
OF_TEXTS = {
    "trim": "{0}.strip({1})",
    "ltrim": "{0}.lstrip({1})",
    "rtrim": "{0}.rstrip({1})",
    "replace": "{0}.replace({1}, {2})",
    "translate": "{0}.translate(translation({1}, {2}))",
    "starts_with": "{0}.startswith({1})",
    "contains": "{1} in {0}",
}
REGULAR = {
    "regexp_replace": "str",
    "regexp_extract": "str",
    "regexp_matches": "bool",
}
PART_OF_DATE = {"year": "year", "month": "month", "day": "day"}


def function_code(name: str, parts: Sequence[Code]) -> Code:
    """Compile a call.

    Raises
    ------
    UnsupportedSqlError
        When there is no such function here, or not of values of these kinds.
    """
    if any(part.kind == "null" for part in parts) and name not in _OF_NULLS:
        return Code("None", "null", True)
    compile_call = _CALLS.get(name)
    code = compile_call(parts) if compile_call else _plain(name, parts)
    if code is None:
        kinds = ", ".join(part.kind for part in parts)
        raise UnsupportedSqlError(f"function {name}({kinds})")
    return code


def _plain(name: str, parts: Sequence[Code]) -> Code | None:
    """Compile a function that is NULL where an argument is."""
    kinds = [part.kind for part in parts]
    if name in OF_A_NUMBER and all(kind in NUMBERS for kind in kinds):
        return unless_null(parts, OF_A_NUMBER[name], "float")
    if name in OF_A_TEXT and kinds == ["str"]:
        kind = "int" if name == "length" else "str"
        return unless_null(parts, OF_A_TEXT[name], kind)
    if name in OF_TEXTS and set(kinds) == {"str"}:
        kind = "bool" if name in {"starts_with", "contains"} else "str"
        return unless_null(parts, OF_TEXTS[name], kind)
    if name in REGULAR and kinds[:2] == ["str", "str"]:
        holes = ", ".join(f"{{{n}}}" for n in range(len(parts)))
        return unless_null(parts, f"{name}({holes})", REGULAR[name])
    if name in PART_OF_DATE and kinds == ["date"]:
        return unless_null(parts, f"as_date({{0}}).{name}", "int")
    return None


def _sum(parts: Sequence[Code]) -> Code | None:
    return _added("+", parts)


def _difference(parts: Sequence[Code]) -> Code | None:
    kinds = [part.kind for part in parts]
    if len(parts) == 1 and kinds[0] in NUMBERS:
        return unless_null(parts, "-{0}", kinds[0])
    if kinds == ["date", "date"]:
        return unless_null(parts, "{0} - {1}", "int")
    return _added("-", parts)


def _added(operator: str, parts: Sequence[Code]) -> Code | None:
    kinds = [part.kind for part in parts]
    text = f"{{0}} {operator} {{1}}"
    if len(kinds) == 2 and kinds[0] == "date" and kinds[1] in {"int", "interval"}:
        return unless_null(parts, text, "date")
    if not all(kind in NUMBERS for kind in kinds):
        return None
    return unless_null(parts, text, "float" if "float" in kinds else "int")


def _product(parts: Sequence[Code]) -> Code | None:
    kinds = [part.kind for part in parts]
    if not all(kind in NUMBERS for kind in kinds):
        return None
    return unless_null(parts, "{0} * {1}", "float" if "float" in kinds else "int")


def _quotient(parts: Sequence[Code]) -> Code | None:
    if not all(part.kind in NUMBERS for part in parts):
        return None
    by = parts[1].constant
    text = "{0} / {1}" if by else "divided({0}, {1})"
    return unless_null(parts, text, "float")


def _whole(function: str) -> Callable[[Sequence[Code]], Code | None]:
    def compile_call(parts: Sequence[Code]) -> Code | None:
        if [part.kind for part in parts] != ["int", "int"]:
            return None
        return unless_null(parts, f"{function}({{0}}, {{1}})", "int")

    return compile_call


def _round(parts: Sequence[Code]) -> Code | None:
    if parts[0].kind == "int":
        return parts[0] if len(parts) == 1 else None
    if parts[0].kind != "float":
        return None
    holes = ", ".join(f"{{{n}}}" for n in range(len(parts)))
    return unless_null(parts, f"rounded({holes})", "float")


def _floor(parts: Sequence[Code]) -> Code | None:
    if parts[0].kind == "int":
        return parts[0]
    return unless_null(parts, "floored({0})", "float")


def _abs(parts: Sequence[Code]) -> Code | None:
    return unless_null(parts, "abs({0})", parts[0].kind)


def _extreme(
    python_name: str, of_nulls: str
) -> Callable[[Sequence[Code]], Code | None]:
    def compile_call(parts: Sequence[Code]) -> Code:
        alike, kind = aligned(parts)
        columns = tuple(dict.fromkeys(c for part in alike for c in part.columns))
        texts = ", ".join(part.text for part in alike)
        has_nulls = any(part.is_nullable for part in alike)
        name = of_nulls if has_nulls else python_name
        is_nullable = all(part.is_nullable for part in alike)
        return Code(f"{name}({texts})", kind, is_nullable, columns)

    return compile_call


def _nullif(parts: Sequence[Code]) -> Code | None:
    value, other = parts
    if other.constant is None:
        return None
    code = unless_null([value], f"None if {{0}} == {other.text} else {{0}}", value.kind)
    if not value.is_nullable and not value.text.isidentifier():
        # Computed once: the code is written twice.
        return _nullif([Code(value.text, value.kind, True, value.columns), other])
    return Code(code.text, code.kind, True, code.columns)


def _concatenated(parts: Sequence[Code]) -> Code | None:
    return unless_null([as_text(part) for part in parts], "{0} + {1}", "str")


def _row(parts: Sequence[Code]) -> Code | None:
    columns = tuple(dict.fromkeys(c for part in parts for c in part.columns))
    texts = ", ".join(part.text for part in parts)
    return Code(f"({texts},)", "row", False, columns)


def _range(parts: Sequence[Code]) -> Code | None:
    if {part.kind for part in parts} != {"int"}:
        return None
    return unless_null(parts, "range({0}, {1})", "list of int")


def _date_diff(parts: Sequence[Code]) -> Code | None:
    unit, start, end = parts
    if unit.constant != "day" or {start.kind, end.kind} != {"date"}:
        return None
    return unless_null([start, end], "{1} - {0}", "int")


_OF_NULLS = {"greatest", "least", "row"}
_CALLS: dict[str, Callable[[Sequence[Code]], Code | None]] = {
    "+": _sum,
    "-": _difference,
    "*": _product,
    "/": _quotient,
    "//": _whole("int_divided"),
    "%": _whole("remainder"),
    "||": _concatenated,
    "round": _round,
    "floor": _floor,
    "abs": _abs,
    "greatest": _extreme("max", "greatest"),
    "least": _extreme("min", "least"),
    "nullif": _nullif,
    "row": _row,
    "range": _range,
    "date_diff": _date_diff,
}

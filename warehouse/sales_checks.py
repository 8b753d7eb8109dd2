"""What a value in a file of sales must be: text in, typed value or a reason out.

Everything here is SQL, so that a million rows take seconds. What belongs here: whether
a value can be read at all. What does not: whether it is plausible (an area of 1 m², a
house of 1049), which is for dbt's rules to flag.
"""

from __future__ import annotations

from dataclasses import dataclass

MISSING = ("", "nan", "na", "n/a", "none", "null", "nat", "<na>")
"""How files write that they do not know, in any case."""

# Blanks that a trim without argument leaves: tab, line ends, no-break space, and the
# soft hyphen and zero-width space that sites put into street names.
_BLANKS = "' ' || chr(9) || chr(10) || chr(13) || chr(160) || chr(173) || chr(8203)"

_DATE = r"^\d{{4}}-\d{{1,2}}-\d{{1,2}}([ T]\d{{2}}:\d{{2}}(:\d{{2}}(\.\d+)?)?)?$"
_NUMBER = (
    "case when isfinite(try_cast({text} as double)) then try_cast({text} as double) end"
)
_WHOLE = (
    "case when isfinite(try_cast({text} as double))"
    " and try_cast({text} as double) % 1 = 0"
    " then try_cast(try_cast({text} as double) as {type}) end"
)
# `BV` is the ground floor, `1½ tr` one and a half flights up.
_FLOOR_NUMBER = (
    "replace(replace(regexp_replace("
    r"case when lower({text}) = 'bv' then '0' else lower({text}) end, '\s*tr$', ''),"
    " '½', '.5'), ',', '.')"
)


@dataclass(frozen=True)
class Check:
    """One landed column: how its text becomes a value, and what is expected of it."""

    column: str
    """Name in the file."""
    raw_column: str
    """Name in ``raw.landed_sales``."""
    value: str
    """SQL of the value over ``{text}``; NULL when the text is not such a value."""
    expected: str
    """What the value must be, to complete "expected ..."."""
    is_required: bool = False


def _whole(type_name: str) -> str:
    return _WHOLE.replace("{type}", type_name)


def _positive(value: str) -> str:
    return f"case when ({value}) > 0 then ({value}) end"


CHECKS = (
    Check("platform", "platform", "lower({text})", "text"),
    Check(
        "source_id", "source_id", r"regexp_replace({text}, '^(\d+)\.0$', '\1')", "text"
    ),
    Check("url", "url", "{text}", "text"),
    Check("address", "address", "{text}", "text", is_required=True),
    Check("area", "area", "{text}", "text"),
    Check("municipality", "municipality", "{text}", "text"),
    Check("object_type", "object_type", "{text}", "text"),
    Check("agency", "agency", "{text}", "text"),
    Check("brf_name", "brf_name", "{text}", "text"),
    Check("energy_class", "energy_class", "{text}", "text"),
    Check(
        "sold_date",
        "sold_date",
        f"case when regexp_matches({{text}}, '{_DATE}')"
        r" then try_cast(regexp_extract({text}, '^[\d-]+') as date) end",
        "a date of the calendar, as 2016-01-31",
        is_required=True,
    ),
    Check(
        "sold_price",
        "sold_price_sek",
        _positive(_whole("bigint")),
        "whole kronor above 0",
        is_required=True,
    ),
    Check("list_price", "list_price_sek", _whole("bigint"), "whole kronor"),
    Check(
        "living_area",
        "living_area_m2",
        _positive(_NUMBER),
        "m² above 0, as 52.5",
        is_required=True,
    ),
    Check("rooms", "rooms", _NUMBER, "a number, as 2.5"),
    Check(
        "floor",
        "floor",
        _NUMBER.replace("{text}", _FLOOR_NUMBER),
        "a number, or as BV, 3 tr, 1½ tr",
    ),
    Check("construction_year", "construction_year", _whole("integer"), "a whole year"),
    Check("fee", "fee_sek_per_month", _NUMBER, "kronor a month, as 3120"),
    Check(
        "operating_cost_year",
        "operating_cost_sek_per_year",
        _NUMBER,
        "kronor a year, as 5400",
    ),
    Check("lat", "latitude", _NUMBER, "degrees, as 59.33"),
    Check("lon", "longitude", _NUMBER, "degrees, as 18.07"),
)
"""Every column of a file that has a raw column, in the order problems are told."""


def parsed_rows_query(texts: dict[str, str]) -> str:
    """Write the SQL that types each row of ``file_rows`` and lists what is wrong.

    It gives ``row_number``, ``problems`` (a list of ``field``, ``expected``, ``found``;
    empty for a good row) and one column per check, named as in the raw table.
    """
    cleaned = ",\n        ".join(
        f"{_cleaned(texts.get(check.column))} as {check.column}" for check in CHECKS
    )
    values = ",\n        ".join(
        f"{check.value.format(text=check.column)} as {check.raw_column}_value"
        for check in CHECKS
    )
    problems = ",\n            ".join(_problem(check) for check in CHECKS)
    final = ",\n    ".join(
        f"{check.raw_column}_value as {check.raw_column}" for check in CHECKS
    )
    return f"""
with texts as (
    select
        row_number,
        malformed,
        {cleaned}
    from file_rows
),

typed as (
    select
        *,
        {values}
    from texts
),

checked as (
    select
        *,
        case
            when malformed is not null
                then [struct_pack(field := null, expected := malformed, found := null)]
            else list_filter([
            {problems}
            ], lambda problem: problem is not null)
        end as problems
    from typed
)

select
    row_number,
    problems,
    {final}
from checked
"""


def _cleaned(text: str | None) -> str:
    if text is None:
        return "cast(null as varchar)"
    missing = ", ".join(f"'{word}'" for word in MISSING)
    trimmed = f"trim({text}, {_BLANKS})"
    return f"case when lower({trimmed}) not in ({missing}) then {trimmed} end"


def _problem(check: Check) -> str:
    missing = (
        f"when {check.column} is null then struct_pack(field := '{check.column}', "
        "expected := 'is missing', found := null) "
        if check.is_required
        else ""
    )
    return (
        f"case {missing}when {check.column} is not null "
        f"and {check.raw_column}_value is null "
        f"then struct_pack(field := '{check.column}', "
        f"expected := 'expected {check.expected}', found := {check.column}) end"
    )

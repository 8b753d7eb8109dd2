"""DuckDB's scalar functions on single values, to the last digit.

What belongs here: what one function does to values that are not NULL. What does not:
what NULL does to it (``expressions``).
"""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import date
from functools import cache
from typing import Any

EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
SPACES = " \u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""What ``trim`` takes away: Unicode's space separators."""
LARGEST = {"INTEGER": 2**31, "BIGINT": 2**63}


def as_date(days: int) -> date:
    """Give the date of a number of days since 1970."""
    return date.fromordinal(days + EPOCH_ORDINAL)


def as_days(day: date) -> int:
    """Give the days since 1970 of a date."""
    return day.toordinal() - EPOCH_ORDINAL


def rounded(value: float, digits: int = 0) -> float:
    """Round half away from zero."""
    scale = 10.0**digits
    scaled = value * scale
    if not math.isfinite(scaled):
        return value
    whole = float(math.trunc(scaled))
    if abs(scaled - whole) >= 0.5:
        whole += math.copysign(1.0, scaled)
    return whole / scale


def floored(value: float) -> float:
    """Give the greatest whole number below, still a double."""
    return float(math.floor(value))


def divided(value: float, by: float) -> float:
    """Divide as doubles; by zero it is infinite, or no number."""
    if by:
        return value / by
    if not value or value != value:
        return math.nan
    return math.copysign(math.inf, value) * math.copysign(1.0, by)


def int_divided(value: int, by: int) -> int:
    """Divide whole numbers towards zero; by zero is an error, as in DuckDB."""
    whole = abs(value) // abs(by)
    return whole if (value < 0) == (by < 0) else -whole


def remainder(value: int, by: int) -> int:
    """Give what whole division leaves, with the sign of ``value``."""
    return value - by * int_divided(value, by)


def exp(value: float) -> float:
    """Raise e to a power; too large is infinite."""
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def radians(degrees: float) -> float:
    """Turn degrees into radians."""
    return degrees * (math.pi / 180)


def least(*values: Any) -> Any:  # noqa: ANN401
    """Give the least of the values that are not NULL."""
    return min((value for value in values if value is not None), default=None)


def greatest(*values: Any) -> Any:  # noqa: ANN401
    """Give the greatest of the values that are not NULL."""
    return max((value for value in values if value is not None), default=None)


def text(value: Any) -> str:  # noqa: ANN401
    """Write a value as a cast to VARCHAR does."""
    if value is True or value is False:
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)


def read_int(value: str, type_name: str, is_tried: bool) -> int | None:
    """Read a whole number; tried, it is NULL where there is none or it is too large."""
    try:
        number = int(value)
        if not -LARGEST[type_name] <= number < LARGEST[type_name]:
            raise ValueError(f"{value} is no {type_name}")
    except ValueError:
        if is_tried:
            return None
        raise
    return number


def read_float(value: str, type_name: str, is_tried: bool) -> float | None:
    """Read a number; tried, it is NULL where there is none."""
    del type_name
    try:
        return float(value)
    except ValueError:
        if is_tried:
            return None
        raise


@cache
def strip_accents(value: str) -> str:
    """Take the accents off letters."""
    decomposed = unicodedata.normalize("NFD", value)
    plain = (c for c in decomposed if not unicodedata.category(c).startswith("M"))
    return unicodedata.normalize("NFC", "".join(plain))


def nfc_normalize(value: str) -> str:
    """Compose letters and their accents."""
    return unicodedata.normalize("NFC", value)


@cache
def translation(ours: str, theirs: str) -> dict[int, str | None]:
    """Make the table of ``translate``; letters without a counterpart vanish."""
    table: dict[int, str | None] = {}
    for position, letter in enumerate(ours):
        counterpart = theirs[position] if position < len(theirs) else None
        table.setdefault(ord(letter), counterpart)
    return table


@cache
def pattern(regexp: str) -> re.Pattern[str]:
    """Compile a regular expression with RE2's meaning of its classes and ``$``."""
    return re.compile(re.sub(r"(?<!\\)\$", r"\\Z", regexp), re.ASCII)


def regexp_replace(value: str, regexp: str, by: str, flags: str = "") -> str:
    """Replace the first match, or with ``g`` every one."""
    return pattern(regexp).sub(by, value, count=0 if "g" in flags else 1)


def regexp_extract(value: str, regexp: str, group: int = 0) -> str:
    """Give the first match, or one of its groups; empty where there is none."""
    match = pattern(regexp).search(value)
    return (match[group] or "") if match else ""


def regexp_matches(value: str, regexp: str) -> bool:
    """Tell whether there is a match anywhere."""
    return pattern(regexp).search(value) is not None

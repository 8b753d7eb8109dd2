"""CSV of SCB (PxWeb, periods across or down) and of Riksbanken's search page.

What belongs here: delimiters, headers and numbers. What does not: what a figure means
(``figures``).
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from math import isfinite
from typing import TYPE_CHECKING

from warehouse.economy.cells import MISSING, Cell, file_error
from warehouse.economy.series import parse_period

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_PERIOD = re.compile(r"\b\d{4}-?[MKQ]\d{1,2}\b", re.IGNORECASE)
_VALUE_NAMES = {"värde", "value"}
# Riksbanken's group names all key rates: it would make the deposit rate a policy rate.
_GROUP_NAMES = {"grupp", "group"}

Row = list[str]


def csv_cells(path: Path, text: str) -> tuple[str, list[Cell]]:
    """Read title and figures.

    Raises
    ------
    SlutprisError
        When there is no column of periods or of values, or a row is longer than the
        header.
    """
    rows = _rows(path, text)
    start = next((n for n, row in enumerate(rows) if len(row) > 1), None)
    if start is None or start + 1 == len(rows):
        raise file_error(path, "no rows below a header of at least two columns")
    title = re.split(r"\s(?:efter|by)\s", " ".join(row[0] for row in rows[:start]))[0]
    header = rows[start]
    data = [_like(path, header, n, row) for n, row in enumerate(rows[start + 1 :], 1)]
    periods = {
        n: found[0] for n, name in enumerate(header) if (found := _PERIOD.findall(name))
    }
    if periods:
        return title, list(_across(path, header, data, periods))
    return title, list(_down(path, header, data))


def _rows(path: Path, text: str) -> list[Row]:
    """Split by the delimiter that gives most rows most columns; drop what is empty."""
    lines = text.splitlines()
    try:
        candidates = [list(csv.reader(lines, delimiter=sign)) for sign in ";\t,"]
    except csv.Error as error:
        raise file_error(path, f"not CSV ({error})") from error
    rows = max(candidates, key=_usual_width)
    return [row for row in map(_trimmed, rows) if row]


def _usual_width(rows: Sequence[Row]) -> int:
    # Commas of a header's text, or of decimals, make fewer or uneven columns.
    widths = Counter(map(len, rows))
    return max(widths, key=lambda width: (widths[width], -width), default=0)


def _trimmed(row: Row) -> Row:
    cells = [cell.strip() for cell in row]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _like(path: Path, header: Row, number: int, row: Row) -> Row:
    if len(row) > len(header):
        raise file_error(
            path, f"{len(row)} columns, but the header has {len(header)}", number
        )
    return row + [""] * (len(header) - len(row))


def _across(
    path: Path, header: Row, data: Sequence[Row], periods: dict[int, str]
) -> Iterator[Cell]:
    """SCB's CSV: ``"typ av data","ålder","Procent 2024M01","Procent 2024M02"``."""
    for number, row in enumerate(data, 1):
        about = tuple(row[n] for n in range(len(header)) if n not in periods)
        for n, period in periods.items():
            contents = header[n].replace(period, "").strip()
            value = _number(path, number, header[n], row[n])
            yield Cell(number, period, value, (*about, contents))


def _down(path: Path, header: Row, data: Sequence[Row]) -> Iterator[Cell]:
    """A column of periods, and after it the values, with what they are as header."""
    time = next((n for n, text in enumerate(data[0]) if parse_period(text)), None)
    if time is None:
        raise file_error(
            path,
            "no column of periods (2024M01, 2024K1, 2024-01-02) in the first row",
            1,
        )
    values = _value_columns(header, data, time)
    if not values:
        raise file_error(path, f"no column of numbers after {header[time]!r}")
    about = [
        n
        for n, name in enumerate(header)
        if n != time and n not in values and name.lower() not in _GROUP_NAMES
    ]
    for number, row in enumerate(data, 1):
        facets = tuple(row[n] for n in about)
        for n in values:
            value = _number(path, number, header[n], row[n])
            yield Cell(number, row[time], value, (*facets, header[n]))


def _value_columns(header: Row, data: Sequence[Row], time: int) -> list[int]:
    after = range(time + 1, len(header))
    named = [n for n in after if header[n].lower() in _VALUE_NAMES]
    return named or [
        n for n in after if any(_parsed(row[n]) is not None for row in data)
    ]


def _parsed(text: str) -> float | None:
    plain = re.sub(r"[\s\xa0]", "", text).replace(",", ".").replace("−", "-")
    try:
        number = float(plain)
    except ValueError:
        return None
    return number if isfinite(number) else None


def _number(path: Path, row: int, field: str, text: str) -> float | None:
    if text.lower() in MISSING:
        return None
    number = _parsed(text)
    if number is None:
        raise file_error(path, f"{field} is {text!r}, expected a number", row)
    return number

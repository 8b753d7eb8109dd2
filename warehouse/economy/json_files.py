"""JSON of SCB (JSON-stat 2) and of Riksbanken's SWEA interface.

What belongs here: these two formats. What does not: what a figure means (``figures``).
"""

from __future__ import annotations

import datetime as dt
import json
import re
from itertools import product
from math import isfinite, prod
from typing import TYPE_CHECKING, Any

from warehouse.economy.cells import MISSING, Cell, file_error
from warehouse.economy.series import parse_period

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

Texts = tuple[str, ...]


def json_cells(path: Path, text: str) -> tuple[str, dt.date | None, list[Cell]]:
    """Read title, day of publication and figures.

    Raises
    ------
    SlutprisError
        When it is neither format, or a value is no number.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise file_error(path, f"not valid JSON ({error})") from error
    if isinstance(document, dict) and "dimension" in document:
        title = re.split(r"\s(?:efter|by)\s", str(document.get("label", "")))[0]
        return title, _updated(path, document), list(_json_stat(path, document))
    if isinstance(document, dict) and {"date", "value"} <= document.keys():
        document = [document]
    if isinstance(document, list):
        return "", None, list(_swea(path, document))
    raise file_error(
        path,
        "neither JSON-stat 2 (SCB: choose json-stat2) nor a list of date and value "
        "(Riksbanken's SWEA)",
    )


def _updated(path: Path, document: Mapping[str, Any]) -> dt.date | None:
    updated = document.get("updated")
    if updated is None:
        return None
    try:
        return dt.date.fromisoformat(str(updated)[:10])
    except ValueError as error:
        raise file_error(path, f"updated is {updated!r}, expected a date") from error


def _swea(path: Path, observations: Sequence[Any]) -> Iterator[Cell]:
    # The list does not say which series it is: the file's name may.
    facets = ("SECBREPOEFF",) if "secbrepoeff" in path.name.lower() else ()
    for row, found in enumerate(observations, 1):
        if not isinstance(found, dict) or not {"date", "value"} <= found.keys():
            raise file_error(path, f"expected date and value, found {found!r}", row)
        value = _number(path, row, found["value"])
        yield Cell(row, str(found["date"]), value, facets)


def _json_stat(path: Path, document: Mapping[str, Any]) -> Iterator[Cell]:
    try:
        dimensions = [_categories(document["dimension"][n]) for n in document["id"]]
        values = document["value"]
        value_count = len(values)
    except (KeyError, TypeError, AttributeError) as error:
        raise file_error(path, f"not whole JSON-stat 2 ({error!r})") from error
    count = prod(map(len, dimensions))
    if not isinstance(values, dict) and value_count != count:
        raise file_error(path, f"{value_count} values, but its dimensions make {count}")
    time = _time_dimension(path, dimensions)
    for row, place in enumerate(product(*dimensions), 1):
        key = str(row - 1)
        found = values.get(key) if isinstance(values, dict) else values[row - 1]
        period = next(text for text in place[time] if parse_period(text))
        others = place[:time] + place[time + 1 :]
        facets = tuple(text for texts in others for text in texts)
        yield Cell(row, period, _number(path, row, found), facets)


def _categories(dimension: Mapping[str, Any]) -> list[Texts]:
    """Code and label of each category, in the order of the values."""
    category = dimension["category"]
    labels = category.get("label", {})
    index = category.get("index", list(labels))
    codes = sorted(index, key=index.__getitem__) if isinstance(index, dict) else index
    return [(str(code), str(labels.get(code, code))) for code in codes]


def _time_dimension(path: Path, dimensions: Sequence[Sequence[Texts]]) -> int:
    for number, categories in enumerate(dimensions):
        if categories and all(any(map(parse_period, texts)) for texts in categories):
            return number
    raise file_error(
        path, "no dimension is of months or quarters (Tid: 2024M01, 2024K1)"
    )


def _number(path: Path, row: int, value: object) -> float | None:
    if value is None or (isinstance(value, str) and value.strip().lower() in MISSING):
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not isfinite(value)
    ):
        raise file_error(path, f"value is {value!r}, expected a number", row)
    return float(value)

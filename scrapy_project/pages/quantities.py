"""From a number or a Swedish text to a number that can be true, or a named refusal.

One table says where each quantity may lie and in which unit; a text is read only when
all of it is understood. What does not belong here: where on a page a value stands
(``search``, ``listing``) and who counts refusals (``next_data``).
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import attrs

from scrapy_project.pages.known import FORMATTED_VALUE, VALUE_MEMBERS

Json = Any

_NONE = frozenset({""})
_KRONOR = frozenset({"", "kr"})
_PER_MONTH = frozenset({"", "kr/mån", "kr/månad"})
_AREA = frozenset({"", "m²"})
_DAYS = frozenset({"", "dagar", "dag"})


@attrs.frozen
class Quantity:
    """Where a number may lie, and how its text may be written.

    Attributes
    ----------
    units
        What may follow the number in a text, or stand in ``unit``.
    decimals
        At most so many: ``8.020`` might be eight thousand, and is not guessed at.
    """

    low: float
    high: float
    units: frozenset[str] = _NONE
    decimals: int = 2


# Bounds are where a value stops being one that somebody typed, not where it becomes
# rare or wrong: homes of 1 m² and of 1 020 m², a fee of 61 264 kr, a floor of 99.9 and
# the years 190 and 2913 are shown by the site, and judging them is the warehouse's.
QUANTITIES = {
    "booli_id": Quantity(-1e12, 1e12),
    "residence_id": Quantity(1, 1e12),
    "brf_id": Quantity(1, 1e12),
    "agency_id": Quantity(1, 1e12),
    "area_ids": Quantity(1, 1e12),
    "sold_price_sek": Quantity(1_000, 2e9, _KRONOR),
    "list_price_sek": Quantity(1, 2e9, _KRONOR),
    "first_price_sek": Quantity(1, 2e9, _KRONOR),
    "price_change_sek": Quantity(-2e9, 2e9, _KRONOR),
    "price_change_pct": Quantity(-100, 1e9, frozenset({"", "%"})),
    "price_per_m2_sek": Quantity(0, 2e9, frozenset({"", "kr/m²"})),
    "fee_sek_per_month": Quantity(0, 300_000, _PER_MONTH),
    "operating_cost_sek_per_month": Quantity(0, 300_000, _PER_MONTH),
    "living_area_m2": Quantity(1, 20_000, _AREA),
    "additional_area_m2": Quantity(0, 20_000, _AREA),
    "rooms": Quantity(0.5, 100, frozenset({"", "rum"})),
    "floor": Quantity(-10, 100, frozenset({"", "tr"})),
    "construction_year": Quantity(1, 9999),
    "days_active": Quantity(0, 10_000, _DAYS),
    "latitude": Quantity(54, 70, decimals=15),
    "longitude": Quantity(9, 26, decimals=15),
}
FIRST_DATE = date(1950, 1, 1)
DAYS_AHEAD = 7
"""A contract may carry the date of a day soon; clocks differ a little, too."""

_LONGEST_TEXT = 300
_SQM_TOLERANCE_SEK = 150
"""The site rounds to 100; one step more covers areas it shows rounded."""

_SPACES = re.compile(r"\s+")
_HALF = re.compile(r"([0-9]*) ?½(?![0-9])")
_DIGITS = re.compile(r"[0-9]+")
_WHOLE = r"(?:[0-9]{1,3}(?: [0-9]{3})+|[0-9]+)"
_NUMBER = re.compile(
    rf"(?P<sign>\+/-|[+±-])? ?(?P<whole>{_WHOLE})(?:[.,](?P<part>[0-9]+))?"
)
_ID = re.compile(r"-?[1-9][0-9]{0,12}|0")
_ISO_DATE = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ][0-9:.]+(?:Z|[+-][0-9:]+)?)?"
)
_HOME_PATH = re.compile(r"/(?:annons|bostad|lagfart)/-?[0-9]+")
_STRANGE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f<\ud800-\udfff]")

_N = rf"([+-]?{_WHOLE}(?:[.,][0-9]{{1,2}})?)"
_FLOOR = re.compile(
    rf"(?:(?:vån|våning(?:en)?) )?"
    rf"(?:{_N}(?: tr)?|bv|botten(?:våning(?:en)?)?|markplan|entréplan(?:et)?)"
    rf"(?: av [0-9]+)?",
    re.IGNORECASE,
)
_DATA_POINTS = {
    "living_area_m2": re.compile(rf"{_N}(?: ?\+ ?{_N})? ?m²"),
    "rooms": re.compile(rf"{_N} rum"),
    "price_per_m2_sek": re.compile(rf"{_N} kr/m²"),
    "fee_sek_per_month": re.compile(rf"{_N} kr/mån"),
    # Known and left alone: the plot, which must never be taken for the living area.
    "plot": re.compile(rf"{_N} (?:m²|ha) (?:tomt|totalarea)"),
}
_FLOOR_POINT = re.compile(rf"(?:vån {_N}|{_N} tr|BV)(?: av [0-9]+)?")


class OddValueError(ValueError):
    """A value that is not understood or cannot be true; ``oddity`` names it."""

    def __init__(self, oddity: str) -> None:
        super().__init__(oddity)
        self.oddity = oddity


def label(value: Json) -> str:
    """Write anything as a short name that can be counted and stored."""
    if isinstance(value, list | dict):
        return f"a {type(value).__name__}"
    return str(value)[:60].encode(errors="replace").decode()


def wording(value: Json) -> str:
    """Write a text so that it can be counted: digits folded, and not too long."""
    return _DIGITS.sub("#", tidied(label(value)))[:40]


def tidied(text: str) -> str:
    """Write plain spaces, no soft hyphens, an ASCII minus, and ``,5`` for ``½``."""
    plain = text.replace("\u00ad", "").replace("\u2212", "-")
    plain = _SPACES.sub(" ", plain).strip()
    if "½" not in plain:
        return plain
    return _HALF.sub(lambda half: f"{half[1] or 0},5", plain)


def number_in(text: str, quantity: Quantity) -> float | None:
    """Read a text that is a number and a known unit, and nothing else.

    Knows ``8 020 000 kr``, ``±0 kr``, ``+/-0%``, ``-12 %`` and ``58½ m²``.
    """
    plain = tidied(text)
    match = _NUMBER.match(plain)
    if match is None or plain[match.end() :].strip() not in quantity.units:
        return None
    if len(match["part"] or "") > quantity.decimals:
        return None
    number = float(f"{match['whole'].replace(' ', '')}.{match['part'] or 0}")
    if match["sign"] in ("±", "+/-") and number:
        return None
    return -number if match["sign"] == "-" else number


def floor_in(text: str) -> float | None:
    """Read ``3``, ``½ tr``, ``vån 0,5``, ``våning 3 av 5``, ``BV`` or its synonyms."""
    match = _FLOOR.fullmatch(tidied(text))
    if match is None:
        return None
    return _float(match[1]) if match[1] else 0.0


@lru_cache(maxsize=8192)
def read_data_point(text: str) -> tuple[tuple[str, float], ...] | None:
    """Read one short text of a card (``74 + 6 m²``, ``vån 0,5``); None when unknown."""
    plain = tidied(text)
    floor = _FLOOR_POINT.fullmatch(plain)
    if floor is not None:
        return (("floor", _float(floor[1] or floor[2] or "0")),)
    for column, pattern in _DATA_POINTS.items():
        match = pattern.fullmatch(plain)
        if match is None:
            continue
        if column == "plot":
            return ()
        own = (column, _float(match[1]))
        is_sum = column == "living_area_m2" and match[2]
        return (own, ("additional_area_m2", _float(match[2]))) if is_sum else (own,)
    return None


def _float(text: str) -> float:
    return float(text.replace(" ", "").replace(",", "."))


def read_number(value: Json, column: str) -> float | None:
    """Read a plain number, a text or a ``FormattedValue`` with any of its members.

    Of a ``FormattedValue`` ``raw`` counts, else ``value``, else ``formatted``.

    Raises
    ------
    OddValueError
        When it is none of these, not understood, or not plausible for the column.
    """
    quantity = QUANTITIES[column]
    if type(value) is dict:
        value = _member(value, column, quantity)
    if value is None or value == "":
        return None
    if type(value) is str:
        number = _read_text(value, column, quantity)
    elif type(value) is int or type(value) is float:
        number = value
    else:
        raise OddValueError(f"wrong_type/{column}")
    return plausible(number, column)


def plausible(number: float, column: str) -> float:
    """Give the number back if it can be one of the column; NaN never can.

    Raises
    ------
    OddValueError
        When it lies outside the bounds.
    """
    quantity = QUANTITIES[column]
    # Compared before it is converted: an integer may be too long for a float.
    if not quantity.low <= number <= quantity.high:
        raise OddValueError(f"implausible/{column}")
    return float(number)


def _member(value: dict[str, Json], column: str, quantity: Quantity) -> Json:
    typename, unit = value.get("__typename"), value.get("unit")
    if typename is not None and typename != FORMATTED_VALUE:
        raise OddValueError(f"unknown_typename/{label(typename)}")
    if unit and (type(unit) is not str or unit not in quantity.units):
        raise OddValueError(f"unknown_unit/{column}/{wording(unit)}")
    for name in ("raw", "value", "formatted"):
        member = value.get(name)
        if member is not None and member != "":
            return member
    unknown = sorted(value.keys() - VALUE_MEMBERS)
    if unknown:
        raise OddValueError(f"unknown_member/{column}/{wording(unknown[0])}")
    return None


def _read_text(text: str, column: str, quantity: Quantity) -> float:
    if len(text) > _LONGEST_TEXT:
        raise OddValueError(f"implausible/{column}")
    number = floor_in(text) if column == "floor" else number_in(text, quantity)
    if number is None:
        kind = "unknown_floor" if column == "floor" else f"unknown_text/{column}"
        raise OddValueError(f"{kind}/{wording(text)}")
    return number


def read_identifier(value: Json, column: str) -> int | None:
    """Read an id of the site: a whole number or its text, negative for deeds.

    Raises
    ------
    OddValueError
        When it is something else.
    """
    if value is None or value == "":
        return None
    if type(value) is str and _ID.fullmatch(value):
        value = int(value)
    if type(value) is not int:
        raise OddValueError(f"wrong_type/{column}")
    quantity = QUANTITIES[column]
    if value == 0 or not quantity.low <= value <= quantity.high:
        raise OddValueError(f"implausible/{column}")
    return value


def read_date(value: Json, column: str) -> date | None:
    """Read an ISO date, with or without a time after it.

    Raises
    ------
    OddValueError
        When it is something else, or a day nobody sold a home on yet.
    """
    if value is None or value == "":
        return None
    match = _ISO_DATE.fullmatch(value.strip()) if type(value) is str else None
    if match is None:
        raise OddValueError(f"unknown_date/{column}")
    try:
        day = date.fromisoformat(match[1])
    except ValueError as error:
        raise OddValueError(f"implausible/{column}") from error
    if not FIRST_DATE <= day <= date.today() + timedelta(days=DAYS_AHEAD):
        raise OddValueError(f"implausible/{column}")
    return day


def read_text(value: Json, column: str) -> str | None:
    """Read a text as shown, without soft hyphens and outer spaces; empty is None.

    Raises
    ------
    OddValueError
        When it is no text, or holds markup, or could never be stored.
    """
    if value is None:
        return None
    if type(value) is not str:
        raise OddValueError(f"wrong_type/{column}")
    text = value.replace("\u00ad", "").strip()
    if len(text) > _LONGEST_TEXT or _STRANGE.search(text):
        raise OddValueError(f"implausible/{column}")
    return text or None


def read_home_path(value: Json) -> str | None:
    """Read the path of a listing page, as cards give it.

    Raises
    ------
    OddValueError
        When it is another kind of address.
    """
    if value is None or value == "":
        return None
    if type(value) is not str or len(value) > 40 or not _HOME_PATH.fullmatch(value):
        raise OddValueError("implausible/url")
    return value


def whole(number: float | None) -> int | None:
    """Round to whole kronor, days or years; None stays None."""
    return None if number is None else round(number)


def contradicts_price_per_m2(
    price_sek: float | None, area_m2: float | None, per_m2_sek: float | None
) -> bool:
    """Say whether the price per m² shown is not the price over the living area."""
    if price_sek is None or not area_m2 or per_m2_sek is None:
        return False
    return abs(price_sek / area_m2 - per_m2_sek) > _SQM_TOLERANCE_SEK

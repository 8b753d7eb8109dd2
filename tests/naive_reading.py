"""A second, simple reading of a page's numbers, to hold the page objects against.

It shares no code with them, knows no bounds and refuses nothing by name: it lists what
a number on the page may honestly be taken for, and says whether there is anything.
"""

from __future__ import annotations

import json
import re
from typing import Any

import attrs

UNITS = ("kr/m²", "kr/månad", "kr/mån", "kr", "%", "m²", "rum", "tr", "dagar", "dag")
CARD_FIELDS = {
    "sold_price_sek": "soldPrice",
    "list_price_sek": "listPrice",
    "price_change_sek": "soldPriceAbsoluteDiff",
    "price_change_pct": "soldPricePercentageDiff",
    "price_per_m2_sek": "soldSqmPrice",
    "living_area_m2": "livingArea",
    "additional_area_m2": "additionalArea",
    "rooms": "rooms",
    "floor": "floor",
    "days_active": "daysActive",
    "latitude": "latitude",
    "longitude": "longitude",
}
HOME_FIELDS = {
    "residence_id": "residenceId",
    "sold_price_sek": "soldPrice",
    "list_price_sek": "listPrice",
    "first_price_sek": "firstPrice",
    "fee_sek_per_month": "rent",
    "operating_cost_sek_per_month": "operatingCost",
    "living_area_m2": "livingArea",
    "additional_area_m2": "additionalArea",
    "rooms": "rooms",
    "floor": "floor",
    "construction_year": "constructionYear",
    "days_active": "daysActive",
    "latitude": "latitude",
    "longitude": "longitude",
}
INFO_FIELDS = {
    "sold_price_sek": "soldPrice",
    "list_price_sek": "price",
    "fee_sek_per_month": "rent",
    "operating_cost_sek_per_month": "operatingCost",
    "floor": "floor",
    "days_active": "daysActive",
}
POINT_UNITS = {
    "living_area_m2": "m²",
    "rooms": "rum",
    "price_per_m2_sek": "kr/m²",
    "fee_sek_per_month": "kr/mån",
}


@attrs.frozen
class Reading:
    """The numbers a field may be taken for, and whether it holds anything at all."""

    numbers: set[float]
    has_something: bool


def number_of(text: str) -> float | None:
    plain = re.sub(r"\s", "", text).replace("\u2212", "-").replace("\u00ad", "")
    plain = plain.removeprefix("vån").removeprefix("ing").removeprefix("+/-")
    plain = re.sub(r"av\d+$", "", plain).lstrip("±+")
    for unit in UNITS:
        plain = plain.removesuffix(unit)
    if plain.lower() in ("bv", "bottenvåningen", "entréplan", "markplan"):
        return 0.0
    plain = re.sub(r"^(-?\d*)½$", lambda half: f"{half[1] or 0},5", plain)
    if not re.fullmatch(r"-?[0-9]{1,300}([.,][0-9]+)?", plain):
        return None
    return float(plain.replace(",", "."))


class NaivePage:
    """A mutated payload, or nothing where it is not JSON."""

    def __init__(self, text: str) -> None:
        self.cache: dict[str, Any] = {}
        try:
            payload = json.loads(text)
            self.cache = payload["props"]["pageProps"]["__APOLLO_STATE__"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return

    def follow(self, value: Any) -> Any:
        if isinstance(value, dict) and "__ref" in value:
            key = value["__ref"]
            return self.cache.get(key) if isinstance(key, str) else None
        return value

    def variants(self, entity: Any, name: str) -> list[Any]:
        if not isinstance(entity, dict):
            return []
        return [
            self.follow(value)
            for key, value in entity.items()
            if key == name or key.startswith(f"{name}(")
        ]

    def below(self, entity: Any, *names: str) -> list[Any]:
        """All values at the end of a chain of fields, through lists."""
        found = [entity]
        for name in names:
            values = [v for held in found for v in self.variants(held, name)]
            found = [
                self.follow(item)
                for value in values
                for item in (value if isinstance(value, list) else [value])
            ]
        return found

    def read(self, entity: Any, name: str) -> Reading:
        leaves: list[Any] = []
        for value in self.variants(entity, name):
            members = ("raw", "value", "formatted")
            is_value = isinstance(value, dict)
            leaves += [value.get(m) for m in members] if is_value else [value]
        known = [leaf for leaf in leaves if leaf not in (None, "")]
        return Reading(set(filter_numbers(known)), bool(known))

    def points(self, entity: Any, column: str) -> set[float]:
        found: set[float] = set()
        for shown in self.below(
            entity, "displayAttributes", "dataPoints", "value", "plainText"
        ):
            text = re.sub(r"\s", " ", shown).strip() if isinstance(shown, str) else ""
            found |= set(filter_numbers(_parts(text, column)))
        return found

    def info(self, root: Any, key: str) -> Reading:
        texts = [
            text
            for point in self.below(root, "infoSections", "content", "infoPoints")
            if isinstance(point, dict) and point.get("key") == key
            for text in self.below(point, "displayText", "markdown")
            if isinstance(text, str)
        ]
        shown = [match[1] for t in texts if (match := re.search(r"\*\*(.+?)\*\*", t))]
        return Reading(set(filter_numbers(shown)), bool(texts))


def _parts(text: str, column: str) -> list[str]:
    """Split ``74 + 6 m²`` and pick the texts that may mean the column."""
    if column == "floor":
        return [text] if re.match(r"vån|BV|.* tr\b", text) else []
    if column in ("living_area_m2", "additional_area_m2"):
        if not text.endswith("m²") or text.endswith("kr/m²"):
            return []
        parts = text.removesuffix("m²").split("+")
        return parts[:1] if column == "living_area_m2" else parts[1:]
    unit = POINT_UNITS.get(column)
    return [text] if unit and text.endswith(unit) else []


def filter_numbers(values: list[Any]) -> list[float]:
    numbers = []
    for value in values:
        if isinstance(value, str):
            number = number_of(value)
            if number is not None:
                numbers.append(number)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            numbers.append(value)
    return numbers


def is_among(value: float, numbers: set[float]) -> bool:
    """Say whether a value is one of the numbers, or one of them rounded."""
    return any(value == number or value == _rounded(number) for number in numbers)


def _rounded(number: float) -> float | None:
    is_finite = number == number and abs(number) < 1e15
    return round(number) if is_finite else None

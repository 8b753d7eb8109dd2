"""How the facts of a home, and the models, are written where a person reads them.

What belongs here: names and facts in words. What does not: numbers by themselves
(``theme``), markup, and what a valuation means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml.dashboards import theme
from ml.valuation.words import Words

if TYPE_CHECKING:
    from ml.valuation.request import ModelName
    from ml.valuation.words import Language

MODEL_NAMES: dict[ModelName, Words] = {
    "xgboost": Words("XGBoost", "XGBoost"),
    "autogluon": Words("AutoGluon", "AutoGluon"),
    "blend": Words("Blandning", "Blend"),
}
FIELD_NAMES = {
    "address": Words("Adress", "Address"),
    "street_number": Words("Gatunumret", "The street number"),
    "living_area_m2": Words("Boarea", "Living area"),
    "rooms": Words("Antal rum", "Rooms"),
    "floor": Words("Våning", "Floor"),
    "fee_sek_per_month": Words("Avgift", "Monthly fee"),
    "operating_cost_sek_per_month": Words("Driftskostnad", "Running cost"),
    "construction_year": Words("Byggår", "Year built"),
    "list_price_sek": Words("Utgångspris", "Asking price"),
    "date": Words("Värderingsdatum", "Valuation date"),
    "agency": Words("Mäklare", "Agency"),
    "model": Words("Modell", "Model"),
}
PER_MONTH = Words("kr/mån", "kr/month")
UNITS = {
    "living_area_m2": Words("m²", "m²"),
    "fee_sek_per_month": PER_MONTH,
    "operating_cost_sek_per_month": PER_MONTH,
    "list_price_sek": Words("kr", "kr"),
}
YEARS = {"construction_year"}
ROOMS = Words("rum", "rooms")
ONE_ROOM = Words("rum", "room")
FLOOR = Words("tr", "floor")
GROUND_FLOOR = Words("BV", "ground floor")
UNKNOWN_PLACE = Words("okänt område", "unknown area")

PLACED = {
    "number": Words(
        "Placerad vid numret, utan dess bokstav",
        "Placed at the number, without its letter",
    ),
    "range": Words("Placerad mitt bland numren", "Placed in the midst of the numbers"),
    "interpolated": Words(
        "Placerad mellan grannumren", "Placed between the neighbouring numbers"
    ),
    "nearest": Words(
        "Placerad vid närmaste kända nummer", "Placed at the nearest known number"
    ),
    "street": Words("Placerad vid gatans mitt", "Placed at the middle of the street"),
    "district": Words("Placerad vid områdets mitt", "Placed at the middle of the area"),
}
"""How an address that is not itself known was placed."""


def titled(name: str | None, language: Language = "sv") -> str:
    """Give a name its capitals where a source wrote none."""
    return (name.title() if name and name.islower() else name) or UNKNOWN_PLACE.to(
        language
    )


def rooms_text(rooms: float | None, language: Language) -> str:
    """Write a number of rooms: ``2 rum``; nothing where it is not known."""
    if rooms is None:
        return ""
    unit = (ONE_ROOM if rooms == 1 else ROOMS).to(language)
    return f"{theme.plain(rooms, language)}{theme.NBSP}{unit}"


def floor_text(floor: float | None, language: Language = "sv") -> str:
    """Write a floor as on a Swedish listing, ``BV`` or ``3 tr``; in English in words.

    Nothing where it is not known.
    """
    if floor is None:
        return ""
    if floor == 0:
        return GROUND_FLOOR.to(language)
    number = theme.plain(floor, language)
    if language == "en":
        return f"floor{theme.NBSP}{number}"
    return f"{number}{theme.NBSP}{FLOOR.sv}"


def fact_text(field: str, value: float, language: Language) -> str:
    """Write a fact of a home with its unit: ``52 m²``, ``3 120 kr/mån``, ``1929``."""
    if field in YEARS:
        return f"{value:.0f}"
    if field == "floor":
        return floor_text(value, language)
    if field == "rooms":
        return rooms_text(value, language)
    unit = UNITS[field].to(language)
    if field == "living_area_m2":
        return f"{theme.plain(value, language)}{theme.NBSP}{unit}"
    return f"{theme.number(value)}{theme.NBSP}{unit}"

"""The values of a sale as every release spells them, cards and listing pages alike.

Numbers in general belong to ``text``; which entity holds which value to ``cards`` and
``roots``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy_project.replica.text import (
    NBSP,
    change_kronor,
    change_percent,
    early_change_percent,
    formatted_value,
    full_value,
    grouped,
    halved,
    json_number,
)

if TYPE_CHECKING:
    from scrapy_project.replica.market import Sale
    from scrapy_project.replica.shapes import Shape

Entity = dict[str, Any]
State = dict[str, Any]

_AMENITY_LABELS = {
    "balcony": "Balkong",
    "patio": "Uteplats",
    "elevator": "Hiss",
    "fireplace": "Eldstad",
}


def number_text(sale: Sale, shape: Shape, number: float) -> str:
    """Write a number of a home, with ``½`` where the sale or the release has it."""
    is_halved = sale.has_half_signs or shape.has_early_texts
    return halved(number) if is_halved else grouped(number)


def area_text(sale: Sale, shape: Shape) -> str:
    """Write the area as in ``74 + 6``, without its unit."""
    own = number_text(sale, shape, sale.living_area_m2)
    if sale.additional_area_m2 is None:
        return own
    return f"{own}{NBSP}+{NBSP}{number_text(sale, shape, sale.additional_area_m2)}"


def rooms_text(sale: Sale, shape: Shape) -> str:
    """Write the rooms as in ``1,5 rum``; empty when unknown."""
    if sale.rooms is None:
        return ""
    return f"{number_text(sale, shape, sale.rooms)}{NBSP}rum"


def floor_text(sale: Sale) -> str:
    """Write the floor as in ``vån 3`` or ``BV``; empty when unknown."""
    if sale.floor is None:
        return ""
    return "BV" if sale.floor == 0 else f"vån{NBSP}{grouped(sale.floor)}"


def floor_value(sale: Sale) -> Entity | None:
    """Write the structured floor of a listing page."""
    if sale.floor is None:
        return None
    value = grouped(sale.floor)
    return formatted_value(raw=json_number(sale.floor), value=value, unit="tr")


def full_or_none(amount_sek: int | None) -> Entity | None:
    """Write an amount with all four members, or null."""
    return None if amount_sek is None else full_value(amount_sek, "kr")


def bare_value(number: float | None, unit: str) -> Entity | None:
    """Write a value without ``formatted``, or null."""
    if number is None:
        return None
    return formatted_value(raw=json_number(number), value=grouped(number), unit=unit)


def formatted_only(value: Entity | None) -> Entity | None:
    """Leave of a value only what is meant for the eye."""
    return value and formatted_value(formatted=value["formatted"])


def price_change_sek(sale: Sale) -> int | None:
    """Subtract the first asking price, as the site does, not the last."""
    asked = sale.first_price_sek or sale.list_price_sek
    return None if asked is None else sale.sold_price_sek - asked


def absolute_diff(sale: Sale) -> Entity | None:
    """Write the change against the asking price, for the eye only."""
    change = price_change_sek(sale)
    return None if change is None else formatted_value(formatted=change_kronor(change))


def percentage_diff(sale: Sale, shape: Shape) -> Entity | None:
    """Write the change in per cent; early releases had no ``raw`` beside it."""
    change = price_change_sek(sale)
    if change is None:
        return None
    percent = round(100 * change / (sale.sold_price_sek - change), 1)
    if shape.has_early_texts:
        return formatted_value(formatted=early_change_percent(percent))
    return formatted_value(formatted=change_percent(percent), raw=json_number(percent))


def location(sale: Sale) -> Entity:
    """Write where the home lies."""
    return {
        "__typename": "Location",
        "region": {"__typename": "Region", "municipalityName": sale.municipality},
    }


def amenity_entities(sales: list[Sale]) -> State:
    """Write the amenities the sales refer to; their keys carry JSON."""
    keys = sorted({key for sale in sales for key in sale.amenities})
    return {
        _amenity_key(key): {
            "__typename": "Amenity",
            "key": key,
            "label": _AMENITY_LABELS[key],
        }
        for key in keys
    }


def amenity_refs(sale: Sale) -> list[Entity]:
    """Refer to the home's amenities."""
    return [{"__ref": _amenity_key(key)} for key in sale.amenities]


def _amenity_key(key: str) -> str:
    return f'Amenity:{{"key":"{key}"}}'

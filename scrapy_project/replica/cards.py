"""A sale as the ``SoldProperty`` card of a search page, in the shape of a release.

Which members a value has follows captured pages of 2025-10 and 2026-06; those of 2023
are assumed where ``shapes`` or a comment here says ``[A]``. Listing pages are written
in ``roots``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_project.replica.shapes import Facts
from scrapy_project.replica.text import (
    NBSP,
    formatted_value,
    full_value,
    grouped,
    halved,
    json_number,
    kronor,
)
from scrapy_project.replica.values import (
    Entity,
    absolute_diff,
    amenity_refs,
    area_text,
    floor_text,
    location,
    number_text,
    percentage_diff,
    rooms_text,
)

if TYPE_CHECKING:
    from scrapy_project.replica.market import Sale
    from scrapy_project.replica.shapes import Shape


def card(sale: Sale, shape: Shape) -> Entity:
    """Write the ``SoldProperty`` of a search page."""
    return {
        "__typename": "SoldProperty",
        "id": str(sale.booli_id),
        "booliId": str(sale.booli_id),
        "amenities": amenity_refs(sale),
        'images({"limit":5})': [],
        **_facts(sale, shape),
        "soldPrice": full_value(sale.sold_price_sek, "kr"),
        "streetAddress": sale.street_address,
        "soldPriceAbsoluteDiff": absolute_diff(sale),
        "soldPricePercentageDiff": percentage_diff(sale, shape),
        "listPrice": (
            None
            if sale.list_price_sek is None
            else formatted_value(formatted=kronor(sale.list_price_sek))
        ),
        "objectType": sale.object_type,
        "descriptiveAreaName": sale.district,
        "location": location(sale),
        "soldPriceType": sale.sold_price_type,
        "daysActive": sale.days_active,
        "soldDate": sale.sold_date.isoformat(),
        "latitude": sale.latitude,
        "longitude": sale.longitude,
        "url": sale.url,
        "primaryImage": None,
    }


def _facts(sale: Sale, shape: Shape) -> Entity:
    if shape.card_facts is Facts.TEXTS:
        return {f"displayAttributes{shape.card_arguments}": _texts(sale, shape)}
    fields = {
        "rooms": _rooms(sale, shape),
        "floor": _floor(sale),
        "soldSqmPrice": formatted_value(
            formatted=f"{grouped(sale.price_per_m2_sek)}{NBSP}kr/m²"
        ),
    }
    named = {f"{name}{shape.card_arguments}": value for name, value in fields.items()}
    return {**_areas(sale, shape), **named}


def _areas(sale: Sale, shape: Shape) -> Entity:
    """Write the areas; ``additionalArea`` and the members are ``[A]``.

    Where names carry arguments the same field comes in two variants, each with a part
    of the members, as a cache merged from two queries has it ``[A]``.
    """
    own = number_text(sale, shape, sale.living_area_m2)
    shown = formatted_value(formatted=f"{own}{NBSP}m²")
    areas: Entity = {f"livingArea{shape.card_arguments}": shown}
    if shape.card_arguments:
        raw = json_number(sale.living_area_m2)
        areas = {"livingArea": formatted_value(raw=raw, unit="m²"), **areas}
    if sale.additional_area_m2 is not None:
        text = number_text(sale, shape, sale.additional_area_m2)
        areas["additionalArea"] = formatted_value(formatted=f"{text}{NBSP}m²")
    return areas


def _rooms(sale: Sale, shape: Shape) -> Entity | None:
    if sale.rooms is None:
        return None
    return full_value(sale.rooms, "rum", text=number_text(sale, shape, sale.rooms))


def _floor(sale: Sale) -> Entity | None:
    """Write ``½ tr``, ``3 tr`` or ``BV``, as the seed read it off the page; [A]."""
    if sale.floor is None:
        return None
    value = "BV" if sale.floor == 0 else halved(sale.floor)
    text = value if sale.floor == 0 else f"{value}{NBSP}tr"
    return formatted_value(raw=json_number(sale.floor), value=value, formatted=text)


def _texts(sale: Sale, shape: Shape) -> Entity:
    per_m2 = grouped(sale.price_per_m2_sek)
    area = area_text(sale, shape)
    texts = [
        (f"{area}{NBSP}m²", f"{area} kvadratmeter"),
        _twice(rooms_text(sale, shape)),
        _twice(floor_text(sale)),
        (f"{per_m2}{NBSP}kr/m²", f"{per_m2}{NBSP}kr/kvadratmeter"),
    ]
    points = [
        {
            "__typename": "DataPoint",
            "value": {"__typename": "DisplayText", "plainText": text},
            "screenReaderLabel": label,
        }
        for text, label in texts
        if text
    ]
    return {"__typename": "DisplayAttributes", "dataPoints": points}


def _twice(text: str) -> tuple[str, str]:
    return text, text

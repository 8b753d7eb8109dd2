"""A home as the root of its listing page, in the shape of a release.

Which members a value has, what is null and what is absent follow captured pages; what
no capture shows is marked ``[A]``, assumed. Finding sales and serving pages live
elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_project.replica.info_sections import (
    ad_sections,
    residence_sections,
    sold_sections,
)
from scrapy_project.replica.shapes import Facts
from scrapy_project.replica.text import (
    NBSP,
    change_kronor,
    formatted_value,
    full_value,
    grouped,
    kronor,
)
from scrapy_project.replica.values import (
    Entity,
    amenity_refs,
    bare_value,
    floor_value,
    formatted_only,
    full_or_none,
    location,
    number_text,
    percentage_diff,
    price_change_sek,
    rooms_text,
)

if TYPE_CHECKING:
    from datetime import date

    from scrapy_project.replica.market import Ad, Agency, Area, Brf, Sale
    from scrapy_project.replica.shapes import Shape

RESIDENCE_FOR_SALE_EVERY = 3
"""Every third ad, by its id, has the other root type of a home for sale."""

DAYS_AS_SOLD_PROPERTY = 365
"""A home's page has a ``SoldProperty`` root this long after its newest sale."""


def area_entity(area: Area) -> Entity:
    """Write an area as a listing page holds it; the country's parent is a word."""
    parent = "undefined" if area.parent_id is None else str(area.parent_id)
    return {
        "__typename": "Area_V3",
        "id": str(area.area_id),
        "name": area.name,
        "parent": parent,
        "type": area.kind,
    }


def root_of(newest: Sale, history: list[Sale], today: date, shape: Shape) -> Entity:
    """Write the root of a home that is not for sale; its type tells the age."""
    if (today - newest.sold_date).days <= DAYS_AS_SOLD_PROPERTY:
        return _sold_root(newest, history, shape)
    return _residence_root(newest, history, shape)


def _sold_root(sale: Sale, history: list[Sale], shape: Shape) -> Entity:
    """Write the root of a page whose newest sale is at most a year old.

    The agency is an id only: no capture shows its name on a sold page.
    """
    before_ad = sale.is_sold_before_listing
    return {
        "__typename": "SoldProperty",
        "id": str(sale.booli_id),
        "booliId": str(sale.booli_id),
        **_home(sale, shape),
        "propertyType": "sold",
        "salesOfResidence": _sales_of_residence(history, shape),
        **_sections(sold_sections(sale, shape), shape),
        **({"priceInfo": _price_info(sale)} if shape.has_listing_attributes else {}),
        "agentId": None,
        "agencyId": sale.agency and str(sale.agency.agency_id),
        **_sold_prices(sale),
        "soldPricePercentageDiff": formatted_only(percentage_diff(sale, shape)),
        "soldPriceType": sale.sold_price_type,
        "removed": f"{sale.sold_date.isoformat()} 12:20:05",
        "images": [],
        "soldAsUpcomingSale": sale.is_sold_before_listing,
        # The days before an ad are another quantity; later releases say so in words.
        **_when_fields(sale, shape, None if before_ad else sale.days_active),
        **_building_fields(sale, shape),
    }


def _residence_root(sale: Sale, history: list[Sale], shape: Shape) -> Entity:
    """Write the root of a page whose newest sale is more than a year old.

    Assumed, as no capture shows one: its key, its full set of fields, and that the
    agency's name stands in ``agency(...)``, which the site's own query for this type
    lists. For ``/annons`` pages, which know no residence, the id is the sale's.
    """
    agency = sale.agency
    argued = shape.listing_arguments if shape.listing_facts is Facts.FIELDS else ""
    return {
        "__typename": "ResidenceWithSoldProperty",
        "id": residence_id(sale),
        "booliId": _residence_booli_id(sale, shape),
        **_home(sale, shape),
        "propertyType": "sold",
        "salesOfResidence": _sales_of_residence(history, shape),
        **_sections(residence_sections(sale), shape),
        **({"priceInfo": None} if shape.has_listing_attributes else {}),
        "agentId": None,
        "agencyId": agency and str(agency.agency_id),
        f"agency{shape.agency_arguments}": _agency(agency),
        **_sold_prices(sale),
        "soldPricePercentageDiff": formatted_only(percentage_diff(sale, shape)),
        "soldPriceType": sale.sold_price_type,
        "removed": None,
        "images": [],
        "soldAsUpcomingSale": sale.is_sold_before_listing,
        "soldDate": sale.sold_date.isoformat(),
        "daysActive": sale.days_active,
        f"floor{argued}": floor_value(sale),
        **_building_fields(sale, shape, has_floor=False),
    }


def ad_root(ad: Ad, shape: Shape) -> Entity:
    """Write the root of a home for sale again; its earlier sales are not told.

    Some roots are ``ResidenceForSale``, seen in 2026; since when is not known, so all
    releases have it for the same ads, and its key is the residence's [A].
    """
    sale = ad.sale
    is_listing = sale.booli_id % RESIDENCE_FOR_SALE_EVERY != 0
    agency = _agency(sale.agency)
    return {
        "__typename": "Listing" if is_listing else "ResidenceForSale",
        "id": str(sale.booli_id) if is_listing else residence_id(sale),
        "booliId": str(sale.booli_id)
        if is_listing
        else _residence_booli_id(sale, shape),
        **_home(sale, shape),
        "propertyType": "active",
        "salesOfResidence": None,
        **_sections(ad_sections(sale), shape),
        "agencyId": sale.agency and str(sale.agency.agency_id),
        f"agency{shape.agency_arguments}": agency and {**agency, "thumbnail": None},
        "listPrice": full_or_none(sale.list_price_sek),
        "published": f"{ad.published.isoformat()} 08:00:00",
        "upcomingSale": sale.is_sold_before_listing,
        "floor": floor_value(sale),
        "apartmentNumber": _apartment_number(sale),
        **_energy_class(sale, shape),
        "images": [],
    }


def stub(sale: Sale) -> Entity:
    """Write the little a page tells of the home's other sales."""
    return {
        "__typename": "SoldProperty",
        "id": str(sale.booli_id),
        "booliId": str(sale.booli_id),
    }


def _sales_of_residence(history: list[Sale], shape: Shape) -> list[Entity]:
    if not shape.has_inline_stubs:
        return [{"__ref": f"SoldProperty:{sale.booli_id}"} for sale in history]
    return [
        {"__typename": "SoldProperty", "booliId": str(sale.booli_id)}
        for sale in history
    ]


def _sections(sections: list[Entity], shape: Shape) -> Entity:
    return {"infoSections": sections} if shape.listing_facts is Facts.TEXTS else {}


def _when_fields(sale: Sale, shape: Shape, days_active: int | None) -> Entity:
    if shape.listing_facts is Facts.TEXTS:
        return {}
    return {"soldDate": sale.sold_date.isoformat(), "daysActive": days_active}


def _building_fields(sale: Sale, shape: Shape, *, has_floor: bool = True) -> Entity:
    """Write what releases before 2025 kept in fields of the root."""
    if shape.listing_facts is Facts.TEXTS:
        return {}
    arguments = shape.listing_arguments
    floor = {f"floor{arguments}": floor_value(sale)} if has_floor else {}
    return {
        **floor,
        f"apartmentNumber{arguments}": _apartment_number(sale),
        **_energy_class(sale, shape),
    }


def _energy_class(sale: Sale, shape: Shape) -> Entity:
    if shape.listing_facts is Facts.TEXTS:
        return {}
    value = {"__typename": "EnergyClass", "score": sale.energy_class}
    return {
        f"energyClass{shape.listing_arguments}": value if sale.energy_class else None
    }


def _apartment_number(sale: Sale) -> Entity | None:
    number = sale.apartment_number
    return None if number is None else formatted_value(value=number)


def _agency(agency: Agency | None) -> Entity | None:
    if agency is None:
        return None
    return {"__typename": "Agency", "id": str(agency.agency_id), "name": agency.name}


def _residence_booli_id(sale: Sale, shape: Shape) -> str:
    is_own = shape.has_residence_booli_id
    return residence_id(sale) if is_own else str(sale.booli_id)


def residence_id(sale: Sale) -> str:
    """Give the id a residence-type root is keyed by."""
    return str(sale.booli_id if sale.residence_id is None else sale.residence_id)


def brf_entity(brf: Brf, sales: list[Sale]) -> Entity:
    """Write a housing co-operative; assumed, nobody captured its page."""
    return {
        "__typename": "HousingCoop",
        "id": str(brf.brf_id),
        "name": brf.name,
        "constructionYear": sales[0].construction_year,
        "soldCount": len(sales),
    }


def _home(sale: Sale, shape: Shape) -> Entity:
    """Write what every root type tells of the home."""
    return {
        "addressId": str(100_000_000 + sale.booli_id),
        "buildingFloors": None,
        "residenceId": None if sale.residence_id is None else str(sale.residence_id),
        "breadcrumbs": _breadcrumbs(sale),
        "objectType": sale.object_type,
        "streetAddress": sale.street_address,
        "descriptiveAreaName": sale.district,
        "latitude": sale.latitude,
        "longitude": sale.longitude,
        "constructionYear": sale.construction_year,
        "housingCoop": sale.brf and {"__ref": f"HousingCoop:{sale.brf.brf_id}"},
        "rooms": None
        if sale.rooms is None
        else full_value(sale.rooms, "rum", text=number_text(sale, shape, sale.rooms)),
        "livingArea": full_value(
            sale.living_area_m2,
            "m²",
            text=number_text(sale, shape, sale.living_area_m2),
        ),
        "additionalArea": bare_value(sale.additional_area_m2, "m²"),
        "plotArea": None,
        "rent": bare_value(sale.fee_sek_per_month, "kr/mån"),
        "operatingCost": bare_value(sale.operating_cost_sek_per_month, "kr/mån"),
        "primaryArea": {
            "__typename": "Area_V3",
            "name": sale.district,
            "preposition": "i",
        },
        **_listing_attributes(sale, shape),
        "areas": [{"__ref": f"Area_V3:{area.area_id}"} for area in sale.areas],
        "location": {"namedAreas": [sale.district], **location(sale)},
        "url": sale.url,
        "tenureForm": sale.tenure_form if shape.has_tenure_form else None,
        "amenities": amenity_refs(sale),
    }


def _sold_prices(sale: Sale) -> Entity:
    diff = price_change_sek(sale)
    return {
        "soldPrice": full_value(sale.sold_price_sek, "kr"),
        "soldSqmPrice": formatted_value(
            value=grouped(sale.price_per_m2_sek), unit="kr/m²"
        ),
        "soldPriceAbsoluteDiff": None
        if diff is None
        else formatted_value(
            formatted=change_kronor(diff),
            value=change_kronor(diff).removesuffix(f"{NBSP}kr"),
            unit="kr",
        ),
        "listPrice": full_or_none(sale.list_price_sek),
        "firstPrice": full_or_none(sale.first_price_sek),
    }


def _listing_attributes(sale: Sale, shape: Shape) -> Entity:
    if not shape.has_listing_attributes:
        return {}
    fee, year = sale.fee_sek_per_month, sale.construction_year
    texts = (
        ("livingArea", "Boarea", f"{grouped(sale.living_area_m2)}{NBSP}m²"),
        ("rooms", "Rum", rooms_text(sale, shape)),
        ("rent", "Avgift", "" if fee is None else f"{grouped(fee)}{NBSP}kr/mån"),
        ("constructionYear", "Byggår", "" if year is None else str(year)),
    )
    points = [
        {
            "__typename": "DataPoint",
            "key": key,
            "label": label,
            "value": {
                "__typename": "DisplayText",
                "plainText": text,
                "markdown": f"**{text}**",
            },
        }
        for key, label, text in texts
        if text
    ]
    attributes = {"__typename": "DisplayAttributes", "dataPoints": points}
    return {f"displayAttributes{shape.listing_arguments}": attributes}


def _breadcrumbs(sale: Sale) -> list[Entity]:
    """List the areas from the county down; the co-operative's name comes last."""
    labels = {
        "county": "{}",
        "municipality": "{}s kommun",
        "suburb": "{}",
        "streetName": "{}",
    }
    by_kind = {area.kind: area for area in sale.areas}
    crumbs = [
        (
            text.format(by_kind[kind].name),
            f"/sok/slutpriser?areaIds={by_kind[kind].area_id}&objectType=Lägenhet",
        )
        for kind, text in labels.items()
        if kind in by_kind
    ]
    if sale.brf is not None:
        crumbs.append((sale.brf.name, f"/bostadsrattsforening/{sale.brf.brf_id}"))
    return [
        {"__typename": "BreadcrumbItem", "label": label, "url": url}
        for label, url in crumbs
    ]


def _price_info(sale: Sale) -> Entity:
    return {
        "__typename": "PriceInfo",
        "label": sale.sold_price_type,
        "displayPrice": kronor(sale.sold_price_sek),
        "displayPriceChange": None,
        "positivePriceChange": None,
        "description": {
            "__typename": "DisplayText",
            "markdown": "Priset har rapporterats in till Booli.",
        },
    }

"""A sale as the entities of the site's Apollo cache, in the shape of 2026-06.

Which members a value has, what is null and what is absent follow captured pages; what
no capture shows is marked as an assumption. Finding sales and serving pages live
elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy_project.replica.text import (
    NBSP,
    change_kronor,
    change_percent,
    formatted_value,
    full_value,
    grouped,
    halved,
    json_number,
    kronor,
)

if TYPE_CHECKING:
    from scrapy_project.replica.market import Ad, Area, Brf, Sale

Entity = dict[str, Any]
State = dict[str, Any]

DAYS_AS_SOLD_PROPERTY = 365
"""A home's page has a ``SoldProperty`` root this long after its newest sale."""

_AMENITY_LABELS = {
    "balcony": "Balkong",
    "patio": "Uteplats",
    "elevator": "Hiss",
    "fireplace": "Eldstad",
}
_LISTING_CONTEXT = '({"queryContext":"PROPERTY_PAGE_LISTING"})'
_CARD_CONTEXT = '({"queryContext":"SERP_LIST_LISTING"})'


def card(sale: Sale) -> Entity:
    """Write the ``SoldProperty`` of a search page."""
    return {
        "__typename": "SoldProperty",
        "id": str(sale.booli_id),
        "booliId": str(sale.booli_id),
        "amenities": _amenity_refs(sale),
        'images({"limit":5})': [],
        f"displayAttributes{_CARD_CONTEXT}": _card_attributes(sale),
        "soldPrice": full_value(sale.sold_price_sek, "kr"),
        "streetAddress": sale.street_address,
        "soldPriceAbsoluteDiff": _absolute_diff(sale),
        "soldPricePercentageDiff": _percentage_diff(sale),
        "listPrice": (
            None
            if sale.list_price_sek is None
            else formatted_value(formatted=kronor(sale.list_price_sek))
        ),
        "objectType": sale.object_type,
        "descriptiveAreaName": sale.district,
        "location": _location(sale),
        "soldPriceType": sale.sold_price_type,
        "daysActive": sale.days_active,
        "soldDate": sale.sold_date.isoformat(),
        "latitude": sale.latitude,
        "longitude": sale.longitude,
        "url": sale.url,
        "primaryImage": None,
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


def sold_root(sale: Sale, history: list[Sale]) -> Entity:
    """Write the root of a page whose newest sale is at most a year old.

    The agency is an id only: no capture shows its name on a sold page.
    """
    return {
        "__typename": "SoldProperty",
        "id": str(sale.booli_id),
        **_root_common(sale),
        "propertyType": "sold",
        "salesOfResidence": _sale_refs(history),
        "infoSections": [
            _section("soldInfo", "Om försäljningen", "standalone", _sold_points(sale)),
            _section("propertyInfo", "Bostaden", "tab", _property_points(sale)),
            *_brf_section(sale),
        ],
        "priceInfo": _price_info(sale),
        "agentId": None,
        "agencyId": sale.agency and str(sale.agency.agency_id),
        **_sold_prices(sale),
        "soldPricePercentageDiff": _formatted_only(_percentage_diff(sale)),
        "soldPriceType": sale.sold_price_type,
        "removed": f"{sale.sold_date.isoformat()} 12:20:05",
        "images": [],
        "soldAsUpcomingSale": sale.is_sold_before_listing,
    }


def residence_root(sale: Sale, history: list[Sale]) -> Entity:
    """Write the root of a page whose newest sale is more than a year old.

    Assumed, as no capture shows one: its key, its full set of fields, and that the
    agency's name stands in ``agency(...)``, which the site's own query for this type
    lists. For ``/annons`` pages, which know no residence, the id is the sale's.
    """
    agency = sale.agency
    return {
        "__typename": "ResidenceWithSoldProperty",
        "id": residence_id(sale),
        **_root_common(sale),
        "propertyType": "sold",
        "salesOfResidence": _sale_refs(history),
        "infoSections": [
            _section(
                "propertyInfo", "Bostaden", "tab", _property_points(sale, is_old=True)
            ),
            *_brf_section(sale),
        ],
        "priceInfo": None,
        "agentId": None,
        "agencyId": agency and str(agency.agency_id),
        f"agency{_LISTING_CONTEXT}": agency
        and {"__typename": "Agency", "id": str(agency.agency_id), "name": agency.name},
        **_sold_prices(sale),
        "soldPricePercentageDiff": _formatted_only(_percentage_diff(sale)),
        "soldPriceType": sale.sold_price_type,
        "removed": None,
        "images": [],
        "soldAsUpcomingSale": sale.is_sold_before_listing,
        "soldDate": sale.sold_date.isoformat(),
        "daysActive": sale.days_active,
        "floor": _floor_value(sale),
    }


def ad_root(ad: Ad) -> Entity:
    """Write the root of a home for sale again; its earlier sales are not told."""
    sale = ad.sale
    agency = sale.agency
    price = sale.list_price_sek
    return {
        "__typename": "Listing",
        "id": str(sale.booli_id),
        **_root_common(sale),
        "propertyType": "active",
        "salesOfResidence": None,
        "infoSections": [
            _section("propertyInfo", "Bostaden", "tab", _home_points(sale))
        ],
        "agencyId": agency and str(agency.agency_id),
        f"agency{_LISTING_CONTEXT}": agency
        and {
            "__typename": "Agency",
            "id": str(agency.agency_id),
            "name": agency.name,
            "thumbnail": None,
        },
        "listPrice": None if price is None else full_value(price, "kr"),
        "published": f"{ad.published.isoformat()} 08:00:00",
        "upcomingSale": sale.is_sold_before_listing,
        "floor": _floor_value(sale),
        "apartmentNumber": sale.apartment_number
        and formatted_value(value=sale.apartment_number),
        "images": [],
    }


def residence_id(sale: Sale) -> str:
    """Give the id a residence-type root is keyed by."""
    return str(sale.booli_id if sale.residence_id is None else sale.residence_id)


def brf_entity(brf: Brf, sales: tuple[Sale, ...]) -> Entity:
    """Write a housing co-operative; assumed, nobody captured its page."""
    return {
        "__typename": "HousingCoop",
        "id": str(brf.brf_id),
        "name": brf.name,
        "constructionYear": sales[0].construction_year,
        "soldCount": len(sales),
    }


def _root_common(sale: Sale) -> Entity:
    """Write what every root type tells of the home."""
    area_text = halved if sale.has_half_signs else grouped
    return {
        "booliId": str(sale.booli_id),
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
        else full_value(sale.rooms, "rum", text=area_text(sale.rooms)),
        "livingArea": full_value(
            sale.living_area_m2, "m²", text=area_text(sale.living_area_m2)
        ),
        "additionalArea": _bare_value(sale.additional_area_m2, "m²"),
        "plotArea": None,
        "rent": _bare_value(sale.fee_sek_per_month, "kr/mån"),
        "operatingCost": _bare_value(sale.operating_cost_sek_per_month, "kr/mån"),
        "primaryArea": {
            "__typename": "Area_V3",
            "name": sale.district,
            "preposition": "i",
        },
        f"displayAttributes{_LISTING_CONTEXT}": _listing_attributes(sale),
        "areas": [{"__ref": f"Area_V3:{area.area_id}"} for area in sale.areas],
        "location": {"namedAreas": [sale.district], **_location(sale)},
        "url": sale.url,
        "tenureForm": sale.tenure_form,
        "amenities": _amenity_refs(sale),
    }


def _sold_prices(sale: Sale) -> Entity:
    diff = _price_change_sek(sale)
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
        "listPrice": _full_or_none(sale.list_price_sek),
        "firstPrice": _full_or_none(sale.first_price_sek),
    }


def _full_or_none(amount_sek: int | None) -> Entity | None:
    return None if amount_sek is None else full_value(amount_sek, "kr")


def _bare_value(number: float | None, unit: str) -> Entity | None:
    if number is None:
        return None
    return formatted_value(raw=json_number(number), value=grouped(number), unit=unit)


def _formatted_only(value: Entity | None) -> Entity | None:
    return value and formatted_value(formatted=value["formatted"])


def _price_change_sek(sale: Sale) -> int | None:
    """Subtract the first asking price, as the site does, not the last."""
    asked = sale.first_price_sek or sale.list_price_sek
    return None if asked is None else sale.sold_price_sek - asked


def _absolute_diff(sale: Sale) -> Entity | None:
    change = _price_change_sek(sale)
    return None if change is None else formatted_value(formatted=change_kronor(change))


def _percentage_diff(sale: Sale) -> Entity | None:
    change = _price_change_sek(sale)
    if change is None:
        return None
    percent = round(100 * change / (sale.sold_price_sek - change), 1)
    return formatted_value(formatted=change_percent(percent), raw=json_number(percent))


def _amenity_key(key: str) -> str:
    return f'Amenity:{{"key":"{key}"}}'


def _amenity_refs(sale: Sale) -> list[Entity]:
    return [{"__ref": _amenity_key(key)} for key in sale.amenities]


def _location(sale: Sale) -> Entity:
    return {
        "__typename": "Location",
        "region": {"__typename": "Region", "municipalityName": sale.municipality},
    }


def _sale_refs(history: list[Sale]) -> list[Entity]:
    return [{"__ref": f"SoldProperty:{sale.booli_id}"} for sale in history]


def _card_attributes(sale: Sale) -> Entity:
    per_m2 = grouped(sale.price_per_m2_sek)
    texts = [
        (f"{_area_text(sale)}{NBSP}m²", f"{_area_text(sale)} kvadratmeter"),
        _twice(_rooms_text(sale)),
        _twice(_floor_text(sale)),
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


def _area_text(sale: Sale) -> str:
    text = halved if sale.has_half_signs else grouped
    own = text(sale.living_area_m2)
    if sale.additional_area_m2 is None:
        return own
    return f"{own}{NBSP}+{NBSP}{text(sale.additional_area_m2)}"


def _rooms_text(sale: Sale) -> str:
    if sale.rooms is None:
        return ""
    text = halved if sale.has_half_signs else grouped
    return f"{text(sale.rooms)}{NBSP}rum"


def _floor_text(sale: Sale) -> str:
    if sale.floor is None:
        return ""
    return "BV" if sale.floor == 0 else f"vån{NBSP}{grouped(sale.floor)}"


def _floor_value(sale: Sale) -> Entity | None:
    if sale.floor is None:
        return None
    value = grouped(sale.floor)
    return formatted_value(raw=json_number(sale.floor), value=value, unit="tr")


def _listing_attributes(sale: Sale) -> Entity:
    fee, year = sale.fee_sek_per_month, sale.construction_year
    texts = (
        ("livingArea", "Boarea", f"{grouped(sale.living_area_m2)}{NBSP}m²"),
        ("rooms", "Rum", _rooms_text(sale)),
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
    return {"__typename": "DisplayAttributes", "dataPoints": points}


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


def _section(key: str, title: str, kind: str, points: list[Entity]) -> Entity:
    return {
        "__typename": "InfoSection",
        "key": key,
        "title": title,
        "type": kind,
        "lazyLoad": False,
        "tracking": None,
        "content": {
            "__typename": "InfoSectionContent",
            "infoPoints": points,
            "ctas": [],
        },
    }


def _brf_section(sale: Sale) -> list[Entity]:
    """Write the co-operative's tab, empty in the HTML: the browser fills it."""
    if sale.brf is None:
        return []
    section = _section("housingCoopInfo", "Förening", "tab", [])
    return [{**section, "lazyLoad": True}]


def _point(key: str, markdown: str) -> Entity:
    return {
        "__typename": "InfoPoint",
        "key": key,
        "displayText": {"__typename": "DisplayText", "markdown": markdown},
        "logos": [],
        "icons": [],
        "sponsored": False,
        "url": None,
        "action": None,
        "tracking": None,
        "tooltip": None,
    }


def _sold_points(sale: Sale) -> list[Entity]:
    price = grouped(sale.sold_price_sek)
    is_bid = sale.sold_price_type == "Sista bud"
    name = "Sista budet" if is_bid else "Slutpriset"
    change = _price_change_sek(sale)
    percent = _percentage_diff(sale)
    points = [_point("soldPrice", f"{name} blev **{price}** kr")]
    if sale.list_price_sek is not None:
        asked = grouped(sale.list_price_sek)
        points.append(_point("price", f"Utropspriset var **{asked}** kr"))
    if change is not None and percent is not None:
        shown = change_kronor(change).removesuffix(f"{NBSP}kr")
        text = f"Prisutvecklingen blev **{shown}** kr ({percent['formatted']})"
        points.append(_point("priceDiff", text))
    day, per_m2 = sale.sold_date.isoformat(), grouped(sale.price_per_m2_sek)
    points += [
        _point("soldOrRemovedDate", f"Såld eller borttagen **{day}**"),
        _point("soldSqmPrice", f"{name} per kvadratmeter var **{per_m2}** kr/m²"),
        _point("soldInfoReadMore", "[Om slutpris](https://www.booli.se/sv/articles)"),
    ]
    return points


def _property_points(sale: Sale, *, is_old: bool = False) -> list[Entity]:
    """Write the home's tab; an old page leaves the sale's own points out."""
    if is_old:
        return _home_points(sale)
    day = sale.sold_date.isoformat()
    points = [_point("soldDate", f"Uppgifter från försäljningen **{day}**:")]
    points += _home_points(sale)
    if sale.days_active is not None:
        soon = "snart till salu" if sale.is_sold_before_listing else "till salu"
        text = f"Bostaden var {soon} i **{sale.days_active}** dagar"
        points.append(_point("daysActive", text))
    views = 300 + sale.booli_id % 4_000
    text = f"Bostaden har **{views}** sidvisningar på Booli"
    return [*points, _point("pageviews", text)]


def _home_points(sale: Sale) -> list[Entity]:
    fee, cost = sale.fee_sek_per_month, sale.operating_cost_sek_per_month
    texts = {}
    if sale.tenure_form:
        form = sale.tenure_form.lower()
        texts["tenureForm"] = f"Den här lägenheten är en **{form}**"
    if fee is not None:
        texts["rent"] = f"Den har **{grouped(fee)}** kr/mån i avgift"
    if cost is not None:
        texts["operatingCost"] = f"Driftskostnaden är **{grouped(cost)}** kr/mån"
    if sale.floor is not None:
        texts["floor"] = f"Den ligger på **{_floor_words(sale.floor)}**"
    if sale.apartment_number:
        texts["apartmentNumber"] = f"Lägenhetsnumret är **{sale.apartment_number}**"
    if sale.energy_class:
        texts["energyScore"] = f"Huset har **energiklass {sale.energy_class}**"
    return [_point(key, text) for key, text in texts.items()]


def _floor_words(floor: float) -> str:
    """Name the floor; the ground floor's wording is an assumption."""
    return "bottenvåningen" if floor == 0 else f"våning {grouped(floor)}"


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

"""``POST /graphql``: what the browser fetches after the page, agencies among it.

Two queries are answered, ``salesOfProperty`` (the box of a home's earlier sales) and
``searchSold``. All known fields come back, whichever were selected; a query is found by
the name of its field, not parsed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from scrapy_project.replica.search import understood
from scrapy_project.replica.text import full_value, grouped
from scrapy_project.replica.values import (
    Entity,
    bare_value,
    floor_value,
    full_or_none,
    price_change_sek,
)

if TYPE_CHECKING:
    from scrapy_project.replica.market import Agency, Sale
    from scrapy_project.replica.page_data import PageData

_ARGUMENT = re.compile(r'\b(residenceId|booliId)\s*:\s*"?(-?\d+)"?')


class GraphqlError(ValueError):
    """The query cannot be answered; the site says so with status 200."""


def answer(pages: PageData, asked: dict[str, Any]) -> Entity:
    """Answer one query.

    Raises
    ------
    GraphqlError
        If it is none of the queries known here, or lacks what it needs.
    """
    query = str(asked.get("query") or "")
    variables = asked.get("variables") or {}
    if not isinstance(variables, dict):
        raise GraphqlError("Variables must be an object")
    if "salesOfProperty" in query:
        return {"salesOfProperty": _history(pages, query, variables)}
    if "searchSold" in query:
        return {"searchSold": _search(pages, variables)}
    raise GraphqlError("Cannot query this field on type Query")


def agency_slug(agency: Agency) -> str:
    """Write the agency's name as its page's address has it."""
    plain = agency.name.lower().translate(str.maketrans("åäö", "aao"))
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def _history(pages: PageData, query: str, variables: dict[str, Any]) -> list[Entity]:
    given = {**dict(_ARGUMENT.findall(query)), **variables}
    residence_id, booli_id = given.get("residenceId"), given.get("booliId")
    market = pages.market
    if residence_id is not None:
        sales = market.by_residence_id.get(_id(residence_id), [])
        return [_past_sale(sale) for sale in sales]
    if booli_id is None:
        raise GraphqlError("salesOfProperty needs residenceId or booliId")
    sale = market.by_booli_id.get(_id(booli_id))
    return [] if sale is None else [_past_sale(sale)]


def _id(value: object) -> int:
    try:
        return int(str(value))
    except ValueError as error:
        raise GraphqlError(f"ID cannot represent value: {value}") from error


def _past_sale(sale: Sale) -> Entity:
    """Write one line of the history; agents, who are people, are not modelled."""
    return {
        "__typename": "SoldProperty",
        "id": str(sale.booli_id),
        "booliId": str(sale.booli_id),
        "url": sale.url,
        "streetAddress": sale.street_address,
        "soldPrice": full_value(sale.sold_price_sek, "kr"),
        "listPrice": full_or_none(sale.list_price_sek),
        "soldDate": sale.sold_date.isoformat(),
        "daysActive": sale.days_active,
        "soldPriceType": sale.sold_price_type,
        "agency": sale.agency and _agency(sale.agency),
        "agent": None,
    }


def _agency(agency: Agency) -> Entity:
    return {
        "__typename": "Agency",
        "id": str(agency.agency_id),
        "name": agency.name,
        "url": f"https://www.booli.se/maklarbyra/{agency_slug(agency)}",
    }


def _search(pages: PageData, variables: dict[str, Any]) -> Entity:
    given = variables.get("input")
    if not isinstance(given, dict):
        raise GraphqlError('Variable "$input" of required type "SearchRequest!"')
    found = pages.found(understood(_parameters(given)))
    sales, page_count, total = found or ([], 0, 0)
    return {
        "__typename": "SearchSoldResult",
        "pages": page_count,
        "totalCount": total,
        "result": [_result(sale) for sale in sales],
    }


def _parameters(given: dict[str, Any]) -> list[tuple[str, str]]:
    """Write a ``SearchRequest`` as the parameters of the search page."""
    filters = given.get("filters") or []
    if not all(isinstance(one, dict) for one in filters):
        raise GraphqlError("filters must be objects of key and value")
    return [
        ("areaIds", str(given.get("areaId") or "")),
        ("page", str(given.get("page") or 1)),
        ("sort", str(given.get("sort") or "")),
        *((str(one.get("key")), str(one.get("value"))) for one in filters),
    ]


def _result(sale: Sale) -> Entity:
    """Write the fields known to be accepted; how they are formatted is assumed."""
    change = price_change_sek(sale)
    brf = sale.brf
    return {
        **_past_sale(sale),
        "rent": bare_value(sale.fee_sek_per_month, "kr/mån"),
        "operatingCost": bare_value(sale.operating_cost_sek_per_month, "kr/mån"),
        "constructionYear": sale.construction_year,
        "floor": floor_value(sale),
        "soldSqmPrice": {"value": grouped(sale.price_per_m2_sek), "unit": "kr/m²"},
        "soldPriceAbsoluteDiff": None if change is None else full_value(change, "kr"),
        "firstPrice": full_or_none(sale.first_price_sek),
        "livingArea": bare_value(sale.living_area_m2, "m²"),
        "additionalArea": bare_value(sale.additional_area_m2, "m²"),
        "rooms": bare_value(sale.rooms, "rum"),
        "objectType": sale.object_type,
        "descriptiveAreaName": sale.district,
        "latitude": sale.latitude,
        "longitude": sale.longitude,
        "tenureForm": sale.tenure_form,
        "apartmentNumber": sale.apartment_number and {"value": sale.apartment_number},
        "source": sale.agency and {"name": sale.agency.name, "type": "agency"},
        "housingCoop": brf and {"id": str(brf.brf_id), "name": brf.name},
        "areas": [
            {"id": str(area.area_id), "name": area.name, "type": area.kind}
            for area in sale.areas
        ],
    }

"""Everything on a search page that is not a result: ads, projects, search settings.

Built once and kept as serialized JSON, because most of every search page
is the same for all. The listings and projects here are fictional and have no pages.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson

from scrapy_project.replica.stockholm import COUNTRY_ID, districts
from scrapy_project.replica.text import full_value, grouped, kronor

LISTING_COUNT = 70
PROJECT_COUNT = 20
FIRST_LISTING_ID = 8_100_000
FIRST_PROJECT_ID = 4_100

_SEARCH_TYPES = {"listings": 44_000, "sold": 39_000, "projects": 31_000}
"""Search settings by kind, and how many characters the site spends on them."""


@dataclass(frozen=True, slots=True)
class SearchNoise:
    """Entities beside the results, and members of ``ROOT_QUERY`` beside the search."""

    entities: dict[str, orjson.Fragment]
    root_members: dict[str, orjson.Fragment]


@cache
def search_noise(card_arguments: str) -> SearchNoise:
    """Build the cross-sell of every search page, once for each form of its fields."""
    rng = random.Random("noise")
    listings = [
        _listing(rng, FIRST_LISTING_ID + 7 * n, card_arguments)
        for n in range(LISTING_COUNT)
    ]
    projects = [_project(rng, FIRST_PROJECT_ID + n) for n in range(PROJECT_COUNT)]
    images = [_image(90_000_000 + n) for n in range(4 * LISTING_COUNT)]
    members: dict[str, Any] = {
        f'propertySearchMeta({{"searchParams":{{"searchType":"{kind}"}}}})': (
            _search_meta(kind, size)
        )
        for kind, size in _SEARCH_TYPES.items()
    }
    members[_for_sale_key(only_new=False)] = _for_sale(listings)
    members[_for_sale_key(only_new=True)] = _for_sale(projects)
    return SearchNoise(
        entities={
            f"{item['__typename']}:{item['id']}": _fragment(item)
            for item in (*images, *listings, *projects)
        },
        root_members={key: _fragment(value) for key, value in members.items()},
    )


def _fragment(value: dict[str, Any]) -> orjson.Fragment:
    return orjson.Fragment(orjson.dumps(value))


def _for_sale_key(*, only_new: bool) -> str:
    only = '"forceOnlyNewConstruction":true,' if only_new else ""
    return (
        f'searchForSale({{{only}"input":{{"areaId":"{COUNTRY_ID}","ascending":false,'
        '"excludeAncestors":true,"facets":["upcomingSale"],"filters":[],"page":1,'
        '"sort":""}})'
    )


def _for_sale(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "__typename": "SearchForSaleResult",
        "pages": 2622,
        "totalCount": 91_752,
        "result": [{"__ref": f"{item['__typename']}:{item['id']}"} for item in items],
    }


def _image(number: int) -> dict[str, Any]:
    return {
        "__typename": "Image",
        "id": str(number),
        "alt": "vardagsrum",
        "width": 1265,
        "height": 843,
        "primaryLabel": "livingRoom",
    }


def _listing(
    rng: random.Random, listing_id: int, card_arguments: str
) -> dict[str, Any]:
    district = rng.choice(districts())
    area, price = rng.randint(20, 110), rng.randint(30, 180) * 50_000
    number = listing_id - FIRST_LISTING_ID
    images = [{"__ref": f"Image:{90_000_000 + number // 7 * 4 + n}"} for n in range(4)]
    return {
        "__typename": "Listing",
        "id": str(listing_id),
        "booliId": str(listing_id),
        "amenities": [],
        "blockedImages": False,
        "descriptiveAreaName": district.name,
        f"displayAttributes{card_arguments}": _ad_attributes(area, price),
        "location": {
            "__typename": "Location",
            "region": {"__typename": "Region", "municipalityName": "Stockholm"},
        },
        "published": "2026-06-16 13:54:40",
        "listPrice": full_value(price, "kr"),
        "listPricePercentageDiff": None,
        "latitude": district.latitude,
        "longitude": district.longitude,
        "daysActive": rng.randint(0, 60),
        "primaryImage": images[0],
        "objectType": "Lägenhet",
        "streetAddress": f"{rng.choice(district.streets)} {rng.randint(1, 90)}",
        "url": f"/annons/{listing_id}",
        "isNewConstruction": False,
        "biddingOpen": 0,
        "upcomingSale": rng.random() < 0.5,
        "tenureForm": "Bostadsrätt",
        f"agency{card_arguments}": {
            "__typename": "Agency",
            "thumbnail": None,
            "url": "https://www.booli.se/maklarbyra/norrsken-makleri",
            "name": "Norrsken Mäkleri",
        },
        "nextShowing": None,
        'images({"limit":5})': images,
    }


def _ad_attributes(area_m2: int, price_sek: int) -> dict[str, Any]:
    texts = (
        f"{area_m2}\u00a0m²",
        f"{max(1, area_m2 // 28)}\u00a0rum",
        "vån\u00a03",
        f"{grouped(area_m2 * 55)}\u00a0kr/mån",
    )
    return {
        "__typename": "DisplayAttributes",
        "screenReaderLabel": f"Lägenhet för {kronor(price_sek)}",
        "dataPoints": [
            {
                "__typename": "DataPoint",
                "value": {"__typename": "DisplayText", "plainText": text},
                "screenReaderLabel": text,
            }
            for text in texts
        ],
    }


def _project(rng: random.Random, project_id: int) -> dict[str, Any]:
    district = rng.choice(districts())
    low = rng.randint(50, 90) * 50_000
    return {
        "__typename": "Project",
        "id": str(project_id),
        "booliUrl": f"/projekt/{project_id}",
        "booliId": str(project_id),
        "phase": "Under försäljning",
        "subtitle": f"Bostadsrätter · {district.name}",
        "name": f"Kvarteret {rng.choice(district.streets)}",
        "listPriceRange": f"{grouped(low)} – {grouped(2 * low)}\u00a0kr",
        "occupancy": "Från december 2027",
        "latitude": district.latitude,
        "longitude": district.longitude,
        "created": "2026-01-19 11:16:06",
        "roomsList": [2, 3, 4],
        "featured": True,
    }


def _search_meta(kind: str, size: int) -> dict[str, Any]:
    """Sort orders and filter choices, about as bulky as the site's own."""
    option_size = 110
    options = [
        {
            "__typename": "SearchFilterOption",
            "value": str(250_000 * n),
            "label": kronor(250_000 * n),
        }
        for n in range(size // option_size)
    ]
    return {
        "__typename": "PropertySearchMeta",
        "sortOptions": [
            {
                "__typename": "SearchSortOption",
                "key": "soldDate" if kind == "sold" else "published",
                "label": "Nyast",
                "ascending": False,
            }
        ],
        "filterOptions": [
            {
                "__typename": "SearchFilterChoice",
                "key": "maxSoldPrice" if kind == "sold" else "maxListPrice",
                "label": "Högsta pris",
                "filterType": "singleChoice",
                "options": options,
            }
        ],
    }

"""Deeds of the synthetic market: sales known only from a registered title transfer.

They have a negative id, a page under ``/lagfart`` and no asking price. Each month draws
its own from a generator of its own, so that the market's other sales stay what they
are.
"""

from __future__ import annotations

import random
from calendar import monthrange
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from scrapy_project.replica.areas import CITY, district_area
from scrapy_project.replica.market import Market, Sale
from scrapy_project.replica.stockholm import (
    REFERENCE_LEVEL_SEK_PER_M2,
    District,
    districts,
)
from scrapy_project.replica.synthetic import FIRST_MONTH, city_level_sek_per_m2

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUSE = "Villa"
TITLE_TRANSFER = "Lagfart"
HOUSES_PER_MONTH = 1
MONTHS_WITH_APARTMENT_DEEDS = (2, 5, 8, 11)

_FIRST_ID = -10_000_000
_IDS_PER_MONTH = 10
_DAYS_UNTIL_REGISTERED = (14, 60)
_HOUSE_LEVEL = 0.6
"""Price of a square metre in a house, against one in a flat of the district."""


def add_houses(market: Market, seed: int) -> None:
    """Add the deeds of houses, a few a year."""
    outer = [district for district in districts() if not district.is_inner_city]
    for index, (year, month) in enumerate(_months_until(market.today)):
        rng = random.Random(f"{seed}/houses/{year}/{month}")
        for number in range(HOUSES_PER_MONTH):
            house = _house(rng, rng.choice(outer), _id(index, number), year, month)
            if house.sold_date <= market.today:
                market.add(house)


def add_apartment_deeds(market: Market, seed: int) -> None:
    """Add deeds of apartments, one a quarter, which a crawl of apartments meets."""
    flats = [sale for sale in market.sales if sale.object_type == "Lägenhet"]
    for index, (year, month) in enumerate(_months_until(market.today)):
        if month not in MONTHS_WITH_APARTMENT_DEEDS:
            continue
        rng = random.Random(f"{seed}/deeds/{year}/{month}")
        sold = [
            s for s in flats if (s.sold_date.year, s.sold_date.month) == (year, month)
        ]
        if sold:
            deed = _deed_of(rng, rng.choice(sold), _id(index, HOUSES_PER_MONTH))
            if deed.sold_date <= market.today:
                market.add(deed)


def _months_until(today: date) -> Iterator[tuple[int, int]]:
    first = FIRST_MONTH[0] * 12 + FIRST_MONTH[1] - 1
    for count in range(first, today.year * 12 + today.month):
        yield count // 12, count % 12 + 1


def _id(month_index: int, number: int) -> int:
    return _FIRST_ID - month_index * _IDS_PER_MONTH - number


def _house(
    rng: random.Random, district: District, booli_id: int, year: int, month: int
) -> Sale:
    area_m2 = float(rng.randint(85, 220))
    level = city_level_sek_per_m2(year, month) / REFERENCE_LEVEL_SEK_PER_M2
    per_m2 = _HOUSE_LEVEL * level * district.level_sek_per_m2 * rng.uniform(0.8, 1.25)
    return Sale(
        booli_id=booli_id,
        residence_id=None,
        street_address=f"{rng.choice(district.streets)} {rng.randint(1, 60)}",
        district=district.name,
        municipality="Stockholm",
        areas=(*CITY, *district_area(district.name, district.area_id)),
        object_type=HOUSE,
        sold_date=date(year, month, rng.randint(1, monthrange(year, month)[1])),
        sold_price_sek=round(area_m2 * per_m2 / 25_000) * 25_000,
        sold_price_type=TITLE_TRANSFER,
        living_area_m2=area_m2,
        rooms=float(max(3, round(area_m2 / 28))),
        construction_year=rng.randint(1910, year - 1),
        latitude=round(district.latitude + rng.uniform(-0.01, 0.01), 7),
        longitude=round(district.longitude + rng.uniform(-0.02, 0.02), 7),
        tenure_form="Äganderätt",
    )


def _deed_of(rng: random.Random, sale: Sale, booli_id: int) -> Sale:
    """Make the deed of a flat much like one sold, registered some weeks later."""
    days = rng.randint(*_DAYS_UNTIL_REGISTERED)
    return replace(
        sale,
        booli_id=booli_id,
        residence_id=None,
        sold_date=sale.sold_date + timedelta(days=days),
        sold_price_type=TITLE_TRANSFER,
        list_price_sek=None,
        first_price_sek=None,
        fee_sek_per_month=None,
        days_active=None,
        is_sold_before_listing=None,
        tenure_form="Äganderätt",
        brf=None,
        agency=None,
        truth=None,
    )

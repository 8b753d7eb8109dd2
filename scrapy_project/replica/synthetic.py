"""A synthetic Stockholm market, deterministic by seed.

A fixed stock of flats is drawn from the seed; then each month draws its sales from the
stock with a generator of its own, so that a later ``today`` adds sales and changes
none. How a sale looks on a page, and how it is searched, do not belong here.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from calendar import monthrange
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING

from scrapy_project.replica.dirt import soiled
from scrapy_project.replica.market import Ad, Agency, Market, Sale
from scrapy_project.replica.stock import (
    METRES_PER_DEGREE,
    Building,
    Flat,
    build_stock,
)
from scrapy_project.replica.stockholm import (
    AGENCY_NAMES,
    CITY_LEVEL_SEK_PER_M2,
    FIRST_AGENCY_ID,
    REFERENCE_LEVEL_SEK_PER_M2,
)
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_MONTH = (2012, 1)
SALES_PER_MONTH = 34
HOMES_PER_MONTHLY_SALE = 110
MIN_DAYS_BETWEEN_SALES = 540
LONGEST_AD_MONTHS = 4

FIRST_BOOLI_ID = 900_000
BOOLI_IDS_PER_MONTH = 30_000

SALE_NOISE_SD = 0.06

_CENTRE = (59.3310, 18.0597)
_SEASON = (0.85, 0.95, 1.1, 1.1, 1.25, 1.1, 0.45, 0.95, 1.2, 1.2, 1.1, 0.75)
_BIDDING = {
    2012: 0.04,
    2013: 0.07,
    2014: 0.09,
    2015: 0.11,
    2016: 0.08,
    2017: 0.04,
    2018: 0.00,
    2019: 0.02,
    2020: 0.04,
    2021: 0.07,
    2022: 0.02,
    2023: 0.00,
}


def synthetic_market(
    seed: int, today: date, sales_per_month: int = SALES_PER_MONTH
) -> Market:
    """Draw the market of a seed as the site shows it on a day.

    Raises
    ------
    SlutprisError
        If a month would hold no sale, or more than the ids of a month allow.
    """
    if not 1 <= sales_per_month <= BOOLI_IDS_PER_MONTH // 3:
        raise SlutprisError(
            f"--sales-per-month is {sales_per_month}; "
            f"give a number from 1 to {BOOLI_IDS_PER_MONTH // 3}"
        )
    stock = build_stock(seed, max(20, HOMES_PER_MONTHLY_SALE * sales_per_month))
    sales: list[Sale] = []
    ads: list[Ad] = []
    for drawn in _drawn_sales(seed, today, sales_per_month, stock):
        sales.append(drawn.sale)
        if drawn.published <= today < drawn.sale.sold_date:
            ads.append(drawn)
    name = f"synthetic market, seed {seed}"
    market = Market.of(name, sales, today=today, ads=ads)
    market.draw = partial(draw_sale, stock)
    return market


def draw_sale(
    stock: list[Flat],
    rng: random.Random,
    sold_date: date,
    booli_id: int,
    level_factor: float = 1.0,
) -> Sale:
    """Draw one more sale of a day, of a flat of the stock.

    ``level_factor`` is the price level of the day against the market's own.
    """
    flat = _seller(rng, stock, {}, sold_date)
    return _sale(rng, flat, sold_date, booli_id, level_factor).sale


def city_level_sek_per_m2(year: int, month: int) -> float:
    """City level at the first of a month, on straight lines between known points."""
    points = [(y + (m - 1) / 12, level) for y, m, level in CITY_LEVEL_SEK_PER_M2]
    at = year + (month - 1) / 12
    if at >= points[-1][0]:
        return points[-1][1] * 1.02 ** (at - points[-1][0])
    right = max(1, bisect_right(points, (at, math.inf)))
    (left_at, left), (right_at, level) = points[right - 1], points[right]
    return left + (level - left) * (at - left_at) / (right_at - left_at)


def _drawn_sales(
    seed: int, today: date, sales_per_month: int, stock: list[Flat]
) -> Iterator[Ad]:
    """Every sale of the months up to a few after ``today``, with its first ad day."""
    last_sold: dict[int, date] = {}
    for index, (year, month) in enumerate(_months_until(today)):
        rng = random.Random(f"{seed}/{year}/{month}")
        season = sales_per_month * _SEASON[month - 1] * rng.gauss(1, 0.05)
        days = sorted(_day(rng, year, month) for _ in range(max(1, round(season))))
        first_id = FIRST_BOOLI_ID + index * BOOLI_IDS_PER_MONTH
        for number, sold_date in enumerate(days):
            flat = _seller(rng, stock, last_sold, sold_date)
            booli_id = first_id + number * (BOOLI_IDS_PER_MONTH // len(days))
            yield _sale(rng, flat, sold_date, booli_id + rng.randint(0, 1))


def _months_until(today: date) -> Iterator[tuple[int, int]]:
    first = FIRST_MONTH[0] * 12 + FIRST_MONTH[1] - 1
    last = today.year * 12 + today.month - 1 + LONGEST_AD_MONTHS
    for count in range(first, last + 1):
        yield count // 12, count % 12 + 1


def _day(rng: random.Random, year: int, month: int) -> date:
    day = date(year, month, rng.randint(1, monthrange(year, month)[1]))
    if day.weekday() >= 5 and rng.random() < 0.8:
        day = date(year, month, rng.randint(1, monthrange(year, month)[1]))
    return day


def _seller(
    rng: random.Random, stock: list[Flat], last_sold: dict[int, date], day: date
) -> Flat:
    """Pick a flat that is built and not sold lately; any flat if none comes up."""
    index = 0
    for _ in range(50):
        index = rng.randrange(len(stock))
        since = day - last_sold.get(index, date.min)
        is_built = stock[index].building.construction_year < day.year
        if is_built and since.days >= MIN_DAYS_BETWEEN_SALES:
            break
    last_sold[index] = day
    return stock[index]


def _sale(
    rng: random.Random,
    flat: Flat,
    sold_date: date,
    booli_id: int,
    level_factor: float = 1.0,
) -> Ad:
    """Draw what the market and the agency made of one sale."""
    level = level_factor * city_level_sek_per_m2(sold_date.year, sold_date.month)
    fee = _fee_sek_per_month(flat, sold_date.year)
    expected = _expected_price_sek(flat, level)
    noise_log = flat.quality_log + rng.gauss(0, SALE_NOISE_SD)
    price = _rounded_price(rng, expected * math.exp(noise_log))
    asked = _list_price_sek(rng, price, sold_date.year)
    changed = rng.random() < 0.14
    first = asked + rng.randint(1, 6) * 50_000 if changed else asked
    days = 1 + int(rng.gammavariate(2, 9))
    agency = rng.randrange(len(AGENCY_NAMES))
    building = flat.building
    address = f"{building.street} {building.street_number}"
    clean = Sale(
        booli_id=booli_id,
        residence_id=flat.residence_id,
        street_address=address,
        district=building.district.name,
        municipality="Stockholm",
        areas=building.areas,
        object_type="Lägenhet",
        sold_date=sold_date,
        sold_price_sek=price,
        sold_price_type="Sista bud" if rng.random() < 0.04 else "Slutpris",
        living_area_m2=flat.living_area_m2,
        list_price_sek=asked,
        first_price_sek=first,
        additional_area_m2=flat.additional_area_m2,
        rooms=flat.rooms,
        floor=flat.floor,
        construction_year=building.construction_year,
        fee_sek_per_month=fee,
        operating_cost_sek_per_month=flat.running_cost_sek_per_month,
        latitude=building.latitude,
        longitude=building.longitude,
        energy_class=building.energy_class,
        apartment_number=flat.apartment_number,
        days_active=days,
        is_sold_before_listing=rng.random() < 0.06,
        tenure_form="Bostadsrätt",
        amenities=flat.amenities,
        brf=building.brf,
        agency=Agency(FIRST_AGENCY_ID + agency, AGENCY_NAMES[agency]),
        has_half_signs=sold_date.year < 2016 and rng.random() < 0.4,
    )
    return Ad(soiled(rng, clean, level, expected, noise_log), _ad_day(clean, days))


def _ad_day(sale: Sale, days: int) -> date:
    return sale.sold_date - timedelta(days=days)


def _fee_sek_per_month(flat: Flat, year: int) -> int:
    per_m2 = 50 + 0.8 * (year - 2012) + 3.0 * min(4, max(0, year - 2022))
    size = 1.2 - 0.0025 * min(flat.living_area_m2, 120)
    factor = size * math.exp(flat.building.fee_log)
    return round(flat.living_area_m2 * per_m2 * factor)


def _expected_price_sek(flat: Flat, level_sek_per_m2: float) -> float:
    """Price without noise: district, place in it, size, floor, age, fee, extras."""
    building = flat.building
    log_price = (
        math.log(level_sek_per_m2 / REFERENCE_LEVEL_SEK_PER_M2)
        + math.log(building.district.level_sek_per_m2)
        + math.log(flat.living_area_m2)
        - 0.13 * math.log(flat.living_area_m2 / 55)
        - 0.025 * _km_further_out(building)
        + building.quality_log
        - 0.25 * building.fee_log
        + _floor_effect(flat)
        + _age_effect(building.construction_year)
        + 0.02 * ("balcony" in flat.amenities)
        + 0.04 * ("fireplace" in flat.amenities)
    )
    return math.exp(log_price)


def _km_further_out(building: Building) -> float:
    """Kilometres further from the city's centre than the district's own centre."""
    district = building.district

    def km(latitude: float, longitude: float) -> float:
        north = (latitude - _CENTRE[0]) * METRES_PER_DEGREE / 1000
        east = (longitude - _CENTRE[1]) * METRES_PER_DEGREE / 1000
        return math.hypot(north, east * math.cos(math.radians(_CENTRE[0])))

    own = km(building.latitude, building.longitude)
    return own - km(district.latitude, district.longitude)


def _floor_effect(flat: Flat) -> float:
    if flat.floor <= 0.5:
        return -0.10 if flat.floor < 0 else -0.04
    per_floor = 0.012 if flat.building.has_elevator else 0.0
    return per_floor * min(flat.floor, 8)


def _age_effect(construction_year: int) -> float:
    for before, effect in ((1931, 0.04), (1951, 0.0), (1976, -0.05), (1998, -0.02)):
        if construction_year < before:
            return effect
    return 0.04


def _rounded_price(rng: random.Random, price_sek: float) -> int:
    step = rng.choices((5_000, 10_000, 25_000), (2, 5, 3))[0]
    return max(step, round(price_sek / step) * step)


def _list_price_sek(rng: random.Random, price_sek: int, year: int) -> int:
    """Asking prices end on 45 000 or 95 000 as a rule."""
    bidding = rng.gauss(_BIDDING.get(year, 0.03), 0.055)
    return round(price_sek / (1 + bidding) / 50_000) * 50_000 - 5_000

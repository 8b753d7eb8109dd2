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
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from scrapy_project.replica.areas import (
    CITY,
    FIRST_STREET_ID,
    district_area,
    postcode_area,
)
from scrapy_project.replica.market import Ad, Agency, Area, Brf, Market, Sale, Truth
from scrapy_project.replica.stockholm import (
    AGENCY_NAMES,
    CITY_LEVEL_SEK_PER_M2,
    FIRST_AGENCY_ID,
    MUNICIPALITY_ID,
    REFERENCE_LEVEL_SEK_PER_M2,
    District,
    districts,
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
FIRST_RESIDENCE_ID = 200_000
FIRST_BRF_ID = 10_000

HOME_NOISE_SD = 0.04
SALE_NOISE_SD = 0.06

_CENTRE = (59.3310, 18.0597)
_METRES_PER_DEGREE = 111_320.0
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
_BRF_WORDS = (
    "Ankaret",
    "Björken",
    "Duvan",
    "Eken",
    "Falken",
    "Fyren",
    "Granen",
    "Hermelinen",
    "Kastanjen",
    "Kvarnen",
    "Lejonet",
    "Linden",
    "Lärkan",
    "Oxen",
    "Rosen",
    "Sjöjungfrun",
    "Sleipner",
    "Solrosen",
    "Svalan",
    "Vattumannen",
)


@dataclass(frozen=True, slots=True)
class Building:
    """A house with its co-operative."""

    district: District
    street: str
    street_number: str
    latitude: float
    longitude: float
    construction_year: int
    floor_count: int
    has_elevator: bool
    quality_log: float
    fee_log: float
    energy_class: str | None
    brf: Brf | None
    areas: tuple[Area, ...]


@dataclass(frozen=True, slots=True)
class Flat:
    """A home of the stock; it may be sold several times."""

    residence_id: int | None
    building: Building
    floor: float
    living_area_m2: float
    additional_area_m2: float | None
    rooms: float
    apartment_number: str
    amenities: tuple[str, ...]
    quality_log: float
    running_cost_sek_per_month: int


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
    return Market.of(name, sales, today=today, ads=ads)


def city_level_sek_per_m2(year: int, month: int) -> float:
    """City level at the first of a month, on straight lines between known points."""
    points = [(y + (m - 1) / 12, level) for y, m, level in CITY_LEVEL_SEK_PER_M2]
    at = year + (month - 1) / 12
    if at >= points[-1][0]:
        return points[-1][1] * 1.02 ** (at - points[-1][0])
    right = max(1, bisect_right(points, (at, math.inf)))
    (left_at, left), (right_at, level) = points[right - 1], points[right]
    return left + (level - left) * (at - left_at) / (right_at - left_at)


def build_stock(seed: int, size: int) -> list[Flat]:
    """All homes that can be sold, the same for every ``today``."""
    rng = random.Random(f"{seed}/stock")
    weights = [district.weight for district in districts()]
    agenda = rng.choices(districts(), weights, k=size // 8 + 1)
    streets = _Streets(rng)
    flats: list[Flat] = []
    for number, district in enumerate(agenda):
        building = _building(rng, district, streets, number)
        while len(flats) < min(size, 8 * (number + 1)):
            flats.append(_flat(rng, building, len(flats)))
            if rng.random() < 0.12:
                building = _next_door(rng, building)
    return flats


class _Streets:
    """Where each street runs: a centre and a direction, drawn once."""

    def __init__(self, rng: random.Random) -> None:
        self._lines: dict[tuple[str, str], tuple[float, float, float]] = {}
        self._areas: dict[tuple[str, str], Area] = {}
        for district in districts():
            spread_m = 170.0 * math.sqrt(district.weight)
            for street in district.streets:
                key = (district.name, street)
                self._lines[key] = (
                    rng.gauss(0, spread_m),
                    rng.gauss(0, spread_m),
                    rng.uniform(0, math.pi),
                )
                street_id = FIRST_STREET_ID + len(self._areas)
                self._areas[key] = Area(
                    street_id, street, "streetName", MUNICIPALITY_ID
                )

    def area(self, district: District, street: str) -> Area:
        return self._areas[district.name, street]

    def place(
        self, district: District, street: str, number: int
    ) -> tuple[float, float]:
        east_m, north_m, angle = self._lines[district.name, street]
        along_m = (number - 30) * 5.0
        east_m += along_m * math.cos(angle)
        north_m += along_m * math.sin(angle)
        scale = math.cos(math.radians(district.latitude))
        return (
            round(district.latitude + north_m / _METRES_PER_DEGREE, 7),
            round(district.longitude + east_m / _METRES_PER_DEGREE / scale, 7),
        )


def _building(
    rng: random.Random, district: District, streets: _Streets, number: int
) -> Building:
    street = rng.choice(district.streets)
    house = rng.randint(1, 60)
    latitude, longitude = streets.place(district, street, house)
    year = rng.randint(*district.built)
    low_rise = not district.is_inner_city and rng.random() < 0.7
    floors = rng.randint(3, 4) if low_rise else rng.randint(4, 8)
    postcode = f"{district.postcode_prefix}{rng.randint(20, 69)}"
    brf = Brf(
        FIRST_BRF_ID + number, f"BRF {rng.choice(_BRF_WORDS)} {rng.randint(1, 40)}"
    )
    return Building(
        district=district,
        street=street,
        street_number=_house_number(rng, house),
        latitude=latitude,
        longitude=longitude,
        construction_year=year,
        floor_count=floors,
        has_elevator=floors > 4 or year > 1975 or rng.random() < 0.25,
        quality_log=rng.gauss(0, 0.03),
        fee_log=rng.gauss(0, 0.18),
        energy_class=rng.choice("BCDEEF") if rng.random() < 0.25 else None,
        brf=brf if rng.random() < 0.92 else None,
        areas=(
            *CITY,
            *district_area(district.name, district.area_id),
            streets.area(district, street),
            postcode_area(postcode),
        ),
    )


def _house_number(rng: random.Random, house: int) -> str:
    return f"{house}{rng.choice('ABCD')}" if rng.random() < 0.2 else str(house)


def _next_door(rng: random.Random, building: Building) -> Building:
    house = int(building.street_number.rstrip("ABCD")) + 2
    return replace(
        building,
        street_number=_house_number(rng, house),
        latitude=round(building.latitude + rng.uniform(-2e-4, 2e-4), 7),
        longitude=round(building.longitude + rng.uniform(-4e-4, 4e-4), 7),
    )


def _flat(rng: random.Random, building: Building, number: int) -> Flat:
    area = _living_area_m2(rng)
    floor = _floor(rng, building)
    odds = {
        "balcony": 0.5,
        "fireplace": 0.12 if building.construction_year < 1935 else 0,
    }
    amenities = [key for key, odd in odds.items() if rng.random() < odd]
    if floor == 0 and rng.random() < 0.3:
        amenities.append("patio")
    if building.has_elevator:
        amenities.append("elevator")
    known_home = rng.random() < 0.65
    return Flat(
        residence_id=FIRST_RESIDENCE_ID + 3 * number if known_home else None,
        building=building,
        floor=floor,
        living_area_m2=area,
        additional_area_m2=float(rng.randint(2, 15)) if rng.random() < 0.03 else None,
        rooms=_rooms(rng, area),
        apartment_number=f"{10 + max(0, int(floor)):02d}{rng.randint(1, 6):02d}",
        amenities=tuple(amenities),
        quality_log=rng.gauss(0, HOME_NOISE_SD),
        running_cost_sek_per_month=round(area * rng.uniform(4, 12) / 10) * 10,
    )


def _living_area_m2(rng: random.Random) -> float:
    area = min(210.0, max(17.0, rng.lognormvariate(math.log(56), 0.38)))
    share = rng.random()
    if share < 0.12:
        return math.floor(area) + 0.5
    return round(area, 1) if share < 0.15 else float(round(area))


def _floor(rng: random.Random, building: Building) -> float:
    share = rng.random()
    if share < 0.10:
        return 0.0
    if share < 0.13:
        return 0.5
    if share < 0.137:
        return -1.0
    if share < 0.15:
        return 1.5
    return float(rng.randint(1, building.floor_count))


def _rooms(rng: random.Random, area_m2: float) -> float:
    for limit_m2, rooms in ((33, 1.0), (62, 2.0), (86, 3.0), (115, 4.0), (160, 5.0)):
        if area_m2 < limit_m2:
            return rooms + (0.5 if rng.random() < 0.1 else 0.0)
    return 6.0


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


def _sale(rng: random.Random, flat: Flat, sold_date: date, booli_id: int) -> Ad:
    """Draw what the market and the agency made of one sale."""
    level = city_level_sek_per_m2(sold_date.year, sold_date.month)
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
    return Ad(_soiled(rng, clean, level, expected, noise_log), _ad_day(clean, days))


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
        north = (latitude - _CENTRE[0]) * _METRES_PER_DEGREE / 1000
        east = (longitude - _CENTRE[1]) * _METRES_PER_DEGREE / 1000
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


def _soiled(
    rng: random.Random,
    clean: Sale,
    level_sek_per_m2: float,
    expected_sek: float,
    noise_log: float,
) -> Sale:
    """Give the sale as the site shows it, with the truth beside it."""
    dirt: dict[str, dict[str, object]] = {}
    _leave_out(rng, dirt)
    _mistype(rng, clean, dirt)
    _spell_address(rng, clean, dirt)
    changes = {
        name: value for change in dirt.values() for name, value in change.items()
    }
    truth = Truth(
        true_price_sek=clean.sold_price_sek,
        true_address=clean.street_address or "",
        true_living_area_m2=clean.living_area_m2,
        true_floor=clean.floor or 0.0,
        true_construction_year=clean.construction_year or 0,
        true_fee_sek_per_month=clean.fee_sek_per_month or 0,
        true_list_price_sek=clean.list_price_sek or 0,
        index_sek_per_m2=round(level_sek_per_m2, 1),
        expected_price_sek=round(expected_sek, 1),
        noise_log=round(noise_log, 6),
        dirt=tuple(dirt),
    )
    return replace(clean, truth=truth, **changes)


def _leave_out(rng: random.Random, dirt: dict[str, dict[str, object]]) -> None:
    odds: dict[str, tuple[float, tuple[str, ...]]] = {
        "no_list_price": (0.23, ("list_price_sek", "first_price_sek")),
        "no_floor": (0.08, ("floor",)),
        "no_fee": (0.03, ("fee_sek_per_month",)),
        "no_operating_cost": (0.35, ("operating_cost_sek_per_month",)),
        "no_construction_year": (0.05, ("construction_year",)),
        "no_rooms": (0.002, ("rooms",)),
        "no_days_active": (0.05, ("days_active",)),
        "no_agency": (0.01, ("agency",)),
        "no_apartment_number": (0.4, ("apartment_number",)),
    }
    for name, (odd, fields) in odds.items():
        if rng.random() < odd:
            dirt[name] = dict.fromkeys(fields)


def _mistype(
    rng: random.Random, clean: Sale, dirt: dict[str, dict[str, object]]
) -> None:
    if rng.random() < 0.001:
        tenfold = rng.random() < 0.5
        price = clean.sold_price_sek
        dirt["price_typo"] = {"sold_price_sek": price * 10 if tenfold else price // 10}
    if rng.random() < 0.001:
        area = clean.living_area_m2
        wrong = rng.choice((area * 10, round(area / 10, 1), 1.0))
        dirt["area_typo"] = {"living_area_m2": wrong}
    if rng.random() < 0.001:
        dirt["construction_year_typo"] = {
            "construction_year": rng.choice((1049, 1193, 190, 2913))
        }


def _spell_address(
    rng: random.Random, clean: Sale, dirt: dict[str, dict[str, object]]
) -> None:
    address = clean.street_address or ""
    spelling = rng.random()
    if spelling < 0.003:
        dirt["no_address"] = {"street_address": "Adress saknas"}
    elif "-" in address and spelling < 0.5:
        dirt["hard_hyphen"] = {"street_address": address.replace("-", "\u2011")}
    elif spelling < 0.015:
        middle = address.find("g", 3) if "g" in address[3:] else 4
        soft = f"{address[:middle]}\u00ad{address[middle:]}"
        dirt["soft_hyphen"] = {"street_address": soft}
    elif spelling < 0.03:
        dirt["no_break_space"] = {"street_address": address.replace(" ", "\u00a0")}

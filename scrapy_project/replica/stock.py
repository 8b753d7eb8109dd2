"""The stock of flats a synthetic market sells from, drawn once from its seed.

Who sells when, and for how much, belongs to ``synthetic``.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace

from scrapy_project.replica.areas import (
    CITY,
    FIRST_STREET_ID,
    district_area,
    postcode_area,
)
from scrapy_project.replica.market import Area, Brf
from scrapy_project.replica.stockholm import MUNICIPALITY_ID, District, districts

FIRST_RESIDENCE_ID = 200_000
FIRST_BRF_ID = 10_000
HOME_NOISE_SD = 0.04
METRES_PER_DEGREE = 111_320.0
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
            round(district.latitude + north_m / METRES_PER_DEGREE, 7),
            round(district.longitude + east_m / METRES_PER_DEGREE / scale, 7),
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

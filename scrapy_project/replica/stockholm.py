"""Facts the synthetic market stands on: districts, price level, agencies, streets.

The districts lie in ``districts.csv``: centre (WGS 84), level of 2024 for a two-room
flat in SEK per m² (plausible, not official), share of the sales, years built, streets.
Agencies and co-operatives are fictional. Nothing that draws or serves belongs here.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

COUNTRY_ID = 77104
COUNTY_ID = 2
MUNICIPALITY_ID = 1
INNER_CITY_ID = 143

REFERENCE_LEVEL_SEK_PER_M2 = 76_000.0
"""City level of 2024, which the district levels relate to."""


@dataclass(frozen=True, slots=True)
class District:
    """A part of the city with its own price level and building history."""

    name: str
    area_id: int
    latitude: float
    longitude: float
    level_sek_per_m2: float
    weight: float
    built: tuple[int, int]
    postcode_prefix: str
    streets: tuple[str, ...]
    is_inner_city: bool = False


@cache
def districts() -> tuple[District, ...]:
    """Read the districts the market is drawn from."""
    path = Path(__file__).with_name("districts.csv")
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(_district(row) for row in csv.DictReader(file))


def _district(row: dict[str, str]) -> District:
    return District(
        name=row["name"],
        area_id=int(row["area_id"]),
        latitude=float(row["latitude"]),
        longitude=float(row["longitude"]),
        level_sek_per_m2=float(row["level_sek_per_m2"]),
        weight=float(row["weight"]),
        built=(int(row["built_first"]), int(row["built_last"])),
        postcode_prefix=row["postcode_prefix"],
        streets=tuple(row["streets"].split("|")),
        is_inner_city=row["is_inner_city"] == "yes",
    )


# Flats in Stockholm, SEK per m² at the first of the month; straight lines between.
# The shape is that of the published indices: up to September 2017, down through 2018,
# peak in March 2022, about 15 % lower by early 2023, a slow recovery since.
CITY_LEVEL_SEK_PER_M2: tuple[tuple[int, int, float], ...] = (
    (2012, 1, 46_000),
    (2013, 1, 49_000),
    (2014, 1, 54_500),
    (2015, 1, 61_000),
    (2016, 1, 70_000),
    (2016, 7, 71_500),
    (2017, 3, 75_500),
    (2017, 9, 77_000),
    (2018, 2, 70_500),
    (2018, 12, 70_500),
    (2020, 2, 76_500),
    (2020, 5, 74_000),
    (2021, 2, 80_500),
    (2022, 3, 87_500),
    (2023, 2, 74_500),
    (2024, 1, 75_500),
    (2025, 1, 78_500),
    (2026, 1, 81_000),
    (2027, 1, 83_000),
)

AGENCY_NAMES = (
    "Bostadsbyrån Ankaret",
    "Brandt & Lindell",
    "City Hem Mäkleri",
    "Ekens Fastighetsmäkleri",
    "Fasad & Co",
    "Gavelin Mäklare",
    "Hemgården",
    "Innanför Tullarna Mäkleri",
    "Kajplats Mäklare",
    "Kvarnens Fastighetsbyrå",
    "Lundqvist & Falk",
    "Mälarhem",
    "Nordstjärnan Bostad",
    "Norrsken Mäkleri",
    "Saltsjö Fastighetsförmedling",
    "Stadens Mäklare",
    "Takåsen",
    "Tegel Mäkleri",
    "Vindrosen Bostad",
    "Årsringen Fastighetsbyrå",
)
FIRST_AGENCY_ID = 7001

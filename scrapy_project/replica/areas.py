"""The areas every sale in Stockholm lies in, above its own district.

Ids up to 143 and the country's are Booli's own; districts whose id nobody has noted
down, streets and postcodes get made-up ids above 900,000.
"""

from __future__ import annotations

from scrapy_project.replica.market import Area
from scrapy_project.replica.stockholm import (
    COUNTRY_ID,
    COUNTY_ID,
    INNER_CITY_ID,
    MUNICIPALITY_ID,
    districts,
)

COUNTRY = Area(COUNTRY_ID, "Sverige", "country", None)
COUNTY = Area(COUNTY_ID, "Stockholms län", "county", COUNTRY_ID)
MUNICIPALITY = Area(MUNICIPALITY_ID, "Stockholm", "municipality", COUNTY_ID)
INNER_CITY = Area(INNER_CITY_ID, "Stockholms innerstad", "userDefined", MUNICIPALITY_ID)
CITY = (MUNICIPALITY, COUNTY, COUNTRY)

FIRST_FILE_DISTRICT_ID = 981_001
FIRST_STREET_ID = 990_001
FIRST_POSTCODE_ID = 800_000_000


def district_area(name: str, unknown_id: int) -> tuple[Area, ...]:
    """Give the district's area, and the inner city's if it lies there."""
    known = next((d for d in districts() if d.name == name), None)
    if known is None:
        return (Area(unknown_id, name, "suburb", MUNICIPALITY_ID),)
    own = Area(known.area_id, name, "suburb", MUNICIPALITY_ID)
    return (INNER_CITY, own) if known.is_inner_city else (own,)


def postcode_area(postcode: str) -> Area:
    """Give the postcode's area; its name is the five digits."""
    return Area(
        FIRST_POSTCODE_ID + int(postcode), postcode, "postcode", MUNICIPALITY_ID
    )

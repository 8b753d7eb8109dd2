"""Finding an address among the known places of a snapshot.

What belongs here: matching what a person wrote to a place, and the nearest spellings
when there is none. What does not: coordinates of places never seen (geocoding), and
what a place is worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ml.valuation.request import street_and_number
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

PlaceLevel = Literal["address", "street", "district"]
SUGGESTION_COUNT = 5

TEXT_KEY_SQL = "regexp_replace(lower(strip_accents({0})), '[^a-z0-9]', '', 'g')"
"""As dbt's ``text_key``: two spellings of one name are equal as keys."""

ADDRESS_SQL = r"""
    coalesce(
        nullif(regexp_extract(address, '^[^0-9]*[0-9]+(\s*[A-Za-z]\b)?'), ''), address
    )
"""
"""Street, number and letter without what may follow, as in dbt's ``address_key``."""

LOCATE_SQL = f"""
    with asked as (
        select
            position,
            street_number,
            {TEXT_KEY_SQL.format(ADDRESS_SQL)} as address_key,
            {TEXT_KEY_SQL.format("street")} as street_key
        from (
            select
                unnest($positions::integer[]) as position,
                unnest($addresses::varchar[]) as address,
                unnest($streets::varchar[]) as street,
                unnest($numbers::integer[]) as street_number
        )
    ),

    matched as (
        select asked.position, 1 as rank, places.*
        from asked
        inner join marts.places
            on places.place_level = 'address' and places.place_key = asked.address_key
        union all
        -- 98 stands for 98A and 98B, and the other way round
        select asked.position, 2 as rank, places.*
        from asked
        inner join marts.places
            on
                places.place_level = 'address'
                and places.street_number = asked.street_number
                and starts_with(
                    places.place_key, asked.street_key || asked.street_number
                )
        union all
        select asked.position, 3 as rank, places.*
        from asked
        inner join marts.places
            on places.place_level = 'street' and places.place_key = asked.street_key
        union all
        select asked.position, 4 as rank, places.*
        from asked
        inner join marts.places
            on places.place_level = 'district' and places.place_key = asked.address_key
    )

    select
        position, place_level, address, street, street_number, district,
        municipality, latitude, longitude, sale_count
    from matched
    qualify row_number() over (
        partition by position order by rank, sale_count desc, place_key
    ) = 1
    order by position
"""

SUGGEST_SQL = """
    select distinct on (name) name
    from (
        select
            case place_level
                when 'address' then address
                when 'street' then street
                else district
            end as name,
            sale_count
        from marts.places
    )
    where name is not null
    order by
        jaro_winkler_similarity(
            lower(strip_accents(name)), lower(strip_accents($address))
        ) desc,
        sale_count desc
    limit $limit
"""


@dataclass(frozen=True)
class Place:
    """Where an address was located, and how precisely: address, street or district."""

    level: PlaceLevel
    address: str | None
    street: str | None
    street_number: int | None
    district: str | None
    municipality: str | None
    latitude: float | None
    longitude: float | None
    sale_count: int


class AddressNotFoundError(SlutprisError):
    """No known place is spelt so; ``suggestions`` holds the nearest spellings."""

    def __init__(self, address: str, suggestions: list[str]) -> None:
        self.address = address
        self.suggestions = suggestions
        nearest = ", ".join(suggestions) or "none"
        super().__init__(
            f"address {address!r} was not found; nearest known spellings: {nearest}"
        )


def locate(
    connection: duckdb.DuckDBPyConnection, addresses: Sequence[str]
) -> list[Place | None]:
    """Find each address among the known places; None where nothing is known.

    Tried in turn: the address itself, its number with another letter, its street, and
    a district of that name.
    """
    split = [street_and_number(address) for address in addresses]
    rows = connection.execute(
        LOCATE_SQL,
        {
            "positions": list(range(len(addresses))),
            "addresses": list(addresses),
            "streets": [street for street, _ in split],
            "numbers": [number for _, number in split],
        },
    ).fetchall()
    found = {position: Place(*columns) for position, *columns in rows}
    return [found.get(position) for position in range(len(addresses))]


def nearest_spellings(connection: duckdb.DuckDBPyConnection, address: str) -> list[str]:
    """Give known addresses, streets and districts spelt most like ``address``."""
    rows = connection.execute(
        SUGGEST_SQL, {"address": address, "limit": SUGGESTION_COUNT}
    ).fetchall()
    return [name for (name,) in rows]

"""Finding an address among the known places of a snapshot.

What belongs here: the gazetteer made of a snapshot, what a place found by it is called,
and the nearest spellings when there is none. What does not: how an address is read and
placed (``warehouse.geocoding``), and what a place is worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import computed_field

from ml.valuation.request import street_and_number
from warehouse.errors import SlutprisError
from warehouse.geocoding.gazetteer import add_addresses
from warehouse.geocoding.geocoder import DuckDBGeocoder
from warehouse.geocoding.protocol import GeocodeRequest
from warehouse.geocoding.sources import ATTRIBUTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

    from warehouse.geocoding.protocol import Geocoder, GeocodeResult

PlaceLevel = Literal["address", "street", "district"]
SUGGESTION_COUNT = 5
SURE_M = 150
"""A position less sure than this is left to be imputed, as the marts do
(``geocoded_uncertainty_m`` in ``dbt_project.yml``)."""

PLACED_BY = {
    "exact": "Placerad på adressen",
    "number": "Placerad vid numret, utan dess bokstav",
    "range": "Placerad mitt bland numren",
    "interpolated": "Placerad mellan grannumren",
    "nearest": "Placerad vid närmaste kända nummer",
    "street": "Placerad vid gatans mitt",
    "district": "Placerad vid områdets mitt",
}
"""What each precision is called where a person reads it."""

TEXT_KEY_SQL = "regexp_replace(lower(strip_accents({0})), '[^a-z0-9]', '', 'g')"
"""As dbt's ``text_key``: two spellings of one name are equal as keys."""

ADDRESS_SQL = r"""
    coalesce(
        nullif(regexp_extract(address, '^[^0-9]*[0-9]+(\s*[A-Za-z]\b)?'), ''), address
    )
"""
"""Street, number and letter without what may follow, as in dbt's ``address_key``."""

# Spelt as it is known, an address needs no geocoder: its sales say where it lies.
SPELT_RIGHT_SQL = f"""
    with asked as (
        select request_id, {TEXT_KEY_SQL.format(ADDRESS_SQL)} as address_key
        from {{requests}}
    )

    select
        asked.request_id, places.address, places.street, places.street_number,
        places.district, places.municipality, places.latitude, places.longitude,
        places.sale_count
    from asked
    inner join marts.places
        on places.place_level = 'address' and places.place_key = asked.address_key
"""
"""``requests`` stands for a relation of request_id and address."""

_ADDRESSES_SQL = """
    (
        select
            unnest($positions::integer[]) as request_id,
            unnest($addresses::varchar[]) as address
    )
"""
UNCERTAINTY_SQL = """
    select uncertainty_m from gazetteer.calibration where precision = 'exact'
"""
UNCALIBRATED_M = 25.0

_KNOWN_SQL = f"""
    create or replace temp table known_addresses as
    select
        address, null::varchar as municipality, district, latitude, longitude,
        'sales' as source, '{ATTRIBUTIONS["sales"]}' as attribution,
        null::double as spread_m
    from marts.places
    where place_level = 'address' and address is not null
"""
_OWN_GAZETTEER_SQL = """
    insert into known_addresses
    select
        address, municipality_key, district, latitude, longitude, source, attribution,
        spread_m
    from marts.gazetteer_addresses
"""

# The sales of the snapshot say which district a place lies in: those of its street,
# else (a street where nothing was sold yet) those around it.
_DESCRIBE_SQL = f"""
    with asked as (
        select
            *,
            {TEXT_KEY_SQL.format("street")} as street_key,
            {TEXT_KEY_SQL.format("street || number")} as address_key,
            {TEXT_KEY_SQL.format("written")} as district_key,
            try_cast(regexp_extract(number, '^[0-9]+') as integer) as found_number
        from (
            select
                unnest($positions::integer[]) as position,
                unnest($written::varchar[]) as written,
                unnest($streets::varchar[]) as street,
                unnest($numbers::varchar[]) as number,
                unnest($latitudes::double[]) as latitude,
                unnest($longitudes::double[]) as longitude
        )
    ),

    candidates as (
        select
            asked.position,
            if(asked.address_key = places.place_key, 1, 2) as rank,
            abs(places.street_number - asked.found_number) as distance,
            places.*
        from asked
        inner join marts.places
            on
                places.place_level = 'address'
                and {TEXT_KEY_SQL.format("places.street")} = asked.street_key
        union all by name
        select asked.position, 3 as rank, 0 as distance, places.*
        from asked
        inner join marts.places
            on places.place_level = 'district' and places.place_key = asked.district_key
        where asked.street is null
        union all by name
        -- a street of the user's gazetteer where nothing was sold: its neighbours'
        select
            asked.position,
            4 as rank,
            abs(places.latitude - asked.latitude)
            + abs(places.longitude - asked.longitude) / 2 as distance,
            places.*
        from asked
        inner join marts.places
            on
                places.place_level = 'address'
                and places.latitude
                between asked.latitude - 0.005 and asked.latitude + 0.005
                and places.longitude
                between asked.longitude - 0.01 and asked.longitude + 0.01
        where asked.street is not null
    )

    select
        asked.position, nearest.rank, nearest.address, asked.found_number,
        nearest.district, nearest.municipality, nearest.sale_count
    from asked
    left join (
        from candidates
        qualify row_number() over (
            partition by position
            order by rank, distance nulls last, sale_count desc, place_key
        ) = 1
    ) as nearest using (position)
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
    """Where an address was located, and how precisely: address, street or district.

    ``precision`` is the geocoder's step that answered, ``uncertainty_m`` the radius in
    metres that holds the true place in 95 of 100 such answers, and ``attribution``
    whom to credit where the place is shown.
    """

    level: PlaceLevel
    address: str | None
    street: str | None
    street_number: int | None
    district: str | None
    municipality: str | None
    latitude: float | None
    longitude: float | None
    sale_count: int
    precision: str | None = None
    uncertainty_m: float | None = None
    attribution: str | None = None

    @computed_field
    @property
    def placed(self) -> str | None:
        """How precisely, in Swedish: "Placerad mellan grannumren, ± 60 m"."""
        if self.precision is None or self.uncertainty_m is None:
            return None
        step = PLACED_BY.get(self.precision, "Placerad")
        return f"{step}, ± {self.uncertainty_m:.0f} m"

    @property
    def is_sure(self) -> bool:
        """Whether its position says more of the home than its street's middle."""
        return self.level == "address" and (self.uncertainty_m or 0) <= SURE_M


class AddressNotFoundError(SlutprisError):
    """No known place is spelt so; ``suggestions`` holds the nearest spellings."""

    def __init__(self, address: str, suggestions: list[str]) -> None:
        self.address = address
        self.suggestions = suggestions
        nearest = ", ".join(suggestions) or "none"
        super().__init__(
            f"address {address!r} was not found; nearest known spellings: {nearest}"
        )


def build_gazetteer(connection: duckdb.DuckDBPyConnection) -> None:
    """Make a gazetteer in memory of a snapshot's places and the user's own addresses.

    Parameters
    ----------
    connection
        To an open snapshot, which every cursor of it then can locate by.
    """
    connection.execute(_KNOWN_SQL)
    has_own = connection.execute(
        "select 1 from duckdb_views() where schema_name = 'marts' "
        "and view_name = 'gazetteer_addresses'"
    ).fetchall()
    if has_own:
        connection.execute(_OWN_GAZETTEER_SQL)
    add_addresses(connection, "known_addresses")
    connection.execute("drop table known_addresses")


def locate(
    connection: duckdb.DuckDBPyConnection,
    addresses: Sequence[str],
    geocoder: Geocoder | None = None,
    places: dict[int, Place] | None = None,
) -> list[Place | None]:
    """Find each address, however it is written; None where nothing is known.

    Parameters
    ----------
    connection
        To a snapshot whose gazetteer is built (`build_gazetteer`).
    geocoder
        Who places the addresses; the snapshot's own gazetteer when None.
    places
        Those of the addresses that are spelt right, by position; asked for when None.
    """
    if places is None:
        places = _spelt_right(connection, addresses)
    if others := [n for n in range(len(addresses)) if n not in places]:
        asked = [addresses[n] for n in others]
        results = (geocoder or DuckDBGeocoder(connection)).geocode(
            [GeocodeRequest(each, district=_district(each)) for each in asked]
        )
        named = _named(connection, asked, results)
        places |= {others[position]: place for position, place in named.items()}
    return [places.get(n) for n in range(len(addresses))]


def spelt_right(known: Mapping[str, Any], uncertainty_m: float) -> Place:
    """Make the place of an address that is known, of a row of ``SPELT_RIGHT_SQL``."""
    return Place(
        level="address",
        precision="exact",
        uncertainty_m=uncertainty_m,
        attribution=ATTRIBUTIONS["sales"],
        **known,
    )


def exact_uncertainty_m(connection: duckdb.DuckDBPyConnection) -> float:
    """Give how far an exact address may be off, as the gazetteer is calibrated."""
    rows = connection.execute(UNCERTAINTY_SQL).fetchall()
    return rows[0][0] if rows else UNCALIBRATED_M


def _spelt_right(
    connection: duckdb.DuckDBPyConnection, addresses: Sequence[str]
) -> dict[int, Place]:
    uncertainty_m = exact_uncertainty_m(connection)
    cursor = connection.execute(
        SPELT_RIGHT_SQL.format(requests=_ADDRESSES_SQL),
        {"positions": list(range(len(addresses))), "addresses": list(addresses)},
    )
    names = [column[0] for column in cursor.description or []][1:]
    return {
        position: spelt_right(dict(zip(names, row, strict=True)), uncertainty_m)
        for position, *row in cursor.fetchall()
    }


def _named(
    connection: duckdb.DuckDBPyConnection,
    addresses: Sequence[str],
    results: Sequence[GeocodeResult],
) -> dict[int, Place]:
    """Say of each result which street, district and municipality it is."""
    found = [n for n, result in enumerate(results) if result.latitude is not None]
    rows = connection.execute(
        _DESCRIBE_SQL,
        {
            "positions": found,
            "written": [_district(addresses[n]) for n in found],
            "streets": [results[n].street for n in found],
            "numbers": [results[n].number for n in found],
            "latitudes": [results[n].latitude for n in found],
            "longitudes": [results[n].longitude for n in found],
        },
    ).fetchall()
    return {n: _place(addresses[n], results[n], *row) for n, *row in rows}


def _district(address: str) -> str | None:
    """Give what may name a district: what follows the last comma, or all of it."""
    name = address.rpartition(",")[2].strip()
    return None if any(c.isdigit() for c in name) else name or None


def _place(
    written: str,
    result: GeocodeResult,
    rank: int | None,
    known_address: str | None,
    found_number: int | None,
    district: str | None,
    municipality: str | None,
    sale_count: int | None,
) -> Place:
    """Name a result: by the sales there, else by what was asked."""
    level: PlaceLevel = "address"
    if result.precision in ("street", "district"):
        level = result.precision
    number = found_number if level == "address" else street_and_number(written)[1]
    is_known = rank == 1
    address = known_address if is_known else None
    if address is None and result.street:
        house = result.number or number
        address = f"{result.street} {house}" if house else result.street
    return Place(
        level=level,
        address=address,
        street=result.street,
        street_number=number,
        district=district or _district(written),
        municipality=municipality,
        latitude=result.latitude,
        longitude=result.longitude,
        sale_count=(sale_count or 0) if is_known else 0,
        precision=result.precision,
        uncertainty_m=result.uncertainty_m,
        attribution=result.attribution,
    )


def nearest_spellings(connection: duckdb.DuckDBPyConnection, address: str) -> list[str]:
    """Give known addresses, streets and districts spelt most like ``address``."""
    rows = connection.execute(
        SUGGEST_SQL, {"address": address, "limit": SUGGESTION_COUNT}
    ).fetchall()
    return [name for (name,) in rows]

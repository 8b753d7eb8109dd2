"""The gazetteer: known addresses and their places, as tables of the warehouse.

What belongs here: adding addresses, and deriving what matching needs from them. What
does not: reading files (see ``sources``) and answering questions (see ``geocoder``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.store import transaction

if TYPE_CHECKING:
    import duckdb

SOURCES = ("lantmateriet", "osm", "csv", "cards", "sales")
"""Whom to believe first, where two sources know the same address."""

BUNDLED_DISTRICTS = Path(__file__).with_name("gazetteer_districts.csv")
"""Names and centres of Stockholm's districts, of the city's polygons (CC0)."""

_ADD_BUNDLED = """
insert or ignore into gazetteer.centres
select place_key(name), name, latitude, longitude, source
from read_csv($path, header = true)
"""
_ADD = """
create or replace temp table arriving as
with cleaned as (
    select *, unspaced(clean_address(address)) as cleaned
    from {relation}
    where latitude between -90 and 90 and longitude between -180 and 180
),

parsed as (
    select *, address_parts(cleaned) as parts, street_of(cleaned) as low_street
    from cleaned
),

numbered as (
    select
        *,
        -- 5-7 is a place for 5 and for 7, where they have none of their own.
        unnest(range(number_of(parts), coalesce(number_to_of(parts),
            number_of(parts)) + 1, 2)) as number,
        number_to_of(parts) is not null as is_range
    from parsed
    where low_street <> '' and number_of(parts) is not null
)

select
    place_key(municipality) as municipality_key,
    letters_of(low_street) as street_key,
    if(
        lower(left(trim(nfc_normalize(address)), len(low_street))) = low_street,
        left(trim(nfc_normalize(address)), len(low_street)), low_street
    ) as street,
    number::integer as number,
    if(is_range, '', letter_of(parts)) as letter,
    latitude, longitude, district, source, attribution, spread_m, is_range
from numbered
where letters_of(low_street) <> ''
qualify row_number() over (
    partition by municipality_key, street_key, number, letter
    order by is_range, spread_m nulls last, latitude, longitude
) = 1;
"""

_REPLACE_LESSER = """
delete from gazetteer.addresses as old using arriving as new
where old.municipality_key = new.municipality_key
    and old.street_key = new.street_key
    and old.number = new.number and old.letter = new.letter
    and not new.is_range
    and list_position($sources, new.source) <= list_position($sources, old.source)
"""


def load_macros(connection: duckdb.DuckDBPyConnection) -> None:
    """Define, for this connection, how addresses are read."""
    connection.execute(statement("address"))


def create_gazetteer(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the gazetteer where it is missing; changes no address that exists."""
    load_macros(connection)
    connection.execute(statement("gazetteer"))
    connection.execute(_ADD_BUNDLED, {"path": str(BUNDLED_DISTRICTS)})
    if not has_gazetteer(connection):
        connection.execute(statement("derived"))


def has_gazetteer(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the warehouse has a gazetteer, be it empty."""
    return bool(
        connection.execute(
            "select 1 from duckdb_tables() "
            "where schema_name = 'gazetteer' and table_name = 'version'"
        ).fetchall()
    )


def add_addresses(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    """Add a relation's addresses, derive anew, and return how many addresses it gave.

    Parameters
    ----------
    relation
        Name of a table or view of `address`, `municipality`, `district` (varchar),
        `latitude`, `longitude` (WGS84 degrees), `source` (one of `SOURCES`),
        `attribution`, `spread_m` (metres). Rows without street, number or place
        give nothing.
    """
    create_gazetteer(connection)
    with transaction(connection):
        connection.execute(_ADD.format(relation=relation))
        connection.execute(_REPLACE_LESSER, {"sources": list(SOURCES)})
        connection.execute(
            "insert or ignore into gazetteer.addresses "
            "select * exclude (is_range) from arriving"
        )
        connection.execute(statement("derived"))
    return connection.execute("select count(*) from arriving").fetchall()[0][0]


def gazetteer_version(connection: duckdb.DuckDBPyConnection) -> str:
    """Sha256 of the addresses, sorted: the same content has the same version."""
    return connection.execute(
        "select gazetteer_version from gazetteer.version"
    ).fetchall()[0][0]


def statement(name: str) -> str:
    """The SQL of one file beside this one."""
    return Path(__file__).with_name(f"{name}.sql").read_text(encoding="utf-8")

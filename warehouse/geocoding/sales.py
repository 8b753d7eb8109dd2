"""Places for the sales that came without one: ``raw.geocoded_addresses``.

What belongs here: which addresses are asked, and keeping the answers. What does not:
answering (see ``geocoder``), and whether an answer is sure enough for a sale (dbt).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.geocoding.gazetteer import gazetteer_version, statement
from warehouse.geocoding.geocoder import geocode_table, require_gazetteer
from warehouse.store import create_raw_tables, transaction

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class GeocodedSales:
    """How many addresses were asked now, and how many of them were placed."""

    asked_count: int
    placed_count: int
    gazetteer_version: str


def geocode_sales(connection: duckdb.DuckDBPyConnection) -> GeocodedSales:
    """Geocode the addresses of raw sales without a position, those not yet asked.

    An address is asked once of each version of the gazetteer; a miss is kept too. One
    that sales of several municipalities share is not asked: its key cannot tell them
    apart.

    Raises
    ------
    SlutprisError
        When the warehouse has no gazetteer.
    """
    create_raw_tables(connection)
    require_gazetteer(connection)
    version = gazetteer_version(connection)
    connection.execute(statement("unplaced_sales"), {"version": version})
    geocode_table(connection, "unplaced_sales")
    with transaction(connection):
        connection.execute(statement("geocoded_sales"), {"version": version})
    asked, placed = connection.execute(
        "select count(*), count(latitude) from geocoded"
    ).fetchall()[0]
    return GeocodedSales(asked, placed, version)

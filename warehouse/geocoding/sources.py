"""Where addresses come from: files a user has, and the crawl's own cards.

What belongs here: one function per kind of source, each adding to the gazetteer. What
does not: what an address means (``address.sql``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from warehouse.errors import SlutprisError
from warehouse.geocoding.gazetteer import add_addresses
from warehouse.geocoding.geopackage import read_geopackage
from warehouse.geocoding.osm import read_osm

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ATTRIBUTIONS = {
    "osm": "© OpenStreetMap contributors, ODbL",
    "lantmateriet": "© Lantmäteriet, Belägenhetsadress",
    "csv": "address file of the user",
    "cards": "booli.se",
    "sales": "earlier sales",
}

_SCHEMA = pa.schema(
    [
        ("address", pa.string()),
        ("municipality", pa.string()),
        ("latitude", pa.float64()),
        ("longitude", pa.float64()),
    ]
)
_BATCH_ROWS = 100_000

_CSV_NAMES = {
    "address": ("address", "address_norm"),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon"),
    "municipality": ("municipality",),
    "district": ("district",),
    "spread_m": ("spread_m", "max_dev_m"),
}


def add_file(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Add a file's addresses to the gazetteer; returns how many it gave.

    Raises
    ------
    SlutprisError
        When the file is missing, of no known kind, or not what its name says.
    """
    if not path.is_file():
        raise SlutprisError(f"there is no file {path}; name a .csv, .pbf or .gpkg file")
    if path.suffix == ".csv":
        return _add_csv(connection, path)
    if path.suffix == ".pbf":
        return _add_places(connection, read_osm(path), "osm")
    if path.suffix == ".gpkg":
        return _add_places(connection, read_geopackage(path), "lantmateriet")
    raise SlutprisError(
        f"{path} is of no known kind; a gazetteer is built from .csv, .pbf (OSM) "
        "and .gpkg (Belägenhetsadress)"
    )


def add_cards(connection: duckdb.DuckDBPyConnection) -> int:
    """Add the crawl's own cards: where the site puts each address it has shown."""
    connection.execute(
        """
        create or replace temp view source_addresses as
        select
            street_address as address,
            municipality_name as municipality,
            mode(descriptive_area_name) as district,
            median(latitude) as latitude,
            median(longitude) as longitude,
            'cards' as source,
            $attribution as attribution,
            null::double as spread_m
        from raw.sale_cards
        where latitude is not null and longitude is not null
            and street_address is not null
        group by street_address, municipality_name
        """.replace("$attribution", _quoted(ATTRIBUTIONS["cards"]))
    )
    return add_addresses(connection, "source_addresses")


def _add_csv(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    try:
        file = connection.read_csv(str(path), header=True)
    except duckdb.Error as error:
        raise SlutprisError(
            f"{path} cannot be read as CSV: {str(error).splitlines()[0]}"
        ) from error
    connection.execute(
        "create or replace temp view source_addresses as "
        f"select {_csv_columns(path, file.columns)} from read_csv("
        f"{_quoted(str(path))}, header = true)"
    )
    try:
        return add_addresses(connection, "source_addresses")
    except (duckdb.ConversionException, duckdb.InvalidInputException) as error:
        raise SlutprisError(
            f"{path} has a value of the wrong kind: {str(error).splitlines()[0]}"
        ) from error


def _csv_columns(path: Path, present: list[str]) -> str:
    found = {
        ours: next((name for name in theirs if name in present), None)
        for ours, theirs in _CSV_NAMES.items()
    }
    for ours in ("address", "latitude", "longitude"):
        if found[ours] is None:
            raise SlutprisError(
                f"{path} has no column {' or '.join(_CSV_NAMES[ours])} (it has "
                f"{', '.join(present)}); name the column so in its first line"
            )
    columns = [
        f'"{name}"::{_type_of(ours)} as {ours}'
        if name
        else f"null::{_type_of(ours)} as {ours}"
        for ours, name in found.items()
    ]
    source = _quoted(ATTRIBUTIONS["csv"])
    return ", ".join([*columns, "'csv' as source", f"{source} as attribution"])


def _type_of(column: str) -> str:
    is_text = column in ("address", "municipality", "district")
    return "varchar" if is_text else "double"


def _add_places(
    connection: duckdb.DuckDBPyConnection,
    places: Iterable[tuple[str, str | None, float, float]],
    source: str,
) -> int:
    # In batches: the country's 3.4 million addresses are no Python list.
    connection.execute(
        "create or replace temp table source_places (address varchar, "
        "municipality varchar, latitude double, longitude double)"
    )
    for batch in _batches(places):
        connection.register("source_batch", batch)
        connection.execute("insert into source_places select * from source_batch")
        connection.unregister("source_batch")
    connection.execute(
        "create or replace temp view source_addresses as "
        f"select *, null::varchar as district, '{source}' as source, "
        f"{_quoted(ATTRIBUTIONS[source])} as attribution, null::double as spread_m "
        "from source_places"
    )
    return add_addresses(connection, "source_addresses")


def _batches(
    places: Iterable[tuple[str, str | None, float, float]],
) -> Iterable[pa.Table]:
    rows = []
    for place in places:
        rows.append(dict(zip(_SCHEMA.names, place, strict=True)))
        if len(rows) == _BATCH_ROWS:
            yield pa.Table.from_pylist(rows, _SCHEMA)
            rows = []
    yield pa.Table.from_pylist(rows, _SCHEMA)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

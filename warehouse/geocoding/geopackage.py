"""Addresses of Lantmäteriet's Belägenhetsadress, a GeoPackage (a SQLite file).

What belongs here: reading the file and its points. What does not: the projection.

Binary format: OGC 12-128r18, "GeoPackage Encoding Standard", clause 2.1.3.
"""

from __future__ import annotations

import sqlite3
import struct
from contextlib import closing
from typing import TYPE_CHECKING

from warehouse.errors import SlutprisError
from warehouse.geocoding.sweref import to_wgs84

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ENVELOPE_BYTES = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}
_NAMES = {
    "street": ("adressomrade_faststalltnamn", "adressomrade", "street"),
    "number": ("adressplatsnummer", "adressplats", "number"),
    "letter": ("bokstavstillagg", "letter"),
    "municipality": ("kommunnamn", "municipality"),
}


def read_geopackage(path: Path) -> Iterator[tuple[str, str | None, float, float]]:
    """Address, municipality, latitude and longitude (WGS84) of every point.

    Raises
    ------
    SlutprisError
        When the file is no GeoPackage of addresses in SWEREF 99 TM or WGS84.
    """
    try:
        with closing(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        ) as file:
            yield from _addresses(path, file)
    except sqlite3.DatabaseError as error:
        raise SlutprisError(
            f"{path} cannot be read as a GeoPackage: {error}"
        ) from error


def _addresses(
    path: Path, file: sqlite3.Connection
) -> Iterator[tuple[str, str | None, float, float]]:
    layers = file.execute(
        "select table_name, column_name, srs_id from gpkg_geometry_columns"
    ).fetchall()
    for table, geometry, reference in layers:
        columns = [row[1] for row in file.execute(f'pragma table_info("{table}")')]
        names = {
            ours: next((name for name in theirs if name in columns), None)
            for ours, theirs in _NAMES.items()
        }
        if names["street"] and names["number"]:
            wanted = ", ".join(f'"{n}"' if n else "null" for n in names.values())
            rows = file.execute(f'select "{geometry}", {wanted} from "{table}"')
            yield from _rows(path, rows, reference)
            return
    raise SlutprisError(
        f"{path} has no layer of addresses: expected columns "
        f"{_NAMES['street'][0]} and {_NAMES['number'][0]}, as in Belägenhetsadress"
    )


def _rows(
    path: Path, rows: sqlite3.Cursor, reference: int
) -> Iterator[tuple[str, str | None, float, float]]:
    for row, (blob, street, number, letter, municipality) in enumerate(rows, start=1):
        if blob is None or not street or number is None:
            continue
        address = f"{street} {number}{letter or ''}"
        yield address, municipality, *_place(f"{path}, row {row}", blob, reference)


def _place(where: str, blob: bytes, reference: int) -> tuple[float, float]:
    easting, northing = _point(where, blob)
    if reference == 3006:
        return to_wgs84(northing, easting)
    if reference == 4326:
        return northing, easting
    raise SlutprisError(
        f"{where}: reference system {reference} is not known; "
        "order the file in SWEREF 99 TM (3006)"
    )


def _point(where: str, blob: bytes) -> tuple[float, float]:
    """East and north of a GeoPackage blob: header, envelope, then a WKB point."""
    try:
        if blob[:2] != b"GP":
            raise KeyError(blob[:2])
        start = 8 + _ENVELOPE_BYTES[blob[3] >> 1 & 7]
        order = "<" if blob[start] else ">"
        kind, east, north = struct.unpack_from(f"{order}Idd", blob, start + 1)
    except (KeyError, IndexError, struct.error) as error:
        raise SlutprisError(f"{where}: the geometry is damaged") from error
    # 1001, 2001, 3001 are points with height or measure.
    if kind % 1000 != 1 and kind & 0xFF != 1:
        raise SlutprisError(f"{where}: expected a point, found geometry type {kind}")
    return east, north

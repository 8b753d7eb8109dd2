"""Landing places of a user's own in the raw tables, whole files in one transaction.

What belongs here: which reader a file gets, and the rows' way to the raw tables. What
does not: the formats (``geojson``, ``gtfs``), and which file counts (dbt's staging).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from warehouse.errors import SlutprisError
from warehouse.places.geojson import NAME_PROPERTY, read_districts
from warehouse.places.gtfs import BESIDE, Kind, read_stations
from warehouse.store import create_raw_tables, transaction

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

ENDINGS = {
    ".geojson": "districts",
    ".json": "districts",
    ".txt": "stations",
    ".zip": "stations",
}


@dataclass(frozen=True)
class LandedPlaces:
    """What became of one file of places."""

    content: str
    """``districts`` or ``stations``."""
    row_count: int
    is_new: bool
    """False when the very same file, read the same way, had landed before."""


def land_places(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    *,
    kind: Kind | None = None,
    name_property: str = NAME_PROPERTY,
) -> LandedPlaces:
    """Land district polygons or stations; the same file again changes nothing.

    Parameters
    ----------
    connection
        To the warehouse, for writing.
    path
        A ``.geojson``, a ``stops.txt``, or a GTFS ``.zip``.
    kind
        Of every station of a GTFS file; told by the routes when None.
    name_property
        The GeoJSON property that names a district.

    Raises
    ------
    SlutprisError
        When the file is missing or not what its name says. Nothing has landed.
    """
    content = _content(path)
    if content == "districts" and kind:
        raise SlutprisError(f"{path} has districts; --kind is for stations of GTFS")
    read_as = name_property if content == "districts" else kind or "route_type"
    file_sha256 = _sha256(path, with_beside=path.suffix == ".txt" and kind is None)
    with transaction(connection):
        create_raw_tables(connection)
        known = connection.execute(
            "select row_count from raw.landed_places"
            " where file_sha256 = ? and read_as = ?",
            [file_sha256, read_as],
        ).fetchall()
        if known:
            return LandedPlaces(content, known[0][0], is_new=False)
        rows = (
            _district_rows(path, name_property)
            if content == "districts"
            else _station_rows(path, kind)
        )
        _write(connection, content, [file_sha256, read_as, path.name], rows)
    return LandedPlaces(content, len(rows), is_new=True)


def _write(
    connection: duckdb.DuckDBPyConnection,
    content: str,
    origin: list[str],
    rows: list[list[object]],
) -> None:
    loaded_at = _loading_time(connection)
    table = "district_polygons" if content == "districts" else "stops"
    marks = ", ".join("?" * (len(origin) + len(rows[0]) + 1))
    connection.executemany(
        f"insert into raw.{table} values ({marks})",
        [[*origin, *row, loaded_at] for row in rows],
    )
    connection.execute(
        "insert into raw.landed_places values (?, ?, ?, ?, ?)",
        [*origin, len(rows), loaded_at],
    )


def _content(path: Path) -> str:
    if not path.is_file():
        raise SlutprisError(f"there is no file {path}; name a .geojson or GTFS file")
    try:
        return ENDINGS[path.suffix.lower()]
    except KeyError as error:
        raise SlutprisError(
            f"{path} is of no known kind; expected .geojson (districts), stops.txt or "
            "a GTFS .zip (stations)"
        ) from error


def _sha256(path: Path, *, with_beside: bool) -> str:
    """Hash the file, with those that tell the kinds of its stops where they do."""
    digest = hashlib.sha256()
    beside = [path.with_name(name) for name in BESIDE] if with_beside else []
    for file in [path, *beside]:
        if file.is_file():
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _district_rows(path: Path, name_property: str) -> list[list[object]]:
    return [
        [district.feature_number, district.name, district.polygons]
        for district in read_districts(path, name_property)
    ]


def _station_rows(path: Path, kind: Kind | None) -> list[list[object]]:
    return [list(station) for station in read_stations(path, kind)]


def _loading_time(connection: duckdb.DuckDBPyConnection) -> datetime:
    # A clock set back must not make a new file older than a landed one: newest counts.
    now = datetime.now(UTC).replace(tzinfo=None)
    rows = connection.execute("select max(loaded_at) from raw.landed_places").fetchall()
    newest = rows[0][0]
    return newest + timedelta(microseconds=1) if newest and newest >= now else now

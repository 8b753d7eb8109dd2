"""Stations of metro and commuter rail out of a GTFS feed.

What belongs here: reading ``stops.txt`` and, for the kind of traffic, the files beside
it. What does not: where the stations land (``landing``).
"""

from __future__ import annotations

import zipfile
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, get_args

import duckdb

from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Generator

Kind = Literal["metro", "commuter_rail"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# https://gtfs.org/schedule/reference/#routestxt and Google's extended types, which
# Trafiklab's feeds use: 401 metro; 100 railway, 103 interregional, 106 regional,
# 109 suburban.
ROUTE_TYPES: dict[Kind, tuple[int, ...]] = {
    "metro": (1, 400, 401, 402),
    "commuter_rail": (2, 100, 103, 106, 109),
}
BESIDE = ("routes.txt", "trips.txt", "stop_times.txt")
COLUMNS = {
    "stops.txt": ("stop_id", "stop_name", "stop_lat", "stop_lon"),
    "routes.txt": ("route_id", "route_type"),
    "trips.txt": ("trip_id", "route_id"),
    "stop_times.txt": ("trip_id", "stop_id"),
}

_STATIONS = """
select station.stop_id, station.stop_name, {kind} as kind,
    try_cast(station.stop_lat as double) as latitude,
    try_cast(station.stop_lon as double) as longitude
from stops as called
inner join stops as station
    on coalesce(nullif(called.parent_station, ''), called.stop_id) = station.stop_id
{served}
group by all
order by kind, station.stop_id
"""

_SERVED = """
inner join stop_times on called.stop_id = stop_times.stop_id
inner join trips on stop_times.trip_id = trips.trip_id
inner join routes on trips.route_id = routes.route_id
where {kind} is not null
"""


def read_stations(
    path: Path, kind: Kind | None = None
) -> list[tuple[str, str, Kind, float, float]]:
    """Read the stations of a feed: id, name, kind, latitude, longitude.

    A platform counts as its station (``parent_station``). Without ``kind`` the types of
    the routes that call there tell it; with it every station is of that kind.

    Raises
    ------
    SlutprisError
        When a file or a column is missing, a position is bad, or no station is found.
    """
    with _folder(path) as folder, duckdb.connect() as connection:
        beside = BESIDE if kind is None else ()
        stops = folder / "stops.txt" if path.suffix == ".zip" else path
        _open(connection, path, stops, "stops")
        for name in beside:
            _open(connection, path, folder / name, Path(name).stem)
        rows = connection.execute(_query(kind)).fetchall()
    if not rows:
        raise SlutprisError(
            f"{path} has no station of metro or commuter rail (route_type "
            f"{ROUTE_TYPES}); is it the right feed?"
        )
    for stop_id, name, _, latitude, longitude in rows:
        _check(path, stop_id, name, latitude, longitude)
    return rows


def _query(kind: Kind | None) -> str:
    if kind is not None:
        return _STATIONS.format(kind=f"'{kind}'", served="")
    cases = " ".join(
        f"when try_cast(routes.route_type as integer) in {types} then '{of_kind}'"
        for of_kind, types in ROUTE_TYPES.items()
    )
    told = f"case {cases} end"
    return _STATIONS.format(kind=told, served=_SERVED.format(kind=told))


@contextmanager
def _folder(path: Path) -> Generator[Path]:
    """Give the feed as a folder; of an archive only the files needed are unpacked."""
    if path.suffix != ".zip":
        yield path.parent
        return
    with TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                for name in set(COLUMNS) & set(archive.namelist()):
                    archive.extract(name, folder)
        except (zipfile.BadZipFile, OSError) as error:
            raise SlutprisError(f"{path} cannot be unpacked: {error}") from error
        yield Path(folder)


def _open(
    connection: duckdb.DuckDBPyConnection, feed: Path, file: Path, table: str
) -> None:
    """Open a file of the feed as a view of its name, with the columns it must have."""
    if not file.is_file():
        hint = "" if table == "stops" else " beside it; add it, or say --kind"
        raise SlutprisError(f"{feed} has no {table}.txt{hint}")
    quoted = str(file).replace("'", "''")
    try:
        connection.execute(
            f"create view {table}_file as select * from read_csv('{quoted}', "
            "header = true, all_varchar = true, delim = ',', quote = '\"')"
        )
        described = connection.execute(f"describe {table}_file").fetchall()
    except duckdb.Error as error:
        raise SlutprisError(
            f"{feed}: {file.name} is no CSV: {str(error).splitlines()[0]}"
        ) from error
    present = [row[0] for row in described]
    for column in COLUMNS[f"{table}.txt"]:
        if column not in present:
            raise SlutprisError(
                f"{feed}: {file.name} has no column {column} (it has "
                f"{', '.join(present)}); is it GTFS?"
            )
    optional = "parent_station" not in present and table == "stops"
    extra = ", '' as parent_station" if optional else ""
    connection.execute(f"create view {table} as select *{extra} from {table}_file")


def _check(
    path: Path,
    stop_id: str | None,
    name: str | None,
    latitude: float | None,
    longitude: float | None,
) -> None:
    if not stop_id or not name or not name.strip():
        raise SlutprisError(f"{path}: stop {stop_id!r} has no stop_name")
    is_position = latitude is not None and longitude is not None
    if not (is_position and abs(latitude) <= 90 and abs(longitude) <= 180):
        raise SlutprisError(
            f"{path}: stop {stop_id} has stop_lat {latitude}, stop_lon {longitude}; "
            "expected degrees of WGS 84"
        )

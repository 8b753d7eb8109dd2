"""What homes learn from the places around them, bundled or of the user's own."""

from __future__ import annotations

import csv
import json
import math
import random
import shutil
from datetime import date
from typing import TYPE_CHECKING

import pytest
from test_dbt_project import run_dbt, write_warehouse

from warehouse.places.landing import land_places
from warehouse.settings import PROJECT_ROOT
from warehouse.store import connect, create_raw_tables

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

# Vasastan (a square with a hole), its eastern neighbour, which shares a border of two
# straight parts, and an area of two polygons, one of them in the hole.
WEST = [[18.0, 59.30], [18.1, 59.30], [18.11, 59.35], [18.1, 59.40], [18.0, 59.40]]
HOLE = [[18.02, 59.32], [18.02, 59.34], [18.06, 59.34], [18.06, 59.32]]
EAST = [[18.1, 59.30], [18.2, 59.30], [18.2, 59.40], [18.1, 59.40], [18.11, 59.35]]
ISLAND = [[18.03, 59.325], [18.05, 59.325], [18.05, 59.335], [18.03, 59.335]]
FAR = [[17.8, 59.30], [17.85, 59.30], [17.85, 59.35]]

TRUTH = {
    "in the west": (59.31, 18.05, "vast"),
    "in the hole": (59.322, 18.03, None),
    "in the island in the hole": (59.33, 18.04, "oar"),
    "in the other polygon": (59.31, 17.84, "oar"),
    "above its slope": (59.34, 17.81, None),
    "in the east": (59.38, 18.15, "ost"),
    "west of the bend of the border": (59.35, 18.109, "vast"),
    "on the bend of the border": (59.35, 18.11, "ost"),
    "east of it": (59.35, 18.111, "ost"),
    "north of both": (59.41, 18.05, None),
    "nowhere": (None, None, None),
}


def closed(ring: list[list[float]]) -> list[list[float]]:
    return [*ring, ring[0]]


def feature(name: object, kind: str, coordinates: object) -> dict[str, object]:
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "properties": {"namn": name}, "geometry": geometry}


def write_districts(path: Path, *features: object) -> Path:
    collection = {"type": "FeatureCollection", "features": features}
    path.write_text(json.dumps(collection), encoding="utf-8")
    return path


def three_districts(folder: Path) -> Path:
    return write_districts(
        folder / "districts.geojson",
        feature("Väst", "Polygon", [closed(WEST), closed(HOLE)]),
        feature("ÖST", "Polygon", [closed(EAST)]),
        feature("Öar", "MultiPolygon", [[closed(ISLAND)], [closed(FAR)]]),
    )


def metres(point: tuple[float, float], other: tuple[float, float]) -> float:
    """Give the great circle's length, by the cosine rule of the sphere."""
    (north, east), (other_north, other_east) = (
        [math.radians(degrees) for degrees in place] for place in (point, other)
    )
    cosine = math.sin(north) * math.sin(other_north) + math.cos(north) * math.cos(
        other_north
    ) * math.cos(east - other_east)
    return 6371008.8 * math.acos(min(1.0, cosine))


def surroundings(
    connection: duckdb.DuckDBPyConnection,
    points: list[tuple[float | None, float | None]],
    on: date = date(2016, 3, 1),
) -> list[tuple[object, ...]]:
    """Distances to metro, rail, centre; district; cell: in the order of the points."""
    connection.execute(
        """
        create or replace temp table asked (
            request_id integer, latitude double, longitude double
        )
        """
    )
    connection.executemany(
        "insert into asked values (?, ?, ?)",
        [[number, *point] for number, point in enumerate(points)],
    )
    connection.execute(
        """
        create or replace temp table requests as
        select
            request_id, $on::date as sold_date, null as address, null as district,
            null as agency, 50 as living_area_m2, null as rooms, null as floor,
            null as construction_year, null as fee_sek_per_month,
            null as operating_cost_sek_per_month, latitude, longitude,
            null as brf_name, null as residence_id
        from asked
        """,
        {"on": on},
    )
    return connection.execute(
        """
        select
            metro_distance_m, commuter_rail_distance_m, centre_distance_m,
            city_district, grid_cell
        from marts.features_of('requests')
        order by request_id::integer
        """
    ).fetchall()


@pytest.fixture(scope="module")
def built_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with the bundled places alone."""
    folder = tmp_path_factory.mktemp("bundled")
    write_warehouse(folder)
    run_dbt("build", "--resource-type", "seed", "model", data_dir=folder)
    return folder


@pytest.fixture(scope="module")
def own_dir(built_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with districts and metro stations of the user's own."""
    folder = tmp_path_factory.mktemp("own")
    shutil.copy(built_dir / "warehouse.duckdb", folder)
    (folder / "stops.txt").write_text(
        "stop_id,stop_name,stop_lat,stop_lon\n1,Ny,59.31,18.05\n", encoding="utf-8"
    )
    with connect(folder / "warehouse.duckdb") as connection:
        land_places(connection, three_districts(folder), name_property="namn")
        land_places(connection, folder / "stops.txt", kind="metro")
    run_dbt(
        "build",
        "--resource-type",
        "model",
        "--select",
        "stg_stations+",
        "stg_district_polygons+",
        data_dir=folder,
    )
    return folder


def test_point_in_polygon_with_hole_islands_and_shared_border(own_dir: Path) -> None:
    points = [(north, east) for north, east, _ in TRUTH.values()]

    with connect(own_dir / "warehouse.duckdb", read_only=True) as connection:
        found = surroundings(connection, points)

    assert dict(zip(TRUTH, [row[3] for row in found], strict=True)) == {
        name: district for name, (_, _, district) in TRUTH.items()
    }


def test_every_point_of_a_shared_border_has_one_district(own_dir: Path) -> None:
    shares = [number / 500 for number in range(500)]
    points = [(59.30 + 0.05 * share, 18.1 + 0.01 * share) for share in shares]

    with connect(own_dir / "warehouse.duckdb", read_only=True) as connection:
        found = surroundings(connection, points)

    assert {row[3] for row in found} <= {"vast", "ost"}


def test_own_places_replace_the_bundled_ones_of_their_kind(own_dir: Path) -> None:
    with connect(own_dir / "warehouse.duckdb", read_only=True) as connection:
        counts = connection.execute(
            "select kind, count(*) from marts.stations group by all order by all"
        ).fetchall()
        districts = connection.execute(
            "select district from marts.district_areas where has_polygon order by all"
        ).fetchall()
        distance_m = surroundings(connection, [(59.31, 18.05)])[0][0]

    assert counts[0][0] == "commuter_rail"
    assert counts[0][1] > 30
    assert counts[1] == ("metro", 1)
    assert districts == [("Väst",), ("ÖST",), ("Öar",)]
    assert distance_m == 0


def test_nearest_station_is_what_brute_force_finds(built_dir: Path) -> None:
    chance = random.Random(4)
    points = [
        (chance.uniform(59.15, 59.45), chance.uniform(17.7, 18.3)) for _ in range(1_500)
    ]
    with (PROJECT_ROOT / "dbt_project/seeds/known_stations.csv").open(
        encoding="utf-8"
    ) as file:
        stations = [
            row
            for row in csv.DictReader(file)
            if row["opened_on"] <= "2016-03-01" < (row["closed_on"] or "9999")
        ]

    with connect(built_dir / "warehouse.duckdb", read_only=True) as connection:
        found = surroundings(connection, points)

    for point, row in zip(points, found, strict=True):
        for kind, distance_m in zip(("metro", "commuter_rail"), row, strict=False):
            expected_m = min(
                metres(point, (float(place["latitude"]), float(place["longitude"])))
                for place in stations
                if place["kind"] == kind
            )
            assert distance_m == pytest.approx(expected_m, abs=0.1)
        assert row[2] == pytest.approx(metres(point, (59.3326, 18.0649)), abs=0.1)
        assert row[4] == f"{int(point[0] / 0.01)}/{int(point[1] / 0.02)}"


def test_without_polygons_the_nearest_centre_gives_the_district(
    built_dir: Path,
) -> None:
    chance = random.Random(5)
    points = [
        (chance.uniform(59.22, 59.42), chance.uniform(17.8, 18.2)) for _ in range(1_000)
    ]
    with connect(built_dir / "warehouse.duckdb", read_only=True) as connection:
        centres = connection.execute(
            "select district_key, latitude, longitude from marts.district_areas"
        ).fetchall()
        found = surroundings(connection, points)

    assert sum(row[3] is None for row in found) > 10
    for point, row in zip(points, found, strict=True):
        distance_m, nearest = min(
            (metres(point, (north, east)), key) for key, north, east in centres
        )
        assert row[3] == (nearest if distance_m <= 2000 else None)


def test_a_station_counts_from_the_day_it_opens_until_it_closes(
    built_dir: Path,
) -> None:
    odenplan, karlberg = (59.34278, 18.04889), (59.33951, 18.03076)
    with connect(built_dir / "warehouse.duckdb", read_only=True) as connection:
        before = surroundings(connection, [odenplan, karlberg], date(2017, 7, 9))
        after = surroundings(connection, [odenplan, karlberg], date(2017, 7, 10))

    assert before[0][1] > 500
    assert before[1][1] < 1
    assert after[0][1] < 1
    assert after[1][1] > 500


def test_no_position_has_no_surroundings(built_dir: Path) -> None:
    with connect(built_dir / "warehouse.duckdb", read_only=True) as connection:
        assert surroundings(connection, [(None, None)]) == [(None,) * 5]


@pytest.mark.parametrize("folder_name", ["built_dir", "own_dir"])
def test_sales_get_the_marts_surroundings_from_the_serving_path(
    folder_name: str, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(folder_name)
    query = """
        select count(*), count(city_district) from marts.sale_features as mart
        where exists (
            select 1 from marts.features_of('past_sales') as served
            where served.request_id = mart.sale_id
                and served.city_district is not distinct from mart.city_district
                and served.metro_distance_m is not distinct from mart.metro_distance_m
                and served.grid_cell is not distinct from mart.grid_cell
        )
    """
    with connect(folder / "warehouse.duckdb", read_only=True) as connection:
        connection.execute(
            "create temp table past_sales as select *, sale_id as request_id "
            "from marts.sales"
        )
        alike, with_district = connection.execute(query).fetchall()[0]
        sales = connection.execute("select count(*) from marts.sales").fetchall()[0][0]

    assert alike == sales >= 1_000
    assert with_district > 500


def test_real_districts_hold_nearly_every_real_address(
    real_data_dir: Path, tmp_path: Path, built_dir: Path
) -> None:
    shutil.copy(built_dir / "warehouse.duckdb", tmp_path)
    with connect(tmp_path / "warehouse.duckdb") as connection:
        create_raw_tables(connection)
        landed = land_places(connection, real_data_dir / "geo" / "stadsdelar.geojson")
        points = connection.execute(
            "select lat, lon from read_csv($path) using sample reservoir(2000 rows) "
            "repeatable (1)",
            {"path": str(real_data_dir / "geo" / "addresses_stockholm.csv")},
        ).fetchall()
    run_dbt(
        "build",
        "--resource-type",
        "model",
        "--select",
        "stg_district_polygons+",
        data_dir=tmp_path,
    )

    with connect(tmp_path / "warehouse.duckdb", read_only=True) as connection:
        found = surroundings(connection, points)

    assert landed.row_count == 117
    # The rest lie in other municipalities.
    assert sum(row[3] is not None for row in found) > 0.8 * len(found)

"""Landing a user's own districts (GeoJSON) and stations (GTFS)."""

from __future__ import annotations

import math
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest
from test_places_as_features import feature, three_districts, write_districts

from warehouse.errors import SlutprisError
from warehouse.places.landing import land_places
from warehouse.settings import PROJECT_ROOT, Settings

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb


def test_the_same_file_again_changes_nothing(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = three_districts(tmp_path)

    first = land_places(warehouse, path, name_property="namn")
    again = land_places(warehouse, path, name_property="namn")

    assert (first.row_count, first.is_new) == (3, True)
    assert (again.row_count, again.is_new) == (3, False)
    rows = warehouse.execute(
        "select count(*), count(distinct file_sha256), count(loaded_at) "
        "from raw.district_polygons"
    ).fetchall()
    assert rows == [(3, 1, 3)]


def test_the_newest_file_of_stations_counts(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        path = tmp_path / f"{name}.txt"
        path.write_text(f"stop_id,stop_name,stop_lat,stop_lon\n1,{name},59.3,18\n")
        land_places(warehouse, path, kind="metro")

    rows = warehouse.execute("select name from raw.stops order by loaded_at").fetchall()
    assert rows == [("first",), ("second",)]


FEED = {
    "stops.txt": """stop_id,stop_name,stop_lat,stop_lon,location_type,parent_station
        S1,Odenplan,59.3428,18.0489,1,
        P1,Odenplan spår 1,59.3420,18.0480,0,S1
        P2,Odenplan perrong,59.3430,18.0490,0,S1
        B1,Busshållplats,59.3400,18.0400,0,
        R1,"Älvsjö, station",59.2788,18.0101,0,""",
    "routes.txt": """route_id,route_type
        T19,401
        J40,109
        B4,700""",
    "trips.txt": """route_id,trip_id
        T19,t1
        J40,j1
        B4,b1""",
    "stop_times.txt": """trip_id,stop_id,stop_sequence
        t1,P1,1
        j1,P2,1
        j1,R1,2
        b1,B1,1
        b1,S1,2""",
}


def feed_text(name: str) -> str:
    return "\n".join(line.strip() for line in FEED[name].splitlines()) + "\n"


@pytest.mark.parametrize("as_archive", [True, False])
def test_gtfs_kinds_come_from_the_routes_that_call(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path, *, as_archive: bool
) -> None:
    path = tmp_path / ("gtfs.zip" if as_archive else "stops.txt")
    if as_archive:
        with zipfile.ZipFile(path, "w") as archive:
            for name in FEED:
                archive.writestr(name, feed_text(name))
    else:
        for name in FEED:
            (tmp_path / name).write_text(feed_text(name), encoding="utf-8")

    land_places(warehouse, path)

    assert warehouse.execute(
        "select name, kind, latitude from raw.stops order by all"
    ).fetchall() == [
        ("Odenplan", "commuter_rail", 59.3428),
        ("Odenplan", "metro", 59.3428),
        ("Älvsjö, station", "commuter_rail", 59.2788),
    ]


BAD_DISTRICTS = {
    "no JSON": ("{", "no JSON"),
    "a list": ("[]", "FeatureCollection"),
    "no feature": ('{"features": []}', "FeatureCollection"),
    "a feature that is none": ('{"features": [1]}', "feature 1 is no object"),
}
SQUARE = [[18, 59], [18.1, 59], [18.1, 59.1], [18, 59]]
BAD_FEATURES = [
    (feature(None, "Polygon", [SQUARE]), "--name-property"),
    (feature("A", "Point", [18, 59]), "expected Polygon"),
    (feature("A", "Polygon", []), "no coordinates"),
    (feature("A", "Polygon", [SQUARE[:3]]), "not closed"),
    (feature("A", "Polygon", [[[674000, 6580000]] * 4]), "EPSG:4326"),
    (feature("A", "Polygon", [[[math.nan, 59]] * 4]), "EPSG:4326"),
    (feature("A", "Polygon", [["x", "y", "x"]]), "not .longitude, latitude."),
]


@pytest.mark.parametrize("case", BAD_DISTRICTS)
def test_file_without_districts_says_so(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path, case: str
) -> None:
    text, expected = BAD_DISTRICTS[case]
    path = tmp_path / "bad.geojson"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(SlutprisError, match=expected):
        land_places(warehouse, path)


@pytest.mark.parametrize(("bad", "expected"), BAD_FEATURES)
def test_bad_feature_lands_nothing_and_names_itself(
    warehouse: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    bad: dict[str, object],
    expected: str,
) -> None:
    good = feature("Bra", "Polygon", [SQUARE])
    path = write_districts(tmp_path / "bad.geojson", good, bad)

    with pytest.raises(SlutprisError, match=f"feature 2 .*{expected}"):
        land_places(warehouse, path, name_property="namn")

    assert warehouse.execute("from raw.district_polygons").fetchall() == []


BAD_STOPS = [
    ("stop_id,stop_name\n1,A\n", "no column stop_lat"),
    ("stop_id,stop_name,stop_lat,stop_lon\n1,A,x,18\n", "stop 1 has stop_lat None"),
    ("stop_id,stop_name,stop_lat,stop_lon\n1,A,99,18\n", "stop 1 has stop_lat 99"),
    ("stop_id,stop_name,stop_lat,stop_lon\n1,,59,18\n", "stop '1' has no stop_name"),
    ("stop_id,stop_name,stop_lat,stop_lon\n", "no station"),
]


@pytest.mark.parametrize(("text", "expected"), BAD_STOPS)
def test_bad_stops_are_refused(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path, text: str, expected: str
) -> None:
    path = tmp_path / "stops.txt"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(SlutprisError, match=expected):
        land_places(warehouse, path, kind="metro")


def test_stops_alone_ask_for_their_kind(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "stops.txt"
    path.write_text(feed_text("stops.txt"), encoding="utf-8")

    with pytest.raises(SlutprisError, match=r"no routes\.txt beside it.*--kind"):
        land_places(warehouse, path)


def test_command_lands_and_reports_errors_in_one_line(
    settings: Settings, tmp_path: Path
) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "warehouse.places", *arguments],
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    landed = run(str(three_districts(tmp_path)), "--name-property", "namn")
    missing = run(str(tmp_path / "absent.geojson"))
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK")
    refused = run(str(broken))

    assert landed.returncode == 0, landed.stderr
    assert "3 districts landed" in landed.stdout
    assert missing.returncode == refused.returncode == 1
    assert missing.stderr.count("\n") == refused.stderr.count("\n") == 1
    assert "there is no file" in missing.stderr
    assert "cannot be unpacked" in refused.stderr
    assert settings.warehouse_path.exists()

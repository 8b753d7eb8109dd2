from __future__ import annotations

import csv
from pathlib import Path

import pytest
from bokeh.models import WMTSTileSource

from ml.dashboards.maps import Spot, background, mercator, spot_map

SEEDS = Path(__file__).parents[1] / "dbt_project/seeds"
HOME = Spot(59.3439, 18.0567, "Sveavägen 98", size=16)


def seed(name: str) -> dict[str, tuple[float, float]]:
    with (SEEDS / name).open(encoding="utf-8") as file:
        return {
            row["name"]: (float(row["longitude"]), float(row["latitude"]))
            for row in csv.DictReader(file)
        }


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        (background().stations, "known_stations.csv"),
        (background().districts, "known_districts.csv"),
    ],
)
def test_the_background_has_the_places_of_the_warehouse(
    shown: dict[str, tuple[float, float]], name: str
) -> None:
    expected = {
        key: pytest.approx(place, abs=1e-5) for key, place in seed(name).items()
    }
    assert {key: tuple(place) for key, place in shown.items()} == expected


def test_every_stop_of_a_line_is_a_station() -> None:
    stations = {tuple(place) for place in background().stations.values()}
    for line in background().metro_lines.values():
        assert {tuple(place) for place in line} <= stations


def test_stations_lie_on_land() -> None:
    from matplotlib.path import Path as Outline

    wet = [
        station
        for station, place in background().stations.items()
        for shore, *islands in background().water.values()
        if Outline(shore).contains_point(place)
        and not any(Outline(island).contains_point(place) for island in islands)
    ]
    assert wet == []


def test_the_mercator_paper_is_that_of_web_maps() -> None:
    # https://epsg.io/3857: the paper is a square, cut off in the far north
    assert mercator(180, 0) == pytest.approx((20037508.34, 0), abs=0.01)
    assert mercator(0, 85.05112878) == pytest.approx((0, 20037508.34), abs=0.1)


def test_the_home_lies_in_the_middle() -> None:
    made = spot_map([], centre=HOME, radius_m=1000, language="sv").figure
    middle = (
        (made.x_range.start + made.x_range.end) / 2,
        (made.y_range.start + made.y_range.end) / 2,
    )
    assert middle == pytest.approx(mercator(HOME.longitude, HOME.latitude))


def test_a_map_is_as_high_as_its_radius_on_the_ground() -> None:
    made = spot_map([], centre=HOME, radius_m=1000, language="sv").figure
    _, north = mercator(HOME.longitude, HOME.latitude + 1000 / 111_320)
    assert made.y_range.end == pytest.approx(north, abs=20)


def test_no_tiles_are_fetched_unless_asked_for() -> None:
    def tiles(made: object) -> list[WMTSTileSource]:
        found = made.select({"type": WMTSTileSource})  # type: ignore[attr-defined]
        return list(found)

    assert tiles(spot_map([HOME], language="sv").figure) == []
    asked = tiles(spot_map([HOME], language="sv", tiles=True).figure)
    assert [source.attribution for source in asked] == ["© OpenStreetMap contributors"]


def test_a_map_of_nothing_shows_the_city() -> None:
    made = spot_map([], language="en").figure
    station = background().stations["T-Centralen"]
    x, y = mercator(*station)
    assert made.x_range.start < x < made.x_range.end
    assert made.y_range.start < y < made.y_range.end

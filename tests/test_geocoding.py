"""Addresses of made-up streets, placed by every step of the embedded geocoder."""

from __future__ import annotations

import sqlite3
import struct
import sys
from typing import TYPE_CHECKING

import pytest

from warehouse.errors import SlutprisError
from warehouse.geocoding.gazetteer import add_addresses, gazetteer_version
from warehouse.geocoding.geocoder import DuckDBGeocoder, geocode_table
from warehouse.geocoding.holdout import hold_out
from warehouse.geocoding.protocol import GeocodeRequest, GeocodeResult
from warehouse.geocoding.sales import geocode_sales
from warehouse.geocoding.sources import add_cards, add_file
from warehouse.geocoding.sweref import to_wgs84

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

METRES_PER_DEGREE = 111_195


@pytest.fixture
def addresses(tmp_path: Path) -> Path:
    """Streets running north, 10 m a number, in one imaginary town."""
    streets = {
        "Tomtevägen": 59.30,
        "Kråkgatan": 59.31,
        "Sankt Nisses gata": 59.32,
        "Pellegatan": 59.33,
        "Pillegatan": 59.34,
    }
    lines = ["address,latitude,longitude,municipality,district"]
    for street, south in streets.items():
        for number in (1, 2, 3, 5, 6, 9, 10):
            place = south + number * 10 / METRES_PER_DEGREE
            lines.append(f"{street} {number},{place},18.0,Sagostad,Trollby")
    lines += [
        "Tomtevägen 12A,59.302,18.0,Sagostad,Trollby",
        "Tomtevägen 12B,59.302,18.0,Sagostad,Trollby",
        "Kråkgatan 21,59.4,18.5,Annorstad,",
    ]
    path = tmp_path / "addresses.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def geocoder(warehouse: duckdb.DuckDBPyConnection, addresses: Path) -> DuckDBGeocoder:
    add_file(warehouse, addresses)
    return DuckDBGeocoder(warehouse)


def ask(
    geocoder: DuckDBGeocoder, address: str, municipality: str | None = "Sagostad"
) -> GeocodeResult:
    return geocoder.geocode([GeocodeRequest(address, municipality)])[0]


@pytest.mark.parametrize(
    "address",
    [
        "Tomtevägen 5",
        "TOMTEVÄGEN 5",
        "Tomtev. 5",
        "Tomtevagen 5",
        "Tomtvägen 5",
        "Tometvägen 5",
        "Tomtevägen 5, 3 tr",
        "T o m t e v ä g e n 5",
        "Tomte\u00adva\u0308gen\u00a05\u200b",
        "Tomtevägen 5, 123 45 Sagostad",
    ],
)
def test_one_address_in_many_spellings(geocoder: DuckDBGeocoder, address: str) -> None:
    result = ask(geocoder, address)

    assert (result.street, result.number) == ("Tomtevägen", "5")
    assert result.precision == "exact"
    assert result.latitude == pytest.approx(59.30 + 50 / METRES_PER_DEGREE)


@pytest.mark.parametrize(
    ("address", "precision", "north_m"),
    [
        ("Kråkgatan 7", "interpolated", 70),
        ("Kråkgatan 5B", "number", 50),
        ("Kråkgatan 1-3", "range", 20),
        ("Kråkgatan 11", "nearest", 90),
        ("Kråkgatan", "street", 50),
        ("S:t Nisses gata 6", "exact", 60),
    ],
)
def test_steps_down_from_the_exact_address(
    geocoder: DuckDBGeocoder, address: str, precision: str, north_m: float
) -> None:
    result = ask(geocoder, address)

    assert result.precision == precision
    assert result.latitude is not None
    metres = (result.latitude % 0.01) * METRES_PER_DEGREE
    assert metres == pytest.approx(north_m, abs=1)
    assert result.uncertainty_m is not None
    assert result.uncertainty_m > 0


@pytest.mark.parametrize(
    "address",
    ["Pallegatan 5", "Okänd gränd 3", "", "17", "Tomtevägen", ", ,", "Tomte"],
)
def test_a_guess_is_never_made(geocoder: DuckDBGeocoder, address: str) -> None:
    result = ask(geocoder, address, "Annorstad")

    assert result == GeocodeResult()


def test_one_typo_between_two_streets_is_refused(geocoder: DuckDBGeocoder) -> None:
    assert ask(geocoder, "Pallegatan 5") == GeocodeResult()


def test_the_same_name_in_two_municipalities_needs_one(
    geocoder: DuckDBGeocoder,
) -> None:
    assert ask(geocoder, "Kråkgatan", None) == GeocodeResult()
    assert ask(geocoder, "Kråkgatan 21", None).latitude == 59.4
    assert ask(geocoder, "Kråkgatan", "Annorstad").latitude == 59.4


def test_an_unknown_street_falls_back_on_its_district(
    geocoder: DuckDBGeocoder,
) -> None:
    request = GeocodeRequest("Okänd gränd 3", "Sagostad", "Trollby")

    assert geocoder.geocode([request])[0].precision == "district"


def test_answers_keep_the_order_of_the_questions(geocoder: DuckDBGeocoder) -> None:
    numbers = ["9", "1", "5", "1"]
    requests = [GeocodeRequest(f"Kråkgatan {n}", "Sagostad") for n in numbers]

    assert [r.number for r in geocoder.geocode(requests)] == numbers
    assert geocoder.geocode([]) == []


def test_a_table_is_geocoded_row_by_row(
    geocoder: DuckDBGeocoder, warehouse: duckdb.DuckDBPyConnection
) -> None:
    warehouse.execute(
        "create temp table sales as "
        "select 'a' as request_id, 'Kråkgatan 21' as address union all "
        "select 'b', null"
    )
    answers = geocode_table(warehouse, "sales").order("request_id")

    assert answers.project("request_id, precision").fetchall() == [
        ("a", "exact"),
        ("b", None),
    ]


def test_the_version_is_the_content(
    geocoder: DuckDBGeocoder, warehouse: duckdb.DuckDBPyConnection, addresses: Path
) -> None:
    before = gazetteer_version(warehouse)
    add_file(warehouse, addresses)
    assert gazetteer_version(warehouse) == before

    more = addresses.with_name("more.csv")
    more.write_text("address,lat,lon\nNygatan 1,59.5,18.1\n", encoding="utf-8")
    add_file(warehouse, more)
    assert gazetteer_version(warehouse) != before


def test_a_lesser_source_does_not_replace_a_better(
    geocoder: DuckDBGeocoder, warehouse: duckdb.DuckDBPyConnection
) -> None:
    warehouse.execute(
        "create temp table seen as select 'Kråkgatan 1' as address, 'Sagostad' as "
        "municipality, null::varchar as district, 10.0 as latitude, 10.0 as longitude, "
        "'cards' as source, 'x' as attribution, null::double as spread_m"
    )
    add_addresses(warehouse, "seen")

    assert ask(geocoder, "Kråkgatan 1").latitude == pytest.approx(59.31, abs=0.001)


def test_the_crawls_cards_give_places(warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute(
        "insert into raw.sale_cards (booli_id, observed_at, content_sha256, run_id, "
        "page_url, payload_sha256, url, street_address, municipality_name, latitude, "
        "longitude) values (1, '2026-01-01', '', '', '', '', '', 'Sagogatan 4', "
        "'Sagostad', 59.3, 18.1)"
    )
    assert add_cards(warehouse) == 1
    assert ask(DuckDBGeocoder(warehouse), "Sagogatan 4").longitude == 18.1


def test_sweref_agrees_with_proj() -> None:
    # PROJ 9 (EPSG:3006 to 4326) of the same point.
    assert to_wgs84(6580822, 674032) == pytest.approx(
        (59.330231226921924, 18.05918973635474), abs=1e-9
    )


def test_a_geopackage_of_addresses(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "addresses.gpkg"
    point = b"GP\x00\x01" + struct.pack("<iBIdd", 3006, 1, 1, 674032, 6580822)
    with sqlite3.connect(path) as file:
        file.executescript(
            "create table gpkg_geometry_columns (table_name, column_name, srs_id);"
            "insert into gpkg_geometry_columns values ('a', 'geom', 3006);"
            "create table a (geom, adressomrade_faststalltnamn, adressplatsnummer, "
            "bokstavstillagg, kommunnamn)"
        )
        row = (point, "Sagogatan", 7, "B", "Sagostad")
        file.execute("insert into a values (?, ?, ?, ?, ?)", row)
    add_file(warehouse, path)
    result = ask(DuckDBGeocoder(warehouse), "Sagogatan 7B")

    assert result.latitude == pytest.approx(59.3302312269)
    assert result.attribution == "© Lantmäteriet, Belägenhetsadress"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "street,lat,lon\nx,1,2\n", "no column address"),
        ("a.csv", "address,lat,lon\nx 1,north,2\n", "wrong kind"),
        ("a.gpkg", "not sqlite", "cannot be read as a GeoPackage"),
        ("a.txt", "", "no known kind"),
    ],
)
def test_a_bad_file_is_told_apart(
    warehouse: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    name: str,
    content: str,
    message: str,
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(SlutprisError, match=message):
        add_file(warehouse, tmp_path / name)


def test_osm_without_osmium_says_what_to_install(
    warehouse: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "osmium", None)
    (tmp_path / "a.pbf").write_bytes(b"")
    with pytest.raises(SlutprisError, match="pip install osmium"):
        add_file(warehouse, tmp_path / "a.pbf")


def test_a_district_that_came_with_the_project_has_a_middle(
    geocoder: DuckDBGeocoder,
) -> None:
    answer = geocoder.geocode([GeocodeRequest("Okänd gränd 3", None, "Akalla")])[0]

    assert (answer.precision, answer.attribution) == (
        "district",
        "Stockholms stad (CC0)",
    )
    assert answer.latitude == pytest.approx(59.41, abs=0.01)


def land_without_position(
    warehouse: duckdb.DuckDBPyConnection, *addresses: tuple[str, str]
) -> None:
    for number, (address, municipality) in enumerate(addresses):
        warehouse.execute(
            "insert into raw.sale_cards (booli_id, observed_at, content_sha256, "
            "run_id, page_url, payload_sha256, url, street_address, "
            "municipality_name) values (?, '2026-01-01', '', '', '', '', '', ?, ?)",
            [number, address, municipality],
        )


def test_sales_without_a_position_are_placed_once_for_each_gazetteer(
    geocoder: DuckDBGeocoder, warehouse: duckdb.DuckDBPyConnection, addresses: Path
) -> None:
    land_without_position(
        warehouse,
        ("Kråk\u00adgatan 7, 3 tr", "Sagostad"),
        ("Kråkgatan 7", "Sagostad"),
        ("Okänd gränd 3", "Sagostad"),
        ("Tomtevägen 5", "Sagostad"),
        ("Tomtevägen 5", "Annorstad"),
    )
    done = geocode_sales(warehouse)
    rows = warehouse.execute(
        "select address_key, precision, uncertainty_m is not null "
        "from raw.geocoded_addresses order by address_key"
    ).fetchall()

    assert (done.asked_count, done.placed_count) == (2, 1)
    assert rows == [("krakgatan7", "interpolated", True), ("okandgrand3", None, False)]
    assert geocode_sales(warehouse).asked_count == 0

    more = addresses.with_name("more.csv")
    more.write_text("address,lat,lon\nOkänd gränd 3,59.5,18.1\n", encoding="utf-8")
    add_file(warehouse, more)
    assert geocode_sales(warehouse).placed_count == 2


def test_no_gazetteer_is_told(warehouse: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(SlutprisError, match="no gazetteer"):
        ask(DuckDBGeocoder(warehouse), "Kråkgatan 1")


def test_the_goals_hold_on_real_addresses(real_data_dir: Path) -> None:
    report = hold_out(real_data_dir / "geo" / "addresses_stockholm.csv")
    precisions = {row[0]: row[1:] for row in report.by_precision}
    noise = {row[0]: row[1:] for row in report.by_noise}

    assert precisions["interpolated"][1] <= 15
    # Those of `exact` were taken for the same number of a street one letter away.
    for name in ("range", "interpolated", "nearest", "number", "street", "all"):
        assert 0.90 <= precisions[name][3] <= 0.97, name
    assert noise["one typo"][1] >= 0.95
    assert noise["one typo"][2] <= 0.003
    assert all(row[3] >= 0.99 for row in noise.values())

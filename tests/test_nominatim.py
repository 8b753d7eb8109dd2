"""The Nominatim geocoder, asking a real Nominatim of two towns that do not exist."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from running_nominatim import (
    DATA_DATE,
    SAMPLE,
    Programs,
    find_programs,
    running_nominatim,
)

from warehouse.geocoding.gazetteer import add_addresses
from warehouse.geocoding.geocoder import DuckDBGeocoder
from warehouse.geocoding.nominatim import NominatimGeocoder
from warehouse.geocoding.protocol import GeocodeRequest, GeocodeResult
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb

PROGRAMS = find_programs()

pytestmark = [
    pytest.mark.nominatim,
    pytest.mark.skipif(isinstance(PROGRAMS, str), reason=str(PROGRAMS)),
]


@pytest.fixture(scope="module")
def nominatim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Nominatim that knows the two towns of the sample."""
    assert isinstance(PROGRAMS, Programs)
    with running_nominatim(PROGRAMS, tmp_path_factory.mktemp("nominatim")) as url:
        yield url


@pytest.fixture
def geocoder(
    nominatim: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> NominatimGeocoder:
    monkeypatch.setenv("SLUTPRIS_NOMINATIM_URL", nominatim)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return NominatimGeocoder(Settings())


def ask(
    geocoder: NominatimGeocoder,
    address: str,
    municipality: str | None = "Trollsta",
    district: str | None = None,
) -> GeocodeResult:
    return geocoder.geocode([GeocodeRequest(address, municipality, district)])[0]


@pytest.mark.parametrize(
    ("address", "street", "number"),
    [
        ("Tomtevägen 5", "Tomtevägen", "5"),
        ("TOMTEVÄGEN 12b", "Tomtevägen", "12B"),
        ("Tomtev. 5", "Tomtevägen", "5"),
        ("Tomtevagen 5", "Tomtevägen", "5"),
        ("Tomtevägen 5, 3 tr", "Tomtevägen", "5"),
        ("T o m t e v ä g e n 5", "Tomtevägen", "5"),
        ("Tomte\u00adva\u0308gen\u00a05\u200b", "Tomtevägen", "5"),
        ("Tomtevägen 33", "Tomtevägen", "33"),
        ("S:t Nisses gata 4", "Sankt Nisses gata", "4"),
        ("St. Nisses gata 4", "Sankt Nisses gata", "4"),
        ("N. Åkergatan 3", "Norra Åkergatan", "3"),
    ],
)
def test_one_address_in_many_spellings(
    geocoder: NominatimGeocoder, address: str, street: str, number: str
) -> None:
    result = ask(geocoder, address)

    assert (result.street, result.number) == (street, number)
    assert result.precision == "exact"
    assert result.uncertainty_m is not None
    assert 25 <= result.uncertainty_m <= 50


@pytest.mark.parametrize(
    ("address", "precision", "latitude", "number"),
    [
        ("Tomtevägen 5B", "number", 59.3055, "5"),
        ("Tomtevägen 12", "number", 59.306225, "12A, 12B"),
        ("Kråkgatan 5-7", "range", 59.3205, "5-7"),
        ("Kråkgatan 7", "number", 59.3205, "5-7"),
        ("Kråkgatan 9-11", "number", 59.3209, "9"),
        ("Ugglestigen 6", "interpolated", 59.3204, "6"),
        ("Tomtevägen 99C", "street", 59.3065, None),
        ("Tomtevägen", "street", 59.3065, None),
        ("Okänd gränd 3", "district", 59.312, None),
    ],
)
def test_steps_down_from_the_exact_address(
    geocoder: NominatimGeocoder,
    address: str,
    precision: str,
    latitude: float,
    number: str | None,
) -> None:
    result = ask(geocoder, address, district="Lillskogen")

    assert (result.precision, result.number) == (precision, number)
    assert result.latitude == pytest.approx(latitude, abs=1e-6)


@pytest.mark.parametrize(
    ("address", "municipality"),
    [
        ("Månskensgränd 3", "Trollsta"),
        ("Kråkgatan 3", None),
        ("gata 4", "Trollsta"),
        ("Tomtvägen 5", "Trollsta"),
        ("", "Trollsta"),
        (", ,", None),
        ("17", None),
    ],
)
def test_a_guess_is_never_made(
    geocoder: NominatimGeocoder, address: str, municipality: str | None
) -> None:
    assert ask(geocoder, address, municipality) == GeocodeResult()


def test_the_municipality_decides_between_two_streets(
    geocoder: NominatimGeocoder,
) -> None:
    south, north = (ask(geocoder, "Kråkgatan 3", m) for m in ("Trollsta", "Älvsund"))

    assert (south.latitude, north.latitude) == (59.3203, 59.3603)


def test_an_answer_says_whose_it_is(
    geocoder: NominatimGeocoder, nominatim: str
) -> None:
    result = ask(geocoder, "Tomtevägen 5")

    assert result.gazetteer_version == f"{nominatim} {DATA_DATE}"
    assert result.attribution is not None
    assert "OpenStreetMap contributors, ODbL" in result.attribution


def test_both_geocoders_agree_on_every_house(
    geocoder: NominatimGeocoder, warehouse: duckdb.DuckDBPyConnection
) -> None:
    nodes = ElementTree.parse(SAMPLE).iterfind("node/tag[@k='addr:housenumber']/..")
    houses = []
    for node in nodes:
        tags = {tag.attrib["k"]: tag.attrib["v"] for tag in node.iterfind("tag")}
        place = float(node.attrib["lat"]), float(node.attrib["lon"])
        town = "Trollsta" if place[0] < 59.34 else "Älvsund"
        address = f"{tags['addr:street']} {tags['addr:housenumber']}"
        houses.append((address, town, *place))
    warehouse.execute(
        "create temp table houses (address varchar, municipality varchar, "
        "latitude double, longitude double, district varchar, "
        "source varchar default 'csv', attribution varchar default '', spread_m double)"
    )
    warehouse.executemany(
        "insert into houses (address, municipality, latitude, longitude) "
        "values (?, ?, ?, ?)",
        houses,
    )
    add_addresses(warehouse, "houses")
    requests = [GeocodeRequest(*house[:2]) for house in houses]
    theirs = geocoder.geocode(requests)
    ours = DuckDBGeocoder(warehouse).geocode(requests)

    assert len(houses) > 120
    for house, a, b in zip(houses, ours, theirs, strict=True):
        assert (a.latitude, a.longitude) == pytest.approx(house[2:]), house
        assert (b.latitude, b.longitude) == pytest.approx(house[2:]), house


def test_the_command_line_asks_the_server_of_the_settings(
    geocoder: NominatimGeocoder,
) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "warehouse.geocoding"),
            *("--geocode", "Tomtev. 5", "--municipality", "Trollsta"),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "SLUTPRIS_GEOCODER": "nominatim"},
        check=True,
    )

    assert json.loads(done.stdout)["precision"] == "exact"

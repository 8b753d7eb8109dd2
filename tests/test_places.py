"""What a person writes at the page, and where it is placed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tiny_market import publish_market

from ml.valuation.places import SURE_M, Place, build_gazetteer, locate
from warehouse.serving import open_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb


@pytest.fixture(scope="module")
def snapshot(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[duckdb.DuckDBPyConnection]:
    settings = publish_market(tmp_path_factory.mktemp("data"))
    with open_snapshot(settings.serving_dir) as opened:
        build_gazetteer(opened.connection.cursor())
        yield opened.connection.cursor()


@pytest.mark.parametrize(
    ("written", "level", "precision", "address"),
    [
        ("Sveavägen 11", "address", "exact", "Sveavägen 11"),
        ("Sveav. 11", "address", "exact", "Sveavägen 11"),
        ("Svevägen 11, 3 tr", "address", "exact", "Sveavägen 11"),
        ("sveavagen 11-15", "address", "exact", "Sveavägen 11"),
        ("Hornsgtan 11-15", "address", "range", "Hornsgatan 11-15"),
        ("Sveavägen 11 C", "address", "number", "Sveavägen 11"),
        ("Sveavägen 83", "address", "nearest", "Sveavägen 83"),
        ("Svevägen 200", "street", "street", "Sveavägen 200"),
        ("Okänd gränd 3, Vasastan", "district", "district", None),
        ("Akalla", "district", "district", None),
    ],
)
def test_a_person_s_spelling_is_placed(
    snapshot: duckdb.DuckDBPyConnection,
    written: str,
    level: str,
    precision: str,
    address: str | None,
) -> None:
    place = locate(snapshot, [written])[0]

    assert place is not None
    assert (place.level, place.precision, place.address) == (level, precision, address)
    assert place.uncertainty_m is not None
    assert place.attribution
    assert place.placed is not None
    assert place.placed.endswith(f"± {place.uncertainty_m:.0f} m")


def test_a_place_between_neighbours_says_so(
    snapshot: duckdb.DuckDBPyConnection,
) -> None:
    place = Place(
        "address", "A", "A", 1, None, None, 59.0, 18.0, 0, "interpolated", 24.6
    )

    assert place.placed == "Placerad mellan grannumren, ± 25 m"
    assert place.is_sure
    assert not Place(
        "address", "A", "A", 1, None, None, 59.0, 18.0, 0, "nearest", SURE_M + 1
    ).is_sure


def test_addresses_keep_their_order(snapshot: duckdb.DuckDBPyConnection) -> None:
    places = locate(snapshot, ["Ringv. 7", "Okändgatan 1", "Sveavägen 11"])

    assert [place and place.street for place in places] == [
        "Ringvägen",
        None,
        "Sveavägen",
    ]
    assert locate(snapshot, []) == []

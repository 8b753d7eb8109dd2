from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest
from tiny_market import publish_market, register_model

from ml.valuation.assumptions import Assumption, assumptions
from ml.valuation.known_home import known_home
from ml.valuation.places import build_gazetteer
from ml.valuation.request import ValuationRequest
from ml.valuation.suggestions import SUGGESTION_COUNT, AddressSuggestions
from ml.valuation.value import Valuer

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def valuer(tmp_path_factory: pytest.TempPathFactory) -> Valuer:
    settings = publish_market(tmp_path_factory.mktemp("data"))
    register_model(settings, tmp_path_factory.mktemp("model"))
    return Valuer(settings)


@pytest.fixture(scope="module")
def suggestions(valuer: Valuer) -> AddressSuggestions:
    return AddressSuggestions(valuer.connection())


# What is known of a building


def test_former_sales_of_an_address_come_newest_first(valuer: Valuer) -> None:
    known = known_home(valuer.connection(), "Sveavägen 11", 11)
    assert known is not None
    assert known.sale_count == len(known.sales) > 1
    dates = [sale.sold_date for sale in known.sales]
    assert dates == sorted(dates, reverse=True)
    assert all(sale.sold_price_sek > 0 for sale in known.sales)


def test_a_building_is_known_however_its_address_is_written(valuer: Valuer) -> None:
    one, other = (
        known_home(valuer.connection(), written, 11)
        for written in ("Sveavägen 11", "SVEAVAGEN  11")
    )
    assert one == other


def test_a_building_has_its_association_and_what_is_usual(valuer: Valuer) -> None:
    known = known_home(valuer.connection(), "Ringvägen 5", 5)
    assert known is not None
    assert known.brf_name == "BRF Ringvägen"
    assert known.fee_sek_per_m2_month == 50
    assert known.construction_year is not None


def test_nothing_is_known_where_nothing_was_sold(valuer: Valuer) -> None:
    assert known_home(valuer.connection(), "Sveavägen 400", 400) is None


def test_a_former_sale_tells_only_the_facts_that_are_known(valuer: Valuer) -> None:
    known = known_home(valuer.connection(), "Sveavägen 11", 11)
    assert known is not None
    for sale in known.sales:
        assert None not in sale.facts().values()
        assert sale.facts()["living_area_m2"] == sale.living_area_m2
        assert ("floor" in sale.facts()) == (sale.floor is not None)


# What is assumed


def home(**fields: object) -> ValuationRequest:
    asked = {"address": "Sveavägen 11", "living_area_m2": 50, "date": "2024-06-15"}
    return ValuationRequest.of(**(asked | fields))


def test_rooms_are_assumed_of_the_living_area(valuer: Valuer) -> None:
    assumed = assumptions(valuer, home())
    assert assumed[0] == Assumption("rooms", 2, "area")


def test_what_is_given_is_not_assumed(valuer: Valuer) -> None:
    assumed = assumptions(valuer, home(rooms=3, floor=0))
    assert not {"rooms", "floor"} & {each.field for each in assumed}


def test_where_nothing_is_known_nothing_is_assumed(valuer: Valuer) -> None:
    # the tiny market imputes no floor
    floor = next(each for each in assumptions(valuer, home()) if each.field == "floor")
    assert floor == Assumption("floor", None, "unknown")


# What an address may be


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Sveavägn 11", "Sveavägen 11"),
        ("sveavagen 11", "Sveavägen 11"),
        ("svea v. 11", "Sveavägen 11"),
        ("SVEAVÄGEN11", "Sveavägen 11"),
        ("vseavägen 11", "Sveavägen 11"),
        ("hornsgtan 5", "Hornsgatan 5"),
        ("hornsg", "Hornsgatan"),
        ("södermlm", "Södermalm"),
    ],
)
def test_a_typo_finds_what_is_meant(
    suggestions: AddressSuggestions, typed: str, meant: str
) -> None:
    assert suggestions.of(typed)[0].text == meant


def test_a_number_half_typed_finds_those_that_begin_so(
    suggestions: AddressSuggestions,
) -> None:
    found = suggestions.of("Ringvägen 1")
    assert found[0].text == "Ringvägen 1"
    assert {"Ringvägen 11", "Ringvägen 13"} <= {each.text for each in found}


def test_an_unsold_number_is_kept_on_the_street_that_is_meant(
    suggestions: AddressSuggestions,
) -> None:
    first, second = suggestions.of("Sveavgen 98")[:2]
    assert (first.text, first.level, first.sale_count) == ("Sveavägen 98", "street", 0)
    assert second.level == "address"


@pytest.mark.parametrize(
    "typed", ["", "s", "98", "zzqqxx 9", "%'; drop table x", "\u202e"]
)
def test_what_is_like_no_address_suggests_nothing(
    suggestions: AddressSuggestions, typed: str
) -> None:
    assert suggestions.of(typed) == []


def test_never_more_than_fits_the_list(suggestions: AddressSuggestions) -> None:
    assert len(suggestions.of("Sveavägen")) == SUGGESTION_COUNT
    assert len(suggestions.of("Sveavägen " + "9" * 10_000)) <= SUGGESTION_COUNT


def test_a_street_is_found_by_its_saint_however_abbreviated(tmp_path: Path) -> None:
    connection = duckdb.connect(str(tmp_path / "one.duckdb"))
    connection.execute("""
        create schema marts;
        create table marts.places as
        select
            'address' as place_level, 'santeriksgatan4' as place_key,
            'Sankt Eriksgatan 4' as address, 'Sankt Eriksgatan' as street,
            4 as street_number, 'Kungsholmen' as district, 'Stockholm' as municipality,
            59.33 as latitude, 18.03 as longitude, 1 as sale_count
    """)
    build_gazetteer(connection)
    found = AddressSuggestions(connection).of("S:t Eriksg 4")
    assert found[0].text == "Sankt Eriksgatan 4"

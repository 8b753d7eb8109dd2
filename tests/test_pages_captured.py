"""Page objects over captured pages: what they say, checked by eye against the page.

The pages belong to others and are not in the repository; without them this skips. The
``.json`` files are bare: a whole Apollo cache, and one entity of another.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from typing import TYPE_CHECKING

import pytest
from sample_pages import enveloped, listing_page, search_page

from scrapy_project.items import Home, SaleCard

if TYPE_CHECKING:
    from pathlib import Path

    from scrapy_project.pages.listing import ListingPage
    from scrapy_project.pages.search import SearchPage

VASASTAN_2025 = "2025-10_search_vasastan.html"
SWEDEN_2026 = "2026-06_search.apollo_state.json"
SEARCHES = pytest.mark.parametrize("name", [VASASTAN_2025, SWEDEN_2026])

FIRST_CARDS = {
    VASASTAN_2025: [
        SaleCard(
            booli_id=5846886,
            url="/bostad/691097",
            street_address="Observatoriegatan 7",
            descriptive_area_name="Vasastan",
            municipality_name="Stockholm",
            object_type="Lägenhet",
            sold_price_type="Sista bud",
            sold_date=date(2025, 10, 17),
            sold_price_sek=8020000,
            list_price_sek=6495000,
            price_change_sek=1525000,
            price_change_pct=23.5,
            price_per_m2_sek=125300,
            living_area_m2=64,
            additional_area_m2=None,
            rooms=2,
            floor=3,
            fee_sek_per_month=None,
            days_active=8,
            latitude=59.34066917,
            longitude=18.05172213,
            amenities=["balcony", "fireplace"],
        ),
        SaleCard(
            booli_id=5848556,
            url="/annons/5848556",
            street_address="Gästrikegatan 22",
            descriptive_area_name="Vasastan Odenplan Sankt Eriksplan",
            municipality_name="Stockholm",
            object_type="Lägenhet",
            sold_price_type="Slutpris",
            sold_date=date(2025, 10, 16),
            sold_price_sek=8100000,
            list_price_sek=7650000,
            price_change_sek=450000,
            price_change_pct=5.9,
            price_per_m2_sek=128600,
            living_area_m2=63,
            additional_area_m2=None,
            rooms=2,
            floor=1,
            fee_sek_per_month=None,
            days_active=12,
            latitude=59.34215495,
            longitude=18.0391547,
            amenities=["balcony", "elevator"],
        ),
        SaleCard(
            booli_id=5724441,
            url="/bostad/775414",
            street_address="Tulegatan 32A",
            descriptive_area_name="Vasastan",
            municipality_name="Stockholm",
            object_type="Lägenhet",
            sold_price_type="Slutpris",
            sold_date=date(2025, 10, 16),
            sold_price_sek=9100000,
            list_price_sek=8995000,
            price_change_sek=105000,
            price_change_pct=1.2,
            price_per_m2_sek=123000,
            living_area_m2=74,
            additional_area_m2=6,
            rooms=3,
            floor=4,
            fee_sek_per_month=None,
            days_active=13,
            latitude=59.34660116,
            longitude=18.05823363,
            amenities=["balcony", "elevator"],
        ),
    ],
    SWEDEN_2026: [
        SaleCard(
            booli_id=6167357,
            url="/bostad/303764",
            street_address="Gelbgjutargatan 16",
            descriptive_area_name="Jönköpings kommun",
            municipality_name="Jönköping",
            object_type="Lägenhet",
            sold_price_type="Slutpris",
            sold_date=date(2026, 6, 16),
            sold_price_sek=2050000,
            list_price_sek=None,
            price_change_sek=None,
            price_change_pct=None,
            price_per_m2_sek=40200,
            living_area_m2=51,
            additional_area_m2=None,
            rooms=1,
            floor=2,
            fee_sek_per_month=None,
            days_active=None,
            latitude=57.7795289,
            longitude=14.17800794,
            amenities=[],
        ),
        SaleCard(
            booli_id=6163703,
            url="/bostad/2514771",
            street_address="Hellerströmsgatan 5",
            descriptive_area_name="Centrum",
            municipality_name="Sölvesborg",
            object_type="Villa",
            sold_price_type="Slutpris",
            sold_date=date(2026, 6, 16),
            sold_price_sek=2375000,
            list_price_sek=1950000,
            price_change_sek=425000,
            price_change_pct=21.8,
            price_per_m2_sek=18300,
            living_area_m2=130,
            additional_area_m2=None,
            rooms=5,
            floor=None,
            fee_sek_per_month=None,
            days_active=4,
            latitude=56.05311944,
            longitude=14.57775375,
            amenities=[],
        ),
        SaleCard(
            booli_id=6156318,
            url="/bostad/1756054",
            street_address="Lävägen 143",
            descriptive_area_name="Björkskatan",
            municipality_name="Luleå",
            object_type="Radhus",
            sold_price_type="Slutpris",
            sold_date=date(2026, 6, 16),
            sold_price_sek=3700000,
            list_price_sek=3295000,
            price_change_sek=405000,
            price_change_pct=12.3,
            price_per_m2_sek=29400,
            living_area_m2=126,
            additional_area_m2=None,
            rooms=5,
            floor=None,
            fee_sek_per_month=None,
            days_active=8,
            latitude=65.621268,
            longitude=22.184487,
            amenities=[],
        ),
    ],
}
LISTING_2025 = Home(
    url="/annons/5848556",
    detail_typename="SoldProperty",
    booli_id=5848556,
    residence_id=None,
    street_address="Gästrikegatan 22",
    descriptive_area_name="Vasastan Odenplan Sankt Eriksplan",
    municipality_name="Stockholm",
    postcode="11362",
    object_type="Lägenhet",
    tenure_form=None,
    brf_id=79143,
    brf_name="Bf Vasen u p a",
    agency_id=16,
    agency_name=None,
    energy_class=None,
    apartment_number="1103",
    sold_price_type="Slutpris",
    sold_date=date(2025, 10, 16),
    sold_price_sek=8100000,
    list_price_sek=7650000,
    first_price_sek=7650000,
    fee_sek_per_month=1587,
    operating_cost_sek_per_month=600,
    living_area_m2=63,
    additional_area_m2=None,
    rooms=2,
    floor=1,
    construction_year=1899,
    days_active=12,
    is_sold_before_listing=False,
    latitude=59.34215495,
    longitude=18.0391547,
    area_ids=[
        1, 2, 143, 77104, 101683, 115349, 115363, 860640, 874663, 883816, 898763,
        973576, 1002244,
    ],
    amenities=["balcony", "elevator"],
)  # fmt: skip
LISTING_2026 = Home(
    url="/bostad/2265068",
    detail_typename="SoldProperty",
    booli_id=6107381,
    residence_id=2265068,
    street_address="Travslingan 4",
    descriptive_area_name="Visinge",
    municipality_name="Täby",
    postcode=None,  # its areas were not captured
    object_type="Villa",
    tenure_form="Äganderätt",
    brf_id=None,
    brf_name=None,
    agency_id=20,
    agency_name=None,
    energy_class=None,
    apartment_number=None,
    sold_price_type="Slutpris",
    sold_date=date(2026, 6, 16),
    sold_price_sek=9000000,
    list_price_sek=None,
    first_price_sek=None,
    fee_sek_per_month=None,
    operating_cost_sek_per_month=2641,
    living_area_m2=169,
    additional_area_m2=24,
    rooms=7,
    floor=None,
    construction_year=1983,
    days_active=None,  # it was "snart till salu" for 42 days: before the ad
    is_sold_before_listing=True,
    latitude=59.46475735,
    longitude=18.06122525,
    area_ids=[],
    amenities=[],
)


def captured_search(folder: Path, name: str) -> SearchPage:
    body = (folder / "pages" / name).read_bytes()
    return search_page(body if name.endswith("html") else enveloped(json.loads(body)))


def captured_listing_of_2026(folder: Path) -> ListingPage:
    path = folder / "pages" / "2026-06_listing.apollo_state.json"
    root = json.loads(path.read_bytes())
    query = 'propertyByResidenceId({"residenceId":2265068})'
    cache = {"SoldProperty:6107381": root}
    cache["ROOT_QUERY"] = {query: {"__ref": "SoldProperty:6107381"}}
    return listing_page(enveloped(cache))


@SEARCHES
@pytest.mark.parametrize("position", [0, 1, 2])
def test_captured_card_is_read_field_by_field(
    real_data_dir: Path, name: str, position: int
) -> None:
    cards = captured_search(real_data_dir, name).cards
    assert cards[position] == FIRST_CARDS[name][position]


@SEARCHES
def test_captured_search_page_is_understood_whole(
    real_data_dir: Path, name: str
) -> None:
    page = captured_search(real_data_dir, name)
    assert (len(page.cards), page.unreadable) == (35, [])
    assert (page.oddities, page.suspicions) == ({}, {})


@pytest.mark.parametrize(
    ("name", "area", "filters", "pages", "total"),
    [
        (
            VASASTAN_2025,
            "115349",
            {
                "objectType": "Lägenhet",
                "minSoldPrice": "8000000",
                "maxSoldPrice": "10000000",
            },
            90,
            3130,
        ),
        (SWEDEN_2026, "77104", {}, 83679, 2928757),
    ],
)
def test_captured_search_page_says_what_was_asked(
    real_data_dir: Path,
    name: str,
    area: str,
    filters: dict[str, str],
    pages: int,
    total: int,
) -> None:
    page = captured_search(real_data_dir, name)
    assert (page.echo.area_ids, page.echo.filters) == ({area}, filters)
    assert (page.echo.page, page.echo.is_sorted) == (1, False)
    assert (page.page_count, page.total_count) == (pages, total)


@SEARCHES
def test_captured_price_per_m2_is_price_over_living_area(
    real_data_dir: Path, name: str
) -> None:
    for card in captured_search(real_data_dir, name).cards:
        assert card.living_area_m2
        per_m2 = card.sold_price_sek / card.living_area_m2
        assert per_m2 == pytest.approx(card.price_per_m2_sek, abs=50.01)


def test_captured_cards_hold_the_awkward_values(real_data_dir: Path) -> None:
    cards = {
        card.booli_id: card
        for name in (VASASTAN_2025, SWEDEN_2026)
        for card in captured_search(real_data_dir, name).cards
    }
    assert (cards[5724441].living_area_m2, cards[5724441].additional_area_m2) == (74, 6)
    assert (cards[5879932].floor, cards[6143306].floor) == (2.5, 0)
    assert (cards[5842508].price_change_sek, cards[5842508].price_change_pct) == (0, 0)
    assert cards[5764701].price_change_sek == -345000  # against the first asking price
    assert (cards[6153716].living_area_m2, cards[6153716].rooms) == (71, None)


def test_captured_cards_have_the_measures_their_pages_show(real_data_dir: Path) -> None:
    found = {
        name: Counter(
            column
            for card in captured_search(real_data_dir, name).cards
            for column in ("living_area_m2", "rooms", "floor", "price_per_m2_sek")
            if getattr(card, column) is not None
        )
        for name in (VASASTAN_2025, SWEDEN_2026)
    }
    assert found == {
        VASASTAN_2025: {
            "living_area_m2": 35, "rooms": 35, "floor": 31, "price_per_m2_sek": 35,
        },
        SWEDEN_2026: {
            "living_area_m2": 35, "rooms": 32, "floor": 15, "price_per_m2_sek": 35,
        },
    }  # fmt: skip


def test_captured_listing_page_of_2025_is_read_field_by_field(
    real_data_dir: Path,
) -> None:
    folder = real_data_dir / "pages"
    body = (folder / "2025-10_listing_annons_5848556.html").read_bytes()
    page = listing_page(body)
    assert page.home == LISTING_2025
    assert (page.oddities, page.suspicions) == ({}, {})


def test_captured_listing_page_of_2026_is_read_field_by_field(
    real_data_dir: Path,
) -> None:
    page = captured_listing_of_2026(real_data_dir)
    assert page.home == LISTING_2026
    assert page.suspicions == {}


def test_captured_listing_of_2026_is_odd_only_for_the_areas_it_lacks(
    real_data_dir: Path,
) -> None:
    page = captured_listing_of_2026(real_data_dir)
    assert page.home
    assert page.oddities == {"dead_reference/Area_V3": 12}

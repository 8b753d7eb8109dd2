"""Page objects over the sample payloads: the envelope, the cards, the home."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import attrs
import duckdb
import pytest
from sample_pages import (
    OLD_SALE,
    SALE,
    SEVERAL_SALES,
    cache_of,
    info_point,
    listing_page,
    listing_with,
    page_html,
    sample,
    sample_listing,
    sample_search,
    search_page,
    search_with,
)

from scrapy_project.items import Home, SaleCard
from scrapy_project.pages.next_data import MissingPayloadError, UnknownShapeError
from warehouse.store import create_raw_tables

# Items


@pytest.mark.parametrize(("item", "table"), [(SaleCard, "sale_cards"), (Home, "homes")])
def test_fields_of_an_item_are_the_parsed_columns_of_its_table(
    item: type, table: str
) -> None:
    landing = {
        "observed_at", "content_sha256", "run_id", "page_url", "payload_sha256",
    }  # fmt: skip
    with duckdb.connect() as connection:
        create_raw_tables(connection)
        columns = connection.execute(f"describe raw.{table}").fetchall()
    names = [name for name, *_ in columns if name not in landing]
    assert [field.name for field in attrs.fields(item)] == names


# The envelope


def test_page_without_payload_is_refused() -> None:
    with pytest.raises(MissingPayloadError, match="__NEXT_DATA__"):
        _ = search_page(b"<html><title>Just a moment...</title></html>").cards


def test_payload_that_is_cut_off_is_refused() -> None:
    body = page_html(sample("search_page"))
    with pytest.raises(MissingPayloadError):
        _ = search_page(body[: len(body) // 2]).cards


@pytest.mark.parametrize("state", [None, {}], ids=["null", "empty"])
def test_page_without_cache_is_a_soft_block(state: Any) -> None:
    payload = sample("search_page")
    payload["props"]["pageProps"]["__APOLLO_STATE__"] = state
    with pytest.raises(MissingPayloadError, match="__APOLLO_STATE__"):
        _ = search_page(page_html(payload)).cards


def test_error_of_the_search_is_a_soft_block() -> None:
    payload = sample("search_page")
    payload["props"]["pageProps"]["initialSearchError"] = "Något gick fel"
    with pytest.raises(MissingPayloadError, match="Något gick fel"):
        _ = search_page(page_html(payload)).cards


@pytest.mark.parametrize(
    "body",
    [
        b"<script>self.__next_f.push([1,''])</script>",
        b"<script>window.__APOLLO_STATE__ = {};</script>",
    ],
)
def test_data_carried_in_another_way_is_a_changed_shape(body: bytes) -> None:
    with pytest.raises(UnknownShapeError) as refusal:
        _ = listing_page(body).home
    assert not isinstance(refusal.value, MissingPayloadError)


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "null", "<p>Hej</p>", '{"props": 1}', "[" * 100_000],
)
def test_payload_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(UnknownShapeError):
        _ = search_page(page_html(text)).cards


@pytest.mark.parametrize("strip", [False, True], ids=["envelope", "pageProps"])
def test_json_body_reads_like_its_page(strip: bool) -> None:
    payload = sample("search_page")
    answer = {"pageProps": payload["props"]["pageProps"], "__N_SSP": True}
    body = json.dumps(answer if strip else payload).encode()
    page = search_page(body)
    assert page.payload == body
    assert page.cards == sample_search().cards
    assert page.echo == sample_search().echo


# Search pages


def test_cards_of_the_sample_are_the_golden_rows() -> None:
    cards = sample_search().cards
    rows = [
        (
            card.url, card.street_address, card.living_area_m2, card.rooms,
            card.sold_price_sek, card.list_price_sek, card.price_change_sek,
            str(card.sold_date), card.price_per_m2_sek, card.days_active, card.floor,
        )
        for card in cards
    ]  # fmt: skip
    golden = [
        ("/bostad/800001", "Provgatan 12B", 52, 2, 5250000, 4995000, 255000,
         "2026-05-28", 101000, 9, 3),
        ("/bostad/800001", "Provgatan 12B", 52, 2, 4100000, 3895000, 205000,
         "2019-03-14", 78800, 12, 3),
        ("/annons/9000003", "Exempelvägen 7", 34.5, 1.5, 3400000, 3450000, -195000,
         "2026-05-20", 98600, 31, 0),
        ("/bostad/800002", "Testgränd 3", 74, 3, 7300000, None, None,
         "2026-05-11", 98600, None, 0.5),
    ]  # fmt: skip
    assert sorted(rows, key=str) == sorted(golden, key=str)


@pytest.mark.parametrize("name", [SEVERAL_SALES, OLD_SALE])
def test_sample_pages_hold_nothing_odd(name: str) -> None:
    listing, search = sample_listing(name), sample_search()
    assert listing.home
    assert search.cards
    assert (listing.oddities, listing.suspicions) == ({}, {})
    assert (search.oddities, search.suspicions) == ({}, {})


def test_results_come_from_the_root_query_and_not_from_other_entities() -> None:
    payload = sample("search_page")
    stray = dict(cache_of(payload)[SALE], booliId="1", id="1")
    cache_of(payload)["SoldProperty:1"] = stray
    cards = search_page(page_html(payload)).cards
    assert 1 not in {card.booli_id for card in cards}
    assert len(cards) == 4


def test_echo_says_what_the_site_understood() -> None:
    page = sample_search()
    assert page.echo.area_ids == {"115341"}
    assert page.echo.filters["objectType"] == "Lägenhet"
    assert (page.echo.page, page.echo.is_sorted) == (1, False)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("soldPrice", None),
        ("soldPrice", {"raw": 5}),
        ("soldPrice", {"formatted": "ca 5 250 000 kr"}),
        ("soldDate", None),
        ("soldDate", "2026-02-30"),
        ("soldDate", "2126-01-01"),
        ("url", None),
        ("url", "/projekt/4100"),
        ("booliId", "x"),
        ("booliId", True),
    ],
)
def test_card_without_what_makes_it_a_sale_is_named_and_the_others_are_read(
    key: str, value: Any
) -> None:
    page = search_with(**{key: value})
    assert len(page.cards) == 3
    (bad,) = page.unreadable
    assert (bad.field, bad.record["streetAddress"]) == (key, "Provgatan 12B")


def test_sale_of_long_ago_is_a_sale() -> None:
    assert search_with(soldDate="1991-04-02").cards[0].sold_date == date(1991, 4, 2)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda cache: cache["ROOT_QUERY"].clear(),
        lambda cache: cache.pop("ROOT_QUERY"),
        lambda cache: [
            entity.update(__typename="ListableProperty")
            for key, entity in cache.items()
            if key.startswith("SoldProperty:")
        ],
        lambda cache: [
            value.update(result=[], totalCount=70, pages=2)
            for key, value in cache["ROOT_QUERY"].items()
            if key.startswith("searchSold(")
        ],
    ],
    ids=["empty root", "no root", "other typename", "lists nothing"],
)
def test_search_page_of_unknown_shape_is_refused(spoil: Any) -> None:
    payload = sample("search_page")
    spoil(cache_of(payload))
    with pytest.raises(UnknownShapeError):
        _ = search_page(page_html(payload)).cards


# Listing pages


def test_home_of_a_recent_sale_has_every_field() -> None:
    assert attrs.asdict(sample_listing(SEVERAL_SALES).home) == {
        "url": "/bostad/800001",
        "detail_typename": "SoldProperty",
        "booli_id": 9000004,
        "residence_id": 800001,
        "street_address": "Provgatan 12B",
        "descriptive_area_name": "Södermalm",
        "municipality_name": "Stockholm",
        "postcode": "11646",
        "object_type": "Lägenhet",
        "tenure_form": "Bostadsrätt",
        "brf_id": 590001,
        "brf_name": "BRF Provet 4",
        "agency_id": 7001,
        "agency_name": None,
        "energy_class": "E",
        "apartment_number": "1301",
        "sold_price_type": "Slutpris",
        "sold_date": date(2026, 5, 28),
        "sold_price_sek": 5250000,
        "list_price_sek": 4995000,
        "first_price_sek": 4995000,
        "fee_sek_per_month": 3120,
        "operating_cost_sek_per_month": 450,
        "living_area_m2": 52,
        "additional_area_m2": None,
        "rooms": 2,
        "floor": 3,
        "construction_year": 1929,
        "days_active": 9,
        "is_sold_before_listing": False,
        "latitude": 59.3141,
        "longitude": 18.0712,
        "area_ids": [1, 2, 143, 77104, 115341, 860001],
        "amenities": ["balcony", "elevator"],
    }


def test_home_of_an_old_sale_is_read_from_its_residence_and_not_from_the_stub() -> None:
    home = sample_listing(OLD_SALE).home
    assert home.detail_typename == "ResidenceWithSoldProperty"
    assert (home.booli_id, home.residence_id) == (5100009, 800009)
    assert (home.fee_sek_per_month, home.floor, home.days_active) == (2750, 2, 14)
    assert (home.sold_date, home.sold_price_sek) == (date(2024, 2, 8), 4350000)


def test_home_of_unknown_type_is_refused() -> None:
    with pytest.raises(UnknownShapeError, match="ListableProperty"):
        _ = listing_with(__typename="ListableProperty").home


def test_listing_page_without_a_home_says_what_it_has_instead() -> None:
    payload = sample("search_page")
    with pytest.raises(UnknownShapeError, match="searchSold: SearchSoldResult"):
        _ = listing_page(page_html(payload)).home


def test_url_of_the_page_stands_in_for_a_missing_one() -> None:
    assert listing_with(url=None).home.url == "/bostad/1"


def test_days_before_the_ad_are_not_days_for_sale() -> None:
    text = "Bostaden var snart till salu i **42** dagar"
    page = listing_with(infoSections=[info_point("daysActive", text)])
    assert page.home.days_active is None


def test_yearly_running_cost_is_not_taken_for_a_monthly_one() -> None:
    page = listing_with(operatingCost={"raw": 5400, "unit": "kr/år"}, infoSections=[])
    assert page.home.operating_cost_sek_per_month is None
    assert page.oddities == {"unknown_unit/operating_cost_sek_per_month/kr/år": 1}


def test_fee_is_read_from_its_info_point_when_the_field_is_null() -> None:
    text = "Den har **1\u00a0659** kr/mån i avgift"
    page = listing_with(rent=None, infoSections=[info_point("rent", text)])
    assert page.home.fee_sek_per_month == 1659

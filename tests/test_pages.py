"""Page objects over the sample payloads, and over captured pages where they are."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import attrs
import duckdb
import pytest
from web_poet import HttpResponse

from scrapy_project.items import Home, SaleCard
from scrapy_project.pages.listing import ListingPage
from scrapy_project.pages.next_data import (
    MissingPayloadError,
    NextData,
    UnknownShapeError,
    number_in,
    number_of,
    read_data_point,
)
from scrapy_project.pages.search import SearchPage
from warehouse.store import create_raw_tables

SAMPLES = Path(__file__).parent / "samples"
CAPTURED = Path(__file__).parents[2] / "shared" / "data" / "pages"
needs_captured = pytest.mark.skipif(
    not CAPTURED.is_dir(), reason=f"no captured pages at {CAPTURED}"
)


def page_html(payload: Any) -> bytes:
    text = json.dumps(payload, ensure_ascii=False)
    script = f'<script id="__NEXT_DATA__" type="application/json">{text}</script>'
    return f"<html><body>{script}</body></html>".encode()


def sample(name: str) -> dict[str, Any]:
    path = SAMPLES / f"{name}.next_data.json"
    return json.loads(path.read_text(encoding="utf-8"))


def enveloped(cache: dict[str, Any]) -> bytes:
    return page_html({"props": {"pageProps": {"__APOLLO_STATE__": cache}}})


def search_page(body: bytes) -> SearchPage:
    return SearchPage(HttpResponse("https://www.booli.se/sok/slutpriser", body))


def listing_page(body: bytes) -> ListingPage:
    return ListingPage(HttpResponse("https://www.booli.se/bostad/1", body))


def cache_of(payload: dict[str, Any]) -> dict[str, Any]:
    return payload["props"]["pageProps"]["__APOLLO_STATE__"]


def sample_home(name: str) -> Home:
    return listing_page(page_html(sample(name))).home


def home_with(**changes: Any) -> Home:
    payload = sample("listing_page_several_sales")
    root = cache_of(payload)["SoldProperty:9000004"]
    root.update(changes)
    return listing_page(page_html(payload)).home


def info_point(key: str, markdown: str) -> dict[str, Any]:
    points = [{"key": key, "displayText": {"markdown": markdown}}]
    return {"key": "propertyInfo", "content": {"infoPoints": points}}


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


# Numbers and texts


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("8\u00a0020\u00a0000 kr", 8020000),
        ("+1\u00a0525\u00a0000 kr", 1525000),
        ("-345\u00a0000 kr", -345000),
        ("±0 kr", 0),
        ("+/-0%", 0),
        ("+23,5%", 23.5),
        ("-12 %", -12),
        ("-7.2%", -7.2),
        ("\u2212195\u00a0000 kr", -195000),
        ("58½ m²", 58.5),
        ("½ tr", 0.5),
        ("1½ tr", 1.5),
        ("våning 3 av 5", 3),
        ("ingen siffra", None),
        ("", None),
    ],
)
def test_number_is_read_from_swedish_text(text: str, number: float | None) -> None:
    assert number_in(text) == number


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ({"raw": 5.1, "value": "9", "formatted": "8 kr"}, 5.1),
        ({"raw": None, "value": "1\u00a0659", "formatted": "8 kr"}, 1659),
        ({"formatted": "4\u00a0995\u00a0000 kr"}, 4995000),
        ({"raw": 0, "formatted": "±0 kr"}, 0),
        ({"unit": "kr"}, None),
        (None, None),
        (True, None),
        (18.05, 18.05),
    ],
)
def test_formatted_value_prefers_raw_then_value_then_text(
    value: Any, number: float | None
) -> None:
    assert number_of(value) == number


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("64 m²", {"living_area_m2": 64}),
        ("42,5\u00a0m²", {"living_area_m2": 42.5}),
        (
            "74\u00a0+\u00a06\u00a0m²",
            {"living_area_m2": 74, "additional_area_m2": 6},
        ),
        ("58½ m²", {"living_area_m2": 58.5}),
        ("1,5 rum", {"rooms": 1.5}),
        ("2½ rum", {"rooms": 2.5}),
        ("vån 0,5", {"floor": 0.5}),
        ("vån -1", {"floor": -1}),
        ("½ tr", {"floor": 0.5}),
        ("BV", {"floor": 0}),
        ("125\u00a0300\u00a0kr/m²", {"price_per_m2_sek": 125300}),
        ("2\u00a0953\u00a0kr/mån", {"fee_sek_per_month": 2953}),
        ("1\u00a0106\u00a0m²\u00a0tomt", {}),
        ("3,2 ha\u00a0totalarea", {}),
        ("nyproduktion", None),
    ],
)
def test_short_text_of_a_card_is_read(text: str, values: dict | None) -> None:
    assert read_data_point(text) == values


# Search pages


def test_cards_of_the_sample_are_the_golden_rows() -> None:
    cards = search_page(page_html(sample("search_page"))).cards
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


def test_results_come_from_the_root_query_and_not_from_other_entities() -> None:
    payload = sample("search_page")
    stray = dict(cache_of(payload)["SoldProperty:9000004"], booliId="1", id="1")
    cache_of(payload)["SoldProperty:1"] = stray
    cards = search_page(page_html(payload)).cards
    assert 1 not in {card.booli_id for card in cards}
    assert len(cards) == 4


def test_echo_says_what_the_site_understood() -> None:
    page = search_page(page_html(sample("search_page")))
    assert page.echo.area_ids == {"115341"}
    assert page.echo.filters["objectType"] == "Lägenhet"
    assert (page.echo.page, page.echo.is_sorted) == (1, False)


def test_display_attributes_are_found_whatever_their_arguments() -> None:
    payload = sample("search_page")
    card = cache_of(payload)["SoldProperty:9000004"]
    (key,) = [key for key in card if key.startswith("displayAttributes")]
    card["displayAttributes"] = card.pop(key)
    cards = search_page(page_html(payload)).cards
    assert [c.living_area_m2 for c in cards if c.booli_id == 9000004] == [52]


def test_card_of_2023_has_its_measures_as_fields() -> None:
    payload = sample("search_page")
    card = cache_of(payload)["SoldProperty:9000004"]
    for key in [key for key in card if key.startswith("displayAttributes")]:
        del card[key]
    card["livingArea"] = {"raw": 52.5, "unit": "m²"}
    card["rooms"] = {"value": "2,5"}
    card["floor"] = {"value": "½", "unit": "tr"}
    card["soldSqmPrice"] = {"formatted": "101\u00a0000 kr/m²"}
    (read,) = [
        card
        for card in search_page(page_html(payload)).cards
        if card.booli_id == 9000004
    ]
    measures = (read.living_area_m2, read.rooms, read.floor, read.price_per_m2_sek)
    assert measures == (52.5, 2.5, 0.5, 101000)


@pytest.mark.parametrize(
    ("key", "value"),
    [("soldPrice", None), ("soldDate", None), ("url", None), ("booliId", "x")],
)
def test_card_without_what_makes_it_a_sale_is_named_and_the_others_are_read(
    key: str, value: Any
) -> None:
    payload = sample("search_page")
    cache_of(payload)["SoldProperty:9000004"][key] = value
    page = search_page(page_html(payload))
    assert len(page.cards) == 3
    (bad,) = page.unreadable
    assert (bad.field, bad.record["streetAddress"]) == (key, "Provgatan 12B")


def test_unknown_short_text_is_counted() -> None:
    payload = sample("search_page")
    card = cache_of(payload)["SoldProperty:9000004"]
    (key,) = [key for key in card if key.startswith("displayAttributes")]
    card[key]["dataPoints"].append({"value": {"plainText": "solceller"}})
    page = search_page(page_html(payload))
    assert len(page.cards) == 4
    assert page.data.oddities == {"unknown_datapoint/solceller": 1}


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


def test_page_without_payload_is_refused() -> None:
    with pytest.raises(MissingPayloadError, match="__NEXT_DATA__"):
        _ = search_page(b"<html><title>Just a moment...</title></html>").cards


def test_payload_that_is_cut_off_is_refused() -> None:
    body = page_html(sample("search_page"))
    with pytest.raises(MissingPayloadError):
        _ = search_page(body[: len(body) // 2]).cards


# Listing pages


def test_home_of_a_recent_sale_has_every_field() -> None:
    home = sample_home("listing_page_several_sales")
    assert attrs.asdict(home) == {
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
    home = sample_home("listing_page_sale_older_than_12_months")
    assert home.detail_typename == "ResidenceWithSoldProperty"
    assert (home.booli_id, home.residence_id) == (5100009, 800009)
    assert (home.fee_sek_per_month, home.floor, home.days_active) == (2750, 2, 14)
    assert (home.sold_date, home.sold_price_sek) == (date(2024, 2, 8), 4350000)


def test_residence_id_in_booli_id_is_no_sale() -> None:
    payload = sample("listing_page_sale_older_than_12_months")
    cache_of(payload)["ResidenceWithSoldProperty:800009"]["booliId"] = "800009"
    assert listing_page(page_html(payload)).home.booli_id is None


@pytest.mark.parametrize("typename", ["Listing", "ResidenceForSale", "Residence"])
def test_home_that_is_not_sold_speaks_for_no_sale(typename: str) -> None:
    agency = {"__typename": "Agency", "id": "7001", "name": "Provmäklarna"}
    home = home_with(
        __typename=typename, agencyId=None,
        **{'agency({"queryContext":"PROPERTY_PAGE_LISTING"})': agency},
    )  # fmt: skip
    assert (home.booli_id, home.sold_date) == (None, None)
    assert (home.agency_id, home.agency_name) == (7001, "Provmäklarna")
    assert (home.detail_typename, home.fee_sek_per_month) == (typename, 3120)


def test_root_may_be_an_inline_object_under_another_query() -> None:
    payload = sample("listing_page_several_sales")
    cache = cache_of(payload)
    root = cache.pop("SoldProperty:9000004")
    cache["ROOT_QUERY"] = {'propertyByListingId({"listingId":"9000004"})': root}
    assert listing_page(page_html(payload)).home.booli_id == 9000004


def test_home_of_unknown_type_is_refused() -> None:
    with pytest.raises(UnknownShapeError, match="ListableProperty"):
        home_with(__typename="ListableProperty")


@pytest.mark.parametrize(
    ("markdown", "floor"),
    [
        ("Den ligger på **våning 3 av 3**", 3),
        ("Den ligger på **våning 0,5**", 0.5),
        ("Den ligger på **våning -1**", -1),
        ("Den ligger på **bottenvåningen**", 0),
        ("Den ligger på **BV**", 0),
    ],
)
def test_floor_is_read_from_its_info_point(markdown: str, floor: float) -> None:
    assert home_with(infoSections=[info_point("floor", markdown)]).floor == floor


def test_days_before_the_ad_are_not_days_for_sale() -> None:
    text = "Bostaden var snart till salu i **42** dagar"
    home = home_with(infoSections=[info_point("daysActive", text)])
    assert home.days_active is None


def test_yearly_running_cost_is_not_taken_for_a_monthly_one() -> None:
    home = home_with(operatingCost={"raw": 5400, "unit": "kr/år"}, infoSections=[])
    assert home.operating_cost_sek_per_month is None


def test_fee_is_read_from_its_info_point_when_the_field_is_null() -> None:
    text = "Den har **1\u00a0659** kr/mån i avgift"
    home = home_with(rent=None, infoSections=[info_point("rent", text)])
    assert home.fee_sek_per_month == 1659


def test_structured_fields_of_2023_are_read() -> None:
    home = home_with(
        infoSections=None, floor={"value": "½", "unit": "tr"}, soldDate="2026-05-28",
        energyClass={"score": "C"}, apartmentNumber={"value": "1202"}, daysActive=4,
    )  # fmt: skip
    assert (home.floor, home.energy_class, home.apartment_number) == (0.5, "C", "1202")
    assert (home.sold_date, home.days_active) == (date(2026, 5, 28), 4)


def test_unknown_info_point_is_counted() -> None:
    payload = sample("listing_page_several_sales")
    root = cache_of(payload)["SoldProperty:9000004"]
    root["infoSections"] = [info_point("solarPanels", "Taket har **12** paneler")]
    page = listing_page(page_html(payload))
    assert page.home.booli_id == 9000004
    assert page.data.oddities == {"unknown_infopoint/solarPanels": 1}


def test_field_variants_are_merged() -> None:
    data = NextData(
        json.dumps(
            {"props": {"pageProps": {"__APOLLO_STATE__": {"ROOT_QUERY": {}}}}}
        ).encode()
    )
    entity = {'agency({"a":1})': {"id": "1"}, 'agency({"b":2})': {"name": "B"}}
    assert data.field(entity, "agency") == {"id": "1", "name": "B"}
    assert data.field(entity, "agen") is None


# Captured pages


def captured(name: str) -> bytes:
    return (CAPTURED / name).read_bytes()


def captured_search(name: str) -> SearchPage:
    body = captured(name)
    return search_page(body if name.endswith("html") else enveloped(json.loads(body)))


@needs_captured
@pytest.mark.parametrize(
    ("name", "first", "pages", "total"),
    [
        (
            "2025-10_search_vasastan.html",
            SaleCard(
                booli_id=5846886, url="/bostad/691097",
                street_address="Observatoriegatan 7", descriptive_area_name="Vasastan",
                municipality_name="Stockholm", object_type="Lägenhet",
                sold_price_type="Sista bud", sold_date=date(2025, 10, 17),
                sold_price_sek=8020000, list_price_sek=6495000,
                price_change_sek=1525000, price_change_pct=23.5,
                price_per_m2_sek=125300, living_area_m2=64, rooms=2, floor=3,
                days_active=8, latitude=59.34066917, longitude=18.05172213,
                amenities=["balcony", "fireplace"],
            ),
            90,
            3130,
        ),
        (
            "2026-06_search.apollo_state.json",
            SaleCard(
                booli_id=6167357, url="/bostad/303764",
                street_address="Gelbgjutargatan 16",
                descriptive_area_name="Jönköpings kommun",
                municipality_name="Jönköping", object_type="Lägenhet",
                sold_price_type="Slutpris", sold_date=date(2026, 6, 16),
                sold_price_sek=2050000, price_per_m2_sek=40200, living_area_m2=51,
                rooms=1, floor=2, latitude=57.7795289, longitude=14.17800794,
            ),
            83679,
            2928757,
        ),
    ],
)  # fmt: skip
def test_captured_search_page_reads_whole(
    name: str, first: SaleCard, pages: int, total: int
) -> None:
    page = captured_search(name)
    assert page.cards[0] == first
    assert (page.page_count, page.total_count) == (pages, total)
    assert (len(page.cards), page.unreadable, page.data.oddities) == (35, [], {})


@needs_captured
@pytest.mark.parametrize(
    "name", ["2025-10_search_vasastan.html", "2026-06_search.apollo_state.json"]
)
def test_captured_price_per_m2_is_price_over_living_area(name: str) -> None:
    for card in captured_search(name).cards:
        assert card.living_area_m2
        per_m2 = card.sold_price_sek / card.living_area_m2
        assert per_m2 == pytest.approx(card.price_per_m2_sek, abs=50.01)


@needs_captured
def test_captured_cards_hold_the_awkward_values() -> None:
    cards = {
        card.booli_id: card
        for name in ("2025-10_search_vasastan.html", "2026-06_search.apollo_state.json")
        for card in captured_search(name).cards
    }
    assert (cards[5724441].living_area_m2, cards[5724441].additional_area_m2) == (74, 6)
    assert (cards[5879932].floor, cards[6143306].floor) == (2.5, 0)
    assert (cards[5842508].price_change_sek, cards[5842508].price_change_pct) == (0, 0)
    assert cards[5764701].price_change_sek == -345000  # against the first asking price
    assert (cards[6153716].living_area_m2, cards[6153716].rooms) == (71, None)


@needs_captured
def test_captured_listing_page_of_2025_reads_whole() -> None:
    page = listing_page(captured("2025-10_listing_annons_5848556.html"))
    assert page.home == Home(
        url="/annons/5848556", detail_typename="SoldProperty", booli_id=5848556,
        street_address="Gästrikegatan 22",
        descriptive_area_name="Vasastan Odenplan Sankt Eriksplan",
        municipality_name="Stockholm", postcode="11362", object_type="Lägenhet",
        brf_id=79143, brf_name="Bf Vasen u p a", agency_id=16, apartment_number="1103",
        sold_price_type="Slutpris", sold_date=date(2025, 10, 16),
        sold_price_sek=8100000, list_price_sek=7650000, first_price_sek=7650000,
        fee_sek_per_month=1587, operating_cost_sek_per_month=600, living_area_m2=63,
        rooms=2, floor=1, construction_year=1899, days_active=12,
        is_sold_before_listing=False, latitude=59.34215495, longitude=18.0391547,
        area_ids=[1, 2, 143, 77104, 101683, 115349, 115363, 860640, 874663, 883816,
                  898763, 973576, 1002244],
        amenities=["balcony", "elevator"],
    )  # fmt: skip
    assert page.data.oddities == {}


@needs_captured
def test_captured_listing_page_of_2026_reads_whole() -> None:
    root = json.loads(captured("2026-06_listing.apollo_state.json"))
    query = 'propertyByResidenceId({"residenceId":2265068})'
    cache = {"SoldProperty:6107381": root}
    cache["ROOT_QUERY"] = {query: {"__ref": "SoldProperty:6107381"}}
    page = listing_page(enveloped(cache))
    assert page.home == Home(
        url="/bostad/2265068", detail_typename="SoldProperty", booli_id=6107381,
        residence_id=2265068, street_address="Travslingan 4",
        descriptive_area_name="Visinge", municipality_name="Täby", object_type="Villa",
        tenure_form="Äganderätt", agency_id=20, sold_price_type="Slutpris",
        sold_date=date(2026, 6, 16), sold_price_sek=9000000,
        operating_cost_sek_per_month=2641, living_area_m2=169, additional_area_m2=24,
        rooms=7, construction_year=1983, is_sold_before_listing=True,
        latitude=59.46475735, longitude=18.06122525,
    )  # fmt: skip
    assert page.data.oddities == {}

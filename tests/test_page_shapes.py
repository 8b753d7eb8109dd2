"""One sale in every shape the site has had, and what a shape never seen leads to."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from sample_pages import (
    OLD_SALE,
    SALE,
    SEVERAL_SALES,
    cache_of,
    card_of,
    enveloped,
    info_point,
    listing_page,
    listing_with,
    old_listing_with,
    page_html,
    sample,
    sample_listing,
    sample_search,
    search_page,
    search_with,
    search_without,
)

from scrapy_project.pages.next_data import NextData, UnknownShapeError

SERP = '({"queryContext":"SERP_LIST_LISTING"})'
MEASURES_OF_2023 = {
    "as formatted values": {
        "livingArea": {"raw": 52, "unit": "m²"},
        "rooms": {"value": "2"},
        "floor": {"value": "3", "unit": "tr"},
        "soldSqmPrice": {"formatted": "101\u00a0000 kr/m²"},
    },
    "as numbers": {"livingArea": 52, "rooms": 2, "floor": 3.0, "soldSqmPrice": 101000},
    "as texts": {
        "livingArea": "52 m²",
        "rooms": "2 rum",
        "floor": "3 tr",
        "soldSqmPrice": "101\u00a0000 kr/m²",
    },
    "with arguments": {
        f"livingArea{SERP}": {"formatted": "52 m²"},
        f"rooms{SERP}": {"raw": 2},
        f"floor{SERP}": {"raw": 3, "value": "3", "formatted": "3 tr"},
        f"soldSqmPrice{SERP}": {"value": "101\u00a0000", "unit": "kr/m²"},
    },
    "in two variants": {
        "livingArea": {"raw": 52, "unit": "m²"},
        f"livingArea{SERP}": {"formatted": "52 m²"},
        "rooms": None,
        f"rooms{SERP}": {"raw": 2},
        "floor": 3,
        f"floor{SERP}": 3,
        "soldSqmPrice": {"raw": 101000},
    },
}


def empty_data() -> NextData:
    return NextData(
        b'{"pageProps": {"__APOLLO_STATE__": {"ROOT_QUERY": {"__typename": "Query"}}}}'
    )


def root_replaced(key: str, value: Any) -> bytes:
    """The sample search page with another search in its ROOT_QUERY."""
    payload = sample("search_page")
    root = cache_of(payload)["ROOT_QUERY"]
    for name in [name for name in root if name.startswith("searchSold(")]:
        del root[name]
    root[key] = value
    return page_html(payload)


# Cards


@pytest.mark.parametrize(
    "fields", MEASURES_OF_2023.values(), ids=list(MEASURES_OF_2023)
)
def test_card_with_its_measures_as_fields_is_the_same_sale(
    fields: dict[str, Any],
) -> None:
    page = search_without("displayAttributes", **fields)
    assert card_of(page) == card_of(sample_search())
    assert page.oddities == {}


def test_display_attributes_are_found_without_arguments() -> None:
    payload = sample("search_page")
    card = cache_of(payload)[SALE]
    (key,) = [key for key in card if key.startswith("displayAttributes")]
    card["displayAttributes"] = card.pop(key)
    assert search_page(page_html(payload)).cards == sample_search().cards


def test_display_attributes_in_two_variants_are_read_together() -> None:
    payload = sample("search_page")
    card = cache_of(payload)[SALE]
    (key,) = [key for key in card if key.startswith("displayAttributes")]
    points = card[key]["dataPoints"]
    card[key]["dataPoints"] = points[:2]
    card["displayAttributes"] = {"dataPoints": points[1:]}
    page = search_page(page_html(payload))
    assert (page.cards, page.oddities) == (sample_search().cards, {})


def test_amenities_in_two_variants_are_read_together() -> None:
    payload = sample("search_page")
    card = cache_of(payload)[SALE]
    balcony, elevator = card.pop("amenities")
    card['amenities({"limit":1})'] = [balcony]
    card['amenities({"limit":2})'] = [balcony, elevator]
    page = search_page(page_html(payload))
    assert (page.cards, page.oddities) == (sample_search().cards, {})


def test_soft_hyphen_in_an_address_is_dropped() -> None:
    page = search_with(streetAddress="Prov\u00adgatan 12B")
    assert card_of(page).street_address == "Provgatan 12B"


def test_title_transfer_with_a_negative_id_is_a_sale() -> None:
    page = search_with(
        booliId="-10220553", url="/lagfart/-10220553", soldPriceType="Lagfart"
    )
    card = card_of(page, -10220553)
    assert (card.url, card.sold_price_type) == ("/lagfart/-10220553", "Lagfart")


def test_price_that_is_not_price_per_m2_times_area_is_suspicious() -> None:
    page = search_with(soldPrice={"raw": 6250000})
    assert card_of(page).sold_price_sek == 6250000
    assert page.suspicions == {"sqm_check_failed": 1}


# Listing pages


def test_structured_fields_of_2023_are_read() -> None:
    page = listing_with(
        infoSections=None,
        floor={"value": "½", "unit": "tr"},
        soldDate="2026-05-28",
        energyClass={"score": "C"},
        apartmentNumber={"value": "1202"},
        daysActive=4,
    )
    home = page.home
    assert (home.floor, home.energy_class, home.apartment_number) == (0.5, "C", "1202")
    assert (home.sold_date, home.days_active) == (date(2026, 5, 28), 4)
    assert page.oddities == {}


def test_energy_class_and_apartment_number_may_be_plain_texts() -> None:
    home = listing_with(energyClass="B", apartmentNumber="1303").home
    assert (home.energy_class, home.apartment_number) == ("B", "1303")


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
    page = listing_with(infoSections=[info_point("floor", markdown)])
    assert page.home.floor == floor


@pytest.mark.parametrize("typename", ["Listing", "ResidenceForSale", "Residence"])
def test_home_that_is_not_sold_speaks_for_no_sale(typename: str) -> None:
    agency = {"__typename": "Agency", "id": "7001", "name": "Provmäklarna"}
    home = listing_with(
        __typename=typename, agencyId=None,
        **{'agency({"queryContext":"PROPERTY_PAGE_LISTING"})': agency},
    ).home  # fmt: skip
    assert (home.booli_id, home.sold_date, home.sold_price_sek) == (None, None, None)
    assert (home.sold_price_type, home.is_sold_before_listing) == (None, None)
    assert (home.agency_id, home.agency_name) == (7001, "Provmäklarna")
    assert (home.detail_typename, home.fee_sek_per_month) == (typename, 3120)


def test_home_that_was_never_sold_has_no_asking_price() -> None:
    home = listing_with(__typename="Residence").home
    assert (home.list_price_sek, home.first_price_sek, home.days_active) == (None,) * 3
    assert listing_with(__typename="Listing").home.list_price_sek == 4995000


@pytest.mark.parametrize(
    ("own", "sales", "booli_id"),
    [
        ("5100009", ["5100009", "4000001"], 5100009),
        ("4000001", ["5100009", "4000001"], 4000001),
        ("800009", ["5100009", "4000001"], 5100009),
        ("800009", ["4000001", "5100009"], None),
        ("800009", [], None),
        ("800009", None, None),
        (None, ["5100009", "4000001"], 5100009),
        ("7777777", ["5100009", "4000001"], None),
    ],
)
def test_sale_of_a_residence_is_the_one_that_is_first_and_greatest(
    own: str | None, sales: list[str] | None, booli_id: int | None
) -> None:
    stubs = sales and [{"__typename": "SoldProperty", "booliId": id_} for id_ in sales]
    page = old_listing_with(booliId=own, salesOfResidence=stubs)
    assert page.home.booli_id == booli_id
    assert page.oddities == {}


def test_id_that_is_neither_the_residence_nor_one_of_its_sales_is_suspicious() -> None:
    page = old_listing_with(booliId="7777777")
    assert page.home.booli_id is None
    assert page.suspicions == {"booli_id_not_among_sales": 1}


@pytest.mark.parametrize(
    "query",
    [
        'propertyByListingId({"listingId":"9000004"})',
        'propertyByListingId({"listingId":-9000004})',
        'propertyByResidenceId({"residenceId":"800001"})',
    ],
)
def test_root_may_be_an_inline_object_under_another_query(query: str) -> None:
    payload = sample(SEVERAL_SALES)
    cache = cache_of(payload)
    cache["ROOT_QUERY"] = {query: cache.pop(SALE)}
    page = listing_page(page_html(payload))
    assert page.home.booli_id == 9000004


def test_housing_cooperative_may_be_inline_with_name_and_link() -> None:
    coop = {
        "__typename": "HousingCoop",
        "name": "BRF Inne",
        "link": "/bostadsrattsforening/590002",
    }
    home = listing_with(housingCoop=coop, breadcrumbs=None).home
    assert (home.brf_id, home.brf_name) == (590002, "BRF Inne")


def test_title_transfer_has_a_listing_page() -> None:
    home = listing_with(
        id="-123", booliId="-123", url="/lagfart/-123", residenceId=None
    ).home
    assert (home.url, home.booli_id) == ("/lagfart/-123", -123)


@pytest.mark.parametrize("name", [SEVERAL_SALES, OLD_SALE])
def test_json_answer_of_a_listing_page_reads_like_the_page(name: str) -> None:
    body = json.dumps({"pageProps": sample(name)["props"]["pageProps"]}).encode()
    assert listing_page(body).home == sample_listing(name).home


# Fields with arguments


def test_field_variants_are_merged() -> None:
    entity = {'agency({"a":1})': {"id": "1"}, 'agency({"b":2})': {"name": "B"}}
    node = empty_data().node(entity, "root")
    assert node.get("agency") == {"id": "1", "name": "B"}
    assert node.get("agen") is None


def test_field_variants_that_contradict_each_other_are_odd() -> None:
    data = empty_data()
    node = data.node({"floor": 3, 'floor({"a":1})': 4}, "root")
    assert node.number("floor", "floor") == 3
    assert data.oddities == {"conflicting_variants/floor": 1}


def test_reference_to_itself_ends() -> None:
    payload = sample("search_page")
    cache_of(payload)[SALE]["location"] = {"__ref": "Loop:1"}
    cache_of(payload)["Loop:1"] = {"__ref": "Loop:1"}
    page = search_page(page_html(payload))
    assert card_of(page).municipality_name is None
    assert page.oddities == {"dead_reference/Loop": 1}


# Shapes never seen


def test_other_search_of_other_entities_is_refused_by_name() -> None:
    found = {
        "__typename": "SearchSoldV2Result",
        'items({"limit":35})': [
            {"__typename": "ListableProperty", "originId": "sold:x:1", "price": "5 000"}
        ],
    }
    page = search_page(root_replaced('searchSoldV2({"input":{}})', found))
    with pytest.raises(UnknownShapeError, match=r"searchSoldV2: .* 1 ListableProperty"):
        _ = page.cards
    assert page.oddities["unknown_root_key/searchSoldV2"] == 1


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"__typename": "SearchSoldV3Result", "result": [], "pages": 1, "totalCount": 1},
        {"result": {"a": 1}, "pages": 1, "totalCount": 1},
        {"result": "many", "pages": 1, "totalCount": 1},
        {"result": [], "pages": "x", "totalCount": {}},
    ],
)
def test_result_of_another_form_is_refused(value: Any) -> None:
    key = 'searchSold({"input":{"areaId":"1","filters":[]}})'
    with pytest.raises(UnknownShapeError):
        _ = search_page(root_replaced(key, value)).cards


@pytest.mark.parametrize(
    "arguments",
    ['{"input":[]}', '{"input":{"filters":7}}', '{"input":{"filters":[{}]}}', "{", "1"],
)
def test_echo_of_another_form_is_refused(arguments: str) -> None:
    result = {"result": [], "pages": 0, "totalCount": 0}
    page = search_page(root_replaced(f"searchSold({arguments})", result))
    with pytest.raises(UnknownShapeError):
        _ = page.echo


def test_only_card_of_a_page_may_be_unreadable() -> None:
    key = 'searchSold({"input":{"areaId":"1","filters":[]}})'
    result = {"result": [{"__ref": "SoldProperty:1"}], "pages": 1, "totalCount": 1}
    page = search_page(enveloped({"ROOT_QUERY": {key: result}}))
    assert (page.cards, len(page.unreadable)) == ([], 1)
    assert page.oddities == {"dead_reference/SoldProperty": 1}

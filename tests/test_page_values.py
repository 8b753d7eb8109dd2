"""Numbers and texts of a page: what is understood, and what is refused and counted."""

from __future__ import annotations

from typing import Any

import pytest
from sample_pages import (
    SALE,
    SEVERAL_SALES,
    cache_of,
    card_of,
    info_point,
    listing_page,
    listing_with,
    page_html,
    sample,
    search_page,
    search_with,
    search_without,
)

from scrapy_project.pages.quantities import (
    QUANTITIES,
    OddValueError,
    floor_in,
    number_in,
    read_data_point,
    read_number,
)

# What is understood


@pytest.mark.parametrize(
    ("text", "column", "number"),
    [
        ("8\u00a0020\u00a0000 kr", "sold_price_sek", 8020000),
        ("+1\u00a0525\u00a0000 kr", "price_change_sek", 1525000),
        ("-345\u00a0000 kr", "price_change_sek", -345000),
        ("\u2212195\u00a0000 kr", "price_change_sek", -195000),
        ("±0 kr", "price_change_sek", 0),
        ("+/-0%", "price_change_pct", 0),
        ("+23,5%", "price_change_pct", 23.5),
        ("-12 %", "price_change_pct", -12),
        ("-7.2%", "price_change_pct", -7.2),
        ("58½ m²", "living_area_m2", 58.5),
        ("2½ rum", "rooms", 2.5),
        ("½", "rooms", 0.5),
        ("8 dagar", "days_active", 8),
        ("1929", "construction_year", 1929),
        ("59.34066917", "latitude", 59.34066917),
    ],
)
def test_number_is_read_from_swedish_text(
    text: str, column: str, number: float
) -> None:
    assert number_in(text, QUANTITIES[column]) == number


@pytest.mark.parametrize(
    ("text", "floor"),
    [
        ("3", 3), ("3 tr", 3), ("½ tr", 0.5), ("1½ tr", 1.5), ("vån 0,5", 0.5),
        ("vån -1", -1), ("våning 3 av 5", 3), ("BV", 0), ("bottenvåningen", 0),
        ("entréplan", 0), ("BV av 5", 0),
    ],
)  # fmt: skip
def test_floor_is_read_from_swedish_text(text: str, floor: float) -> None:
    assert floor_in(text) == floor


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ({"raw": 5250000, "value": "9", "formatted": "8 kr"}, 5250000),
        ({"raw": None, "value": "1\u00a0659", "formatted": "8 kr"}, 1659),
        ({"formatted": "4\u00a0995\u00a0000 kr"}, 4995000),
        ({"raw": "4\u00a0995\u00a0000"}, 4995000),
        ({"unit": "kr"}, None),
        ({}, None),
        (None, None),
        ("", None),
        (4995000, 4995000),
    ],
)
def test_formatted_value_prefers_raw_then_value_then_text(
    value: Any, number: float | None
) -> None:
    assert read_number(value, "list_price_sek") == number


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
        ("ca 64 m²", None),
        ("60-64 m²", None),
        ("64 m² eller mer", None),
        ("74 + ½6 m²", None),
        ("12 3456 kr/m²", None),
    ],
)
def test_short_text_of_a_card_is_read(text: str, values: dict | None) -> None:
    read = read_data_point(text)
    assert (None if read is None else dict(read)) == values


# What is refused


@pytest.mark.parametrize(
    ("value", "column", "oddity"),
    [
        ("1e5", "sold_price_sek", "unknown_text/sold_price_sek/#e#"),
        ("5 000 eller 6 000", "fee_sek_per_month",
         "unknown_text/fee_sek_per_month/# # eller # #"),
        ("ca 3 rum", "rooms", "unknown_text/rooms/ca # rum"),
        ("8.020.000 kr", "sold_price_sek", "unknown_text/sold_price_sek/#.#.# kr"),
        ("8.020 kr", "fee_sek_per_month", "unknown_text/fee_sek_per_month/#.# kr"),
        ("±5 kr", "price_change_sek", "unknown_text/price_change_sek/±# kr"),
        ("<b>3</b>", "rooms", "unknown_text/rooms/<b>#</b>"),
        ("taket", "floor", "unknown_floor/taket"),
        ({"raw": 5, "unit": "kr/år"}, "fee_sek_per_month",
         "unknown_unit/fee_sek_per_month/kr/år"),
        ({"raw": 5, "unit": ["kr"]}, "fee_sek_per_month",
         "unknown_unit/fee_sek_per_month/a list"),
        ({"__typename": "Money", "raw": 5}, "sold_price_sek", "unknown_typename/Money"),
        ({"amount": 5}, "sold_price_sek", "unknown_member/sold_price_sek/amount"),
        (True, "rooms", "wrong_type/rooms"),
        ([3], "rooms", "wrong_type/rooms"),
        ({"raw": {"raw": 3}}, "rooms", "wrong_type/rooms"),
        (float("nan"), "rooms", "implausible/rooms"),
        (float("inf"), "sold_price_sek", "implausible/sold_price_sek"),
        (10**400, "sold_price_sek", "implausible/sold_price_sek"),
        ("9" * 250, "sold_price_sek", "implausible/sold_price_sek"),
        (-52, "living_area_m2", "implausible/living_area_m2"),
        (18.07, "latitude", "implausible/latitude"),
    ],
)  # fmt: skip
def test_value_that_is_not_understood_is_named(
    value: Any, column: str, oddity: str
) -> None:
    with pytest.raises(OddValueError) as refusal:
        read_number(value, column)
    assert refusal.value.oddity == oddity


@pytest.mark.parametrize(
    ("changes", "column", "oddity"),
    [
        ({"listPrice": 10**15}, "list_price_sek", "implausible/list_price_sek"),
        ({"latitude": 18.07}, "latitude", "implausible/latitude"),
        ({"latitude": []}, "latitude", "wrong_type/latitude"),
        ({"daysActive": -3}, "days_active", "implausible/days_active"),
        ({"streetAddress": "<p>x</p>"}, "street_address", "implausible/streetAddress"),
        ({"streetAddress": "\ud83d"}, "street_address", "implausible/streetAddress"),
        ({"streetAddress": 7}, "street_address", "wrong_type/streetAddress"),
        ({"location": []}, "municipality_name", "wrong_type/location"),
        ({"location": {"__typename": "Place", "region": {"municipalityName": "X"}}},
         "municipality_name", "unknown_typename/Place"),
        ({"listPrice": {"__ref": "Gone:1"}}, "list_price_sek", "dead_reference/Gone"),
    ],
)  # fmt: skip
def test_odd_value_of_a_card_is_none_and_counted(
    changes: dict[str, Any], column: str, oddity: str
) -> None:
    page = search_with(**changes)
    assert getattr(card_of(page), column) is None
    assert page.oddities == {oddity: 1}


def test_unknown_short_text_is_counted() -> None:
    points = [{"value": {"plainText": text}} for text in ("52 m²", "9 solceller")]
    page = search_without("displayAttributes", displayAttributes={"dataPoints": points})
    assert card_of(page).living_area_m2 == 52
    assert page.oddities == {"unknown_datapoint/# solceller": 1}


def test_short_texts_that_contradict_each_other_are_odd() -> None:
    points = [{"value": {"plainText": text}} for text in ("52 m²", "25 m²")]
    page = search_without("displayAttributes", displayAttributes={"dataPoints": points})
    assert card_of(page).living_area_m2 == 52
    assert page.oddities == {"conflicting_datapoints/living_area_m2": 1}


def test_card_without_any_measure_is_odd() -> None:
    page = search_without("displayAttributes")
    assert card_of(page).living_area_m2 is None
    assert page.oddities == {"missing/displayAttributes": 1}


def test_new_kind_of_price_is_kept_as_shown_and_counted() -> None:
    page = search_with(soldPriceType="Budgivning")
    assert card_of(page).sold_price_type == "Budgivning"
    assert page.oddities == {"unknown_sold_price_type/Budgivning": 1}


def test_new_member_of_the_root_query_is_counted() -> None:
    payload = sample("search_page")
    cache_of(payload)["ROOT_QUERY"]['searchFuture({"a":1})'] = {}
    page = search_page(page_html(payload))
    assert len(page.cards) == 4
    assert page.oddities == {"unknown_root_key/searchFuture": 1}


@pytest.mark.parametrize(
    ("point", "column", "oddity"),
    [
        (("solarPanels", "Taket har **12** paneler"), "floor",
         "unknown_infopoint/solarPanels"),
        (("floor", "Den ligger på **taket**"), "floor", "unknown_floor/taket"),
        (("floor", "Den ligger **högt**, **våning 3**"), "floor",
         "unknown_infotext/floor/Den ligger **högt**, **våning #**"),
        (("daysActive", "Den var borta i **3** dagar"), "days_active",
         "unknown_infotext/daysActive/Den var borta i **#** dagar"),
        (("daysActive", "Bostaden var till salu i **3** veckor"), "days_active",
         "unknown_unit/days_active/veckor"),
        (("energyScore", "Huset har **energiklass Z**"), "energy_class",
         "unknown_infotext/energyScore/energiklass Z"),
    ],
)  # fmt: skip
def test_info_point_that_is_not_understood_is_counted(
    point: tuple[str, str], column: str, oddity: str
) -> None:
    page = listing_with(infoSections=[info_point(*point)])
    assert getattr(page.home, column) is None
    assert page.oddities == {oddity: 1}


@pytest.mark.parametrize(
    ("changes", "column", "oddity"),
    [
        ({"soldAsUpcomingSale": "no"}, "is_sold_before_listing",
         "wrong_type/soldAsUpcomingSale"),
        ({"constructionYear": 19290}, "construction_year",
         "implausible/construction_year"),
        ({"energyClass": {"score": "Z"}, "infoSections": None}, "energy_class",
         "unknown_text/energy_class/Z"),
        ({"residenceId": "abc"}, "residence_id", "wrong_type/residence_id"),
    ],
)  # fmt: skip
def test_odd_value_of_a_home_is_none_and_counted(
    changes: dict[str, Any], column: str, oddity: str
) -> None:
    page = listing_with(**changes)
    assert getattr(page.home, column) is None
    assert page.oddities == {oddity: 1}


def test_sold_home_without_date_and_info_sections_is_odd() -> None:
    payload = sample(SEVERAL_SALES)
    del cache_of(payload)[SALE]["infoSections"]
    page = listing_page(page_html(payload))
    assert page.home.sold_date is None
    assert page.oddities == {"missing/infoSections": 1}


def test_unknown_info_section_type_is_counted() -> None:
    section = {"__typename": "InfoSectionV2", **info_point("floor", "**våning 3**")}
    page = listing_with(infoSections=[section])
    assert page.home.floor is None
    assert page.oddities == {"unknown_typename/InfoSectionV2": 1}


def test_contradicting_price_per_m2_of_a_home_is_suspicious() -> None:
    page = listing_with(soldSqmPrice={"value": "50\u00a0000", "unit": "kr/m²"})
    assert page.home.sold_price_sek == 5250000
    assert page.suspicions == {"sqm_check_failed": 1}

"""The replica over real HTTP: what a visitor of the site would meet."""

from __future__ import annotations

import gzip
import json
import re
import time
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from running_replica import FLATS, TODAY, Site, running

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running() as replica:
        yield replica


@pytest.fixture(scope="module")
def truth(site: Site) -> dict[str, dict[str, Any]]:
    return {sale["sale_id"]: sale for sale in site.truth()}


def root_path(truth: dict[str, dict[str, Any]], days: range) -> str:
    """A home's path whose newest sale is that many days old, and not for sale."""
    newest: dict[str, int] = {}
    for sale in truth.values():
        age = (TODAY - date.fromisoformat(sale["sold_date"])).days
        newest[sale["url"]] = min(age, newest.get(sale["url"], age))
    return next(url for url, age in newest.items() if age in days and "/bostad" in url)


def test_paging_a_closed_window_gives_every_sale_once_newest_first(
    site: Site, truth: dict[str, dict[str, Any]]
) -> None:
    window = f"{FLATS}&minSoldDate=2024-01-01&maxSoldDate=2024-03-31"
    _, result, cards = site.search(window)
    assert result["pages"] == -(-result["totalCount"] // 35)
    assert len(cards) == 35
    for page in range(2, result["pages"] + 1):
        cards += site.search(f"{window}&page={page}")[2]
    expected = {
        sale["booli_id"]
        for sale in truth.values()
        if "2024-01-01" <= sale["sold_date"] <= "2024-03-31"
        and sale["object_type"] == "Lägenhet"
    }
    assert len(cards) == result["totalCount"] == len(expected)
    assert {int(card["booliId"]) for card in cards} == expected
    order = [(card["soldDate"], int(card["booliId"])) for card in cards]
    assert order == sorted(order, reverse=True)


def test_past_the_last_page_is_not_found(site: Site) -> None:
    pages = site.search(FLATS)[1]["pages"]
    assert site.get(f"/sok/slutpriser?{FLATS}&page={pages}")[0] == 200
    assert site.get(f"/sok/slutpriser?{FLATS}&page={pages + 1}")[0] == 404


def test_empty_window_has_a_first_page_without_sales(site: Site) -> None:
    _, result, cards = site.search(f"{FLATS}&minSoldDate=2030-01-01")
    assert (result["pages"], result["totalCount"], cards) == (0, 0, [])


def test_echo_holds_the_query_in_the_order_given(site: Site) -> None:
    echo, _, _ = site.search(f"maxSoldDate=2020-12-31&{FLATS}&minRooms=1.5&page=2")
    assert echo == {
        "areaId": "1",
        "ascending": False,
        "excludeAncestors": True,
        "facets": ["upcomingSale"],
        "filters": [
            {"key": "maxSoldDate", "value": "2020-12-31"},
            {"key": "objectType", "value": "Lägenhet"},
            {"key": "minRooms", "value": "1.5"},
        ],
        "page": 2,
        "sort": "",
    }


@pytest.mark.parametrize(
    "query", ["areaId=115341", "areaIds=&minsolddate=2024-01-01", "utm=x&minRooms=tre"]
)
def test_unknown_parameters_give_the_whole_country(
    site: Site, truth: dict[str, dict[str, Any]], query: str
) -> None:
    echo, result, _ = site.search(query)
    assert (echo["areaId"], echo["filters"]) == ("77104", [])
    assert result["totalCount"] == len(truth)


def test_filters_leave_only_what_they_ask_for(
    site: Site, truth: dict[str, dict[str, Any]]
) -> None:
    query = f"{FLATS}&minSoldPrice=5000000&maxRooms=2&minLivingArea=40"
    _, result, cards = site.search(query)
    expected = sum(
        sale["sold_price_sek"] >= 5_000_000
        and (sale["rooms"] or 99) <= 2
        and sale["living_area_m2"] >= 40
        for sale in truth.values()
    )
    assert result["totalCount"] == expected
    assert all(card["soldPrice"]["raw"] >= 5_000_000 for card in cards)


def test_areas_narrow_the_result_and_can_be_joined(site: Site) -> None:
    one = site.search("areaIds=115341")
    two = site.search("areaIds=115341,115349")
    same = site.search("areaIds=115341&areaIds=115349")
    assert {card["descriptiveAreaName"] for card in one[2]} == {"Södermalm"}
    assert {c["descriptiveAreaName"] for c in two[2]} == {"Södermalm", "Vasastan"}
    assert same[1]["totalCount"] == two[1]["totalCount"] > one[1]["totalCount"]


def test_sort_turns_the_order_round(site: Site) -> None:
    echo, _, cards = site.search(f"{FLATS}&sort=soldDate")
    assert (echo["sort"], echo["ascending"]) == ("soldDate", True)
    dates = [card["soldDate"] for card in cards]
    assert dates == sorted(dates)
    assert dates[0].startswith("2012-01")


def test_old_forms_of_the_search_lead_to_the_same_result(site: Site) -> None:
    status, headers, _ = site.get("/slutpriser/sodermalm/115341?page=2")
    assert (status, headers["location"]) == (
        307,
        "/sok/slutpriser?areaIds=115341&page=2",
    )
    plain = site.state("/slutpriser?areaIds=115341")
    assert plain == site.state("/sok/slutpriser?areaIds=115341")


def test_search_page_is_full_of_things_that_are_no_results(site: Site) -> None:
    state = site.state(f"/sok/slutpriser?{FLATS}")
    kinds = [key.partition(":")[0] for key in state]
    members = [key.partition("(")[0] for key in state["ROOT_QUERY"]]
    assert 35 <= kinds.count("Listing") <= 70
    assert kinds.count("Project") > 0
    assert members.count("searchForSale") == 2
    assert members.count("propertySearchMeta") == 3
    assert members.count("searchSold") == 1
    meta = [v for k, v in state["ROOT_QUERY"].items() if "SearchMeta" in k]
    assert len(json.dumps(meta)) > 90_000


def test_cards_hold_what_the_truth_says(
    site: Site, truth: dict[str, dict[str, Any]]
) -> None:
    for card in site.search(FLATS)[2]:
        sale = truth[f"booli:{card['booliId']}"]
        assert card["soldPrice"]["raw"] == sale["sold_price_sek"]
        assert card["streetAddress"] == sale["street_address"]
        assert card["url"] == sale["url"]
        assert (card["listPrice"] is None) == (sale["list_price_sek"] is None)
        points = next(v for k, v in card.items() if k.startswith("displayAttributes("))
        texts = [point["value"]["plainText"] for point in points["dataPoints"]]
        assert texts[0].endswith("\u00a0m²")
        assert texts[-1].endswith("\u00a0kr/m²")
        assert ("BV" in texts) == (sale["floor"] == 0)


@pytest.mark.parametrize(
    ("is_wanted", "text"),
    [
        (lambda s: s["additional_area_m2"], r"[\d,½]+\u00a0\+\u00a0\d+\u00a0m²"),
        (lambda s: s["floor"] == 0.5, r"vån\u00a00,5"),
        (lambda s: s["floor"] == -1, r"vån\u00a0-1"),
        (lambda s: s["has_half_signs"] and s["rooms"] == 1.5, r"1½\u00a0rum"),
        (lambda s: not s["has_half_signs"] and s["rooms"] == 1.5, r"1,5\u00a0rum"),
    ],
    ids=["additional area", "half floor", "basement", "half sign", "decimal comma"],
)
def test_texts_are_spelt_as_on_the_site(
    site: Site, truth: dict[str, dict[str, Any]], is_wanted: Any, text: str
) -> None:
    sale = next(sale for sale in truth.values() if is_wanted(sale))
    day = sale["sold_date"]
    _, _, cards = site.search(f"{FLATS}&minSoldDate={day}&maxSoldDate={day}")
    (card,) = [c for c in cards if c["booliId"] == str(sale["booli_id"])]
    assert re.search(text, json.dumps(card, ensure_ascii=False))


def test_price_change_is_against_the_first_asking_price(
    site: Site, truth: dict[str, dict[str, Any]]
) -> None:
    sale = next(
        sale
        for sale in truth.values()
        if sale["list_price_sek"] not in (None, sale["first_price_sek"])
        and sale["sold_price_sek"] < sale["first_price_sek"]
    )
    day = sale["sold_date"]
    _, _, cards = site.search(f"{FLATS}&minSoldDate={day}&maxSoldDate={day}")
    (card,) = [c for c in cards if c["booliId"] == str(sale["booli_id"])]
    shown = card["soldPriceAbsoluteDiff"]["formatted"]
    change = int(re.sub(r"[^\d-]", "", shown))
    assert change == sale["sold_price_sek"] - sale["first_price_sek"] < 0
    assert card["soldPricePercentageDiff"]["formatted"].startswith("-")


def test_no_price_change_has_signs_of_its_own(
    site: Site, truth: dict[str, dict[str, Any]]
) -> None:
    sale = next(
        s for s in truth.values() if s["sold_price_sek"] == s["first_price_sek"]
    )
    day = sale["sold_date"]
    _, _, cards = site.search(f"{FLATS}&minSoldDate={day}&maxSoldDate={day}")
    (card,) = [c for c in cards if c["booliId"] == str(sale["booli_id"])]
    assert card["soldPriceAbsoluteDiff"]["formatted"] == "±0\u00a0kr"
    assert card["soldPricePercentageDiff"]["formatted"] == "+/-0%"


def test_root_is_a_sold_property_for_a_year_then_a_residence(
    site: Site, truth: dict[str, dict[str, Any]]
) -> None:
    recent = site.root(root_path(truth, range(30, 366)))
    older = site.root(root_path(truth, range(366, 5_000)))
    assert recent["__typename"] == "SoldProperty"
    assert not any(key.startswith("agency(") for key in recent)
    assert "soldDate" not in recent
    assert older["__typename"] == "ResidenceWithSoldProperty"
    assert older["soldDate"] < str(TODAY - timedelta(days=365))
    assert older["id"] == older["residenceId"]


def test_old_page_names_the_agency_and_holds_stubs_of_its_sales(
    site: Site, truth: dict[str, dict[str, Any]]
) -> None:
    sale = next(
        sale
        for sale in truth.values()
        if sale["sold_date"] < "2020"
        and sale["agency_name"]
        and "annons" in sale["url"]
    )
    state = site.state(sale["url"])
    root = state[f"ResidenceWithSoldProperty:{sale['booli_id']}"]
    agency = root['agency({"queryContext":"PROPERTY_PAGE_LISTING"})']
    assert agency["name"] == sale["agency_name"]
    assert root["residenceId"] is None
    assert state[f"SoldProperty:{sale['booli_id']}"] == {
        "__typename": "SoldProperty",
        "id": str(sale["booli_id"]),
        "booliId": str(sale["booli_id"]),
    }


def test_home_lists_its_sales_newest_first(
    site: Site, truth: dict[str, dict[str, Any]]
) -> None:
    sales: dict[str, list[dict[str, Any]]] = {}
    for sale in truth.values():
        sales.setdefault(sale["url"], []).append(sale)
    url, history = next((u, s) for u, s in sales.items() if len(s) >= 3)
    root = site.root(url)
    history.sort(key=lambda sale: sale["sold_date"], reverse=True)
    assert root["salesOfResidence"] == [
        {"__ref": f"SoldProperty:{sale['booli_id']}"} for sale in history
    ]
    assert root["soldPrice"]["raw"] == history[0]["sold_price_sek"]


def test_sales_of_one_home_are_cards_of_their_own_with_one_url(
    site: Site, truth: dict[str, dict[str, Any]]
) -> None:
    dates: dict[str, list[str]] = {}
    for sale in truth.values():
        dates.setdefault(sale["url"], []).append(sale["sold_date"])
    url, sold = next((u, d) for u, d in dates.items() if len(d) >= 2)
    shown = []
    for day in sold:
        _, _, cards = site.search(f"{FLATS}&minSoldDate={day}&maxSoldDate={day}")
        shown += [card for card in cards if card["url"] == url]
    assert len({card["booliId"] for card in shown}) == len(shown) == len(sold)


def test_home_back_on_the_market_has_a_listing_root(
    site: Site, truth: dict[str, dict[str, Any]]
) -> None:
    recent = [s["url"] for s in truth.values() if "/bostad" in s["url"]]
    roots = (site.root(url) for url in dict.fromkeys(recent))
    root = next(root for root in roots if root["__typename"] == "Listing")
    assert root["salesOfResidence"] is None
    assert "soldPrice" not in root
    assert f"booli:{root['booliId']}" not in truth


def test_sold_page_tells_in_info_points_what_it_has(
    site: Site, truth: dict[str, dict[str, Any]]
) -> None:
    sale = next(
        sale
        for sale in truth.values()
        if "annons" in sale["url"]
        and sale["fee_sek_per_month"]
        and sale["brf_id"]
        and (sale["floor"] or 0) >= 1
    )
    root = site.root(sale["url"])
    points = {
        point["key"]: point["displayText"]["markdown"]
        for section in root["infoSections"]
        for point in section["content"]["infoPoints"]
    }
    shown = f"{sale['fee_sek_per_month']:,}".replace(",", "\u00a0")
    assert points["rent"] == f"Den har **{shown}** kr/mån i avgift"
    assert points["floor"].startswith("Den ligger på **våning ")
    assert points["soldOrRemovedDate"].endswith(f"**{sale['sold_date']}**")
    assert root["rent"]["raw"] == sale["fee_sek_per_month"]
    assert root["agencyId"] == str(sale["agency_id"])
    assert root["breadcrumbs"][-1]["label"] == sale["brf_name"]
    state = site.state(root["breadcrumbs"][-1]["url"])
    assert state[f"HousingCoop:{sale['brf_id']}"]["name"] == sale["brf_name"]


def test_areas_of_a_listing_hold_its_postcode(
    site: Site, truth: dict[str, dict[str, Any]]
) -> None:
    state = site.state(root_path(truth, range(30, 365)))
    kinds = {v["type"]: v["name"] for k, v in state.items() if k.startswith("Area_V3:")}
    assert re.fullmatch(r"1\d{4}", kinds["postcode"])
    assert {"municipality", "county", "country", "suburb"} <= kinds.keys()


@pytest.mark.parametrize(
    "path", ["/bostad/1", "/annons/1", "/bostadsrattsforening/1", "/sok/salda", "/"]
)
def test_unknown_pages_are_not_found(site: Site, path: str) -> None:
    status, headers, body = site.get(path)
    assert status == 404
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert b"<title>" in body


def test_robots_txt_closes_the_private_paths_only(site: Site) -> None:
    status, headers, body = site.get("/robots.txt")
    assert (status, headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert body.decode().splitlines() == [
        "User-agent: *",
        "Disallow: /auth/",
        "Disallow: /save/",
        "Disallow: /user/",
        "Disallow: /mail/",
    ]


def test_pages_are_swedish_html_and_compressed_when_asked(site: Site) -> None:
    path = f"/sok/slutpriser?{FLATS}"
    _, headers, packed = site.get(path, **{"Accept-Encoding": "gzip"})
    _, _, plain = site.get(path, **{"Accept-Encoding": "identity"})
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed) == plain
    assert plain.startswith(b'<!DOCTYPE html><html lang="sv">')


def test_log_holds_path_time_and_user_agent(site: Site) -> None:
    site.get("/bostad/2?noted=1", **{"User-Agent": "slutpris-test"})
    log = json.loads(site.get("/__replica__/log")[2])
    assert log[-1]["path"] == "/bostad/2"
    assert log[-1]["query"] == "noted=1"
    assert log[-1]["user_agent"] == "slutpris-test"
    assert abs(log[-1]["time"] - time.time()) < 60

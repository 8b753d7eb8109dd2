"""The replica's market over time: late sales, settled bids, moved pages, drift."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from running_replica import FLATS, TODAY, Site, running

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALL = ("--sales-per-month", "4")


@pytest.fixture
def site() -> Iterator[Site]:
    with running(*SMALL) as replica:
        yield replica


@pytest.fixture(scope="module")
def transferring() -> Iterator[Site]:
    """A replica where some apartments are known from their deeds."""
    with running(*SMALL, "--title-transfers") as replica:
        yield replica


def by_id(site: Site) -> dict[int, dict[str, Any]]:
    return {sale["booli_id"]: sale for sale in site.truth()}


def ids_of(site: Site, query: str) -> list[int]:
    """The sales of all pages of a search, read one page after the other."""
    _, result, cards = site.search(query)
    for page in range(2, result["pages"] + 1):
        cards += site.search(f"{query}&page={page}")[2]
    return [int(card["booliId"]) for card in cards]


# Between two crawls


def test_late_sales_have_old_dates_and_are_found(site: Site) -> None:
    before = by_id(site)
    ids = site.control("change", seed=1, late_sales=9, late_days=20)["late_sales"]
    after = by_id(site)
    assert len(ids) == 9
    assert after.keys() - before.keys() == set(ids)
    days = {(TODAY - date.fromisoformat(after[n]["sold_date"])).days for n in ids}
    assert days <= set(range(1, 21))
    oldest = TODAY - timedelta(days=20)
    assert set(ids) <= set(ids_of(site, f"{FLATS}&minSoldDate={oldest}"))
    assert all(site.get(after[n]["url"])[0] == 200 for n in ids)


def test_bid_becomes_a_final_price(site: Site) -> None:
    before = by_id(site)
    ids = site.control("change", seed=1, settled_bids=3)["settled_bids"]
    after = by_id(site)
    assert len(ids) == 3
    for booli_id in ids:
        assert before[booli_id]["sold_price_type"] == "Sista bud"
        assert after[booli_id]["sold_price_type"] == "Slutpris"
        assert after[booli_id]["sold_price_sek"] != before[booli_id]["sold_price_sek"]
        assert after[booli_id]["sold_date"] == before[booli_id]["sold_date"]


def test_corrected_price_is_on_the_card(site: Site) -> None:
    before = by_id(site)
    (booli_id,) = site.control("change", corrected_prices=1)["corrected_prices"]
    sale = by_id(site)[booli_id]
    day = sale["sold_date"]
    _, _, cards = site.search(f"{FLATS}&minSoldDate={day}&maxSoldDate={day}")
    (card,) = [card for card in cards if card["booliId"] == str(booli_id)]
    assert card["soldPrice"]["raw"] == sale["sold_price_sek"]
    assert sale["sold_price_sek"] != before[booli_id]["sold_price_sek"]


def test_sale_moves_from_its_own_page_to_its_homes(site: Site) -> None:
    before = by_id(site)
    (booli_id,) = site.control("change", moved_urls=1)["moved_urls"]
    after = by_id(site)[booli_id]
    assert before[booli_id]["url"] == f"/annons/{booli_id}"
    assert after["url"] == f"/bostad/{after['residence_id']}"
    assert site.get(before[booli_id]["url"])[0] == 404
    assert site.root(after["url"])["residenceId"] == str(after["residence_id"])


def test_home_comes_back_on_the_market(site: Site) -> None:
    (home,) = site.control("change", new_ads=1)["new_ads"]
    root = site.root(f"/bostad/{home}")
    assert root["__typename"] in ("Listing", "ResidenceForSale")
    assert root["salesOfResidence"] is None
    assert int(root["booliId"]) not in by_id(site)


def test_no_sale_is_changed_twice(site: Site) -> None:
    asked = {"settled_bids": 5, "corrected_prices": 20, "moved_urls": 20}
    changed = site.control("change", **asked)
    ids = [booli_id for kind in asked for booli_id in changed[kind]]
    assert len(ids) == len(set(ids)) == 45


def test_same_seed_changes_the_same_and_another_seed_another() -> None:
    def outcome(seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        with running(*SMALL) as site:
            changed = site.control(
                "change",
                seed=seed,
                late_sales=5,
                settled_bids=2,
                corrected_prices=5,
                moved_urls=5,
                new_ads=2,
            )
            return changed, site.truth()

    assert outcome(1) == outcome(1)
    assert outcome(1)[0] != outcome(2)[0]


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"late": 3}, "late is no change; expected seed, late_sales"),
        ({"late_sales": "3"}, "expected a whole number from 0"),
        ({"late_days": 0}, "expected a whole number from 1"),
    ],
    ids=str,
)
def test_mistaken_change_is_explained(
    transferring: Site, wishes: dict[str, Any], words: str
) -> None:
    status, answer = transferring.ask("change", wishes)
    assert status == 400
    assert words in answer["error"]


# While paging


def test_drift_pushes_sales_onto_the_next_page(site: Site) -> None:
    site.control("mode", drift_every_requests=1, drift_sales=2)
    first = {card["booliId"] for card in site.search(FLATS)[2]}
    second = {card["booliId"] for card in site.search(f"{FLATS}&page=2")[2]}
    assert len(first & second) == 2
    inserted = json.loads(site.get("/__replica__/mode")[2])["drift_inserted"]
    assert len(inserted) == 4
    assert inserted[0] in by_id(site)


def test_drift_waits_for_its_number_of_page_requests(site: Site) -> None:
    total = site.search(FLATS)[1]["totalCount"]
    site.control("mode", drift_every_requests=3, drift_sales=1)
    site.get("/robots.txt")
    totals = [site.search(FLATS)[1]["totalCount"] for _ in range(5)]
    assert totals == [total, total, total, total + 1, total + 1]


def test_drift_can_fall_on_given_days(site: Site) -> None:
    window = f"{FLATS}&minSoldDate=2026-03-01&maxSoldDate=2026-03-05"
    total = site.search(window)[1]["totalCount"]
    wishes = {"drift_from": "2026-03-02", "drift_to": "2026-03-04"}
    site.control("mode", drift_every_requests=1, drift_sales=5, **wishes)
    site.get("/bostad/1")
    assert site.search(window)[1]["totalCount"] == total + 5


def test_closed_window_of_the_past_does_not_drift(site: Site) -> None:
    site.control("mode", drift_every_requests=1, drift_sales=3)
    window = f"{FLATS}&minSoldDate=2025-01-01&maxSoldDate=2025-06-30"
    assert ids_of(site, window) == ids_of(site, window)


# Title transfers


def test_houses_are_known_from_their_deeds_and_are_no_apartments(site: Site) -> None:
    houses = [sale for sale in site.truth() if sale["object_type"] == "Villa"]
    assert 0 < len(houses) < 200
    assert {sale["sold_price_type"] for sale in houses} == {"Lagfart"}
    assert set(ids_of(site, "areaIds=1&objectType=Villa")) == {
        sale["booli_id"] for sale in houses
    }
    assert min(ids_of(site, FLATS)) > 0


def test_deed_has_a_negative_id_and_a_page_of_its_own(site: Site) -> None:
    house = next(sale for sale in site.truth() if sale["object_type"] == "Villa")
    assert house["booli_id"] < 0
    assert house["url"] == f"/lagfart/{house['booli_id']}"
    root = site.root(house["url"])
    assert root["booliId"] == str(house["booli_id"])
    assert root["soldPriceType"] == "Lagfart"
    assert root["listPrice"] is None
    assert site.get("/lagfart/-1")[0] == 404


def test_some_apartments_are_deeds_when_asked_for(
    site: Site, transferring: Site
) -> None:
    flats = f"areaIds=1&objectType={quote('Lägenhet')}"
    deeds = [n for n in ids_of(transferring, flats) if n < 0]
    truth = by_id(transferring)
    assert 10 < len(deeds) < 80
    assert {truth[n]["sold_price_type"] for n in deeds} == {"Lagfart"}
    others = [sale for sale in transferring.truth() if sale["booli_id"] > 0]
    assert others == [sale for sale in site.truth() if sale["booli_id"] > 0]

"""Landing: what is stored, what is not again, and what stands or falls together."""

from __future__ import annotations

import zlib
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs
import duckdb
import pytest

from scrapy_project.items import Home, SaleCard
from scrapy_project.pages.search import UnreadableCard
from scrapy_project.pipelines import (
    HOMES_PER_TRANSACTION,
    LandedWindow,
    Landing,
    ReadSearchPage,
    ServedPage,
)
from scrapy_project.windows import DateWindow, SearchQuery, months
from warehouse.crawl_store import (
    CardChanges,
    CrawlRun,
    CrawlStore,
    SearchScope,
    WarehouseWriteError,
    utc_now,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUERY = SearchQuery("1", "Lägenhet")
MARCH = DateWindow(date(2016, 3, 1), date(2016, 3, 31))
SCOPE = SearchScope("127.0.0.1", "1", "Lägenhet", QUERY.prefix)
PAGE_URL = QUERY.url(MARCH, 1)


@pytest.fixture
def landing(tmp_path: Path) -> Iterator[Landing]:
    run = CrawlRun("run", "booli", SCOPE.site, {})
    store = CrawlStore(run, tmp_path / "warehouse.duckdb")
    yield Landing(store)
    store.close("finished", {"pages": 1})


def card(booli_id: int = 1, **changes: Any) -> SaleCard:
    plain = SaleCard(
        booli_id=booli_id, url=f"/bostad/{booli_id}", sold_date=date(2016, 3, 3),
        sold_price_sek=3_000_000, living_area_m2=52.5, amenities=["balcony"],
    )  # fmt: skip
    return attrs.evolve(plain, **changes)


def page(*cards: SaleCard, payload: bytes = b"{}", day: int = 1) -> ReadSearchPage:
    served = ServedPage(
        url=PAGE_URL, kind="search", payload=payload,
        fetched_at=datetime(2016, 4, day, 12),
    )  # fmt: skip
    return ReadSearchPage(page=served, cards=list(cards), unreadable=[])


def line(status: str = "complete", window: DateWindow = MARCH) -> LandedWindow:
    return LandedWindow(
        from_date=window.from_date, to_date=window.to_date, status=status,
        page_count=1, total_count=1,
    )  # fmt: skip


def found(landing: Landing, query: str) -> list[tuple]:
    return landing.store._connection.execute(query).fetchall()


def home(url: str, sold_date: date | None = date(2016, 3, 3)) -> Home:
    return Home(url=url, detail_typename="SoldProperty", sold_date=sold_date)


def add_home(landing: Landing, url: str, day: int = 1, **options: Any) -> None:
    served = ServedPage(
        url=url, kind="listing", payload=b'{"home":1}',
        fetched_at=datetime(2016, 4, day, 18),
    )  # fmt: skip
    landing.add_home(served, home(url, **options))
    landing.flush()


def test_every_field_of_a_card_arrives(landing: Landing) -> None:
    full = card(
        street_address="Provgatan 12B",
        descriptive_area_name="Södermalm",
        municipality_name="Stockholm",
        object_type="Lägenhet",
        sold_price_type="Lagfart",
        list_price_sek=1,
        price_change_sek=-2,
        price_change_pct=-0.1,
        price_per_m2_sek=57_100,
        additional_area_m2=6.0,
        rooms=1.5,
        floor=-1.0,
        fee_sek_per_month=3,
        days_active=4,
        latitude=59.3,
        longitude=18.1,
    )
    landing.land_window(SCOPE, line(), [page(full)])
    names = ", ".join(field.name for field in attrs.fields(SaleCard))
    assert found(landing, f"select {names} from raw.sale_cards") == [
        attrs.astuple(full)
    ]


def test_payload_is_kept_and_can_be_read_again(landing: Landing) -> None:
    landing.land_window(SCOPE, line(), [page(card(), payload='{"å": 1}'.encode())])
    ((url, payload),) = found(landing, "select url, payload_zlib from raw.pages")
    assert url == PAGE_URL
    assert zlib.decompress(payload).decode() == '{"å": 1}'


def test_equal_observation_is_not_stored_again(landing: Landing) -> None:
    changes = [
        landing.land_window(SCOPE, line("open"), [page(card(), day=day)])
        for day in (1, 2)
    ]
    assert changes == [CardChanges(new=1), CardChanges()]
    assert found(landing, "select count(*) from raw.sale_cards") == [(1,)]
    assert found(landing, "select count(*) from raw.crawl_windows") == [(1,)]


def test_changed_sale_is_stored_beside_the_old_one_also_when_it_changes_back(
    landing: Landing,
) -> None:
    for day, kind in enumerate(["Sista bud", "Slutpris", "Sista bud"], start=1):
        changed = card(sold_price_type=kind)
        landing.land_window(SCOPE, line("open"), [page(changed, day=day)])
    kinds = "select sold_price_type from raw.sale_cards order by observed_at"
    assert found(landing, kinds) == [("Sista bud",), ("Slutpris",), ("Sista bud",)]


def test_what_a_landing_changed_is_counted(landing: Landing) -> None:
    bid = card(1, sold_price_type="Sista bud")
    price = card(2, sold_price_type="Slutpris")
    moved = card(3, url="/annons/3")
    landing.land_window(SCOPE, line("open"), [page(bid, price, moved)])
    later = page(
        attrs.evolve(bid, sold_price_type="Slutpris", sold_price_sek=3_050_000),
        attrs.evolve(price, sold_price_sek=2_950_000),
        attrs.evolve(moved, url="/bostad/77"),
        card(4),
        day=2,
    )
    assert landing.land_window(SCOPE, line("open"), [later]) == CardChanges(
        new=1, changed=3, bids_settled=1, prices_corrected=1
    )


def test_older_observation_lands_without_becoming_the_newest(landing: Landing) -> None:
    final = card(sold_price_type="Slutpris")
    landing.land_window(SCOPE, line("open"), [page(final, day=9)])
    older = page(card(sold_price_type="Sista bud"), day=2)
    for _ in range(2):
        landing.land_search_page(older)
    newest = (
        "select arg_max(sold_price_type, observed_at), count(*) from raw.sale_cards"
    )
    assert found(landing, newest) == [("Slutpris", 2)]


def test_what_is_seen_after_the_clock_was_set_back_comes_after_what_was_seen(
    tmp_path: Path,
) -> None:
    seen_s = []
    for run, ahead, cards in (
        ("ahead", timedelta(days=1), (card(1), card(2))),
        ("right", timedelta(), (card(1, sold_price_sek=3_100_000), card(2))),
        ("again", timedelta(), (card(1, sold_price_sek=3_100_000), card(2))),
    ):
        store = CrawlStore(
            CrawlRun(run, "booli", SCOPE.site, {}), tmp_path / "warehouse.duckdb"
        )
        landing = Landing(store)
        shown = attrs.evolve(page(*cards).page, fetched_at=utc_now() + ahead)
        landing.land_search_page(attrs.evolve(page(*cards), page=shown))
        seen_s.append(
            found(landing, "select booli_id, sold_price_sek from raw.sale_cards "
                  "order by booli_id, observed_at")
        )  # fmt: skip
        store.close("finished", {})
    assert seen_s[0] == [(1, 3_000_000), (2, 3_000_000)]
    assert seen_s[1] == [(1, 3_000_000), (1, 3_100_000), (2, 3_000_000)]
    assert seen_s[2] == seen_s[1]


def test_window_that_landed_before_the_clock_was_set_back_is_read_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "warehouse.duckdb"
    store = CrawlStore(CrawlRun("ahead", "booli", SCOPE.site, {}), path)
    Landing(store).land_window(SCOPE, line("open"), [page(card(1))])
    store._connection.execute(
        "update raw.crawl_windows set completed_at = completed_at + interval 1 day"
    )
    store.close("finished", {})

    store = CrawlStore(CrawlRun("right", "booli", SCOPE.site, {}), path)
    status = store.window_status(
        SCOPE, MARCH.from_date, MARCH.to_date,
        landed_since=store.unfinished_since("daily"), again=True,
    )  # fmt: skip
    store.close("finished", {})

    assert status not in ("open", "complete")


def test_sale_that_stands_on_two_pages_lands_once(landing: Landing) -> None:
    landing.land_window(SCOPE, line(), [page(card(), day=1), page(card(), day=2)])
    assert found(landing, "select count(*) from raw.sale_cards") == [(1,)]
    assert found(landing, "select card_count from raw.crawl_windows") == [(1,)]


def test_window_that_cannot_land_whole_leaves_nothing(landing: Landing) -> None:
    with pytest.raises(WarehouseWriteError, match="refused a write"):
        landing.land_window(SCOPE, line("no such status"), [page(card())])
    for table in ("sale_cards", "pages", "crawl_windows"):
        assert found(landing, f"select count(*) from raw.{table}") == [(0,)]


def test_unreadable_card_lands_in_quarantine_once(landing: Landing) -> None:
    bad = UnreadableCard(7, "soldPrice", "expected soldPrice, got None", {"id": "9"})
    spoiled = attrs.evolve(page(card()), unreadable=[bad])
    for _ in range(2):
        landing.land_window(SCOPE, line("open"), [spoiled])
    assert found(
        landing,
        "select source, row_number, field, reason, record->>'$.id' from raw.quarantine",
    ) == [(PAGE_URL, 7, "soldPrice", "expected soldPrice, got None", "9")]


def test_homes_land_when_a_batch_is_full_and_at_the_end(landing: Landing) -> None:
    for number in range(HOMES_PER_TRANSACTION + 1):
        url = f"/bostad/{number}"
        landing.add_home(ServedPage(url=url, kind="listing", payload=b"{}"), home(url))
    count = "select count(*) from raw.homes"
    assert found(landing, count) == [(HOMES_PER_TRANSACTION,)]
    landing.flush()
    assert found(landing, count) == [(HOMES_PER_TRANSACTION + 1,)]


def to_read(landing: Landing, scope: SearchScope = SCOPE) -> list[str]:
    return landing.store.listings_to_read(scope, MARCH.from_date, MARCH.to_date)


def test_home_is_to_be_read_until_its_page_is_read(landing: Landing) -> None:
    newer = card(2, sold_date=date(2016, 3, 9))
    landing.land_window(SCOPE, line(), [page(card(1), newer)])
    assert to_read(landing) == ["/bostad/2", "/bostad/1"]
    add_home(landing, "/bostad/1")
    assert to_read(landing) == ["/bostad/2"]


def test_home_sold_again_is_read_again(landing: Landing) -> None:
    landing.land_window(SCOPE, line(), [page(card(1))])
    add_home(landing, "/bostad/1")
    resold = card(5, url="/bostad/1", sold_date=date(2016, 3, 20))
    landing.land_window(SCOPE, line("open"), [page(card(1), resold, day=2)])
    assert to_read(landing) == ["/bostad/1"]


def test_home_whose_newest_sale_changed_is_read_again(landing: Landing) -> None:
    bid = card(1, sold_price_type="Sista bud")
    landing.land_window(SCOPE, line("open"), [page(bid)])
    add_home(landing, "/bostad/1")
    settled = attrs.evolve(bid, sold_price_type="Slutpris")
    landing.land_window(SCOPE, line("open"), [page(settled, day=2)])
    assert to_read(landing) == ["/bostad/1"]
    add_home(landing, "/bostad/1", day=3)
    assert to_read(landing) == []


def test_change_of_an_older_sale_does_not_read_the_home_again(landing: Landing) -> None:
    older = card(1, sold_date=date(2016, 3, 1))
    landing.land_window(SCOPE, line("open"), [page(older)])
    add_home(landing, "/bostad/1", sold_date=date(2016, 3, 20))
    corrected = attrs.evolve(older, sold_price_sek=1_000_000)
    landing.land_window(SCOPE, line("open"), [page(corrected, day=2)])
    assert to_read(landing) == []


def test_page_without_a_sale_is_read_again_for_a_sale_told_late(
    landing: Landing,
) -> None:
    add_home(landing, "/bostad/1", sold_date=None)
    landing.land_window(SCOPE, line("open"), [page(card(1), day=2)])
    assert to_read(landing) == ["/bostad/1"]


def test_older_sale_of_a_home_needs_no_second_reading(landing: Landing) -> None:
    add_home(landing, "/bostad/1", sold_date=date(2016, 3, 20))
    landing.land_window(SCOPE, line(), [page(card(1))])
    assert to_read(landing) == []


def test_home_for_sale_again_or_gone_is_not_to_read(landing: Landing) -> None:
    landing.land_window(SCOPE, line(), [page(card(1), card(2))])
    add_home(landing, "/bostad/1", sold_date=None)
    gone = ServedPage(url="/bostad/2", kind="listing", http_status=404)
    landing.add_home(gone, None)
    landing.flush()
    assert to_read(landing) == []


def test_sales_of_another_query_or_site_are_not_to_read(landing: Landing) -> None:
    landing.land_window(SCOPE, line(), [page(card(1))])
    elsewhere = attrs.asdict(SearchQuery("115341", "Lägenhet"))
    prefix = SearchQuery(**elsewhere).prefix
    assert to_read(landing, SearchScope("127.0.0.1", "115341", "x", prefix)) == []
    assert to_read(landing, SearchScope("www.booli.se", "1", "x", QUERY.prefix)) == []


def test_window_inside_a_complete_one_is_complete(landing: Landing) -> None:
    landing.land_window(SCOPE, line())
    status = landing.store.window_status
    assert status(SCOPE, date(2016, 3, 5), date(2016, 3, 10)) == "complete"
    assert status(SCOPE, date(2016, 3, 5), date(2016, 4, 1)) is None


def test_open_window_is_read_again_unless_it_has_just_landed(landing: Landing) -> None:
    landing.land_window(SCOPE, line("open"), [page(card())])
    status, dates = landing.store.window_status, (MARCH.from_date, MARCH.to_date)
    assert status(SCOPE, *dates) is None
    assert status(SCOPE, *dates, landed_since=datetime(2016, 1, 1)) == "open"


def test_window_that_did_not_add_up_is_read_again(landing: Landing) -> None:
    landing.land_window(SCOPE, line("open"))
    dates = (MARCH.from_date, MARCH.to_date)
    since = datetime(2016, 1, 1)
    status = landing.store.window_status(SCOPE, *dates, landed_since=since)
    assert status is None


def test_complete_window_is_read_again_when_asked(landing: Landing) -> None:
    landing.land_window(SCOPE, line())
    dates = (MARCH.from_date, MARCH.to_date)
    assert landing.store.window_status(SCOPE, *dates, again=True) is None


@pytest.mark.parametrize("ending", ["challenged", None, "finished"])
def test_run_goes_on_where_an_unfinished_one_began(
    tmp_path: Path, ending: str | None
) -> None:
    path, asked = tmp_path / "warehouse.duckdb", {"mode": "daily"}
    first = CrawlStore(CrawlRun("r1", "booli", "site", asked), path)
    began = first.unfinished_since("daily")
    if ending:
        first.close(ending, {})
    else:
        first._connection.close()
    second = CrawlStore(CrawlRun("r2", "booli", "site", asked), path)
    assert (second.unfinished_since("daily") == began) == (ending != "finished")
    assert second.unfinished_since("bulk") > began
    second.close("finished", {})


def test_payload_that_is_no_json_is_kept_in_quarantine(landing: Landing) -> None:
    for payload in (b'{"a": NaN}', b"<html>\x00\xff", b'"\\ud800"'):
        landing.quarantine_page(
            ServedPage(url="/x", kind="search", payload=payload), ""
        )
    assert found(landing, "select count(*) from raw.quarantine") == [(3,)]


def test_run_is_written_with_its_end(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    run = CrawlRun("r1", "booli", "www.booli.se", {"from": date(2016, 3, 1)})
    CrawlStore(run, path).close("challenged", {"booli/pages": 3})
    with duckdb.connect(str(path)) as connection:
        written = connection.execute(
            "select arguments->>'from', finish_reason, statistics->'booli/pages',"
            " finished_at >= started_at from raw.crawl_runs"
        ).fetchall()
    assert written == [("2016-03-01", "challenged", "3", True)]


# Windows


def test_months_are_clipped_to_the_dates() -> None:
    spans = [str(month) for month in months(date(2015, 12, 20), date(2016, 2, 3))]
    assert spans == [
        "2015-12-20..2015-12-31", "2016-01-01..2016-01-31", "2016-02-01..2016-02-03",
    ]  # fmt: skip


def test_halves_share_no_day_and_miss_none() -> None:
    halves = DateWindow(date(2016, 2, 1), date(2016, 2, 29)).halves() or ()
    assert [str(half) for half in halves] == [
        "2016-02-01..2016-02-15",
        "2016-02-16..2016-02-29",
    ]
    assert DateWindow(date(2016, 2, 1), date(2016, 2, 1)).halves() is None


def test_first_page_of_a_search_carries_no_number() -> None:
    first = (
        "/sok/slutpriser?areaIds=1&objectType=L%C3%A4genhet"
        "&minSoldDate=2016-03-01&maxSoldDate=2016-03-31"
    )
    assert (QUERY.url(MARCH, 1), QUERY.url(MARCH, 2)) == (first, f"{first}&page=2")

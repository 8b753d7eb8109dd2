"""The crawl's monitors: what each objects to, what it lets pass, and what lands."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from crawling import crawl, replica, rows
from scrapy.settings import Settings
from scrapy.utils.test import get_crawler
from web_poet import HttpResponse

from scrapy_project.items import Home, SaleCard
from scrapy_project.judgement import CHECKS, COVERAGE, ITEMS, Limits, Objection, judge
from scrapy_project.monitors import (
    MonitorsError,
    judge_with_suite,
    report,
    run_monitors,
)
from scrapy_project.pages.search import SearchPage
from scrapy_project.saved_pages import SavedPage, read_saved_pages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Stats = dict[str, Any]

COUNT_FIELDS = {
    "EXTENSIONS": {"spidermon.contrib.scrapy.extensions.Spidermon": 500},
    "SPIDERMON_ENABLED": True,
    "SPIDERMON_ADD_FIELD_COVERAGE": True,
    "SPIDERMON_FIELD_COVERAGE_SKIP_NONE": True,
    "SPIDERMON_FIELD_COVERAGE_SKIP_FALSY": False,
    "SPIDERMON_FIELD_COVERAGE_SKIP_VALUES": ["", []],
}


def good(**changed: Any) -> Stats:
    """A whole crawl of 1 000 sales and homes that know every field."""
    stats: Stats = {
        "finish_reason": "finished", "downloader/response_count": 1_030,
        "booli/windows": 10, "booli/pages": 1_029, "booli/cards": 1_000,
        "booli/homes": 1_000,
    }  # fmt: skip
    for item_class in (SaleCard, Home):
        name = f"{ITEMS}/{item_class.__name__}"
        stats |= {name: 1_000}
        stats |= {f"{name}/{field.name}": 1_000 for field in attrs.fields(item_class)}
    return stats | changed


def monitors_that_object(stats: Stats, **more: Any) -> list[str]:
    return [objection.monitor for objection in judge(stats, **more)]


def test_no_monitor_objects_to_a_good_crawl() -> None:
    assert judge(good()) == []


@pytest.mark.parametrize(
    ("monitor", "passes", "fails"),
    [
        ("finish_reason", {}, {"finish_reason": "challenged"}),
        ("finish_reason", {"finish_reason": "monitors"}, {"finish_reason": None}),
        ("echo_mismatch", {"booli/echo_mismatch": 0}, {"booli/echo_mismatch": 1}),
        ("challenge", {"booli/challenge/waf": 0}, {"booli/challenge/waf": 1}),
        # 5 % of 1 030 answers, after the first.
        ("too_many_requests", {"booli/429": 52}, {"booli/429": 53}),
        (
            "unknown_shape",
            {"booli/odd_pages/search": 5, "booli/odd_pages/listing": 5},
            {"booli/odd_pages/search": 5, "booli/odd_pages/listing": 6},
        ),
        (
            "unknown_shape",
            {"booli/listings_quarantined": 10},
            {"booli/listings_quarantined": 11},
        ),
        (
            "cards_quarantined",
            {"booli/cards_quarantined": 10},
            {"booli/cards_quarantined": 11},
        ),
        (
            "sqm_check_failed",
            {"booli/sqm_check_failed": 20},
            {"booli/sqm_check_failed": 21},
        ),
        (
            "windows_not_reconciled",
            {"booli/windows_not_reconciled": 1},
            {"booli/windows_not_reconciled": 2},
        ),
        (
            "field_coverage",
            {f"{ITEMS}/SaleCard/sold_price_sek": 990},
            {f"{ITEMS}/SaleCard/sold_price_sek": 989},
        ),
        (
            "field_coverage",
            {f"{ITEMS}/Home/fee_sek_per_month": 800},
            {f"{ITEMS}/Home/fee_sek_per_month": 200},
        ),
        ("field_coverage", {f"{ITEMS}/Home/energy_class": 0}, {f"{ITEMS}/Home": 0}),
    ],
)
def test_a_monitor_objects_beyond_its_limit_and_not_at_it(
    monitor: str, passes: Stats, fails: Stats
) -> None:
    assert monitors_that_object(good(**passes)) == []
    assert monitors_that_object(good(**fails)) == [monitor]


def test_a_field_that_no_item_has_is_objected_to() -> None:
    stats = good()
    del stats[f"{ITEMS}/Home/fee_sek_per_month"]

    (objection,) = judge(stats)

    assert objection.expected == "Home.fee_sek_per_month known in 80% or more"
    assert objection.got == "0.0%"


def test_coverage_of_less_than_a_page_of_items_is_not_judged() -> None:
    few = {f"{ITEMS}/SaleCard": 34, f"{ITEMS}/SaleCard/floor": 0}

    assert judge(good(**few, **{"booli/cards": 34})) == []
    assert monitors_that_object(
        good(**few, **{"booli/cards": 34}), limits=Limits(min_items=34)
    )


def test_one_odd_thing_in_a_small_crawl_is_no_share() -> None:
    small = {"booli/pages": 3, "booli/windows": 1, "downloader/response_count": 4}

    assert judge(good(**small, **{"booli/odd_pages/listing": 1, "booli/429": 2})) == []
    assert monitors_that_object(good(**small, **{"booli/odd_pages/listing": 2}))


def test_a_field_known_half_as_often_as_before_is_objected_to() -> None:
    name = f"{ITEMS}/Home/energy_class"
    before = [good(**{name: count}) for count in (200, 400, 900)]

    assert judge(good(**{name: 200}), previous=before) == []
    assert monitors_that_object(good(**{name: 199}), previous=before) == [
        "coverage_of_previous"
    ]


def test_a_field_that_was_rare_before_may_vanish() -> None:
    name = f"{ITEMS}/Home/energy_class"

    assert judge(good(**{name: 0}), previous=[good(**{name: 190})]) == []


def test_limits_are_settings() -> None:
    settings = Settings(
        {
            "MONITORS_MIN_ITEMS": "100",
            "MONITORS_MAX_429_SHARE": "0",
            "MONITORS_COVERAGE": '{"Home": {"brf_name": 0.5}}',
        }
    )

    limits = Limits.from_settings(settings)

    assert limits == Limits(
        min_items=100,
        max_429_share=0.0,
        coverage=COVERAGE | {"Home": {"brf_name": 0.5}},
    )


def test_statistics_as_they_land_in_the_warehouse_can_be_judged() -> None:
    landed = json.loads(json.dumps(good(**{"booli/echo_mismatch": 2}), default=str))

    assert monitors_that_object(landed) == ["echo_mismatch"]


def test_the_suite_says_what_the_judgement_says() -> None:
    bad = good(**{
        "finish_reason": "incomplete", "booli/echo_mismatch": 1,
        f"{ITEMS}/SaleCard/floor": 10, f"{ITEMS}/SaleCard/rooms": 10,
    })  # fmt: skip

    by_monitor = sorted(judge_with_suite(bad), key=repr)

    assert by_monitor == sorted(judge(bad), key=repr)
    assert len(by_monitor) == 4
    assert judge_with_suite(good()) == []


def test_a_monitor_that_breaks_is_an_objection() -> None:
    (objection,) = judge_with_suite(good(**{"booli/echo_mismatch": "many"}))

    assert objection.monitor == "echo_mismatch"
    assert "ValueError" in objection.got


def test_every_monitor_of_the_suite_is_a_check() -> None:
    assert len(CHECKS) == 10
    assert {name for name, check in CHECKS.items() if check.__doc__} == set(CHECKS)


def test_the_run_is_marked_and_a_person_reads_what_to_do(
    caplog: pytest.LogCaptureFixture,
) -> None:
    crawler = get_crawler(settings_dict={"MONITORS_MIN_ITEMS": 35})
    crawler.stats.set_stats(good(**{"booli/challenge/waf": 1}))

    with caplog.at_level(logging.ERROR):
        objections = run_monitors(crawler, "finished")

    assert crawler.stats.get_value("monitors/failed") == ["challenge"]
    assert crawler.stats.get_value("monitors/objections") == [
        attrs.asdict(objections[0])
    ]
    assert crawler.stats.get_value("finish_reason") == "finished"
    assert "challenge: expected no challenge; got waf: 1\n    do not go on" in (
        caplog.text
    )


def test_an_interrupted_crawl_is_marked_without_a_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    crawler = get_crawler()
    crawler.stats.set_stats(good())

    run_monitors(crawler, "shutdown")

    assert crawler.stats.get_value("monitors/failed") == ["finish_reason"]
    assert caplog.text == ""


def test_a_good_run_is_not_marked() -> None:
    crawler = get_crawler()
    crawler.stats.set_stats(good())

    assert run_monitors(crawler, "finished") == []
    assert "monitors/failed" not in crawler.stats.get_stats()


def test_the_error_has_its_own_exit_code_and_names_each_monitor_once() -> None:
    objections = [
        Objection("field_coverage", "SaleCard.floor …", "1 %", "look"),
        Objection("field_coverage", "SaleCard.rooms …", "2 %", "look"),
        Objection("challenge", "none", "waf: 1", "stop"),
    ]

    error = MonitorsError(objections)

    assert error.exit_code == 8
    assert "object: field_coverage, challenge;" in str(error)
    assert "\n" not in str(error)
    assert len(report(objections).splitlines()) == 1 + 2 * len(objections)


# Real crawls


@pytest.fixture(scope="module")
def crawled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The data folder of a crawl of a replica that wears one shape of the site."""
    folder = tmp_path_factory.mktemp("monitored")
    options = ("--sales-per-month", "60", "--today", "2026-06-30")
    settings = [
        part
        for name, value in COUNT_FIELDS.items()
        for part in ("-s", f"{name}={json.dumps(value)}")
    ]
    with replica(folder, *options, "--shape", request.param) as (site, _):
        done = crawl(
            folder / "data", site, "-a", "from=2026-03-01", "-a", "to=2026-05-31",
            "-a", "details=all", *settings,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "data"


@pytest.mark.parametrize("crawled", ["2023-06", "2026-06"], indirect=True)
def test_no_monitor_objects_to_a_crawl_of_the_replica(crawled: Path) -> None:
    ((landed, reason),) = rows(
        crawled, "select statistics, finish_reason from raw.crawl_runs"
    )
    stats = json.loads(landed) | {"finish_reason": reason}

    assert stats[f"{ITEMS}/SaleCard"] > 100
    assert judge(stats) == []


@pytest.mark.parametrize("crawled", ["2026-06"], indirect=True)
def test_counted_fields_are_those_that_landed(crawled: Path) -> None:
    ((landed,),) = rows(crawled, "select statistics from raw.crawl_runs")
    stats = json.loads(landed)
    # Floor 0 (BV) is known, a list of nothing is not.
    ((floors, ground_floors),) = rows(
        crawled, "select count(floor), count(*) filter (floor = 0) from raw.sale_cards"
    )

    assert ground_floors > 0
    assert stats[f"{ITEMS}/SaleCard/floor"] == floors


@pytest.mark.parametrize("item_class", [SaleCard, Home])
def test_fields_with_a_floor_are_fields_of_their_class(item_class: type) -> None:
    floors = COVERAGE[item_class.__name__]

    assert floors.keys() <= {field.name for field in attrs.fields(item_class)}


def captured_cards(folder: Path) -> Iterator[SaleCard]:
    for page in read_saved_pages(folder):
        if isinstance(page, SavedPage) and "search" in page.source:
            response = HttpResponse(url=page.url or "file:///", body=page.body)
            yield from SearchPage(response).cards


def test_no_monitor_objects_to_the_captured_cards(real_data_dir: Path) -> None:
    cards = [*captured_cards(real_data_dir / "pages")]
    stats = good(**{f"{ITEMS}/SaleCard": len(cards), "booli/cards": len(cards)})
    for field in attrs.fields(SaleCard):
        known = [getattr(card, field.name) not in (None, "", []) for card in cards]
        stats[f"{ITEMS}/SaleCard/{field.name}"] = sum(known)

    assert len(cards) >= 35
    assert judge(stats) == []

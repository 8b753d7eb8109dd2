"""The night's checks: each on figures that are made up so that the verdict is plain."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from dagster_assets.findings import check_result
from ml.champions import Champions
from ml.folder_registry import FolderRegistry
from ml.valuation.forward_log import DamagedLine
from ml.valuation.kept_reports import Backtested
from ml.valuation.night_findings import (
    forward_log_is_intact,
    judge_bias,
    judge_drift,
    registry_is_intact,
)
from warehouse.crawl_yield import Night, judge_yield, read_nights
from warehouse.district_prices import judge_district_prices, read_district_prices
from warehouse.findings import Finding, named
from warehouse.reconciling import reconcile, snapshot_agrees
from warehouse.rejected_shares import (
    RejectedShare,
    at_least,
    judge_rejected_shares,
    read_rejected_shares,
)
from warehouse.serving import publish

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from warehouse.settings import Settings

MONDAY = datetime(2026, 11, 23, 2, tzinfo=UTC)


def nights(*cards: int, days_apart: int = 7) -> list[Night]:
    """Nights back from a Monday, newest first."""
    return [
        Night(MONDAY - timedelta(days=days_apart * number), count)
        for number, count in enumerate(cards)
    ]


def yield_of(given: list[Night]) -> Finding:
    return judge_yield(given, least_share=0.5, fewest_nights=3)


# What is said


def test_a_failed_finding_says_found_expected_and_what_to_do(
    settings: Settings,
) -> None:
    finding = Finding(False, "two", "three", "add one.", {"n": 2}, is_grave=False)

    result = check_result(finding, settings, "some_check")

    assert result.description == (
        "Found: two. Expected: three. What to do: add one. "
        "See docs/runbook.md#some-check."
    )
    assert result.severity == dg.AssetCheckSeverity.WARN
    assert result.metadata["n"].value == 2


def test_a_finding_that_passed_gives_no_advice() -> None:
    assert Finding(True, "two", "two", "none.").sentence("x") == (
        "Found: two. Expected: two."
    )


def test_a_long_list_is_cut_and_counted() -> None:
    assert named([*"abcdefg"]) == "a; b; c; d; e and 2 more"


# Crawl yield


@pytest.mark.parametrize(
    ("cards", "passed"),
    [((50, 100, 100, 100), True), ((49, 100, 100, 100), False), ((0, 0, 0, 0), True)],
)
def test_a_night_of_too_few_cards_for_its_weekday_is_told(
    cards: tuple[int, ...], passed: bool
) -> None:
    assert yield_of(nights(*cards)).passed is passed


def test_few_nights_are_not_judged() -> None:
    finding = yield_of(nights(1, 100, 100))

    assert finding.passed
    assert "too few nights to judge: 2 earlier Mondays" in finding.found


def test_other_weekdays_and_the_same_day_are_not_compared_with() -> None:
    given = nights(1, *[100] * 6, days_apart=1)
    assert yield_of(given).figures == {"cards": 1, "nights": 0}

    twice = [Night(MONDAY - timedelta(hours=1), 100), *nights(1, 100, 100)]
    assert yield_of(twice).figures["nights"] == 2


def test_nights_are_read_from_daily_crawls_that_came_to_their_end(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    daily = {"mode": "daily", "days": 45}
    for number, (arguments, reason, statistics) in enumerate(
        [
            (daily, "finished", {"booli/cards": 7}),
            (daily, "challenged", {"booli/cards": 6}),
            ({"mode": "bulk", "days": None}, "finished", {"booli/cards": 5}),
            (daily | {"days": 365}, "finished", {"booli/cards": 4}),
            (
                daily,
                "finished",
                {"booli/cards": 3, "booli/windows_already_complete": 1},
            ),
            (daily, "monitors", {"booli/cards": 2}),
        ]
    ):
        started = datetime(2026, 11, 23, 2) - timedelta(days=number)
        warehouse.execute(
            "insert into raw.crawl_runs values (?, 'booli', 'x', ?, ?, ?, ?, ?)",
            [
                str(number),
                json.dumps(arguments),
                started,
                started,
                reason,
                json.dumps(statistics),
            ],
        )

    found = read_nights(warehouse)

    assert [night.card_count for night in found] == [7, 2]
    assert found[0].started_at == MONDAY


# Rejected shares


def share(late: tuple[int, int], before: tuple[int, int], label: str) -> RejectedShare:
    """Sold and rejected lately, and before."""
    return RejectedShare(label, late[0], before[0], late[1], before[1])


ALL = share((1000, 20), (9000, 180), "all sales")


@pytest.mark.parametrize(
    ("given", "passed", "is_grave"),
    [
        (share((30, 3), (300, 3), "district A"), True, False),
        (share((30, 6), (300, 3), "district A"), False, False),
        (share((30, 16), (300, 3), "district A"), False, True),
        # Rejected all along, such as when every price of the past is wrong too.
        (share((30, 30), (300, 300), "district A"), False, True),
        # As many are rejected as ever.
        (share((30, 9), (300, 90), "district A"), True, False),
        # Of few sales, a few are no jump.
        (share((4, 4), (300, 3), "district A"), True, False),
        # A rule that takes all that is rejected of little is no reason to stop.
        (share((1000, 130), (9000, 90), "rule price"), False, False),
    ],
)
def test_a_share_of_rejected_sales_that_jumps_is_told(
    given: RejectedShare, passed: bool, is_grave: bool
) -> None:
    finding = judge_rejected_shares([ALL, given], jump_pct=10, block_pct=50)

    assert (finding.passed, finding.is_grave) == (passed, is_grave)
    assert passed or given.label in finding.found


def test_chance_is_that_of_the_binomial_distribution() -> None:
    assert at_least(0, 10, 0.3) == 1
    assert at_least(10, 10, 0.5) == pytest.approx(0.5**10)
    assert at_least(2, 3, 0.5) == pytest.approx(0.5)
    assert at_least(3, 5, 1.0) == 1


def test_prices_times_ten_in_one_district_are_told(
    marts: duckdb.DuckDBPyConnection,
) -> None:
    marts.execute(
        """
        insert into marts.rejected_sales
        select
            'poisoned ' || number, 'Vasastan', 'price_per_m2_out_of_range',
            date '2026-11-01', 25000000, 50.0
        from range(8) as numbers(number)
        """
    )

    finding = judge_rejected_shares(
        read_rejected_shares(marts), jump_pct=10, block_pct=50
    )

    assert not finding.passed
    assert finding.is_grave
    assert "district Vasastan: 8 of 10 rejected" in finding.found


def test_a_district_dearer_by_a_digit_is_told_whatever_rules_took(
    marts: duckdb.DuckDBPyConnection,
) -> None:
    assert judge_district_prices(read_district_prices(marts), most_factor=3).passed

    marts.execute(
        "update marts.sales set sold_price_sek = 10 * sold_price_sek "
        "where district = 'Farsta' and sold_date > date '2026-10-06'"
    )
    finding = judge_district_prices(read_district_prices(marts), most_factor=3)

    assert not finding.passed
    assert finding.is_grave
    assert finding.found == (
        "Farsta: 500000 kr/m² in the last 45 days (3 sales), 50000 in the year before"
    )


# Reconciling


@pytest.fixture
def marts(warehouse: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Forty sales that reconcile with their cards, two of them in Vasastan lately."""
    warehouse.execute(
        """
        create schema marts;
        create table marts.sales as
        select
            'booli:' || number as sale_id,
            if(number < 2, 'Vasastan', 'Farsta') as district,
            date '2026-11-20' - cast(10 * number as integer) as sold_date,
            2500000 as sold_price_sek,
            50.0 as living_area_m2
        from range(40) as numbers(number);
        create table marts.sale_features as select sale_id from marts.sales;
        create table marts.rejected_sales (
            observation_id varchar, district varchar, rule varchar, sold_date date,
            sold_price_sek bigint, living_area_m2 double
        );
        insert into raw.sale_cards by name
        select
            number as booli_id,
            timestamp '2026-11-21' as observed_at,
            '' as content_sha256, '' as run_id, '' as page_url,
            '' as payload_sha256, '' as url
        from range(40) as numbers(number);
        """
    )
    return warehouse


def test_rows_that_add_up_reconcile(marts: duckdb.DuckDBPyConnection) -> None:
    marts.execute(
        """
        insert into raw.sale_cards by name
        select * replace (timestamp '2026-11-22' as observed_at)
        from raw.sale_cards where booli_id = 1;
        insert into marts.rejected_sales values
            ('old', 'Vasastan', 'superseded_observation', '2026-11-10', 1, 1)
        """
    )
    finding = reconcile(marts)

    assert finding.passed
    assert "41 raw rows = 40 sales + 0 rejected" in finding.found


def test_a_lost_row_and_a_doubled_sale_do_not_reconcile(
    marts: duckdb.DuckDBPyConnection,
) -> None:
    marts.execute("delete from marts.sales where sale_id = 'booli:3'")
    lost = reconcile(marts)
    assert not lost.passed
    assert "40 raw rows, but 39 sales" in lost.found

    # As many rows as before, and one sale twice.
    marts.execute("insert into marts.sales from marts.sales limit 1")
    marts.execute("insert into marts.sales from marts.sales limit 1")
    marts.execute(
        "insert into raw.sale_cards by name select * replace "
        "(timestamp '2026-11-23' as observed_at) from raw.sale_cards limit 1"
    )
    doubled = reconcile(marts)
    assert not doubled.passed
    assert "40 sales by their ids, but 41" in doubled.found


# The snapshot


def test_a_snapshot_agrees_until_the_warehouse_moves_on(
    marts: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    publish(marts, settings.serving_dir)
    assert snapshot_agrees(marts, settings.serving_dir).passed

    marts.execute("update marts.sales set district = 'Solna' where sale_id = 'booli:1'")
    finding = snapshot_agrees(marts, settings.serving_dir)

    assert not finding.passed
    assert finding.found == "sales has 40 rows published and 40 built, or others"


def test_a_missing_or_damaged_snapshot_is_told(
    marts: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    missing = snapshot_agrees(marts, settings.serving_dir)
    assert not missing.passed
    assert "nothing is published" in missing.found

    snapshot = publish(marts, settings.serving_dir)
    (snapshot.folder / "sales.parquet").write_bytes(b"PAR1")
    damaged = snapshot_agrees(marts, settings.serving_dir)
    assert not damaged.passed
    assert "sales.parquet is not as it was published" in damaged.found


# Models


def test_a_changed_file_of_a_served_model_is_told(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_text("1")
    registry = FolderRegistry(settings.registry_dir)
    registry.register(
        "xgboost",
        tmp_path / "model",
        metrics={},
        lineage={},
        input_schema={},
        input_example={},
    )
    assert registry_is_intact(settings, "xgboost").passed

    (registry.folder("xgboost", 1) / "model" / "weights").write_text("2")
    finding = registry_is_intact(settings, "xgboost")

    assert not finding.passed
    assert finding.is_grave
    assert "weights was changed" in finding.found
    assert not registry_is_intact(settings, "blend").passed


def test_a_damaged_champion_does_not_keep_its_cure_from_the_gate(
    settings: Settings, tmp_path: Path
) -> None:
    registry = FolderRegistry(settings.registry_dir)
    for number in (1, 2, 3):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "weights").write_text(f"{number}")
        registry.register(
            "xgboost",
            tmp_path / f"{number}",
            metrics={},
            lineage={},
            input_schema={},
            input_example={},
        )
    champions = Champions.of(settings)
    for number in (1, 2):
        champions.promote("xgboost", number, by="Ada", reason="a test")
    (registry.folder("xgboost", 2) / "model" / "weights").write_text("9")

    finding = registry_is_intact(settings, "xgboost")

    assert not finding.passed
    assert not finding.is_grave
    assert "weights was changed" in finding.found


def feature(name: str, psi: float, importance_pct: float) -> dict[str, Any]:
    return {
        "feature": name,
        "psi": psi,
        "is_shift": psi >= 0.1,
        "importance_pct": importance_pct,
        "reference_median": 1.0,
        "current_median": None,
        "reference_missing_pct": 0.0,
        "current_missing_pct": 40.0,
    }


def test_only_important_features_that_drift_far_are_told() -> None:
    report = {
        "features": [
            feature("fee", 0.4, 10),
            feature("rooms", 0.2, 10),
            feature("lift", 0.9, 1),
        ]
    }
    finding = judge_drift(report, limit_psi=0.25, least_importance_pct=3)

    assert not finding.passed
    assert finding.found.startswith("fee has 0.40 (median 1 to none, missing 0 to 40 %")
    assert finding.figures["drifted"] == 1
    assert judge_drift({"features": []}, limit_psi=1, least_importance_pct=1).passed


def backtested(off_pct: float, spread_pct: float, count: int) -> Backtested:
    """A month of sales that a model valued so far off, evenly spread."""
    errors = np.linspace(off_pct - spread_pct, off_pct + spread_pct, count) / 100
    price = np.full(count, 4_000_000.0)
    rows = pd.DataFrame(
        {
            "platform": "booli",
            "source_id": [str(number) for number in range(count)],
            "address": "Gatan 1",
            "area": "Vasastan",
            "living_area_m2": 50.0,
            "sold_date": pd.Timestamp(date(2026, 10, 15)),
            "sold_price_sek": price,
            "value_sek": price * (1 + errors),
            "low_sek": price * 0.9,
            "high_sek": price * 1.1,
            "model": "xgboost",
            "protocol": "rolling",
            "confidence_class": "a",
            "refusal_reason": None,
            "plain_low_sek": price * 0.9,
            "plain_high_sek": price * 1.1,
            "construction_year": 1930.0,
            "district": "vasastan",
        }
    )
    return Backtested({}, rows, pd.DataFrame({"month": "2026-10"}, index=rows.index))


@pytest.mark.parametrize(
    ("off_pct", "spread_pct", "count", "passed"),
    [(-8, 5, 100, False), (-4, 5, 100, True), (8, 60, 25, True), (30, 1, 5, True)],
    ids=["biased", "within the limit", "chance", "too few sales"],
)
def test_a_biased_champion_is_told(
    off_pct: float, spread_pct: float, count: int, passed: bool
) -> None:
    given = backtested(off_pct, spread_pct, count)
    finding = judge_bias(given, ["xgboost"], limit_pct=5)

    assert finding.passed is passed
    assert passed or "xgboost lay -8.0 % off on average in 2026-10" in finding.found


def test_a_damaged_line_of_the_forward_log_is_told(tmp_path: Path) -> None:
    assert forward_log_is_intact(tmp_path).passed

    (tmp_path / "2026-11-01.jsonl").write_text('\n{"valuation_id":"x"\n')
    finding = forward_log_is_intact(tmp_path)

    assert not finding.passed
    assert not finding.is_grave
    assert DamagedLine.__name__ not in finding.found
    assert "2026-11-01.jsonl line 2" in finding.found

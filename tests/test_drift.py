"""Drift: the index by hand, what chance does, and the report over the features."""

from __future__ import annotations

import json
from datetime import date
from math import log
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pandas as pd
import pytest
from tiny_market import publish_market, register_model

from ml.valuation.drift import (
    Periods,
    chance_psi,
    class_counts,
    class_edges,
    drift_report,
    measure_drift,
    stability,
)

if TYPE_CHECKING:
    from warehouse.settings import Settings

TENTHS = np.arange(1.0, 101.0)
"""Ten values in each tenth: 1 to 10, 11 to 20, …"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = publish_market(tmp_path_factory.mktemp("data"))
    register_model(settings, tmp_path_factory.mktemp("model"))
    return settings


def test_the_same_sample_has_not_drifted() -> None:
    assert stability(TENTHS, TENTHS).psi == 0


def test_classes_hold_a_tenth_of_the_reference_each() -> None:
    counts = class_counts(TENTHS, class_edges(TENTHS))
    assert counts.tolist() == [10] * 10 + [0]


def test_the_index_is_the_sum_over_classes_of_difference_times_log_ratio() -> None:
    # Half of the ones have become twos: from 10 of 20 to 5 of 20, and the rest.
    reference = np.array([1.0] * 10 + [2.0] * 10)
    current = np.array([1.0] * 5 + [2.0] * 15)
    before, after = (10.5 / 21, 10.5 / 21), (5.5 / 21, 15.5 / 21)
    by_hand = sum((a - b) * log(a / b) for a, b in zip(after, before, strict=True))
    assert stability(reference, current).psi == pytest.approx(by_hand)


def test_values_that_go_missing_are_drift() -> None:
    current = TENTHS.copy()
    current[::2] = np.nan
    found = stability(TENTHS, current)
    assert found.psi > 1
    assert found.is_shift


def test_a_feature_that_is_never_known_has_not_drifted() -> None:
    nothing = np.full(60, np.nan)
    assert stability(nothing, nothing).psi == 0


def test_a_few_values_have_a_class_each() -> None:
    rooms = np.array([1.0] * 30 + [2.0] * 50 + [3.0] * 20)
    counts = class_counts(rooms, class_edges(rooms))
    assert counts[counts > 0].tolist() == [30, 50, 20]


@pytest.mark.parametrize("sizes", [(4000, 1000), (400, 120)])
def test_chance_exceeds_its_level_about_one_time_in_twenty(
    sizes: tuple[int, int],
) -> None:
    draw = np.random.default_rng(7)
    reference_count, current_count = sizes
    exceeded = [
        found.psi > found.chance_psi
        for found in (
            stability(
                draw.normal(size=reference_count), draw.normal(size=current_count)
            )
            for _ in range(600)
        )
    ]
    assert 0.02 < np.mean(exceeded) < 0.09


def test_few_sales_reach_a_high_index_by_chance_alone() -> None:
    assert chance_psi(400, 120, 10) > 0.1
    assert chance_psi(40_000, 10_000, 10) < 0.01


def test_an_index_within_chance_is_no_shift_however_high() -> None:
    draw = np.random.default_rng(3)
    found = stability(draw.normal(size=80), draw.normal(size=50))
    assert found.psi > 0.1
    assert not found.is_shift


def test_the_last_quarter_is_held_against_the_year_before_it() -> None:
    days = pd.date_range("2024-01-15", "2025-12-15", freq="D")
    periods = Periods.of(pd.DataFrame({"sold_date": days}))
    assert periods.current["sold_date"].min().date() == date(2025, 9, 16)
    assert periods.reference["sold_date"].max().date() == date(2025, 9, 15)
    assert periods.reference["sold_date"].min().date() == date(2024, 9, 16)


def test_too_few_sales_give_counts_and_no_features(settings: Settings) -> None:
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        report = measure_drift(connection, settings)
    # twelve sales a month
    assert report["features"] == []
    assert report["current"]["sale_count"] < 50


class OneFeatureMatters:
    """A model of two features, of which the first moves values thrice as far."""

    class encoding:
        columns = ("area", "floor")

        @staticmethod
        def matrix(sales: pd.DataFrame) -> pd.DataFrame:
            return sales[["area", "floor"]]

    @staticmethod
    def log_contributions(sales: pd.DataFrame) -> pd.DataFrame:
        moved = np.where(np.arange(len(sales)) % 2 == 0, 0.3, -0.3)
        return pd.DataFrame({"area": moved, "floor": moved / 3, "base": 9.0})


def two_features() -> pd.DataFrame:
    days = pd.date_range("2024-06-01", "2025-11-30", freq="D")
    is_late = days > pd.Timestamp("2025-08-31")
    return pd.DataFrame(
        {
            "sold_date": days,
            "area": 40.0 + np.arange(len(days)) % 30,
            "floor": np.where(is_late, 9.0, 1.0 + np.arange(len(days)) % 4),
        }
    )


def test_the_important_feature_comes_first_and_the_moved_one_is_told() -> None:
    report = drift_report(OneFeatureMatters(), two_features(), model_title="toy 1")  # ty: ignore[invalid-argument-type]
    first, second = report["features"]
    assert (first["feature"], first["is_shift"]) == ("area", False)
    assert first["importance_pct"] == pytest.approx(75)
    assert (second["feature"], second["is_shift"]) == ("floor", True)
    assert second["current_median"] == 9


def test_the_report_is_written_whole_as_plain_json(settings: Settings) -> None:
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        report = measure_drift(connection, settings)
    written = json.loads((settings.reports_dir / "drift.json").read_text())
    assert written == report
    assert written["model"] == "xgboost 1"
    assert list(settings.reports_dir.glob(".*")) == []

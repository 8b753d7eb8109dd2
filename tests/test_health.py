"""How well the models do, read from reports whose errors are known by hand."""

from __future__ import annotations

import json
import math
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from tiny_market import publish_market, register_model
from tiny_reports import MISS, write_backtest, write_scored_log

from ml.valuation import health
from ml.valuation.kept_reports import (
    NoReportError,
    ReportError,
    read_backtest,
    read_scored,
)
from ml.valuation.latest_sales import latest_sales
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ml.valuation.kept_reports import Backtested


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The tiny market with a registered model and a backtest."""
    settings = publish_market(tmp_path_factory.mktemp("data"))
    register_model(settings, tmp_path_factory.mktemp("model"))
    write_backtest(settings)
    return settings


@pytest.fixture(scope="module")
def backtested(market: Settings) -> Backtested:
    return read_backtest(market.reports_dir)


@pytest.fixture
def copied(market: Settings, tmp_path: Path) -> Settings:
    """Settings of a folder whose reports a test may spoil."""
    settings = Settings(data_dir=tmp_path / "data")
    settings.reports_dir.mkdir(parents=True)
    for path in market.reports_dir.iterdir():
        (settings.reports_dir / path.name).write_bytes(path.read_bytes())
    return settings


# Champion


def test_the_champion_has_the_least_mean_error_of_the_registered(
    backtested: Backtested,
) -> None:
    figures = health.totals(backtested)
    assert health.champion(figures, ["xgboost", "blend"]) == "xgboost"
    assert health.champion(figures, ["blend"]) == "blend"
    # the least error of all would not be its own if it is not registered
    assert health.champion(figures, ["seed_recipe", "blend"]) == "blend"


def test_there_is_no_champion_when_none_of_the_tested_is_registered(
    backtested: Backtested,
) -> None:
    standing = health.standing(health.totals(backtested), ["autogluon"])
    assert standing.champion is None
    assert standing.untested == ["autogluon"]
    assert set(standing.unregistered) == {"xgboost", "blend", "seed_recipe"}


def test_a_model_that_answers_few_sales_is_no_champion() -> None:
    figures = {
        "picky": {"mape_pct": 1.0, "n": 50},
        "steady": {"mape_pct": 6.0, "n": 100},
        "silent": {"mape_pct": None, "n": 0},
    }
    assert health.champion(figures, list(figures)) == "steady"


# Errors


def test_errors_by_month_are_those_of_the_month_s_sales(
    backtested: Backtested,
) -> None:
    months = health.by_month(backtested, "xgboost")
    assert [each.label for each in months] == ["2026-08", "2026-09", "2026-10"]
    assert sum(each.n for each in months) == len(backtested.of("xgboost"))
    for each in months:
        assert each.mdape_pct.figure == pytest.approx(2.0)
        assert each.mape_pct.low <= each.mape_pct.figure <= each.mape_pct.high
        assert each.mape_pct.low < each.mape_pct.high


def test_an_interval_narrows_with_the_number_of_sales() -> None:
    rows = pd.DataFrame({"sold_price_sek": 1e6, "value_sek": 1e6}, index=range(400))
    rows["value_sek"] *= 1 + 0.1 * np.sin(rows.index)
    few = health.segment_health("few", rows.head(20)).bias_pct
    many = health.segment_health("many", rows).bias_pct
    assert many.high - many.low < 0.5 * (few.high - few.low)


def test_a_segment_of_one_sale_has_a_figure_and_no_interval() -> None:
    rows = pd.DataFrame({"sold_price_sek": [1e6], "value_sek": [1.1e6]})
    found = health.segment_health("one", rows)
    assert found.mdape_pct.figure == pytest.approx(10)
    assert math.isnan(found.mdape_pct.low)


def test_segments_of_few_sales_are_left_out(backtested: Backtested) -> None:
    districts = health.by_segment(backtested, "xgboost", "district")
    assert {each.label for each in districts} == {"Vasastan", "Södermalm"}
    none = health.by_segment(backtested, "xgboost", "district", fewest=1000)
    assert none == []


def test_price_deciles_stand_in_order_of_price(backtested: Backtested) -> None:
    deciles = health.by_segment(backtested, "xgboost", "price_decile", fewest=1)
    assert [each.label for each in deciles] == [str(n) for n in range(1, 11)]


def test_the_worst_misses_come_first(backtested: Backtested) -> None:
    misses = health.worst_misses(backtested, "xgboost")
    assert len(misses) <= health.MISSES
    assert misses["error_pct"].iloc[0] == pytest.approx(100 * (1.02 * MISS - 1))
    assert misses["error_pct"].abs().is_monotonic_decreasing


def test_the_last_months_hold_no_earlier_sale(backtested: Backtested) -> None:
    last = health.last_months(backtested, "blend", 1)
    assert set(last["sold_date"].dt.strftime("%Y-%m")) == {"2026-10"}
    assert set(last["model"]) == {"blend"}


# Coverage


def test_coverage_counts_prices_within_the_range(backtested: Backtested) -> None:
    # ±10 % of a value 2 % off holds the price; of one 53 % off it does not
    whole = health.coverage_of_all(backtested, "xgboost")
    assert whole is not None
    missed = -(-len(backtested.of("xgboost")) // 10)
    share = 100 * (1 - missed / whole.n)
    assert whole.covered_pct.figure == pytest.approx(share)
    classes = health.coverage(backtested, "xgboost")
    assert [each.label for each in classes] == ["5", "4"]
    assert sum(each.n for each in classes) == whole.n


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    # R: prop.test(hits, count, correct = FALSE)$conf.int
    [(9, 10, 59.585, 98.212), (0, 10, 0.0, 27.753), (90, 100, 82.563, 94.477)],
)
def test_a_share_has_wilson_s_interval(
    hits: int, count: int, low: float, high: float
) -> None:
    found = health.wilson_pct(hits, count)
    assert found.figure == pytest.approx(100 * hits / count)
    assert found.low == pytest.approx(low, abs=0.01)
    assert found.high == pytest.approx(high, abs=0.01)


def test_a_share_of_nothing_is_no_number() -> None:
    assert math.isnan(health.wilson_pct(0, 0).figure)


# Places


def test_districts_lie_in_the_middle_of_their_sales(
    market: Settings, backtested: Backtested
) -> None:
    places = health.district_places(backtested, market.serving_dir, "tiny")
    assert places["Vasastan"].name == "Vasastan"
    assert places["Vasastan"].latitude == pytest.approx(59.345, abs=0.001)
    assert places["Södermalm"].longitude == pytest.approx(18.063, abs=0.011)


# Reading


def test_readers_of_one_report_share_what_was_read(market: Settings) -> None:
    assert read_backtest(market.reports_dir) is read_backtest(market.reports_dir)


def test_figures_are_computed_once_for_all_who_ask(backtested: Backtested) -> None:
    with ThreadPoolExecutor(8) as pool:
        asked = [
            pool.submit(health.by_segment, backtested, "blend", "building_age")
            for _ in range(8)
        ]
    first = asked[0].result()
    assert all(each.result() is first for each in asked)
    assert health.by_segment(backtested, "xgboost", "building_age") is not first


def test_a_newer_report_is_read_anew(copied: Settings) -> None:
    path = copied.reports_dir / "backtest.json"
    before = read_backtest(copied.reports_dir)
    content = json.loads(path.read_text()) | {"git_commit": "def5678"}
    path.write_text(json.dumps(content))
    os.utime(path, (1, 1))
    after = read_backtest(copied.reports_dir)
    assert before.provenance["git_commit"] == "abc1234"
    assert after.provenance["git_commit"] == "def5678"


def test_a_missing_report_says_what_to_run_in_both_languages(tmp_path: Path) -> None:
    for read in (read_backtest, read_scored):
        with pytest.raises(NoReportError) as caught:
            read(tmp_path)
        assert str(tmp_path) in caught.value.words.sv
        assert caught.value.words.sv != caught.value.words.en
    assert "forward_log" in caught.value.words.en


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("backtest.json", b"{"),
        ("backtest.json", b"[1, 2]"),
        ("backtest.json", b"\xff\xfe"),
        ("backtest_predictions.parquet", b"PAR1 no"),
        ("backtest_predictions.parquet", b""),
    ],
)
def test_a_damaged_file_is_named_with_what_to_do(
    copied: Settings, name: str, content: bytes
) -> None:
    (copied.reports_dir / name).write_bytes(content)
    with pytest.raises(ReportError, match="remove the file") as caught:
        read_backtest(copied.reports_dir)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda rows: rows.drop(columns="value_sek"),
        lambda rows: rows.assign(value_sek="many"),
        lambda rows: rows.assign(sold_date="one day"),
        lambda rows: rows.assign(sold_price_sek=-1.0),
        lambda rows: rows.head(0),
    ],
)
def test_predictions_of_another_shape_are_refused(
    copied: Settings, spoil: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    path = copied.reports_dir / "backtest_predictions.parquet"
    spoil(pd.read_parquet(path)).to_parquet(path)
    with pytest.raises(ReportError, match=r"backtest_predictions\.parquet"):
        read_backtest(copied.reports_dir)


def test_values_that_are_no_numbers_count_as_unanswered(copied: Settings) -> None:
    path = copied.reports_dir / "backtest_predictions.parquet"
    rows = pd.read_parquet(path)
    is_xgboost = rows["model"] == "xgboost"
    rows.loc[rows.index[is_xgboost][:3], "value_sek"] = [np.nan, np.inf, -5.0]
    rows.to_parquet(path)
    backtested = read_backtest(copied.reports_dir)
    assert len(backtested.of("xgboost")) - len(backtested.answered("xgboost")) == 3
    assert health.totals(backtested)["xgboost"]["hit_rate_pct"] < 100


# The latest sales


def test_a_latest_sale_in_the_backtest_keeps_what_was_said_there(
    market: Settings,
) -> None:
    sales = latest_sales(market).sales
    assert len(sales) == 20
    dates = [sale.sold_date for sale in sales]
    assert dates == sorted(dates, reverse=True)
    said = [sale.said["blend"] for sale in sales]
    assert {each.origin for each in said} == {"backtest"}
    errors = [
        round(each.error_pct(sale.sold_price_sek), 1)
        for each, sale in zip(said, sales, strict=True)
    ]
    assert set(errors) == {-3.0, 45.5}


def test_without_a_backtest_sales_are_valued_afterwards_and_not_logged(
    tmp_path: Path,
) -> None:
    (tmp_path / "data").mkdir()
    settings = publish_market(tmp_path / "data")
    register_model(settings, tmp_path / "model")
    sale = latest_sales(settings).sales[0]
    assert {said.origin for said in sale.said.values()} == {"afterwards"}
    assert sale.said["xgboost"].value_sek == pytest.approx(
        sale.sold_price_sek, rel=0.15
    )
    assert not settings.forward_log_dir.exists()

    write_scored_log(settings)
    honest = latest_sales(settings).sales
    origins = {said.origin for sale in honest for said in sale.said.values()}
    assert origins == {"forward", "afterwards"}


def test_a_damaged_report_is_told_beside_the_sales(copied: Settings) -> None:
    publish_market(copied.data)
    (copied.reports_dir / "backtest.json").write_text("{")
    found = latest_sales(copied)
    assert len(found.sales) == 20
    assert "backtest.json" in found.problems[0].en

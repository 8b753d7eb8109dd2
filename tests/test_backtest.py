from __future__ import annotations

import json
import sys
from datetime import date
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pandas as pd
import pytest
from made_up_sales import made_up_sales, write_marts

from ml.valuation import backtest as command
from ml.valuation.backtest import (
    PREDICTION_COLUMNS,
    Backtest,
    Plan,
    fingerprint,
    read_backtest_sales,
    run_backtest,
    splits,
    with_intervals,
    write_report,
)
from ml.valuation.metrics import evaluate
from warehouse.errors import SlutprisError
from warehouse.settings import Settings
from warehouse.store import connect

if TYPE_CHECKING:
    from pathlib import Path

APRIL, JUNE = date(2016, 4, 1), date(2016, 6, 1)
SETTINGS = Settings(SLUTPRIS_THREADS=2)
PLAN = Plan(
    start=APRIL,
    end=JUNE,
    models=("xgboost_plain",),
    protocols=("rolling_monthly", "random_80_20"),
)


def marts_of(sales: pd.DataFrame) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    write_marts(connection, sales)
    return connection


@pytest.fixture(scope="module")
def sales() -> pd.DataFrame:
    return made_up_sales(700)


@pytest.fixture(scope="module")
def backtest(sales: pd.DataFrame) -> Backtest:
    return run_backtest(marts_of(sales), PLAN, SETTINGS)


def rolling(backtest: Backtest) -> pd.DataFrame:
    rows = backtest.predictions
    return rows[rows["protocol"] == "rolling_monthly"]


def test_every_month_is_valued_by_what_was_sold_before_it(sales: pd.DataFrame) -> None:
    read = read_backtest_sales(marts_of(sales), PLAN)

    monthly = [s for s in splits(read, PLAN) if s.protocol == "rolling_monthly"]

    assert len(monthly) == 3
    for split, month in zip(monthly, PLAN.months, strict=True):
        assert split.train["sold_date"].max() < month
        assert split.test["sold_date"].min() >= month
        before_next = read["sold_date"] < month + pd.offsets.MonthBegin(1)
        assert len(split.train) + len(split.test) == before_next.sum()


def test_random_split_holds_out_a_fifth_the_same_each_time(sales: pd.DataFrame) -> None:
    read = read_backtest_sales(marts_of(sales), PLAN)

    first, second = (list(splits(read, PLAN))[-1] for _ in range(2))

    assert len(first.test) == round(len(read) * 0.2)
    assert first.test["sale_id"].tolist() == second.test["sale_id"].tolist()
    assert not set(first.test["sale_id"]) & set(first.train["sale_id"])


def test_no_later_price_moves_a_value(sales: pd.DataFrame, backtest: Backtest) -> None:
    is_later = sales["sold_date"] >= "2016-05-01"
    poisoned = sales.assign(
        sold_price_sek=sales["sold_price_sek"].where(~is_later, 99_000_000),
        price_per_m2_sek=sales["price_per_m2_sek"].where(~is_later, 999_999.0),
    )

    again = rolling(run_backtest(marts_of(poisoned), PLAN, SETTINGS))

    until_may = again["sold_date"] < "2016-06-01"
    assert np.array_equal(
        again.loc[until_may, "value_sek"],
        rolling(backtest).loc[until_may, "value_sek"],
    )
    assert not np.array_equal(
        again.loc[~until_may, "value_sek"],
        rolling(backtest).loc[~until_may, "value_sek"],
    )


def test_every_sale_of_the_months_is_valued_once(
    sales: pd.DataFrame, backtest: Backtest
) -> None:
    valued = rolling(backtest)["source_id"]

    expected = sales.loc[sales["sold_date"] >= "2016-04-01", "sale_id"]
    assert sorted(valued) == sorted(expected.str.removeprefix("made_up:"))
    assert list(backtest.predictions.columns) == PREDICTION_COLUMNS


def test_figures_are_those_of_the_predictions(backtest: Backtest) -> None:
    record = next(r for r in backtest.results if r["segment"] == "2016-05")
    may = rolling(backtest)
    may = may[may["sold_date"].dt.month == 5]

    figures = evaluate(may["sold_price_sek"].to_numpy(), may["value_sek"].to_numpy())

    assert record == {
        "model": "xgboost_plain",
        "mode": "before_listing",
        "protocol": "rolling_monthly",
        "segment": "2016-05",
        **figures,
    }


def test_segments_are_the_whole_and_each_month(backtest: Backtest) -> None:
    segments = [(r["protocol"], r["segment"]) for r in backtest.results]

    assert segments == [
        ("rolling_monthly", "all"),
        ("rolling_monthly", "2016-04"),
        ("rolling_monthly", "2016-05"),
        ("rolling_monthly", "2016-06"),
        ("random_80_20", "all"),
    ]


def test_range_comes_from_the_errors_of_earlier_months_only() -> None:
    predictions = pd.DataFrame(
        {
            "sold_date": pd.to_datetime(["2016-01-10"] * 3 + ["2016-02-10"] * 2),
            "sold_price_sek": [900, 1000, 1100, 5000, 1],
            "value_sek": [1000.0, 1000.0, 1000.0, 2000.0, 2000.0],
            "model": "xgboost",
            "protocol": "rolling_monthly",
        }
    ).reindex(columns=PREDICTION_COLUMNS)

    ranges = with_intervals(predictions)

    assert ranges.loc[:2, ["low_sek", "high_sek"]].isna().all(axis=None)
    low, high = np.quantile(np.log([0.9, 1.0, 1.1]), [0.05, 0.95])
    assert np.allclose(ranges.loc[3:, "low_sek"], 2000 * np.exp(low))
    assert np.allclose(ranges.loc[3:, "high_sek"], 2000 * np.exp(high))


def test_report_is_strict_json_with_its_provenance(backtest: Backtest) -> None:
    report = json.loads(backtest.to_json(), parse_constant=pytest.fail)

    assert report["results"] == backtest.results
    assert report["rows"] == 700
    assert report["start"] == "2016-04"
    assert {"created_at", "git_commit", "data_fingerprint"} <= report.keys()


def test_fingerprint_changes_with_one_value(sales: pd.DataFrame) -> None:
    changed = sales.copy()
    changed.loc[5, "sold_price_sek"] = 1

    assert fingerprint(sales) == fingerprint(sales.copy())
    assert fingerprint(sales) != fingerprint(changed)


def test_plot_of_each_protocol_is_written(backtest: Backtest, tmp_path: Path) -> None:
    paths = write_report(backtest, tmp_path / "new" / "folder")

    assert [path.name for path in paths] == [
        "predicted_against_actual_rolling_monthly.png",
        "predicted_against_actual_random_80_20.png",
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


@pytest.fixture
def landed(settings: Settings, sales: pd.DataFrame) -> None:
    with connect(settings.warehouse_path) as connection:
        write_marts(connection, sales)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["backtest", *arguments])
    command.main()


@pytest.mark.usefixtures("landed")
def test_command_writes_everything_and_prints_the_table(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, rows = tmp_path / "a" / "bt.json", tmp_path / "b" / "rows.parquet"

    run(
        monkeypatch,
        *("--start", "2016-05", "--end", "2016-06", "--models", "xgboost_plain"),
        *("--mode", "listed", "--json", str(out), "--predictions", str(rows)),
    )

    (whole,) = (
        r for r in json.loads(out.read_text())["results"] if r["segment"] == "all"
    )
    read = pd.read_parquet(rows)
    assert list(read.columns) == PREDICTION_COLUMNS
    assert len(read) == whole["n"]
    assert set(read["mode"]) == {"listed"}
    printed = capsys.readouterr().out
    assert "xgboost_plain" in printed
    assert f"{whole['mape_pct']:.2f}".replace(".", ",") in printed
    assert all(len(line) <= 80 for line in printed.splitlines())
    assert "…" not in printed


@pytest.mark.usefixtures("landed")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"--start": "2016-07"}, "start 2016-07 is after end 2016-06"),
        ({"--start": "2016-13"}, "'2016-13' is not a month"),
        ({"--end": "june"}, "'june' is not a month"),
        ({"--models": "oracle"}, "unknown model oracle"),
        ({"--models": ","}, "none given"),
        ({"--json": "/dev/null/bt.json"}, "cannot write /dev/null/bt.json"),
        ({"--protocols": "tomorrow"}, "unknown protocol tomorrow"),
        ({"--start": "2031-01", "--end": "2031-02"}, "no sale was sold from 2031-01"),
        ({"--start": "2010-01", "--end": "2010-02"}, "no sale was sold before 2010-03"),
        ({"--start": "2015-01"}, "nothing to train on"),
    ],
)
def test_bad_input_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: dict[str, str],
    message: str,
) -> None:
    given = {"--start": "2016-06", "--end": "2016-06"} | arguments
    given = {"--json": str(tmp_path / "bt.json")} | given

    with pytest.raises(SlutprisError, match=message) as error:
        run(monkeypatch, *(word for pair in given.items() for word in pair))

    assert "\n" not in str(error.value)
    assert not (tmp_path / "bt.json").exists()


@pytest.mark.usefixtures("data_dir")
def test_no_warehouse_and_no_marts_say_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    arguments = [
        "--start",
        "2016-06",
        "--end",
        "2016-06",
        "--json",
        str(tmp_path / "x"),
    ]
    with pytest.raises(SlutprisError, match="there is no warehouse"):
        run(monkeypatch, *arguments)

    connect(Settings().warehouse_path).close()
    with pytest.raises(SlutprisError, match="dbt build"):
        run(monkeypatch, *arguments)

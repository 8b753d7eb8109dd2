from __future__ import annotations

import json
import sys
from datetime import date
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pandas as pd
import pytest
from made_up_sales import SMALL, made_up_sales, repriced, write_marts

from ml.valuation import backtest as command
from ml.valuation import hyperparameters
from ml.valuation.backtest import (
    PREDICTION_COLUMNS,
    Backtest,
    Plan,
    fingerprint,
    run_backtest,
)
from ml.valuation.metrics import evaluate
from ml.valuation.models import MODELS
from warehouse.errors import SlutprisError
from warehouse.settings import Settings
from warehouse.store import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SALE_COUNT = 400
APRIL, JUNE = date(2016, 4, 1), date(2016, 6, 1)
PLAN = Plan(
    start=APRIL,
    end=JUNE,
    models=("xgboost",),
    protocols=("rolling_monthly", "random_80_20"),
)


def marts_of(sales: pd.DataFrame) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    write_marts(connection, sales)
    return connection


@pytest.fixture(scope="module", autouse=True)
def small_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Few and shallow trees: what is tested here is who learns from what."""
    path = tmp_path_factory.mktemp("reviewed") / "hyperparameters.json"
    path.write_text(
        json.dumps(SMALL | {"xgboost": SMALL["xgboost"] | {"num_boost_round": 20}}),
        encoding="utf-8",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hyperparameters, "PATH", path)
        yield


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """One thread, and a folder of this module's own."""
    return Settings(data_dir=tmp_path_factory.mktemp("data"), SLUTPRIS_THREADS=1)


@pytest.fixture(scope="module")
def sales() -> pd.DataFrame:
    return made_up_sales(SALE_COUNT)


@pytest.fixture(scope="module")
def backtest(sales: pd.DataFrame, quick: Settings) -> Backtest:
    return run_backtest(marts_of(sales), PLAN, quick)


def rolling(backtest: Backtest) -> pd.DataFrame:
    rows = backtest.predictions
    return rows[rows["protocol"] == "rolling_monthly"]


def test_no_later_price_moves_a_value(
    sales: pd.DataFrame, backtest: Backtest, quick: Settings
) -> None:
    is_later = sales["sold_date"] >= "2016-05-15"
    poisoned = repriced(sales, sales["sold_price_sek"].mask(is_later, 99_000_000))

    again = rolling(run_backtest(marts_of(poisoned), PLAN, quick))

    before = rolling(backtest)
    until_then = again["sold_date"] <= "2016-05-15"
    assert until_then.sum() > 20
    for column in ("value_sek", "low_sek", "high_sek"):
        assert again.loc[until_then, column].equals(before.loc[until_then, column])
    from_june = again["sold_date"] >= "2016-06-01"
    assert not (again["value_sek"] == before["value_sek"])[from_june].any()


def test_every_sale_of_the_months_is_valued_once(
    sales: pd.DataFrame, backtest: Backtest
) -> None:
    valued = rolling(backtest)["source_id"]

    expected = sales.loc[sales["sold_date"] >= "2016-04-01", "sale_id"]
    assert sorted(valued) == sorted(expected.str.removeprefix("made_up:"))
    first = backtest.predictions.columns[: len(PREDICTION_COLUMNS)]
    assert first.tolist() == PREDICTION_COLUMNS


def test_figures_are_those_of_the_predictions(backtest: Backtest) -> None:
    record = next(r for r in backtest.results if r["segment"] == "month=2016-05")
    may = rolling(backtest)
    may = may[may["sold_date"].dt.month == 5]

    figures = evaluate(may["sold_price_sek"].to_numpy(), may["value_sek"].to_numpy())

    assert record["model"] == "xgboost"
    assert record["mode"] == "before_listing"
    assert record["protocol"] == "rolling_monthly"
    assert figures.items() <= record.items()


class RangedMedian:
    """Values every home at one price, with a range; refuses the smallest homes."""

    def __init__(self, *_arguments: object, **_more: object) -> None:
        self.name = "ranged"

    def fit(self, sales: pd.DataFrame) -> RangedMedian:
        self.value_sek = sales["sold_price_sek"].median()
        return self

    def valuations(self, features: pd.DataFrame) -> pd.DataFrame:
        is_small = features["living_area_m2"] < 30
        return pd.DataFrame(
            {
                "value_sek": self.value_sek,
                "low_sek": self.value_sek / 2,
                "high_sek": self.value_sek * 2,
                "confidence_class": 3,
                "fsd_pct": 30.0,
                "refusal_reason": is_small.map({True: "too small", False: None}),
            },
            index=features.index,
        )


def test_model_with_ranges_of_its_own_is_asked_for_them(
    monkeypatch: pytest.MonkeyPatch, sales: pd.DataFrame, quick: Settings
) -> None:
    monkeypatch.setitem(MODELS, "ranged", RangedMedian)
    plan = Plan(start=APRIL, end=JUNE, models=("ranged",))

    backtest = run_backtest(marts_of(sales), plan, quick)

    rows = backtest.predictions
    is_small = rows["living_area_m2"] < 30
    assert np.allclose(rows["high_sek"], rows["value_sek"] * 2)
    assert (rows["refusal_reason"] == "too small").equals(is_small)
    assert set(rows["confidence_class"]) == {3}
    whole = backtest.results[0]
    assert whole["hit_rate_pct"] == pytest.approx(100 * (~is_small).mean())
    assert whole["n"] == (~is_small).sum()
    assert whole["mean_width_pct"] == pytest.approx(150)
    assert whole["coverage_90_pct"] != whole["plain_coverage_90_pct"]
    assert "confidence_class=3" in {r["segment"] for r in backtest.results}


def test_a_sale_without_an_asking_price_is_not_valued_as_listed(
    sales: pd.DataFrame, quick: Settings
) -> None:
    is_unasked = (np.arange(len(sales)) % 4 == 0) & (sales["sold_date"] >= "2016-06-01")
    prices = sales["list_price_sek"].mask(is_unasked)
    plan = Plan(start=JUNE, end=JUNE, models=("xgboost",), mode="listed")

    backtest = run_backtest(marts_of(sales.assign(list_price_sek=prices)), plan, quick)

    rows, whole = backtest.predictions, backtest.results[0]
    assert rows["value_sek"].isna().equals(rows["list_price_sek"].isna())
    assert 0 < rows["value_sek"].isna().sum() < len(rows)
    assert whole["n"] == rows["value_sek"].notna().sum()
    assert whole["hit_rate_pct"] == pytest.approx(100 * whole["n"] / len(rows))


def test_report_is_strict_json_with_its_provenance(backtest: Backtest) -> None:
    report = json.loads(backtest.to_json(), parse_constant=pytest.fail)

    assert report["results"] == backtest.results
    assert report["differences"] == backtest.differences
    assert report["rows"] == SALE_COUNT
    assert report["start"] == "2016-04"
    assert {"created_at", "git_commit", "data_fingerprint"} <= report.keys()


def test_fingerprint_changes_with_one_value(sales: pd.DataFrame) -> None:
    changed = sales.copy()
    changed.loc[5, "sold_price_sek"] = 1

    assert fingerprint(sales) == fingerprint(sales.copy())
    assert fingerprint(sales) != fingerprint(changed)


def test_interrupted_run_goes_on_where_it_stopped(
    sales: pd.DataFrame, backtest: Backtest, quick: Settings, tmp_path: Path
) -> None:
    fitted: list[str] = []

    def interrupt(doing: str, finished: int) -> None:
        fitted.append(doing)
        if finished == 2:
            raise KeyboardInterrupt

    arguments = (marts_of(sales), PLAN, quick)
    with pytest.raises(KeyboardInterrupt):
        run_backtest(*arguments, watch=interrupt, checkpoints_dir=tmp_path)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}
    resumed = run_backtest(*arguments, checkpoints_dir=tmp_path)

    assert len(kept) == 2
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    pd.testing.assert_frame_equal(resumed.predictions, backtest.predictions)
    assert resumed.results == backtest.results


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
        *("--report", str(tmp_path / "report")),
    )

    (whole,) = (
        r for r in json.loads(out.read_text())["results"] if r["segment"] == "all"
    )
    read = pd.read_parquet(rows)
    assert read.columns[: len(PREDICTION_COLUMNS)].tolist() == PREDICTION_COLUMNS
    assert len(read) == whole["n"]
    assert set(read["mode"]) == {"listed"}
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == [
        "predicted_against_actual_rolling_monthly.png",
        "report.html",
    ]
    assert [path.name for path in out.parent.iterdir()] == ["bt.json"]
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
        ({"--protocols": "unseen_districts"}, "lacks what it was built of"),
        (
            {"--protocols": "frozen_12_months", "--start": "2015-12"},
            "nothing to train on",
        ),
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

"""A model is trained again when it is due, and not else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pandas as pd
import pytest
from made_up_sales import SMALL, made_up_sales, repriced, write_marts

from ml.folder_registry import FolderRegistry
from ml.valuation import hyperparameters, registration
from ml.valuation.cadence import BIAS_SALES
from ml.valuation.models import load_model
from ml.valuation.registration import code_fingerprint, ensure_registered
from ml.valuation.training import HELD_OUT
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from warehouse.settings import Settings


@pytest.fixture
def marts() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        write_marts(connection, made_up_sales(500))
        yield connection


@pytest.fixture(autouse=True)
def small_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "hyperparameters.json"
    path.write_text(json.dumps(SMALL), encoding="utf-8")
    monkeypatch.setattr(hyperparameters, "PATH", path)


@pytest.mark.parametrize("name", ["xgboost", "blend"])
def test_nothing_is_trained_again_when_nothing_changed(
    name: str, marts: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    first = ensure_registered(name, marts, settings)
    again = ensure_registered(name, marts, settings)

    assert (first.is_new, again.is_new) == (True, False)
    assert again.version.version == first.version.version == 1
    model = load_model(
        FolderRegistry(settings.registry_dir).fetch(name, 1, settings.data / "m")
    )
    assert model.name == name
    assert first.version.metrics["mape_pct"] < 30


@pytest.mark.parametrize(
    ("changes", "days", "is_new", "reason"),
    [
        ("set sold_price_sek = 9 where sale_id = 'made_up:7'", 7, False, "not due"),
        ("set sold_price_sek = 9 where sale_id = 'made_up:7'", 0, True, "0 days after"),
        ("set sold_date = sold_date + interval 6 day", 7, False, "6 days after"),
        ("set sold_date = sold_date + interval 7 day", 7, True, "7 days after"),
    ],
)
def test_changed_sales_make_another_version_when_it_is_due(
    changes: str,
    days: int,
    is_new: bool,
    reason: str,
    marts: duckdb.DuckDBPyConnection,
    settings: Settings,
) -> None:
    settings = settings.model_copy(update={"retrain_days": days})
    ensure_registered("district_median", marts, settings)
    marts.execute(f"update marts.sale_features {changes}")

    changed = ensure_registered("district_median", marts, settings)

    assert changed.is_new == is_new
    assert changed.version.version == 1 + is_new
    assert reason in changed.reason


@pytest.mark.parametrize(("count", "is_new"), [(25, False), (26, True)])
def test_a_twentieth_fewer_sales_is_the_most_that_waits(
    count: int, is_new: bool, marts: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    ensure_registered("district_median", marts, settings)
    marts.execute(
        "delete from marts.sale_features where sale_id in (select sale_id from "
        f"marts.sale_features order by sold_date, sale_id limit {count})"
    )

    again = ensure_registered("district_median", marts, settings)

    assert again.is_new == is_new
    assert f"changed by {count / 5:.1f} %" in again.reason


@pytest.mark.parametrize(("factor", "is_new"), [(1.0, False), (0.9, True)])
def test_a_model_that_has_come_to_value_too_high_is_trained_again(
    factor: float, is_new: bool, settings: Settings
) -> None:
    settings = settings.model_copy(update={"retrain_days": 60, "retrain_rows_pct": 100})
    sales = made_up_sales(900)
    last_day = sales["sold_date"].max()
    later = sales["sold_date"] > last_day - pd.Timedelta(days=25)
    assert later.sum() > BIAS_SALES
    with duckdb.connect() as connection:
        write_marts(connection, sales[~later])
        first = ensure_registered("xgboost", connection, settings)
    moved = sales["sold_price_sek"] * np.where(later, factor, 1)
    with duckdb.connect() as connection:
        write_marts(connection, repriced(sales, moved))
        again = ensure_registered("xgboost", connection, settings)
    assert first.is_new
    assert again.is_new == is_new, again.reason
    assert ("off on average" in again.reason) == is_new


def test_a_version_whose_files_are_damaged_is_trained_again(
    marts: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    first = ensure_registered("district_median", marts, settings)
    registry = FolderRegistry(settings.registry_dir)
    folder = registry.folder("district_median", 1)
    (folder / "model" / "model.json").write_text("{}", encoding="utf-8")
    (folder / "version.json").write_text("{", encoding="utf-8")

    again = ensure_registered("district_median", marts, settings)

    assert (again.is_new, again.version.version) == (True, 2)
    assert again.version.content_sha256 == first.version.content_sha256


def test_a_version_that_cannot_be_judged_is_trained_again(
    marts: duckdb.DuckDBPyConnection, settings: Settings, tmp_path: Path
) -> None:
    first = ensure_registered("district_median", marts, settings).version
    registry = FolderRegistry(settings.registry_dir)
    copy = registry.fetch("district_median", 1, tmp_path / "unproven")
    (copy / HELD_OUT).unlink()
    registry.register(
        "district_median",
        copy,
        metrics=first.metrics,
        lineage=first.lineage,
        input_schema=first.input_schema,
        input_example=first.input_example,
    )

    again = ensure_registered("district_median", marts, settings)

    assert (again.is_new, again.version.version) == (True, 3)
    assert "kept what to be judged by" in again.reason


def test_a_version_keeps_what_its_recipe_said_of_sales_unseen(
    marts: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    ensure_registered("xgboost", marts, settings)
    folder = FolderRegistry(settings.registry_dir).folder("xgboost", 1)
    kept = pd.read_parquet(folder / "model" / HELD_OUT)
    newest = made_up_sales(500).tail(len(kept))

    assert 40 < len(kept) < 60
    assert kept["sale_id"].tolist() == newest["sale_id"].tolist()
    ratio = kept["value_sek"].to_numpy() / newest["sold_price_sek"].to_numpy()
    assert 0.9 < np.median(ratio) < 1.1
    assert (kept["low_sek"] < kept["high_sek"]).all()


def test_code_that_changed_makes_another_version(
    marts: duckdb.DuckDBPyConnection,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ensure_registered("district_median", marts, settings)
    fewer = registration.MODEL_CODE[1:]
    monkeypatch.setattr(registration, "MODEL_CODE", fewer)

    assert ensure_registered("district_median", marts, settings).is_new


def test_lost_hedonic_files_change_no_model(
    marts: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    ensure_registered("xgboost", marts, settings)
    files = list(settings.hedonics_dir.iterdir())
    for path in files:
        path.unlink()

    again = ensure_registered("xgboost", marts, settings)

    assert not again.is_new
    assert sorted(settings.hedonics_dir.iterdir()) == sorted(files)


def test_the_two_modes_are_two_models(
    marts: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    before = ensure_registered("xgboost", marts, settings)
    listed = ensure_registered("xgboost", marts, settings, mode="listed")

    assert (before.version.name, listed.version.name) == ("xgboost", "xgboost_listed")
    assert listed.version.metrics["mape_pct"] < before.version.metrics["mape_pct"]


def test_a_version_tells_the_columns_it_reads(
    marts: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    version = ensure_registered("xgboost", marts, settings).version

    assert version.input_schema["hedonic_place_log_premium"] == "float64"
    assert set(version.input_example) == set(version.input_schema)
    assert np.isfinite(version.input_example["neighbours_certainty"])


def test_every_file_of_the_code_that_decides_is_there() -> None:
    assert len(code_fingerprint()) == 64
    assert len(set(registration.MODEL_CODE)) == len(registration.MODEL_CODE)


def test_too_few_sales_are_refused(settings: Settings) -> None:
    with duckdb.connect() as connection:
        write_marts(connection, made_up_sales(50))
        with pytest.raises(SlutprisError, match="too few"):
            ensure_registered("xgboost", connection, settings)

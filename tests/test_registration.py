"""A model is trained again when its data or code changed, and not else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pytest
from made_up_sales import SMALL, made_up_sales, write_marts

from ml.folder_registry import FolderRegistry
from ml.valuation import hyperparameters, registration
from ml.valuation.models import load_model
from ml.valuation.registration import code_fingerprint, ensure_registered
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


def test_a_price_that_changed_makes_another_version(
    marts: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    ensure_registered("district_median", marts, settings)
    marts.execute(
        "update marts.sale_features set sold_price_sek = sold_price_sek + 1000 "
        "where sale_id = 'made_up:7'"
    )

    changed = ensure_registered("district_median", marts, settings)

    assert changed.is_new
    assert changed.version.version == 2


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

"""The publishing assets, run by Dagster, against the fake cluster, up and down."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
from fake_hopsworks import Fault
from impatient_client import workers_polling_often
from registry_contract import model_folder
from test_publishing import add_card, mart_columns

from ml.folder_registry import FolderRegistry
from ml.serving_models import ASK_EVERY_S, ServingRegistry, refresh_models
from ml.valuation.registration import served_names
from warehouse.settings import PROJECT_ROOT, Settings
from warehouse.store import connect, create_raw_tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fake_hopsworks import FakeCluster

pytestmark = pytest.mark.hopsworks

XGBOOST = "model_registry/xgboost"
FEATURES = "feature_store/apartment_features"
VIEW = "feature_store/apartments"
ONE_OF_EACH = (FEATURES, VIEW, "feature_store/raw_sales", XGBOOST)
PUBLISHED = 9
"""Features, raw sales, the view and six models."""


@pytest.fixture
def fake(
    hopsworks_cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeCluster]:
    monkeypatch.setattr("ml.hopsworks.cluster.FIRST_PAUSE_S", 0.1)
    monkeypatch.setattr("ml.hopsworks.cluster.ATTEMPTS", 2)
    with workers_polling_often():
        yield hopsworks_cluster


@pytest.fixture
def settings(
    fake: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """A data folder with a small warehouse and models, and the fake as the backend."""
    variables = fake.env() | {
        "SLUTPRIS_DATA": str(tmp_path / "data"),
        "HOPSWORKS_DEADLINE_S": "15",
        "HOPSWORKS_SERVING_DEADLINE_S": "10",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    make_warehouse(settings)
    for name in served_names():
        register_model(settings, tmp_path / name, name)
    return settings


def make_warehouse(settings: Settings) -> None:
    from datetime import datetime

    columns = ", ".join(f"{name} {kind}" for name, kind in mart_columns().items())
    with connect(settings.warehouse_path) as connection:
        create_raw_tables(connection)
        add_card(connection, datetime(2026, 1, 9, 3))
        connection.execute("create schema marts")
        connection.execute(f"create table marts.sale_features ({columns})")
        connection.execute(
            "insert into marts.sale_features (sale_id, sold_date, sold_price_sek) "
            "values ('booli:7', date '2026-01-05', 4_000_000)"
        )


def register_model(
    settings: Settings, folder: Path, name: str, text: str = "weights"
) -> int:
    folder.mkdir(exist_ok=True)
    registered = FolderRegistry(settings.registry_dir).register(
        name,
        model_folder(folder, text),
        metrics={"mape_pct": 7.0},
        lineage={"inputs": {}, "rows": 1},
        input_schema={"rooms": "double"},
        input_example={"rooms": 2.0, "brf": None},
    )
    return registered.version.version


def publish(settings: Settings, *only: str) -> dg.ExecuteInProcessResult:
    """Run every publishing asset, or some, as the whole job does after all else."""
    from dagster_assets.definitions import defs

    definitions = defs()
    graph = definitions.resolve_asset_graph()
    keys = [
        node.key
        for node in graph.asset_nodes
        if node.group_name == "publishing"
        and (not only or node.key.to_user_string() in only)
    ]
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    with dg.DagsterInstance.local_temp(str(settings.dagster_home)) as instance:
        return definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=keys, instance=instance, raise_on_error=False
        )


def receipts(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    made = [
        event.step_materialization_data.materialization
        for event in result.get_asset_materialization_events()
    ]
    return {
        each.asset_key.to_user_string(): {
            key: value.value for key, value in each.metadata.items()
        }
        for each in made
    }


def files_that_hold(folder: Path, secret: str) -> list[Path]:
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and secret.encode() in path.read_bytes()
    ]


def test_everything_is_published_with_a_receipt_and_a_second_time_nothing(
    settings: Settings, fake: FakeCluster, tmp_path: Path
) -> None:
    first = publish(settings)
    assert first.success
    got = receipts(first)
    assert len(got) == PUBLISHED
    features = got[FEATURES]
    assert features["backend"] == "hopsworks"
    assert (features["rows_inserted"], features["skipped"]) == (1, False)
    assert features["commit_id"]
    model = got[XGBOOST]
    assert (model["version"], model["skipped"]) == (1, False)
    again = receipts(publish(settings, *ONE_OF_EACH))
    skipped = {key: each.get("skipped") for key, each in again.items()}
    del skipped[VIEW]
    assert set(skipped.values()) == {True}
    assert fake.unknown_requests() == []


def test_the_embedded_backend_gives_the_same_receipts(
    settings: Settings, fake: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEATURE_BACKEND", "embedded")
    result = publish(settings)
    assert result.success
    got = receipts(result)
    assert len(got) == PUBLISHED
    features = got[FEATURES]
    assert (features["backend"], features["rows_inserted"]) == ("embedded", 1)
    # training has registered them there already
    assert (got[XGBOOST]["version"], got[XGBOOST]["skipped"]) == (1, True)
    assert fake.requests() == []


def test_no_file_log_or_receipt_holds_the_key(
    settings: Settings,
    fake: FakeCluster,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    fake.faults.add(Fault("503", "POST", "/commits"))
    assert publish(settings, FEATURES).success is False
    fake.faults.clear()
    assert publish(settings, *ONE_OF_EACH).success
    refresh_models(settings, ["xgboost"])
    secret = fake.api_key.partition(".")[2]
    assert files_that_hold(settings.data, secret) == []
    assert files_that_hold(fake.datasets, secret) == []
    assert secret not in caplog.text
    assert secret not in "".join(capfd.readouterr())
    # the certificates' and the client's temporary folders are gone
    assert list((tmp_path / "scratch").iterdir()) == []


def test_with_the_cluster_down_only_publishing_fails_and_is_done_the_next_time(
    settings: Settings, fake: FakeCluster
) -> None:
    before = {p: p.read_bytes() for p in settings.registry_dir.rglob("*.json")}
    fake.stop()
    result = publish(settings, FEATURES, VIEW, XGBOOST)
    assert not result.success
    errors = [
        event.step_failure_data.error.cause.message
        for event in result.all_events
        if event.is_step_failure and event.step_failure_data.error.cause
    ]
    assert len(errors) == 2  # the view waits for its group
    assert all("run the same command again" in error for error in errors)
    assert {p: p.read_bytes() for p in before} == before
    fake.start()
    assert publish(settings, XGBOOST).success


def test_a_missing_setting_is_named_before_anything_is_asked(
    settings: Settings, fake: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOPSWORKS_API_KEY")
    result = publish(settings)
    error = next(e for e in result.all_events if e.is_step_failure)
    assert "needs HOPSWORKS_API_KEY" in error.step_failure_data.error.cause.message
    assert fake.requests() == []


def test_served_models_come_from_the_cluster_and_outlive_it(
    settings: Settings,
    fake: FakeCluster,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    serving = ServingRegistry(settings)
    assert publish(settings, XGBOOST).success
    assert "no copy of the model xgboost" not in caplog.text
    assert serving.get("xgboost").version == 1
    assert "no copy of the model xgboost" in caplog.text
    refresh_models(settings, ["xgboost"])
    assert serving.copies.numbers("xgboost") == [1]
    register_model(settings, tmp_path / "newer", "xgboost", "newer weights")
    assert publish(settings, XGBOOST).success
    monkeypatch.setattr("ml.serving_models.ASK_EVERY_S", 0)
    refresh_models(settings, ["xgboost"])
    assert serving.get("xgboost").version == 2
    copy = serving.fetch("xgboost", 2, tmp_path / "copy")
    assert (copy / "trees" / "0.bin").read_text() == "newer weights"
    fake.stop()
    caplog.clear()
    refresh_models(settings, ["xgboost", "blend"])
    assert "serving the copy of xgboost version 2" in caplog.text
    assert serving.get("xgboost").version == 2
    assert ASK_EVERY_S > 0


def test_a_copy_that_was_changed_is_not_served(
    settings: Settings, tmp_path: Path
) -> None:
    assert publish(settings, XGBOOST).success
    refresh_models(settings, ["xgboost"])
    serving = ServingRegistry(settings)
    weights = serving.copies.folder("xgboost", 1) / "model" / "trees" / "0.bin"
    weights.write_text("WEIGHTS")
    with pytest.raises(Exception, match="was changed"):
        serving.fetch("xgboost", 1, tmp_path / "copy")


def test_an_outage_is_asked_about_once_in_a_while_only(
    settings: Settings, fake: FakeCluster
) -> None:
    fake.faults.add(Fault("503"))
    refresh_models(settings, ["xgboost"])
    asked = len(fake.requests())
    refresh_models(settings, ["xgboost"])
    assert asked == len(fake.requests()) > 0


def test_the_adapter_leaves_the_client_outside_this_process(
    settings: Settings,
) -> None:
    code = (
        "import sys, logging; root = logging.getLogger().handlers[:]\n"
        "from ml.backends import open_backend\n"
        "from warehouse.settings import Settings\n"
        "with open_backend(Settings()) as backend: backend.feature_store.groups()\n"
        "assert 'hopsworks' not in sys.modules and 'hsfs' not in sys.modules\n"
        "assert logging.getLogger().handlers == root\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert json.dumps(finished.stdout + finished.stderr) == '""'

"""When the night begins, what it crawls, and what happens to a run that is killed."""

# No `from __future__ import annotations`: Dagster reads the op's own annotation.
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.definitions.schedule_definition import ScheduleExecutionData
from dagster._core.launcher.base import WorkerStatus

from dagster_assets.defs.automation import every_night, night, nightly
from dagster_assets.instance import WatchedRunLauncher, is_alive
from warehouse.settings import PROJECT_ROOT, Settings


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    # Modules are loaded once in a process: the manifest of this folder serves them all.
    folder = tmp_path_factory.mktemp("definitions")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("SLUTPRIS_DATA", str(folder))
        from dagster_assets.definitions import defs

        return defs()


@pytest.fixture
def instance(data_dir: Path) -> Iterator[dg.DagsterInstance]:
    """The instance that the project's own ``dagster.yaml`` makes."""
    with dg.DagsterInstance.from_config(str(PROJECT_ROOT)) as instance:
        yield instance


# The schedule


def tick(at: datetime) -> ScheduleExecutionData:
    """What the schedule answers at a moment."""
    with dg.build_schedule_context(scheduled_execution_time=at) as context:
        return nightly.evaluate_tick(context)


def test_the_night_is_off_and_at_three_unless_told_otherwise(
    settings: Settings,
) -> None:
    schedule = every_night(settings, night(settings))

    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    assert schedule.cron_schedule == "0 3 * * *"
    assert schedule.execution_timezone == "Europe/Stockholm"


def test_settings_turn_the_night_on_at_an_hour(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUTPRIS_NIGHTLY", "on")
    monkeypatch.setenv("SLUTPRIS_NIGHTLY_HOUR", "23")

    schedule = every_night(Settings(), night(Settings()))

    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert schedule.cron_schedule == "0 23 * * *"


def test_a_night_is_asked_for_once_whoever_asks() -> None:
    now = datetime.now(UTC)
    keys = [asked.run_key for _ in range(2) for asked in tick(now).run_requests or ()]

    assert keys == [f"nightly-{now:%Y-%m-%d}"] * 2


def test_a_night_slept_through_is_left_to_the_next() -> None:
    answered = tick(datetime.now(UTC) - timedelta(days=2))

    assert not answered.run_requests
    assert "the next one will do" in (answered.skip_message or "")


def test_the_night_runs_every_asset_and_every_check(
    definitions: dg.Definitions,
) -> None:
    layer = definitions.resolve_job_def("nightly").asset_layer
    graph = definitions.resolve_asset_graph()

    assert layer.selected_asset_keys == graph.materializable_asset_keys
    assert {key.name for key in layer.asset_graph.asset_check_keys} >= {
        "crawl_yield",
        "rejected_share",
        "raw_rows_reconcile",
        "model_bias",
    }


@pytest.mark.parametrize(
    ("check", "stopped"),
    [
        ("marts__sale_features_rejected_share", "hedonics__sale_features"),
        ("marts__sale_features_rejected_share", "serving__snapshot"),
        ("marts__sales_raw_rows_reconcile", "serving__snapshot"),
        (
            "serving__snapshot_snapshot_agrees_with_warehouse",
            "feature_store__apartment_features",
        ),
        ("registry_intact", "champions__xgboost"),
    ],
)
def test_a_blocking_check_stands_before_what_it_keeps_from_harm(
    definitions: dg.Definitions, check: str, stopped: str
) -> None:
    dependencies = definitions.resolve_job_def("nightly").graph.dependencies
    (found,) = (
        each
        for node, each in dependencies.items()
        if (node.alias or node.name) == stopped
    )

    before = {
        each.node
        for dependency in found.values()
        for each in dependency.get_node_dependencies()
    }
    assert check in before


def test_what_others_read_must_be_fresh(definitions: dg.Definitions) -> None:
    specs = list(definitions.resolve_all_asset_specs())
    judged = {spec.key.path[0] for spec in specs if spec.freshness_policy}
    crawled = {spec.key for spec in specs if "scrapy" in spec.kinds}

    assert judged == {"raw", "marts", "models", "serving"}
    assert all(spec.freshness_policy for spec in specs if spec.key in crawled)
    assert all(
        spec.freshness_policy
        for spec in specs
        if spec.group_name in ("marts", "models", "serving")
    )


def test_one_model_alone_brings_its_own_check_alone(
    definitions: dg.Definitions,
) -> None:
    job = definitions.resolve_implicit_global_asset_job_def()
    model = dg.AssetKey(["models", "xgboost"])

    subset = job.get_subset(asset_selection={model})

    assert {str(node.name) for node in subset.graph.nodes} == {
        "models__xgboost",
        "registry_intact",
    }


# The crawl


def test_the_night_crawls_the_last_days_then_what_bulk_has_not_landed() -> None:
    from dagster_assets.defs.ingestion import CrawlConfig, Mode

    config = CrawlConfig(
        mode=Mode.NIGHTLY, from_date="2026-01-01", to_date="2026-10-31"
    )

    daily, bulk = config.spider_arguments()

    assert daily["mode"] == "daily"
    assert daily["to"] == "2026-10-31"
    # The 45th day back, the 17th of September, is daily's first.
    assert (bulk["from"], bulk["to"]) == ("2026-01-01", "2026-09-16")


def test_a_market_younger_than_the_last_days_needs_no_bulk() -> None:
    from dagster_assets.defs.ingestion import CrawlConfig, Mode

    config = CrawlConfig(
        mode=Mode.NIGHTLY, from_date="2026-10-01", to_date="2026-10-31"
    )

    assert [crawl["mode"] for crawl in config.spider_arguments()] == ["daily"]


# Dagster's own state


def test_dagsters_state_lies_in_the_data_folder(
    instance: dg.DagsterInstance, settings: Settings
) -> None:
    ref = instance.get_ref()

    assert instance.storage_directory() == str(settings.dagster_home / "storage")
    assert (settings.dagster_home / "history").is_dir()
    assert not (PROJECT_ROOT / "history").exists()
    with dg.DagsterInstance.from_ref(ref) as again:  # as a run's process opens it
        assert again.storage_directory() == instance.storage_directory()


def test_one_run_at_a_time_and_dead_ones_are_noticed(
    instance: dg.DagsterInstance,
) -> None:
    written = yaml.safe_load((PROJECT_ROOT / "dagster.yaml").read_text())

    assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 1
    assert instance.run_monitoring_enabled
    assert instance.run_retries_enabled
    assert isinstance(instance.run_launcher, WatchedRunLauncher)
    assert written["run_retries"]["retry_on_asset_or_op_failure"] is False


# Runs whose process is gone


@dg.op
def waits(context: dg.OpExecutionContext) -> None:
    """Is asked after while it runs."""
    launcher = context.instance.run_launcher
    health.append(launcher.check_run_worker_health(context.dagster_run).status)


@dg.job(executor_def=dg.in_process_executor)
def waiting() -> None:
    """One step."""
    waits()


health: list[WorkerStatus] = []


def test_a_running_run_is_taken_for_alive(instance: dg.DagsterInstance) -> None:
    health.clear()

    waiting.execute_in_process(instance=instance)

    assert health == [WorkerStatus.RUNNING]


KILLED = """
import os, signal
import dagster as dg
from warehouse.settings import PROJECT_ROOT

@dg.op
def dies():
    os.kill(os.getpid(), signal.SIGKILL)

@dg.job(executor_def=dg.in_process_executor)
def killed():
    dies()

with dg.DagsterInstance.from_config(str(PROJECT_ROOT)) as instance:
    killed.execute_in_process(instance=instance)
"""


def test_a_run_whose_process_was_killed_is_found_out(
    instance: dg.DagsterInstance,
) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED], check=False)
    assert killed.returncode == -signal.SIGKILL

    (run,) = instance.get_runs()
    assert run.status == dg.DagsterRunStatus.STARTED
    found = instance.run_launcher.check_run_worker_health(run)
    assert found.status == WorkerStatus.FAILED
    assert "is gone" in (found.msg or "")


def test_a_number_given_to_another_program_is_not_the_runs_process() -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        assert not is_alive(other.pid)
        other.kill()
    assert is_alive(os.getpid())
    assert not is_alive(other.pid)

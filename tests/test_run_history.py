"""How the last runs went: read from a real Dagster instance, told in sentences."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
from dagster_dbt.errors import DagsterDbtCliRuntimeError

from dagster_assets.dbt_tests import write_dbt_tests
from dagster_assets.run_history import write_run_history
from ml.dashboards.run_words import (
    check_sentences,
    duration,
    failures,
    local_time,
    run_sentence,
)
from warehouse.errors import SlutprisError, WarehouseBusyError

if TYPE_CHECKING:
    from pathlib import Path


@dg.asset(key=["models", "good"])
def good() -> None:
    """Goes well."""


@dg.asset(key=["models", "busy"])
def busy() -> None:
    """Meets a warehouse that another process holds."""
    raise WarehouseBusyError("another process holds it\nwith a second line")


@dg.asset(key=["models", "odd"])
def odd() -> None:
    """Meets what nobody foresaw."""
    raise ValueError("<img src=x onerror=alert(1)>")


@dg.asset(
    key=["models", "checked"],
    check_specs=[dg.AssetCheckSpec("is_better", asset=["models", "checked"])],
)
def checked() -> dg.MaterializeResult:
    """Is no better than before."""
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=False)])


@dg.asset_check(asset=good, blocking=True)
def stops() -> dg.AssetCheckResult:
    """Stops what rests on it."""
    return dg.AssetCheckResult(passed=False, description="Found: 1. Expected: 2.")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The history of four runs, newest first."""
    folder = tmp_path_factory.mktemp("runs")
    with dg.DagsterInstance.local_temp(str(folder)) as instance:
        for asset in (good, busy, odd, checked):
            dg.materialize([asset], instance=instance, raise_on_error=False)
        assert write_run_history(instance, folder / "reports") == 4
    return json.loads((folder / "reports" / "runs.json").read_text())["runs"]


def test_the_newest_run_comes_first(runs: list[dict[str, Any]]) -> None:
    statuses = [run["status"] for run in runs]
    assert statuses == ["SUCCESS", "FAILURE", "FAILURE", "SUCCESS"]
    assert [run["steps_succeeded"] for run in runs] == [1, 0, 0, 1]


def test_a_failed_step_keeps_the_kind_and_first_line_of_its_error(
    runs: list[dict[str, Any]],
) -> None:
    assert runs[2]["failed_steps"] == [
        {
            "step": "models/busy",
            "kind": "WarehouseBusyError",
            "message": "warehouse.errors.WarehouseBusyError: another process holds it",
        }
    ]
    assert runs[3]["failed_steps"] == []


def test_of_a_failed_build_what_dbt_said_is_kept(tmp_path: Path) -> None:
    @dg.asset
    def built() -> None:
        raise DagsterDbtCliRuntimeError(
            "The dbt CLI process with command\n\n`dbt build`\n\nfailed with exit code "
            "`1`.\n\nErrors parsed from dbt logs:\n\n"
            "1 of 2 ERROR creating sales [ERROR in 1 s]\n\n"
            "Database Error in model sales\n"
            "  No space left on device"
        )

    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        dg.materialize([built], instance=instance, raise_on_error=False)
        write_run_history(instance, tmp_path)
    (run,) = json.loads((tmp_path / "runs.json").read_text())["runs"]
    (step,) = run["failed_steps"]
    assert step["message"] == "Database Error in model sales No space left on device"


def test_a_check_that_did_not_pass_is_told(runs: list[dict[str, Any]]) -> None:
    assert check_sentences(runs[0], "sv") == [
        "Kontrollen is_better av models/checked godkändes inte."
    ]
    assert check_sentences(runs[3], "sv") == []


def test_a_known_error_comes_with_what_to_do(runs: list[dict[str, Any]]) -> None:
    (failure,) = failures(runs[2], "sv")
    assert failure.what == "Steget models/busy misslyckades."
    assert "hade warehouse.duckdb öppen" in failure.meaning
    assert failure.quoted == "WarehouseBusyError: another process holds it"
    assert failure.advice.endswith("Kör sedan om det som misslyckades i Dagster.")


def test_an_unknown_error_shows_its_first_line_and_where_to_look(
    runs: list[dict[str, Any]],
) -> None:
    (failure,) = failures(runs[1], "en")
    assert failure.what == "The step models/odd failed."
    assert failure.meaning == ""
    assert failure.quoted == "ValueError: <img src=x onerror=alert(1)>"
    assert "Open the run in Dagster" in failure.advice


@pytest.mark.parametrize(
    ("kind", "message", "meaning"),
    [
        ("Failure", "the crawl ended with exit code 4: it says why", "robotkontroll"),
        ("Failure", "the crawl ended with exit code 8: it says why", "invändningar"),
        ("Failure", "the crawl ended with exit code 3: it says why", "öppen"),
        ("IOException", "IO Error: Could not set lock on file", "öppen"),
        ("OSError", "[Errno 28] No space left on device", "full"),
        ("DagsterDbtCliRuntimeError", "The dbt CLI process", "dbt-test"),
        (
            "DagsterDbtCliRuntimeError",
            "Database Error in model sales: No space left on device",
            "full",
        ),
        ("LateError", "the cluster took too long", "svarade inte"),
    ],
)
def test_known_errors_are_explained(kind: str, message: str, meaning: str) -> None:
    step = {"step": "booli_crawl", "kind": kind, "message": message}
    run = {"status": "FAILURE", "failed_steps": [step]}
    assert meaning in failures(run, "sv")[0].meaning
    assert failures(run, "en")[0].meaning not in ("", failures(run, "sv")[0].meaning)


def test_an_error_written_for_people_speaks_for_itself() -> None:
    kind = SlutprisError.__name__
    step = {"step": "serving/snapshot", "kind": kind, "message": "no marts; build them"}
    (failure,) = failures({"status": "FAILURE", "failed_steps": [step]}, "sv")
    assert failure.advice == "Felet säger själv vad som ska göras:"
    assert failure.quoted == "no marts; build them"


def test_a_run_that_was_killed_says_so_without_any_step() -> None:
    run = {"status": "FAILURE", "failed_steps": [], "message": "The process died"}
    (failure,) = failures(run, "sv")
    assert failure.what == ""
    assert failure.quoted == "The process died"


def test_times_are_swedish() -> None:
    assert local_time("2026-07-01T01:00:00+00:00") == "2026-07-01 03:00"
    assert local_time("2026-11-24T02:10:00+00:00") == "2026-11-24 03:10"


def test_the_nightly_run_is_called_so() -> None:
    run = {
        "status": "SUCCESS",
        "schedule": "nightly",
        "started_at": "2026-11-24T02:00:00+00:00",
        "finished_at": "2026-11-24T05:12:00+00:00",
        "steps_succeeded": 19,
    }
    assert run_sentence(run, "sv") == (
        "Nattkörningen 2026-11-24 03:00 gick bra: 19 steg på "
        "3\u00a0tim\u00a012\u00a0min."
    )
    assert run_sentence(run | {"status": "STARTED"}, "en").startswith(
        "The nightly run of 2026-11-24 03:00 is running"
    )
    assert duration(run["started_at"], None, "sv") == "–"


def test_dbt_s_results_are_kept_with_the_model_each_test_is_of(tmp_path: Path) -> None:
    failed = {
        "unique_id": "test.slutpris.not_null_sales_sale_id.abc",
        "status": "fail",
        "failures": 3,
        "message": "\nGot 3 results, configured to fail if != 0\nmore",
    }
    singular = failed | {"unique_id": "test.slutpris.assert_all", "failures": None}
    hook = failed | {"unique_id": "operation.slutpris.on-run-start-0"}
    results = {
        "metadata": {"generated_at": "2026-11-24T02:00:00Z"},
        "elapsed_time": 5.5,
        "results": [failed, singular, hook],
    }
    nodes = {
        failed["unique_id"]: {
            "attached_node": "model.slutpris.sales",
            "test_metadata": {"name": "not_null"},
        }
    }
    (tmp_path / "run_results.json").write_text(json.dumps(results))
    (tmp_path / "manifest.json").write_text(json.dumps({"nodes": nodes}))
    write_dbt_tests(tmp_path, tmp_path)
    kept = json.loads((tmp_path / "dbt_tests.json").read_text())["results"]
    assert [each["model"] for each in kept] == ["sales", "assert_all"]
    assert kept[0]["message"] == "Got 3 results, configured to fail if != 0"


def test_a_build_that_never_began_leaves_the_last_report(tmp_path: Path) -> None:
    (tmp_path / "dbt_tests.json").write_text("{}")
    write_dbt_tests(tmp_path / "empty", tmp_path)
    assert (tmp_path / "dbt_tests.json").read_text() == "{}"


def test_a_check_that_stops_is_kept_and_told_with_what_it_found(tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        dg.materialize([good, stops], instance=instance, raise_on_error=False)
        write_run_history(instance, tmp_path)
    (run,) = json.loads((tmp_path / "runs.json").read_text())["runs"]

    (check,) = run["failed_checks"]
    assert check["is_blocking"]
    assert check["description"] == "Found: 1. Expected: 2."
    (failure,) = failures(run, "en")
    assert failure.meaning == "A check stopped what would have been made of this."
    assert "what to do" in failure.advice

"""How the last runs went, kept small for the monitoring page.

``python -m dagster_assets.run_history`` writes the same by hand. What belongs here:
reading Dagster's own records. What does not: words for people, which the page has.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster import DagsterEventType

from warehouse.errors import exit_with
from warehouse.json_files import write_json
from warehouse.settings import PROJECT_ROOT, Settings

if TYPE_CHECKING:
    from pathlib import Path

    from dagster import DagsterEvent, RunRecord

REPORT = "runs.json"
KEPT_RUNS = 30
SAYS_NOTHING = "This run has been marked as failed from outside"
DBT_SAID = "Errors parsed from dbt logs:"
DBT_PROGRESS = re.compile(r"\d+ of \d+ ")
"""Begins a line that says which table it was; what was wrong comes after them all."""
LONGEST_MESSAGE = 400
"""Characters of an error's first line; the whole of it stands in Dagster."""


def write_run_history(instance: dg.DagsterInstance, reports_dir: Path) -> int:
    """Write the last runs, newest first, with what failed; says how many there are."""
    records = instance.get_run_records(limit=KEPT_RUNS)
    content = {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "runs": [describe_run(instance, record) for record in records],
    }
    write_json(reports_dir / REPORT, content)
    return len(records)


def describe_run(instance: dg.DagsterInstance, record: RunRecord) -> dict[str, Any]:
    """Say how a run went and what failed, in plain values."""
    run = record.dagster_run
    events = _events(instance, run.run_id)
    return {
        "run_id": run.run_id,
        "schedule": run.tags.get("dagster/schedule_name"),
        "status": run.status.value,
        "started_at": _utc(record.start_time or record.create_timestamp.timestamp()),
        "finished_at": _utc(record.end_time),
        "steps_succeeded": instance.get_run_stats(run.run_id).steps_succeeded,
        "failed_steps": [_failed_step(each) for each in events if each.is_step_failure],
        "failed_checks": [found for each in events if (found := _failed_check(each))],
        "message": _run_failure(events),
    }


def _events(instance: dg.DagsterInstance, run_id: str) -> list[DagsterEvent]:
    wanted = {
        DagsterEventType.STEP_FAILURE,
        DagsterEventType.ASSET_CHECK_EVALUATION,
        DagsterEventType.RUN_FAILURE,
        DagsterEventType.ENGINE_EVENT,
    }
    entries = instance.all_logs(run_id, of_type=wanted)
    return [entry.dagster_event for entry in entries if entry.dagster_event]


def _failed_step(event: DagsterEvent) -> dict[str, Any]:
    error = event.step_failure_data.error
    raised = (error.cause or error) if error else None
    return {
        "step": (event.step_key or "").replace("__", "/"),
        "kind": raised.cls_name if raised else None,
        "message": _told(raised.message if raised else event.message),
    }


def _failed_check(event: DagsterEvent) -> dict[str, Any] | None:
    if event.event_type != DagsterEventType.ASSET_CHECK_EVALUATION:
        return None
    found = event.asset_check_evaluation_data
    if found.passed:
        return None
    return {
        "asset": found.asset_key.to_user_string(),
        "check": found.check_name,
        "severity": found.severity.value,
        "is_blocking": found.blocking and found.severity.value == "ERROR",
        "description": found.description,
    }


def _run_failure(events: list[DagsterEvent]) -> str | None:
    failures = [e for e in events if e.event_type == DagsterEventType.RUN_FAILURE]
    if not failures:
        return None
    said = _first_line(failures[-1].message)
    if not said.startswith(SAYS_NOTHING):
        return said
    # Who noticed that the process was gone says so in the event before.
    before = [e for e in events[: events.index(failures[-1])] if e.is_engine_event]
    return _first_line(before[-1].message) if before else said


def _told(text: str | None) -> str:
    """Give an error's first line; of dbt's, which names its command, what dbt said."""
    _, _, said = (text or "").partition(DBT_SAID)
    lines = [line for line in said.splitlines() if not DBT_PROGRESS.match(line)]
    return " ".join(" ".join(lines).split())[:LONGEST_MESSAGE] or _first_line(text)


def _first_line(text: str | None) -> str:
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    return lines[0][:LONGEST_MESSAGE] if lines else ""


def _utc(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def current_instance() -> dg.DagsterInstance:
    """Open the instance that ``dg dev`` uses: DAGSTER_HOME's, else the project's."""
    try:
        return dg.DagsterInstance.get()
    except dg.DagsterError:  # DAGSTER_HOME is not set
        return dg.DagsterInstance.from_config(str(PROJECT_ROOT))


def main() -> None:
    """Write the history of the runs there are."""
    with current_instance() as instance:
        write_run_history(instance, Settings().reports_dir)


if __name__ == "__main__":
    exit_with(main)

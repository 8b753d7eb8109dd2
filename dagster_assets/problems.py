"""What a run shows to be broken, and what it shows to be well again.

What belongs here: reading a finished run, and words for whoever must act. What does
not: whether it was told before (``alerts``), and how it is sent (``channels``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster import DagsterEventType
from dagster._core.definitions.freshness import FreshnessState

from dagster_assets.run_history import describe_run
from ml.dashboards.run_words import failures
from warehouse.findings import named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dagster import DagsterInstance, DagsterRun, RunRecord

CRAWL_FAILED, DBT_FAILED, STEP_FAILED = "crawl-failed", "dbt-failed", "step-failed"
RUN_CUT_OFF, CHECK_FAILED, STALE = "run-cut-off", "check-failed", "freshness"
ANCHORS_OF_STEPS = {"booli_crawl": CRAWL_FAILED, "dbt_models": DBT_FAILED}
ANCHORS_OF_CHECKS = {"gate": "gate"}
ANCHORS_OF_ERRORS = (
    (r"exit code 4\b", "crawl-challenged"),
    (r"exit code 5\b", "crawl-shape-changed"),
    (r"exit code 3\b|WarehouseBusyError|set lock", "warehouse-locked"),
    (r"no space left|disk full|disk quota", "disk-full"),
)
ANCHORS = (CRAWL_FAILED, DBT_FAILED, STEP_FAILED, RUN_CUT_OFF, CHECK_FAILED, STALE)
"""Headings of the runbook; those of checks are their names."""
WORDED = "What to do:"
"""Stands in the description of a check of ours that failed."""


@dataclass(frozen=True)
class Problem:
    """One thing that is broken, the same one for as long as its key is."""

    key: str
    what: str
    advice: str
    error: str
    anchor: str
    run_id: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What a run showed: what is broken, and keys of what is well."""

    problems: tuple[Problem, ...]
    well: frozenset[str]


def verdict_of(instance: DagsterInstance, record: RunRecord) -> Verdict:
    """Read a finished run."""
    run = record.dagster_run
    told = describe_run(instance, record)
    problems = [*_failed_checks(told), *_failed_steps(told)]
    if not problems and run.status == dg.DagsterRunStatus.FAILURE:
        problems.append(_cut_off(run, told))
    well = {f"step:{step}" for step in _well_steps(instance, run.run_id)}
    well |= {f"check:{check}" for check in _well_checks(instance, run.run_id)}
    if run.status == dg.DagsterRunStatus.SUCCESS:
        well.add(f"run:{run.job_name}")
    broken = {problem.key for problem in problems}
    return Verdict(tuple(problems), frozenset(well - broken))


def staleness(
    instance: DagsterInstance, keys: Iterable[dg.AssetKey]
) -> tuple[Problem | None, bool]:
    """Say which assets are older than their policy allows, as one problem.

    Returns
    -------
    tuple
        The problem, if there is one, and whether every judged asset is fresh.
    """
    records = instance.get_freshness_state_records([*keys])
    states = {
        key.to_user_string(): record.freshness_state for key, record in records.items()
    }
    stale = sorted(key for key, s in states.items() if s == FreshnessState.FAIL)
    if not stale:
        return None, FreshnessState.PASS in states.values()
    return (
        Problem(
            key="stale",
            what=f"{len(stale)} assets are older than they may be.",
            advice="See in Dagster why the last nights did not make them, and launch "
            "the job nightly; if no night began, turn the schedule nightly on and see "
            "that dagster-daemon runs.",
            error=named(stale),
            anchor=STALE,
        ),
        False,
    )


def _failed_checks(told: Mapping[str, Any]) -> Iterator[Problem]:
    for check in told["failed_checks"]:
        said = check["description"] or ""
        is_worded = WORDED in said
        yield Problem(
            key=f"check:{check['asset']}:{check['check']}",
            what=f"The check {check['check']} of {check['asset']} did not pass"
            + (": what rests on it was not made." if check["is_blocking"] else "."),
            advice=said.partition(WORDED)[2].rpartition(" See ")[0].strip()
            if is_worded
            else "Open the check in Dagster: it shows what it found.",
            error=said.partition(WORDED)[0].strip(),
            anchor=check["check"].replace("_", "-")
            if is_worded
            else ANCHORS_OF_CHECKS.get(check["check"], CHECK_FAILED),
            run_id=told["run_id"],
        )


def _failed_steps(told: Mapping[str, Any]) -> Iterator[Problem]:
    # A step that fails for its own check is told by the check.
    steps = [
        each
        for each in told["failed_steps"]
        if each["kind"] != "DagsterAssetCheckFailedError"
    ]
    worded = failures({**told, "failed_steps": steps, "status": "SUCCESS"}, "en")
    for step, failure in zip(steps, worded, strict=True):
        yield Problem(
            key=f"step:{step['step']}",
            what=" ".join(filter(None, [failure.what, failure.meaning])),
            advice=failure.advice,
            error=failure.quoted,
            anchor=_anchor(step),
            run_id=told["run_id"],
        )


def _anchor(step: Mapping[str, Any]) -> str:
    said = f"{step['kind']}: {step['message']}"
    known = (
        anchor
        for pattern, anchor in ANCHORS_OF_ERRORS
        if re.search(pattern, said, re.IGNORECASE)
    )
    return next(known, ANCHORS_OF_STEPS.get(step["step"], STEP_FAILED))


def _cut_off(run: DagsterRun, told: Mapping[str, Any]) -> Problem:
    is_retried = run.tags.get("dagster/will_retry") == "true"
    again = "It starts again by itself." if is_retried else "Start it again in Dagster."
    return Problem(
        key=f"run:{run.job_name}",
        what=f"The run {run.job_name} was cut off, with no step that failed.",
        advice=f"{again} What had landed is kept, and nothing is done twice.",
        error=told["message"] or "",
        anchor=RUN_CUT_OFF,
        run_id=run.run_id,
    )


def _well_steps(instance: DagsterInstance, run_id: str) -> Iterator[str]:
    wanted = DagsterEventType.STEP_SUCCESS
    for entry in instance.all_logs(run_id, of_type=wanted):
        if entry.step_key:
            yield entry.step_key.replace("__", "/")


def _well_checks(instance: DagsterInstance, run_id: str) -> Iterator[str]:
    wanted = DagsterEventType.ASSET_CHECK_EVALUATION
    for entry in instance.all_logs(run_id, of_type=wanted):
        if entry.dagster_event:
            found = entry.dagster_event.asset_check_evaluation_data
            if found.passed:
                yield f"{found.asset_key.to_user_string()}:{found.check_name}"

"""What is told, once, until it is well again or some hours have passed.

``python -m dagster_assets.alerts test`` sends a test message by every channel that is
switched on. What belongs here: what was told and what waits to be sent, kept in
``alerts.json`` of the data folder. What does not: finding problems (``problems``), and
sending (``channels``).

A message is written down before it is sent and crossed out after, each by one rename:
one that is cut off in between is sent twice, and none is lost.
"""

from __future__ import annotations

import argparse
import logging
import sys
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from dagster_assets.channels import SendError, channels
from dagster_assets.problems import staleness, verdict_of
from warehouse.errors import SlutprisError, exit_with
from warehouse.json_files import read_json, write_json
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import dagster as dg
    from dagster import DagsterInstance, RunRecord

    from dagster_assets.channels import Channel
    from dagster_assets.problems import Problem

logger = logging.getLogger(__name__)

LOOKED_AT_RUNS = 100
UNKEPT_S = 60
"""Seconds after its end in which a run is told of, when that cannot be kept."""
KEPT_MESSAGES = 100
"""Messages that wait for a channel that is down; the oldest are dropped."""
OFF = (
    "alerts are off; SLUTPRIS_ALERT_WEBHOOK or SLUTPRIS_ALERT_MAIL_TO switches them on"
)


@dataclass
class Told:
    """What has been told and seen, and what waits to be sent; plain values."""

    problems: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By key: since when, when it was told last, and in what words."""
    seen_runs: list[str] = field(default_factory=list)
    outbox: list[dict[str, Any]] = field(default_factory=list)
    """Messages, each with the channels that have not taken it."""

    @classmethod
    def read(cls, settings: Settings) -> Told:
        """Read what is kept; a file that is none is begun anew, and said so."""
        content = read_json(settings.alerts_path)
        if content is None and settings.alerts_path.exists():
            logger.warning("%s is unreadable; begun anew", settings.alerts_path)
        known = content or {}
        return cls(**{key: known[key] for key in cls.__annotations__ if key in known})

    def write(self, settings: Settings) -> bool:
        """Keep it, by one rename; tell whether that could be done."""
        try:
            write_json(settings.alerts_path, vars(self))
        except OSError as error:
            logger.warning("what was told cannot be kept (%s)", error.strerror)
            return False
        return True


def look_and_tell(
    instance: DagsterInstance, keys: Iterable[dg.AssetKey], settings: Settings
) -> str:
    """Look at the runs that ended since, tell what is new, and send what waits.

    Returns
    -------
    str
        What was done, in a line.
    """
    switched_on = channels(settings)
    if not switched_on:
        return OFF
    told = Told.read(settings)
    teller = Teller(told, settings, [channel.name for channel in switched_on])
    records = _unseen_runs(instance, told, settings)
    if not told.write(settings):
        # A full disk is told of too, though not at every look until there is room.
        records = [record for record in records if _has_just_ended(record)]
    for record in records:
        verdict = verdict_of(instance, record)
        teller.tell(verdict.problems, verdict.well, record)
        told.seen_runs = [*told.seen_runs, record.dagster_run.run_id][-LOOKED_AT_RUNS:]
    stale, is_fresh = staleness(instance, keys)
    teller.tell([stale] if stale else [], {"stale"} if is_fresh else set(), None)
    told.outbox = told.outbox[-KEPT_MESSAGES:]
    told.write(settings)
    sent = send_waiting(told, switched_on, settings)
    return f"{sent} sent, {len(told.outbox)} waiting, {len(told.problems)} open"


@dataclass
class Teller:
    """Puts messages into the outbox, each problem once."""

    told: Told
    settings: Settings
    to: list[str]

    def tell(
        self,
        problems: Sequence[Problem],
        well: Iterable[str],
        record: RunRecord | None,
    ) -> None:
        """Tell what is new or due again, and what is well again."""
        due = [problem for problem in problems if self._is_due(problem.key)]
        again = [self.told.problems.pop(key) for key in well if key in self._open]
        for problem in due:
            self._note(problem)
        if due:
            self._put(problem_message(due, record, self.settings))
        if again:
            self._put(recovery_message(again, record))

    @property
    def _open(self) -> dict[str, dict[str, Any]]:
        return self.told.problems

    def _is_due(self, key: str) -> bool:
        if key not in self._open:
            return True
        passed = datetime.now(UTC) - datetime.fromisoformat(self._open[key]["told_at"])
        # A clock that jumped back must not keep a problem silent.
        is_recent = timedelta(0) <= passed < _hours(self.settings)
        return not is_recent

    def _note(self, problem: Problem) -> None:
        now = _now()
        since = self._open.get(problem.key, {}).get("since", now)
        self._open[problem.key] = {
            "since": since,
            "told_at": now,
            "what": problem.what,
        }

    def _put(self, message: dict[str, Any]) -> None:
        self.told.outbox.append({"to": [*self.to], "message": message})


def problem_message(
    problems: Sequence[Problem], record: RunRecord | None, settings: Settings
) -> dict[str, Any]:
    """Write the message about some problems of one run, or of none."""
    rest = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
    title = f"{problems[0].what.rstrip('.')}{rest}"
    paragraphs = [_paragraph(problem, settings) for problem in problems]
    return _message(
        "problem",
        title,
        "\n\n".join([*paragraphs, *_of_run(record)]),
        record,
        problems=[
            vars(problem) | {"runbook": f"{settings.runbook}#{problem.anchor}"}
            for problem in problems
        ],
    )


def recovery_message(
    recovered: Sequence[dict[str, Any]], record: RunRecord | None
) -> dict[str, Any]:
    """Write the message that some problems are over."""
    lines = [f"Over: {each['what']} (since {each['since']})" for each in recovered]
    title = f"{len(recovered)} problem{'s' if len(recovered) > 1 else ''} over"
    return _message(
        "recovery",
        title,
        "\n".join([*lines, *_of_run(record)]),
        record,
        recovered=[*recovered],
    )


def send_waiting(told: Told, switched_on: Sequence[Channel], settings: Settings) -> int:
    """Send what waits, oldest first; what is not taken waits for the next look."""
    sent = 0
    for channel in switched_on:
        for waiting in [each for each in told.outbox if channel.name in each["to"]]:
            try:
                channel.send(waiting["message"])
            except SendError as error:
                logger.warning("an alert waits for the next look: %s", error)
                break
            sent += 1
            waiting["to"].remove(channel.name)
            told.write(settings)
    # What waits for a channel that has been switched off is let go.
    names = {channel.name for channel in switched_on}
    told.outbox = [each for each in told.outbox if names & {*each["to"]}]
    told.write(settings)
    return sent


def send_test(settings: Settings) -> list[str]:
    """Send a test message by every channel; says of each what happened.

    Raises
    ------
    SlutprisError
        When no channel is switched on, or one did not take it.
    """
    switched_on = channels(settings)
    if not switched_on:
        raise SlutprisError(OFF)
    message = _message("test", "a test", "This is a test: alerts arrive here.", None)
    for channel in switched_on:
        channel.send(message)
    return [f"{channel.name}: taken" for channel in switched_on]


def _unseen_runs(
    instance: DagsterInstance, told: Told, settings: Settings
) -> list[RunRecord]:
    oldest = (datetime.now(UTC) - _hours(settings)).timestamp()
    records = [
        record
        for record in instance.get_run_records(limit=LOOKED_AT_RUNS)
        if record.dagster_run.is_finished
        and record.dagster_run.run_id not in told.seen_runs
        and (record.end_time or 0) > oldest
    ]
    return sorted(records, key=lambda record: record.end_time or 0)


def _has_just_ended(record: RunRecord) -> bool:
    passed_s = datetime.now(UTC).timestamp() - (record.end_time or 0)
    return passed_s < UNKEPT_S


def _paragraph(problem: Problem, settings: Settings) -> str:
    lines = [
        problem.what,
        f"It said: {problem.error}" if problem.error else "",
        f"What to do: {problem.advice}",
        f"Runbook: {settings.runbook}#{problem.anchor}",
    ]
    return "\n".join(filter(None, lines))


def _of_run(record: RunRecord | None) -> list[str]:
    if record is None:
        return []
    run = record.dagster_run
    return [f"Run {run.run_id} of {run.job_name}."]


def _message(
    kind: str, title: str, text: str, record: RunRecord | None, **more: object
) -> dict[str, Any]:
    return {
        "id": uuid.uuid4().hex,
        "kind": kind,
        "title": title,
        "text": f"Slutpris: {title}\n\n{text}",
        "created_at": _now(),
        "run_id": record.dagster_run.run_id if record else None,
        "job": record.dagster_run.job_name if record else None,
        **more,
    }


def _hours(settings: Settings) -> timedelta:
    return timedelta(hours=settings.alert_repeat_hours)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m dagster_assets.alerts", description=__doc__.splitlines()[0]
    )
    parser.add_argument("do", choices=["test"], help="test: send a test message")
    parser.parse_args()
    sys.stdout.writelines(f"{line}\n" for line in send_test(Settings()))


if __name__ == "__main__":
    exit_with(main)

"""Running steps one after another, each in its time, and what comes of them.

What belongs here: when a step is run, when it is given up, and its outcome. What does
not: what any step tries, and how outcomes are shown.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from multiprocessing import TimeoutError as LateError
from multiprocessing.pool import ThreadPool
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ml.hopsworks.preflight.findings import Findings

Status = Literal["ok", "not", "skipped"]
STEP_DEADLINE_S = 15.0


class NotWellError(Exception):
    """A step found something amiss; says why, and what to do about it."""

    def __init__(self, why: str, to_do: str) -> None:
        super().__init__(why)
        self.why, self.to_do = why, to_do


class SkippedError(Exception):
    """A step does not apply here; says why. Later steps may be run all the same."""


@dataclass(frozen=True)
class Outcome:
    """What came of a step.

    ``said`` is what was found, or why it is not well; ``blocks`` tells that steps which
    need this one cannot be run; ``is_needed`` that publishing fails without it.
    """

    name: str
    status: Status
    said: str
    to_do: str = ""
    seconds: float = 0.0
    is_needed: bool = True
    blocks: bool = False


@dataclass(frozen=True)
class Step:
    """One thing to try.

    Parameters
    ----------
    name
        What is tried, in a word or two.
    run
        Tries it and says what it found; keeps in the findings what later steps need.
    after
        Steps without which it makes no sense.
    late
        What to do when there is no answer in time.
    deadline_s
        Seconds it may take; None where what it asks keeps deadlines of its own.
    """

    name: str
    run: Callable[[Findings], str]
    after: tuple[str, ...] = ()
    late: str = "see whether a firewall or a proxy is in between, and run this again"
    deadline_s: float | None = STEP_DEADLINE_S
    is_needed: bool = True


def run_steps(
    steps: Sequence[Step], findings: Findings, tell: Callable[[Outcome], None]
) -> list[Outcome]:
    """Run steps in order, telling each outcome as it comes."""
    outcomes: dict[str, Outcome] = {}
    for step in steps:
        outcome = _outcome(step, findings, outcomes)
        outcomes[step.name] = outcome
        tell(outcome)
    return list(outcomes.values())


def all_well(outcomes: Sequence[Outcome]) -> bool:
    """Say whether everything works that publishing needs."""
    return not any(
        each.is_needed and (each.blocks or each.status == "not") for each in outcomes
    )


def _outcome(step: Step, findings: Findings, earlier: dict[str, Outcome]) -> Outcome:
    for name in step.after:
        if name in earlier and earlier[name].blocks:
            said = f"needs “{name}” to be ok"
            return Outcome(
                step.name, "skipped", said, is_needed=step.is_needed, blocks=True
            )
    started = time.monotonic()
    outcome = _in_time(step, findings)
    return replace(
        outcome, seconds=time.monotonic() - started, is_needed=step.is_needed
    )


def _in_time(step: Step, findings: Findings) -> Outcome:
    """Run a step aside: asking for a name, for one, cannot be given a deadline."""
    if step.deadline_s is None:
        return _tried(step, findings)
    # Its threads are daemons: one that hangs does not keep the process alive.
    aside = ThreadPool(1).apply_async(_tried, (step, findings))
    try:
        return aside.get(step.deadline_s)
    except LateError:
        said = f"no answer within {step.deadline_s:.0f} s"
        return Outcome(step.name, "not", said, step.late, blocks=True)


def _tried(step: Step, findings: Findings) -> Outcome:
    try:
        return Outcome(step.name, "ok", step.run(findings))
    except NotWellError as error:
        return Outcome(step.name, "not", error.why, error.to_do, blocks=True)
    except SkippedError as error:
        return Outcome(step.name, "skipped", str(error))

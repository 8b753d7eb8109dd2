"""What a check found: in words for whoever must act, and in numbers.

What belongs here: the record, and how its sentence is put together. What does not: any
check, and how Dagster shows one (``dagster_assets``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MOST_NAMED = 5


@dataclass(frozen=True)
class Finding:
    """The verdict of one check.

    ``found`` and ``expected`` are clauses, ``advice`` is a sentence with its full stop.
    """

    passed: bool
    found: str
    expected: str
    advice: str
    figures: dict[str, Any] = field(default_factory=dict)
    is_grave: bool = True
    """Whether the next step would do harm."""

    def sentence(self, runbook: str) -> str:
        """Say it; what to do, and where the runbook tells more, when it failed."""
        said = f"Found: {self.found}. Expected: {self.expected}."
        return (
            said if self.passed else f"{said} What to do: {self.advice} See {runbook}."
        )


def named(things: list[str]) -> str:
    """List some things, and count the rest: ``a; b; c and 4 more``."""
    rest = len(things) - MOST_NAMED
    listed = "; ".join(things[:MOST_NAMED])
    return f"{listed} and {rest} more" if rest > 0 else listed

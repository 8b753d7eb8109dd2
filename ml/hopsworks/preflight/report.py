"""How a preflight is told: a line for each step, or JSON.

What belongs here: words and alignment. What does not: what was found.
"""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

from ml.hopsworks.preflight.outcomes import all_well

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.hopsworks.preflight.findings import Findings
    from ml.hopsworks.preflight.outcomes import Outcome

WIDTH = 88
NAME_WIDTH = 20
STATUS_WIDTH = 8
SECONDS_WIDTH = 7
INDENT = " " * (STATUS_WIDTH + NAME_WIDTH + SECONDS_WIDTH + 2)
TO_DO = "to do: "


def lines_of(outcome: Outcome) -> str:
    """Give the lines of one step: how it went, how long, what was found or is to do."""
    took = "" if outcome.status == "skipped" else f"{outcome.seconds:.1f} s"
    head = (
        f"{_status(outcome):<{STATUS_WIDTH}}{outcome.name:<{NAME_WIDTH}}"
        f"{took:>{SECONDS_WIDTH}}  "
    )
    lines = _wrapped(outcome.said, head, INDENT)
    if outcome.to_do:
        lines += _wrapped(outcome.to_do, INDENT + TO_DO, INDENT + " " * len(TO_DO))
    return "\n".join(lines) + "\n"


def _status(outcome: Outcome) -> str:
    if outcome.status != "not":
        return outcome.status
    return "not ok" if outcome.is_needed else "warning"


def closing_lines(outcomes: Sequence[Outcome], *, write: bool) -> str:
    """Say what it comes to."""
    first = next((each for each in outcomes if each.is_needed and each.blocks), None)
    if first is not None:
        said = (
            f"Publishing will not work yet. Mend “{first.name}” first, as it says "
            "there, and run this again."
        )
    elif write:
        said = "Everything that publishing needs works."
    else:
        said = (
            "Everything that can be seen without writing is well. Run this with "
            "--write to try writing too: a small group, file and model called "
            "slutpris_check, which are removed again (the key needs the scopes "
            "DATASET_CREATE and DATASET_DELETE for that, and for publishing)."
        )
    return "\n" + "\n".join(_wrapped(said, "", "")) + "\n"


def as_json(outcomes: Sequence[Outcome], findings: Findings) -> str:
    """Give everything that was found, for machines."""
    address = findings.address
    told = {
        "ok": all_well(outcomes),
        "write_mode": None if address is None else address.write_mode,
        "client_version": findings.client_version or None,
        "server_version": findings.server_version or None,
        "steps": [
            {
                "name": each.name,
                "status": each.status,
                "needed": each.is_needed,
                "seconds": round(each.seconds, 3),
                "said": each.said,
                "to_do": each.to_do or None,
            }
            for each in outcomes
        ],
    }
    return json.dumps(told, ensure_ascii=False, indent=2) + "\n"


def _wrapped(text: str, first: str, others: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )

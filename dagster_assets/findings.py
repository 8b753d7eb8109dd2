"""A finding as a result of a Dagster check: its sentence, figures and severity.

What belongs here: the way from ``warehouse.findings`` to Dagster, and to the runbook.
What does not: any check (``defs.checks``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from warehouse.findings import Finding
    from warehouse.settings import Settings


def check_result(
    finding: Finding,
    settings: Settings,
    check: str,
    *,
    asset: dg.AssetKey | None = None,
) -> dg.AssetCheckResult:
    """Say what a check found; an error where the next step would do harm.

    Parameters
    ----------
    check
        The check's name, which is also the heading of its repair in the runbook.
    asset
        Whose check it is, where a step has checks of several assets.
    """
    severity = (
        dg.AssetCheckSeverity.ERROR if finding.is_grave else dg.AssetCheckSeverity.WARN
    )
    return dg.AssetCheckResult(
        passed=bool(finding.passed),
        check_name=check,
        asset_key=asset,
        severity=severity,
        description=finding.sentence(runbook(settings, check)),
        metadata=dict(finding.figures),
    )


def runbook(settings: Settings, name: str) -> str:
    """Where the repair of a check or a step stands: ``docs/runbook.md#crawl-yield``."""
    return f"{settings.runbook}#{name.replace('_', '-')}"

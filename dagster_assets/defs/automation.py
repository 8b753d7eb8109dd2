"""When things happen: the nightly run.

A schedule of one run, not automation conditions on each asset: DuckDB has one writer,
so the night is one queue of steps anyway; one run has one end to tell of, one list of
what failed, and is started again whole by one button.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition,
)

from warehouse.settings import Settings

OLDEST_TICK = timedelta(hours=20)
"""A night missed by longer than this is left to the next one."""


def night(settings: Settings) -> UnresolvedAssetJobDefinition:
    """The job: everything, in order of what rests on what."""
    crawl = {"mode": "NIGHTLY", "from_date": f"{settings.crawl_from}"}
    backtest = {"months": settings.nightly_backtest_months}
    return dg.define_asset_job(
        "nightly",
        selection=dg.AssetSelection.all(),
        description="Everything, in order of what rests on what: crawl, build, train "
        "what is due, compare, judge, publish, score past valuations. A failed check "
        "stops what rests on it.",
        config={
            "ops": {
                "booli_crawl": {"config": crawl},
                "reports__backtest": {"config": backtest},
            }
        },
        # A killed process's run is started again once; every step may run twice.
        tags={"dagster/max_retries": "1", "dagster/retry_strategy": "ALL_STEPS"},
    )


def every_night(
    settings: Settings, job: UnresolvedAssetJobDefinition
) -> dg.ScheduleDefinition:
    """The schedule of a job: on where a setting says so."""

    @dg.schedule(
        name="nightly",
        job=job,
        cron_schedule=f"0 {settings.nightly_hour} * * *",
        execution_timezone="Europe/Stockholm",
        default_status=(
            dg.DefaultScheduleStatus.RUNNING
            if settings.nightly == "on"
            else dg.DefaultScheduleStatus.STOPPED
        ),
        description=f"The night's run, at {settings.nightly_hour}:00 on the Swedish "
        "clock. Off until turned on here or by SLUTPRIS_NIGHTLY=on.",
    )
    def nightly(
        context: dg.ScheduleEvaluationContext,
    ) -> dg.RunRequest | dg.SkipReason:
        """Ask for the night once; nights slept through are not made up for."""
        due = context.scheduled_execution_time
        if datetime.now(UTC) - due > OLDEST_TICK:
            said = f"the night of {due:%Y-%m-%d} is over; the next one will do"
            return dg.SkipReason(said)
        return dg.RunRequest(run_key=f"nightly-{due:%Y-%m-%d}")

    return nightly


nightly_run = night(Settings())
nightly = every_night(Settings(), nightly_run)

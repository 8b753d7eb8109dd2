"""When things happen: the nightly run, and how stale a table may grow."""

import dagster as dg

nightly = dg.ScheduleDefinition(
    name="nightly",
    target=dg.AssetSelection.all(),
    cron_schedule="0 3 * * *",
    execution_timezone="Europe/Stockholm",
    description="Crawl, build, train, compare and publish, at three in the night.",
)

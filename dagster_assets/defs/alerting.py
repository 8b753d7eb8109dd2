"""The sensor that tells people: of runs and checks that failed, and of stale assets.

It looks by itself rather than being called by a run's end: so it also sees runs of
``dg launch``, and what could not be sent is tried again at the next look.
"""

import dagster as dg

from dagster_assets.alerts import look_and_tell
from warehouse.settings import Settings

SECONDS_BETWEEN_LOOKS = 30


@dg.sensor(
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells by webhook or mail what failed, went stale, or is well again; "
    "does nothing unless a setting switches one on.",
)
def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Look at the runs that ended since the last look."""
    repository = context.repository_def
    keys = repository.asset_graph.get_all_asset_keys() if repository else set()
    return dg.SkipReason(look_and_tell(context.instance, keys, Settings()))

"""What the monitoring page reads beside the snapshot: drift, and how the runs went."""

import dagster as dg

from dagster_assets.defs.gate import champion_key
from dagster_assets.defs.training import HEDONICS
from dagster_assets.run_history import KEPT_RUNS, write_run_history
from ml.valuation.drift import measure_drift
from warehouse.settings import Settings
from warehouse.store import connect

SHOWN_FEATURES = 3
"""Of the most important, those whose index Dagster plots over time."""


@dg.asset(
    key=["reports", "drift"],
    deps=[HEDONICS, champion_key("xgboost")],
    group_name="monitoring",
    kinds={"python", "xgboost"},
)
def feature_drift() -> dg.MaterializeResult:
    """How the sales of the last quarter differ from the year before, by feature."""
    with connect(read_only=True) as connection:
        report = measure_drift(connection, Settings())
    features = report["features"]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(features),
            "shifted": sum(each["is_shift"] for each in features),
            "sales": report["current"]["sale_count"],
            **{
                f"{each['feature']}_psi": round(each["psi"], 3)
                for each in features[:SHOWN_FEATURES]
            },
        }
    )


@dg.asset(key=["reports", "runs"], group_name="monitoring", kinds={"python"})
def run_history(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """How the last runs went. It rests on nothing, so that nothing can stop it."""
    count = write_run_history(context.instance, Settings().reports_dir)
    return dg.MaterializeResult(metadata={"dagster/row_count": count})


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=f"After a run that succeeded: keep how the last {KEPT_RUNS} went.",
)
def runs_that_succeeded(context: dg.RunStatusSensorContext) -> None:
    """Write the history once the run that may have written it has ended too."""
    write_run_history(context.instance, Settings().reports_dir)


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=f"After a run that failed: keep how the last {KEPT_RUNS} went.",
)
def runs_that_failed(context: dg.RunFailureSensorContext) -> None:
    """Write the history, with what failed."""
    write_run_history(context.instance, Settings().reports_dir)

"""Resources and the executor: what the assets run on."""

import dagster as dg
from dagster_dbt import DbtCliResource

from dagster_assets.backend import PublishingBackend
from dagster_assets.defs.transform import DBT, dbt_project


@dg.definitions
def resources() -> dg.Definitions:
    """Run in one process: DuckDB has one writer, so steps never run side by side."""
    return dg.Definitions(
        resources={
            "dbt": DbtCliResource(project_dir=dbt_project, dbt_executable=DBT),
            "backend": PublishingBackend(),
        },
        executor=dg.in_process_executor,
    )

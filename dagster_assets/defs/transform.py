"""The dbt project as assets: one per seed and model, its data tests as checks."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import (
    DagsterDbtTranslator,
    DbtCliResource,
    DbtProject,
    dbt_assets,
    get_asset_key_for_model,
)
from dbt.adapters.base.impl import BaseAdapter
from dbt.adapters.duckdb.connections import DuckDBConnectionManager

from dagster_assets.dbt_tests import said_of_test, write_dbt_tests
from dagster_assets.freshness import NIGHTLY_FRESH
from ml.file_lock import file_lock
from warehouse.settings import PROJECT_ROOT, Settings

DBT = str(Path(sys.executable).with_name("slutpris-dbt"))
"""dbt of this environment, activated or not; it dies with us."""
PARSE_WAIT_S = 600
"""Seconds to wait for another process that makes the manifest."""


def current_project() -> DbtProject:
    """The dbt project with a manifest that is as new as its files.

    A fresh clone has no manifest, and Dagster cannot know the models without one.
    """
    project = DbtProject(
        project_dir=PROJECT_ROOT / "dbt_project",
        target_path=Settings().data / "dbt" / "target",
    )
    # Webserver, daemon and runs start at once, and dbt writes the manifest in place:
    # who looks while another parses would read half of it.
    with file_lock(project.target_path.with_name("parse.lock"), PARSE_WAIT_S):
        if not _is_current(project):
            project.target_path.mkdir(parents=True, exist_ok=True)
            dbt = DbtCliResource(project_dir=project, dbt_executable=DBT)
            dbt.cli(["parse", "--quiet"], target_path=project.target_path).wait()
    return project


def _is_current(project: DbtProject) -> bool:
    generated = {"target", "logs", "docs"}
    sources = (
        path
        for path in project.project_dir.rglob("*")
        if path.is_file()
        and path.relative_to(project.project_dir).parts[0] not in generated
    )
    manifest = project.manifest_path
    newest_source = max(path.stat().st_mtime for path in sources)
    return manifest.exists() and manifest.stat().st_mtime >= newest_source


dbt_project = current_project()


class Translator(DagsterDbtTranslator):
    """dbt's nodes as assets; the marts, which others read, must be fresh."""

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """Give the node's asset."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        if spec.group_name != "marts":
            return spec
        return dg.apply_freshness_policy(spec, NIGHTLY_FRESH)

    def get_asset_check_spec(
        self,
        asset_spec: dg.AssetSpec,
        manifest: Mapping[str, Any],
        unique_id: str,
        project: DbtProject | None,
    ) -> dg.AssetCheckSpec | None:
        """Give the test's check, with what it holds to be true."""
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        if spec is None or spec.description:
            return spec
        said = said_of_test(self.get_resource_props(manifest, unique_id))
        return spec._replace(description=said)


@dbt_assets(
    manifest=dbt_project.manifest_path,
    project=dbt_project,
    dagster_dbt_translator=Translator(),
)
def dbt_models(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
    """Clean, flag, locate, impute and join: raw tables to contracted marts."""
    # Unit tests are of the code, not of tonight's rows; `dbt build` by hand runs them.
    command = ["build", "--exclude-resource-type", "unit_test"]
    build = dbt.cli(command, context=context, target_path=_empty_target())
    try:
        yield from build.stream().fetch_row_counts()
    finally:
        write_dbt_tests(build.target_path, Settings().reports_dir)
        _close(build.adapter)


def _empty_target() -> Path:
    """Give the folder of builds, without what the last one found.

    It is one for all, so that dbt parses only what has changed since the last build.
    """
    target = dbt_project.target_path / "build"
    (target / "run_results.json").unlink(missing_ok=True)
    return target


def _close(adapter: BaseAdapter | None) -> None:
    """Close what counting rows opened in this process, and would leave open.

    It opens the warehouse for writing; assets downstream open it for reading, which
    DuckDB does not allow beside it in one process.
    """
    if adapter is not None:
        adapter.cleanup_connections()
    DuckDBConnectionManager.close_all_connections()


def mart(name: str) -> dg.AssetKey:
    """Key of a mart, for the assets that read it."""
    return get_asset_key_for_model([dbt_models], name)

"""All Dagster definitions load, and say what they are."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import dagster as dg
import pytest

if TYPE_CHECKING:
    from pathlib import Path

GROUPS = {
    "ingestion",
    "seeds",
    "staging",
    "intermediate",
    "marts",
    "features",
    "models",
    "gate",
    "evaluation",
    "publishing",
    "serving",
    "monitoring",
}
MAIN_FLOW = [
    "raw/sale_cards",
    "staging/stg_booli__sale_cards",
    "intermediate/int_sale_observations",
    "intermediate/int_sales_flagged",
    "intermediate/int_sales_with_quality",
    "marts/sale_features",
    "hedonics/sale_features",
    "models/xgboost",
]


@pytest.fixture(scope="module")
def definitions(
    tmp_path_factory: pytest.TempPathFactory,
) -> dg.Definitions:
    # Modules are loaded once in a process: the manifest of this folder serves them all.
    folder: Path = tmp_path_factory.mktemp("definitions")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("SLUTPRIS_DATA", str(folder))
        from dagster_assets.definitions import defs

        return defs()


@pytest.fixture(scope="module")
def specs(definitions: dg.Definitions) -> list[dg.AssetSpec]:
    return list(definitions.resolve_all_asset_specs())


def test_definitions_load(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


def test_every_asset_has_group_kind_and_description(specs: list[dg.AssetSpec]) -> None:
    nameless = [
        spec.key.to_user_string()
        for spec in specs
        if spec.group_name not in GROUPS or not spec.kinds or not spec.description
    ]
    assert nameless == []


def test_every_check_has_a_description(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    nameless = [
        key.to_user_string()
        for key in graph.asset_check_keys
        if not graph.get_check_spec(key).description
    ]
    assert nameless == []


def test_every_job_schedule_and_sensor_has_a_description(
    definitions: dg.Definitions,
) -> None:
    repository = definitions.get_repository_def()
    jobs = [job for job in repository.get_all_jobs() if job.name != "__ASSET_JOB"]
    named = [*jobs, *repository.schedule_defs, *repository.sensor_defs]

    assert [each.name for each in named if not each.description] == []
    assert {"nightly", "sold_months"} <= {job.name for job in jobs}


def test_raw_tables_flow_to_marts_and_models(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for upstream, downstream in itertools.pairwise(MAIN_FLOW):
        ancestors = graph.get_ancestor_asset_keys(
            dg.AssetKey.from_user_string(downstream)
        )
        assert dg.AssetKey.from_user_string(upstream) in ancestors, (
            f"{upstream} does not lead to {downstream}"
        )


def test_dbt_data_tests_are_asset_checks(definitions: dg.Definitions) -> None:
    checks = definitions.resolve_asset_graph().asset_check_keys
    names = {check.name for check in checks}
    assert "assert_raw_rows_are_sales_or_rejected" in names
    assert "xgboost_beats_the_seed_recipe" in names


def test_steps_run_one_after_another(definitions: dg.Definitions) -> None:
    job = definitions.resolve_implicit_global_asset_job_def()
    assert job.executor_def.name == "in_process"

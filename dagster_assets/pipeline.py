"""The data flow in stages, for running it whole outside Dagster's own servers.

``dg launch --assets '*'`` runs the same assets at once; here they run group by group in
this process, so that a person sees what is happening and how long it took.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from dagster_assets.definitions import defs
from dagster_assets.run_history import write_run_history
from warehouse.errors import SlutprisError
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Stage:
    """Asset groups that run together under one heading."""

    title: str
    groups: tuple[str, ...]


STAGES = (
    Stage("Crawl", ("ingestion",)),
    Stage("Build the warehouse", ("seeds", "staging", "intermediate", "marts")),
    Stage("Train", ("features", "models")),
    Stage("Judge", ("gate",)),
    Stage("Compare", ("evaluation",)),
    Stage("Publish", ("serving", "publishing", "monitoring")),
)


class Pipeline:
    """All assets of the project, run stage by stage in this process.

    ``op_config`` gives, by op name, the configuration that differs from the defaults.
    """

    def __init__(self, op_config: Mapping[str, Mapping[str, Any]]) -> None:
        definitions = defs()
        self.job = definitions.resolve_implicit_global_asset_job_def()
        self.graph = definitions.resolve_asset_graph()
        self.op_config = op_config

    def run(self, stage: Stage) -> None:
        """Materialize one stage; a failed step ends it with the step's own message."""
        keys = [
            node.key
            for node in self.graph.asset_nodes
            if node.group_name in stage.groups and node.is_materializable
        ]
        with dg.DagsterInstance.get() as instance:
            result = self.job.execute_in_process(
                asset_selection=keys,
                instance=instance,
                run_config=self._run_config(keys),
                raise_on_error=False,
            )
            write_run_history(instance, Settings().reports_dir)
        if not result.success:
            raise SlutprisError(f"{stage.title} failed: {_failure(result)}")

    def _run_config(self, keys: list[dg.AssetKey]) -> dict[str, Any]:
        selected = {self.graph.get(key).assets_def.op.name for key in keys}
        ops = {
            name: {"config": dict(config)}
            for name, config in self.op_config.items()
            if name in selected
        }
        return {
            "ops": ops,
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        }


def _failure(result: dg.ExecuteInProcessResult) -> str:
    """What the first failed step raised, without what Dagster wraps it in."""
    errors = [
        event.step_failure_data.error
        for event in result.all_events
        if event.is_step_failure
    ]
    if not errors or errors[0] is None:
        return "no step says why"
    raised = errors[0].cause or errors[0]
    return " ".join(raised.message.split())

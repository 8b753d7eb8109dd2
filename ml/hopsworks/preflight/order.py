"""Which steps a preflight has, and in which order.

What belongs here: the order, and what needs what. What does not: the steps.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ml.hopsworks.cluster import Cluster
from ml.hopsworks.preflight import network, questions, trials, ways
from ml.hopsworks.preflight.findings import Findings
from ml.hopsworks.preflight.outcomes import Outcome, Step, run_steps

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ml.hopsworks.address import ClusterAddress

QUESTION_S = 60.0
TRANSFER_S = 180.0
LOCK_WAIT_S = 30.0
"""The longest a trial may take, each time something is asked."""


def preflight(
    *, write: bool, recording_path: Path | None, tell: Callable[[Outcome], None]
) -> tuple[list[Outcome], Findings]:
    """Run every step, in order.

    Parameters
    ----------
    write
        Whether something is written to the project too, and removed again.
    recording_path
        Where the worker keeps what the client says over HTTPS; None keeps nothing.
    tell
        Told each outcome as it comes.
    """
    findings = Findings()

    def settings(findings: Findings) -> str:
        said = questions.check_settings(findings)
        address = _bounded(findings.known_address, recording_path)
        findings.cluster = Cluster(address)
        return said

    steps = [Step("settings", settings), *_STEPS, *(_TRIALS if write else ())]
    try:
        return run_steps(steps, findings, tell), findings
    finally:
        if findings.cluster is not None:
            findings.cluster.close()


def _bounded(address: ClusterAddress, recording_path: Path | None) -> ClusterAddress:
    """Allow a check less time than publishing."""
    return replace(
        address,
        deadline_s=min(address.deadline_s, QUESTION_S),
        transfer_deadline_s=min(address.transfer_deadline_s, TRANSFER_S),
        lock_wait_s=min(address.lock_wait_s, LOCK_WAIT_S),
        recording_path=recording_path,
    )


_KEY = ("project",)
_STEPS = (
    Step("host name", network.resolve_name, after=("settings",)),
    Step("port", network.reach_port, after=("settings", "host name")),
    Step("certificate", network.verify_certificate, after=("settings", "port")),
    Step("project", questions.open_project, after=("settings", "certificate")),
    Step("version", questions.compare_versions, after=_KEY, is_needed=False),
    Step("scope FEATURESTORE", questions.scope_of_feature_store, after=_KEY),
    Step("scope DATASET_VIEW", questions.scope_of_datasets, after=_KEY),
    Step("scope MODELREGISTRY", questions.scope_of_registry, after=_KEY),
    Step("scope JOB", questions.scope_of_jobs, after=_KEY),
    Step("scope KAFKA", questions.scope_of_kafka, after=_KEY),
    Step("Models dataset", questions.models_dataset, after=_KEY),
    Step("query service", ways.query_service, after=_KEY, deadline_s=30),
    Step("name node", ways.name_node, after=_KEY),
    Step("data node", ways.data_node, after=_KEY),
    Step("brokers", ways.brokers, after=("project", "scope KAFKA"), deadline_s=30),
    Step("client", trials.log_in, after=_KEY, deadline_s=None),
)
_TRIALS = (
    Step(
        "write a group",
        trials.try_group,
        after=("client", "query service"),
        deadline_s=None,
    ),
    Step("write a file", trials.try_file, after=("client",), deadline_s=None),
    Step("write a model", trials.try_model, after=("client",), deadline_s=None),
)

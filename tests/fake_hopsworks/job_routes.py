"""REST: the Kafka connector, and the job that materializes a stream feature group."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from confluent_kafka import KafkaException

from fake_hopsworks import delta
from fake_hopsworks.feature_group_routes import add_commit, find_group
from fake_hopsworks.kafka import SECURITY_PROTOCOL, Broker, rows_of
from fake_hopsworks.routing import ApiError, Call, route
from fake_hopsworks.schemas import length_limits, too_long
from fake_hopsworks.state import FEATURE_STORE_ID, State

JOB_NOT_FOUND = 130009
SUFFIX = "_offline_fg_materialization"
JOB = "project/{project}/jobs/{job}"


@route(
    "GET",
    "project/{project}/featurestores/{store}/storageconnectors/kafka_connector/byok",
)
def kafka_connector(call: Call) -> Any:
    return {
        "storageConnectorType": "KAFKA",
        "id": 2,
        "name": "kafka_connector",
        "featurestoreId": FEATURE_STORE_ID,
        "bootstrapServers": _bootstrap(call),
        "securityProtocol": SECURITY_PROTOCOL,
        "sslEndpointIdentificationAlgorithm": "",
        "options": [],
        "externalKafka": False,
    }


def _bootstrap(call: Call) -> str:
    broker = _broker(call.state)
    fault = call.state.faults.meet("broker", call.method, call.path)
    if fault is None:
        return broker.address
    if fault.kind == "broker_down":
        return broker.address_that_refuses()
    return broker.address_without_answer()


def _broker(state: State) -> Broker:
    if state.broker is None:
        raise ApiError(503, 190000, "This cluster was started without Kafka.")
    return state.broker


def _group_of(call: Call) -> dict[str, Any]:
    name, _, version = call.params["job"].removesuffix(SUFFIX).rpartition("_")
    for group in call.state.metadata.feature_groups:
        same = (group["name"], str(group["version"])) == (name, version)
        if same and group["type"] == "streamFeatureGroupDTO":
            return group
    raise ApiError(404, JOB_NOT_FOUND, f"No job {call.params['job']}.")


@route("GET", JOB)
def get_job(call: Call) -> Any:
    group = _group_of(call)
    arguments = f"-op offline_fg_materialization -path {group['location']}"
    return {
        "id": group["id"],
        "name": call.params["job"],
        "creationTime": group["created"],
        "config": {"type": "sparkJobConfiguration", "defaultArgs": arguments},
        "jobType": "SPARK",
        "creator": group["creator"],
        "href": call.href(),
    }


@route("GET", JOB + "/executions")
def list_executions(call: Call) -> Any:
    group = _group_of(call)
    made = [
        each
        for each in call.state.metadata.executions
        if each["featureGroupId"] == group["id"]
    ]
    made = made[::-1][: int(call.query.get("limit", "1000"))]
    return {"count": len(made), "items": made, "href": call.href()}


@route("GET", JOB + "/executions/{id}")
def get_execution(call: Call) -> Any:
    _group_of(call)
    for each in call.state.metadata.executions:
        if str(each["id"]) == call.params["id"]:
            return each
    raise ApiError(404, JOB_NOT_FOUND, f"No execution {call.params['id']}.")


@route("POST", JOB + "/executions")
def start(call: Call) -> Any:
    group, state = _group_of(call), call.state
    identifier = state.metadata.new_id()
    job = call.params["job"]
    logs = f"/Projects/{state.project}/Logs/Spark/{job}/{identifier}"
    execution = {
        "id": identifier,
        "featureGroupId": group["id"],
        "state": "INITIALIZING",
        "finalStatus": "UNDEFINED",
        "submissionTime": datetime.now(UTC).isoformat(),
        "stdoutPath": f"{logs}/stdout.log",
        "stderrPath": f"{logs}/stderr.log",
        "args": call.body.decode(),
        "progress": 0.0,
        "duration": 0,
        "hdfsUser": f"{state.project}__{state.user}",
        "user": {"username": state.user},
        "href": call.href(),
    }
    state.metadata.executions.append(execution)
    threading.Thread(target=_run, args=(state, execution), daemon=True).start()
    return dict(execution)


_ONE_AT_A_TIME = threading.Lock()


def _run(state: State, execution: dict[str, Any]) -> None:
    execution["state"] = "RUNNING"
    group = find_group(state, execution["featureGroupId"])
    with _ONE_AT_A_TIME:
        wrong = materialize(state, group)
    _write_logs(state, execution, wrong or "")
    with state.lock:
        execution["progress"] = 1.0
        execution["finalStatus"] = "FAILED" if wrong else "SUCCEEDED"
        execution["state"] = "FAILED" if wrong else "FINISHED"
        state.save()


def _write_logs(state: State, execution: dict[str, Any], wrong: str) -> None:
    """The client waits for these files, and only then believes that a job is done."""
    for key, text in (("stdoutPath", ""), ("stderrPath", wrong)):
        path = state.root / execution[key].removeprefix("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def materialize(state: State, group: dict[str, Any]) -> str | None:
    """Upsert a topic's unread rows into its table; what went wrong, if anything."""
    try:
        topic = _broker(state).topic(group["onlineTopicName"])
        rows = rows_of(group, topic)
    except (pa.ArrowException, ValueError, TimeoutError, KafkaException) as error:
        return str(error)
    wrong = too_long(rows, length_limits(group))
    if wrong or not rows.num_rows:
        return wrong
    counts = delta.upsert(group, newest_per_key(rows, delta.keys(group)))
    topic.mark_read()
    moment = delta.last_commit_ms(group)
    stamp = datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y%m%d%H%M%S%f")[:-3]
    made: dict[str, Any] = {"commitDateString": stamp, "commitTime": moment}
    made |= {"rowsDeleted": 0, "validationId": None, "lastActiveCommitTime": moment}
    add_commit(state, group, made | counts)
    return None


def newest_per_key(rows: pa.Table, keys: list[str]) -> pa.Table:
    """The last row of each key, in the order of arrival."""
    arrivals = rows.select(keys).append_column("", [range(rows.num_rows)])
    newest = arrivals.group_by(keys).aggregate([("", "max")])["_max"]
    return rows.take(newest.take(pc.sort_indices(newest)))


@route(
    "POST",
    "project/{project}/featurestores/{store}/featuregroups/{id}/online_ingestion",
)
def online_ingestion(call: Call) -> Any:
    find_group(call.state, call.params["id"])
    sent = call.json()
    return sent | {"id": call.state.metadata.new_id(), "createdAt": int(time.time())}

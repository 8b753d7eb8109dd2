"""REST: feature groups, their commits, statistics and schemas."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fake_hopsworks import delta
from fake_hopsworks.routing import ApiError, Call, route
from fake_hopsworks.schemas import avro_text, check_names_and_types, online_type
from fake_hopsworks.state import FEATURE_STORE_ID, PROJECT_ID, State

NOT_FOUND = 270009
EXISTS = 270089
GROUPS = "project/{project}/featurestores/{store}/featuregroups"
ONE = GROUPS + "/{id}"


def find_group(state: State, identifier: str | int) -> dict[str, Any]:
    """A feature group by its id; refuses as the client expects."""
    for group in state.metadata.feature_groups:
        if str(group["id"]) == str(identifier):
            return group
    raise ApiError(404, NOT_FOUND, f"No feature group with id {identifier}.")


@route("GET", GROUPS)
def list_groups(call: Call) -> Any:
    groups = call.state.metadata.feature_groups
    return {"count": len(groups), "items": groups, "href": call.href()}


@route("GET", ONE)
def get_group(call: Call) -> Any:
    """By name (all versions, or one) as an array; by id as an object."""
    asked, version = call.params["id"], call.query.get("version")
    if asked.isdigit():
        return find_group(call.state, asked)
    found = [
        group
        for group in call.state.metadata.feature_groups
        if group["name"] == asked and version in (None, str(group["version"]))
    ]
    if not found:
        raise ApiError(404, NOT_FOUND, f"No feature group {asked}, version {version}.")
    return found


@route("POST", GROUPS)
def create_group(call: Call) -> Any:
    sent = call.json()
    check_names_and_types(sent)
    groups = call.state.metadata.feature_groups
    taken = [each["version"] for each in groups if each["name"] == sent["name"]]
    version = sent.get("version") or max(taken, default=0) + 1
    if version in taken:
        message = f"Feature group {sent['name']} version {version} already exists."
        raise ApiError(400, EXISTS, message)
    group = _created(call, sent | {"version": version})
    groups.append(group)
    if call.state.broker and group["type"] == "streamFeatureGroupDTO":
        call.state.broker.make_topic(group["onlineTopicName"])
    return group


def _created(call: Call, sent: dict[str, Any]) -> dict[str, Any]:
    state, identifier = call.state, call.state.metadata.new_id()
    topic = f"{PROJECT_ID}_{identifier}_{sent['name']}_{sent['version']}_onlinefs"
    added = {
        "id": identifier,
        "location": state.table_location(sent),
        "onlineTopicName": topic,
        "topicName": sent.get("topicName") or topic,
        "featurestoreId": FEATURE_STORE_ID,
        "featurestoreName": state.store_name,
        "creator": {"username": state.user, "email": f"{state.user}@example.com"},
        "created": datetime.now(UTC).isoformat(),
        "href": call.href(),
        "dataSource": {"storageConnector": _storage(state)},
        "features": [_feature(each, identifier) for each in sent["features"]],
    }
    return sent | added


def _feature(sent: dict[str, Any], group_id: int) -> dict[str, Any]:
    online = sent.get("onlineType") or online_type(sent["type"])
    return sent | {"onlineType": online, "featureGroupId": group_id}


def _storage(state: State) -> dict[str, Any]:
    """A bucket's connector without credentials.

    With one, the client takes the location as it is and writes the table there; a
    location in HopsFS would need native RPC to name and data nodes.
    """
    return {
        "storageConnectorType": "S3",
        "id": 1,
        "name": "fake_storage",
        "featurestoreId": FEATURE_STORE_ID,
        "bucket": state.project,
    }


@route("PUT", ONE)
def update_group(call: Call) -> Any:
    """Description and schema; features may be added, never changed or removed."""
    sent = call.json()
    check_names_and_types(sent)
    group = find_group(call.state, call.params["id"])
    _check_only_added(group["features"], sent["features"])
    known = {each["name"] for each in group["features"]}
    group["features"] += [
        _feature(each, group["id"])
        for each in sent["features"]
        if each["name"] not in known
    ]
    group["description"] = sent.get("description", group["description"])
    return group


def _check_only_added(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> None:
    types = {each["name"]: each["type"] for each in new}
    for each in old:
        if types.get(each["name"]) != each["type"]:
            message = f"Feature {each['name']} was removed or has another type."
            raise ApiError(400, delta.SCHEMA_MISMATCH, message)


@route("DELETE", ONE)
def delete_group(call: Call) -> None:
    group = find_group(call.state, call.params["id"])
    call.state.metadata.feature_groups.remove(group)
    call.state.metadata.commits.pop(str(group["id"]), None)
    delta.drop(group)


@route("POST", ONE + "/clear")
def clear(call: Call) -> None:
    group = find_group(call.state, call.params["id"])
    call.state.metadata.commits.pop(str(group["id"]), None)
    delta.drop(group)


@route("POST", ONE + "/updatetableschema")
def update_table_schema(call: Call) -> Any:
    find_group(call.state, call.params["id"])
    return {"id": call.state.metadata.new_id(), "href": call.href()}


@route("GET", ONE + "/expectationsuite")
def expectation_suite(call: Call) -> Any:
    return {"count": 0, "items": [], "href": call.href()}


@route("POST", ONE + "/commits")
def commit(call: Call) -> Any:
    sent = call.json()
    group = find_group(call.state, call.params["id"])
    delta.check_table(group)
    return add_commit(call.state, group, sent) | {"href": call.href()}


def add_commit(
    state: State, group: dict[str, Any], sent: dict[str, Any]
) -> dict[str, Any]:
    """Remember a commit; its id is its time in milliseconds, as on a server."""
    commits = state.metadata.commits.setdefault(str(group["id"]), [])
    made = sent | {"commitID": sent["commitTime"]}
    commits.append(made)
    return made


@route("GET", ONE + "/commits")
def list_commits(call: Call) -> Any:
    group = find_group(call.state, call.params["id"])
    commits = list(call.state.metadata.commits.get(str(group["id"]), []))
    if call.query.get("sort_by", "committed_on:desc").endswith(":desc"):
        commits.reverse()
    offset = int(call.query.get("offset", "0"))
    limit = int(call.query.get("limit", str(len(commits) or 1)))
    page = commits[offset : offset + limit]
    return {"count": len(commits), "items": page, "href": call.href()}


@route("POST", ONE + "/statistics")
def add_statistics(call: Call) -> Any:
    made = call.json() | {"featureGroupId": call.params["id"], "href": call.href()}
    call.state.metadata.statistics.append(made)
    return made


@route("GET", ONE + "/statistics")
def get_statistics(call: Call) -> Any:
    found = [
        each
        for each in call.state.metadata.statistics
        if each.get("featureGroupId") == call.params["id"]
    ]
    if not found:
        raise ApiError(404, 270228, "No statistics.")
    return {"count": 1, "items": found[-1:], "href": call.href()}


@route(
    "GET",
    "project/{project}/featurestores/{store}/kafka/subjects/{subject}/versions/latest",
)
def latest_subject(call: Call) -> Any:
    name, _, version = call.params["subject"].rpartition("_")
    for group in call.state.metadata.feature_groups:
        if (group["name"], str(group["version"])) == (name, version):
            schema, subject = avro_text(group), call.params["subject"]
            number = len(group["features"])
            return {
                "id": group["id"],
                "subject": subject,
                "version": number,
                "schema": schema,
            }
    raise ApiError(404, 190010, f"No subject {call.params['subject']}.")

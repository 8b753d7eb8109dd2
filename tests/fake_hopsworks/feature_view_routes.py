"""REST: queries, feature views and their batch queries, training datasets."""

from __future__ import annotations

import hashlib
import hmac
import json
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from fake_hopsworks.feature_group_routes import find_group
from fake_hopsworks.query import to_sql
from fake_hopsworks.routing import ApiError, Call, route
from fake_hopsworks.state import FEATURE_STORE_ID, State

NOT_FOUND = 270181
# Assumed: the client reads no meaning from it.
EXISTS = 270182
NO_EVENT_TIME = 270172
GROUP_IN_SHORT = ("id", "name", "version", "type", "featurestoreId")
STORE = "project/{project}/featurestores/{store}"
VIEWS = STORE + "/featureview"
ONE = VIEWS + "/{name}/version/{version}"


@route("PUT", "project/{project}/featurestores/query")
def construct_query(call: Call) -> Any:
    """SQL to show, and the signed order that the query service takes."""
    query = call.json()
    payload = json.dumps(query)
    return {
        "query": to_sql(call.state, query),
        "onDemandFeatureGroups": [],
        "hudiCachedFeatureGroups": [],
        "deltaCachedFeatureGroups": [],
        "hqsPayload": payload,
        "hqsPayloadSignature": signature(call.state, payload),
        "href": call.href(),
    }


def signature(state: State, payload: str) -> str:
    """By this the query service knows that the server made the order."""
    secret = state.certificates.key("ca").read_bytes()
    return hmac.new(secret, payload.encode("ascii"), hashlib.sha256).hexdigest()


def find_view(call: Call) -> dict[str, Any]:
    wanted = (call.params["name"], call.params["version"])
    for view in call.state.metadata.feature_views:
        if (view["name"], str(view["version"])) == wanted:
            return view
    raise ApiError(404, NOT_FOUND, f"No feature view {wanted[0]}, version {wanted[1]}.")


@route("POST", VIEWS)
def create_view(call: Call) -> Any:
    sent = call.json()
    views = call.state.metadata.feature_views
    taken = [each["version"] for each in views if each["name"] == sent["name"]]
    version = sent.get("version") or max(taken, default=0) + 1
    if version in taken:
        message = f"Feature view {sent['name']} version {version} already exists."
        raise ApiError(400, EXISTS, message)
    labels = {each["name"] for each in sent["features"] or [] if each.get("label")}
    query = hydrated(call.state, sent["query"])
    added = {
        "id": call.state.metadata.new_id(),
        "version": version,
        "featurestoreId": FEATURE_STORE_ID,
        "featurestoreName": call.state.store_name,
        "created": datetime.now(UTC).isoformat(),
        "query": query,
        "features": _features(query, labels),
        "servingKeys": _serving_keys(query),
        "href": call.href(),
    }
    view = sent | added
    views.append(view)
    return view


def hydrated(state: State, query: dict[str, Any]) -> dict[str, Any]:
    """The query with its feature groups as the server knows them."""
    query = deepcopy(query)
    group = find_group(state, query["leftFeatureGroup"]["id"])
    query["leftFeatureGroup"] = group
    for join in query.get("joins") or []:
        join["query"] = hydrated(state, join["query"])
    return query


def _features(query: dict[str, Any], labels: set[str]) -> list[dict[str, Any]]:
    group = query["leftFeatureGroup"]
    short = {key: group[key] for key in GROUP_IN_SHORT}
    found = [
        {
            "name": each["name"],
            "type": each["type"],
            "label": each["name"] in labels,
            "featuregroup": short,
            "inferenceHelperColumn": False,
            "trainingHelperColumn": False,
        }
        for each in query["leftFeatures"]
    ]
    for join in query.get("joins") or []:
        found += _features(join["query"], labels)
    return found


def _serving_keys(query: dict[str, Any]) -> list[dict[str, Any]]:
    group = query["leftFeatureGroup"]
    return [
        {
            "featureName": each["name"],
            "featureGroup": group,
            "required": True,
            "joinIndex": 0,
            "prefix": "",
        }
        for each in group["features"]
        if each.get("primary")
    ]


@route("GET", ONE)
def get_view(call: Call) -> Any:
    return find_view(call)


@route("GET", VIEWS + "/{name}")
def get_views(call: Call) -> Any:
    name = call.params["name"]
    found = [each for each in call.state.metadata.feature_views if each["name"] == name]
    if not found:
        raise ApiError(404, NOT_FOUND, f"No feature view {name}.")
    return {"count": len(found), "items": found, "href": call.href()}


@route("GET", VIEWS)
def list_views(call: Call) -> Any:
    views = call.state.metadata.feature_views
    return {"count": len(views), "items": views, "href": call.href()}


@route("DELETE", ONE)
def delete_view(call: Call) -> None:
    call.state.metadata.feature_views.remove(find_view(call))


@route("GET", ONE + "/query")
def view_query(call: Call) -> Any:
    return find_view(call)["query"]


@route("GET", ONE + "/query/batch")
def batch_query(call: Call) -> Any:
    """The view's query for a batch: with or without labels and keys, by event time."""
    view = find_view(call)
    query = deepcopy(view["query"])
    if not _flag(call, "with_label"):
        labels = {each["name"] for each in view["features"] if each["label"]}
        _drop(query, labels)
    _add_asked_for(call, query)
    _bound_by_event_time(call, query)
    return query


def _flag(call: Call, name: str) -> bool:
    return call.query.get(name, "false").lower() == "true"


def _drop(query: dict[str, Any], names: set[str]) -> None:
    query["leftFeatures"] = [
        each for each in query["leftFeatures"] if each["name"] not in names
    ]
    for join in query.get("joins") or []:
        _drop(join["query"], names)


def _add_asked_for(call: Call, query: dict[str, Any]) -> None:
    group = query["leftFeatureGroup"]
    there = {each["name"] for each in query["leftFeatures"]}
    for each in group["features"]:
        is_key = each.get("primary") and _flag(call, "with_primary_keys")
        is_time = each["name"] == group.get("eventTime")
        is_time = is_time and _flag(call, "with_event_time")
        if (is_key or is_time) and each["name"] not in there:
            query["leftFeatures"].append(each)


def _bound_by_event_time(call: Call, query: dict[str, Any]) -> None:
    """Keep rows from start (inclusive) to end (exclusive, assumed)."""
    bounds = {
        "GREATER_THAN_OR_EQUAL": call.query.get("start_time"),
        "LESS_THAN": call.query.get("end_time"),
    }
    group = query["leftFeatureGroup"]
    for condition, moment in bounds.items():
        if moment is None:
            continue
        if not group.get("eventTime"):
            raise ApiError(400, NO_EVENT_TIME, "The feature group has no event time.")
        (feature,) = [
            each for each in group["features"] if each["name"] == group["eventTime"]
        ]
        compare = {"feature": feature, "condition": condition, "value": moment}
        single = {"type": "SINGLE", "leftFilter": compare}
        query["filter"] = _both(query.get("filter"), single)


def _both(one: dict[str, Any] | None, other: dict[str, Any]) -> dict[str, Any]:
    return {"type": "AND", "leftLogic": one, "rightLogic": other} if one else other


@route("GET", ONE + "/preparedstatement")
def prepared_statement(call: Call) -> Any:
    return {"count": 0, "items": [], "href": call.href()}


@route("GET", ONE + "/transformation/functions")
def transformation_functions(call: Call) -> Any:
    return {"count": 0, "items": [], "href": call.href()}


@route("POST", ONE + "/trainingdatasets")
def create_training_dataset(call: Call) -> Any:
    view, sent = find_view(call), call.json()
    made = call.state.metadata.training_datasets
    number = sum(each["viewId"] == view["id"] for each in made) + 1
    dataset = sent | {
        "id": call.state.metadata.new_id(),
        "viewId": view["id"],
        "version": number,
        "type": "inMemoryTrainingDataset",
        "location": "",
        "featurestoreId": FEATURE_STORE_ID,
        "href": call.href(),
    }
    made.append(dataset)
    return dataset


@route("GET", ONE + "/trainingdatasets/version/{number}")
def get_training_dataset(call: Call) -> Any:
    view = find_view(call)
    for each in call.state.metadata.training_datasets:
        if (each["viewId"], str(each["version"])) == (
            view["id"],
            call.params["number"],
        ):
            return each
    raise ApiError(404, 270012, f"No training dataset {call.params['number']}.")


@route("POST", ONE + "/trainingdatasets/version/{number}/statistics")
def training_dataset_statistics(call: Call) -> Any:
    made = call.json() | {"href": call.href()}
    call.state.metadata.statistics.append(made)
    return made

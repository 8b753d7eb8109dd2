"""REST: the model registry. Files of a model are datasets; here is its metadata."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Any

from fake_hopsworks.routing import ApiError, Call, route
from fake_hopsworks.state import PROJECT_ID

MODEL_NOT_FOUND = 360000
# Assumed: a second version of the same name and number is refused.
MODEL_EXISTS = 360004
BAD_MODEL = 360001
ONE = "project/{project}/modelregistries/{registry}/models/{id}"


def _find(call: Call) -> dict[str, Any]:
    for model in call.state.metadata.models:
        if model["id"] == call.params["id"]:
            return model
    raise ApiError(404, MODEL_NOT_FOUND, f"No model {call.params['id']}.")


@route("GET", ONE)
def get_model(call: Call) -> Any:
    return _find(call)


@route("PUT", ONE)
def put_model(call: Call) -> Any:
    sent = call.json()
    identifier = f"{sent['name']}_{sent['version']}"
    if identifier != call.params["id"]:
        raise ApiError(400, BAD_MODEL, f"{identifier} was put as {call.params['id']}.")
    for name, value in (sent.get("metrics") or {}).items():
        if not isinstance(value, int | float | str):
            raise ApiError(400, BAD_MODEL, f"Metric {name} is no number: {value!r}")
    models = call.state.metadata.models
    if any(model["id"] == identifier for model in models):
        raise ApiError(400, MODEL_EXISTS, f"Model {identifier} already exists.")
    model = sent | _what_the_server_adds(call, identifier)
    models.append(model)
    return model


def _what_the_server_adds(call: Call, identifier: str) -> dict[str, Any]:
    return {
        "id": identifier,
        "created": int(time.time() * 1000),
        "createdAt": datetime.now(UTC).isoformat(),
        "creator": call.state.user,
        "userFullName": "Fake User",
        "modelRegistryId": PROJECT_ID,
        "href": call.href(),
    }


@route("PATCH", ONE)
def patch_model(call: Call) -> Any:
    model = _find(call)
    model.update(call.json())
    return model


@route("DELETE", ONE)
def delete_model(call: Call) -> None:
    call.state.metadata.models.remove(_find(call))
    call.state.metadata.tags.pop(call.params["id"], None)


@route("GET", "project/{project}/modelregistries/{registry}/models")
def list_models(call: Call) -> Any:
    models = [
        model for model in call.state.metadata.models if _wanted(model, call.query)
    ]
    models = _sorted(models, call.query.get("sort_by", ""))
    offset = int(call.query.get("offset", "0"))
    limit = int(call.query.get("limit", str(len(models) or 1)))
    items = models[offset : offset + limit]
    return {"count": len(models), "items": items, "href": call.href()}


def _wanted(model: dict[str, Any], query: Any) -> bool:
    for condition in query.getlist("filter_by"):
        name, _, value = condition.partition(":")
        if name == "name_eq" and model["name"] != value:
            return False
    return True


def _sorted(models: list[dict[str, Any]], wish: str) -> list[dict[str, Any]]:
    """Sorted by a metric; models without it come last (assumed)."""
    if not wish:
        return sorted(models, key=lambda model: model["version"])
    metric, _, direction = wish.partition(":")
    having = [model for model in models if metric in (model["metrics"] or {})]
    lacking = [model for model in models if metric not in (model["metrics"] or {})]
    having.sort(
        key=lambda model: float(model["metrics"][metric]), reverse=direction == "desc"
    )
    return having + lacking


def finish_rival(call: Call) -> None:
    """Another publisher, who made a version's folder first, fills and registers it."""
    found = re.search(r"/Models/(\w+)/(\d+)$", call.path)
    if found is None:
        return
    name, version = found[1], int(found[2])
    files = call.state.datasets / "Models" / name / str(version) / "Files"
    files.mkdir(exist_ok=True)
    (files / "rival.txt").write_text("of another publisher")
    identifier = f"{name}_{version}"
    about = {"name": name, "version": version, "metrics": {}, "framework": "PYTHON"}
    about |= {"projectName": call.state.project, "description": "of a rival"}
    call.state.metadata.models.append(about | _what_the_server_adds(call, identifier))
    call.state.save()


@route("GET", ONE + "/tags")
def get_tags(call: Call) -> Any:
    tags = call.state.metadata.tags.get(_find(call)["id"], {})
    items = [{"name": name, "value": value} for name, value in tags.items()]
    return {"count": len(items), "items": items, "href": call.href()}


@route("PUT", ONE + "/tags/{tag}")
def put_tag(call: Call) -> Any:
    value = call.body.decode()
    tags = call.state.metadata.tags.setdefault(_find(call)["id"], {})
    tags[call.params["tag"]] = value
    return {"name": call.params["tag"], "value": value, "href": call.href()}


@route("DELETE", ONE + "/tags/{tag}")
def delete_tag(call: Call) -> None:
    call.state.metadata.tags.get(_find(call)["id"], {}).pop(call.params["tag"], 0)

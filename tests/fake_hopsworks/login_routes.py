"""REST: versions and variables, projects, credentials, who am I."""

from __future__ import annotations

import base64
from typing import Any

from fake_hopsworks.routing import ApiError, Call, route
from fake_hopsworks.state import FEATURE_STORE_ID, PROJECT_ID, USER_ID, State
from fake_hopsworks.tls import SERVICE_DOMAIN, key_store, trust_store

VERSION = "5.2.1"
# What a member of a project may see; a variable that is not here answers 404.
VARIABLES = {
    "service_discovery_domain": SERVICE_DOMAIN,
    "enable_flyingduck": "true",
    "upload_policy": "all",
}
LOAD_BALANCERS = tuple(
    f"loadbalancer_external_domain_{each}"
    for each in ("feature_query", "namenode", "datanode")
)


@route("GET", "variables/{name}")
def variable(call: Call) -> Any:
    name = call.params["name"]
    if name == "versions":
        return [{"software": "hopsworks", "version": VERSION}]
    if name in LOAD_BALANCERS:
        return {"successMessage": call.state.address}
    if name not in VARIABLES:
        raise ApiError(404, 160019, f"Variable {name} is not set.")
    return {"successMessage": VARIABLES[name]}


@route("GET", "project/getProjectInfo/{name}")
def project_info(call: Call) -> Any:
    if call.params["name"] != call.state.project:
        raise ApiError(404, 150004, f"No project {call.params['name']}.")
    return _project(call)


@route("GET", "project/asShared/getProjectInfo/{name}")
def shared_project_info(call: Call) -> Any:
    return project_info(call)


@route("GET", "project/{project}")
def project_by_id(call: Call) -> Any:
    return _project(call)


def _project(call: Call) -> dict[str, Any]:
    return {
        "projectId": PROJECT_ID,
        "projectName": call.state.project,
        "owner": _user(call),
        "description": "",
        "created": "2026-01-01T00:00:00Z",
        "services": ["FEATURESTORE", "JOBS", "KAFKA", "SERVING"],
        "datasets": [],
        "projectTeam": [],
    }


def _user(call: Call) -> dict[str, Any]:
    return {
        "uid": USER_ID,
        "username": call.state.user,
        "email": f"{call.state.user}@example.com",
        "firstname": "Fake",
        "lastname": "User",
    }


@route("GET", "project")
def projects(call: Call) -> Any:
    project = {"id": PROJECT_ID, "name": call.state.project, "owner": _user(call)}
    return [{"user": _user(call), "project": project, "teamRole": "Data owner"}]


@route("GET", "users/profile")
def profile(call: Call) -> Any:
    return _user(call) | {"roles": ["HOPS_USER"]}


@route("GET", "project/{project}/credentials")
def credentials(call: Call) -> Any:
    place, password = call.state.certificates, call.state.password
    client = key_store(place, "client", password)
    trusted = trust_store(place, password)
    return {
        "fileExtension": "jks",
        "password": password,
        "kStore": base64.b64encode(client).decode(),
        "tStore": base64.b64encode(trusted).decode(),
        "caChain": place.ca.read_text(),
        "clientCert": place.certificate("client").read_text(),
        "clientKey": place.key("client").read_text(),
    }


@route("GET", "project/{project}/featurestores")
def feature_stores(call: Call) -> Any:
    """The project's own store: none is shared with it."""
    return [_store(call.state)]


@route("GET", "project/{project}/featurestores/{store}")
def feature_store(call: Call) -> Any:
    if call.params["store"] not in (call.state.store_name, str(FEATURE_STORE_ID)):
        raise ApiError(404, 270032, f"No feature store {call.params['store']}.")
    return _store(call.state)


def _store(state: State) -> dict[str, Any]:
    return {
        "featurestoreId": FEATURE_STORE_ID,
        "featurestoreName": state.store_name,
        "created": "2026-01-01T00:00:00Z",
        "projectName": state.project,
        "projectId": PROJECT_ID,
        "offlineFeaturestoreName": state.store_name,
        "onlineFeaturestoreName": state.project,
        "onlineEnabled": True,
        "numFeatureGroups": len(state.metadata.feature_groups),
    }

"""Steps that ask the REST interface: settings, key, project, version, scopes.

What belongs here: questions that change nothing. What does not: how they are asked
(``rest``), and what needs another port (``ways``) or the client (``trials``).
"""

from __future__ import annotations

import ssl
from http import HTTPStatus
from importlib import metadata
from typing import TYPE_CHECKING

from ml.hopsworks.address import ClusterAddress, missing_settings
from ml.hopsworks.errors import HopsworksError
from ml.hopsworks.preflight.network import trusted_by, trusted_file
from ml.hopsworks.preflight.outcomes import NotWellError, SkippedError
from ml.hopsworks.preflight.rest import NEW_KEY, Rest, server_in_trouble
from warehouse.errors import SlutprisError
from warehouse.settings import Settings

if TYPE_CHECKING:
    from ml.hopsworks.preflight.findings import Findings
    from ml.hopsworks.preflight.rest import Answer

SCOPES = (
    "PROJECT, FEATURESTORE, DATASET_VIEW, DATASET_CREATE, DATASET_DELETE, "
    "MODELREGISTRY, JOB, KAFKA"
)
CHECK_NAME = "slutpris_check"
"""The name of everything that a check writes or asks for."""
PROJECTS_SHOWN = 5


def check_settings(findings: Findings) -> str:
    """Read the settings; those that are missing are named, and never asked for."""
    try:
        settings = Settings()
    except SlutprisError as error:
        why, _, what = str(error).rpartition("; ")
        raise NotWellError(why, f"{what} as it should be") from error
    if missing := missing_settings(settings):
        raise NotWellError(
            f"not set: {', '.join(missing)}",
            "set them in the environment; docs/hopsworks.md says where each is found",
        )
    try:
        address = ClusterAddress.from_settings(settings)
    except HopsworksError as error:
        raise NotWellError(*_why_and_what(error)) from error
    _check_trust_store(address)
    findings.address = address
    findings.rest = Rest(address)
    findings.client_version = metadata.version("hopsworks")
    return (
        f"project {address.project!r} at {address.host}:{address.port}, write mode "
        f"{address.write_mode}, certificates trusted from {trusted_by(address)}"
    )


def open_project(findings: Findings) -> str:
    """Ask for the project by name, which is what logging in begins with."""
    address, rest = findings.known_address, findings.known_rest
    answer = rest.get("project", "getProjectInfo", address.project)
    if answer.status == HTTPStatus.UNAUTHORIZED:
        raise NotWellError(
            f"the key was refused: it is wrong, or expired ({answer.text})",
            f"copy the key whole, with the part before the dot, or {NEW_KEY}",
        )
    if answer.status == HTTPStatus.FORBIDDEN:
        raise _scope_missing("PROJECT", answer)
    if _says_nothing_is_there(answer):
        raise NotWellError(
            f"there is no project {address.project!r} that the key's owner is in "
            f"({answer.text})",
            f"check HOPSWORKS_PROJECT; {_projects(rest)}",
        )
    if not answer.is_ok or "projectId" not in answer.body:
        raise server_in_trouble(answer)
    findings.project_id = int(answer.body["projectId"])
    return f"the key opens project {address.project!r}, number {findings.project_id}"


def compare_versions(findings: Findings) -> str:
    """Hold the server's version against the client's: major and minor must agree."""
    answer = findings.known_rest.get("variables", "versions")
    if not answer.is_ok:
        raise server_in_trouble(answer)
    said = {each.get("software"): each.get("version") for each in answer.body}
    server, client = str(said.get("hopsworks") or ""), findings.client_version
    findings.server_version = server
    if server.split(".")[:2] != client.split(".")[:2]:
        raise NotWellError(
            f"the server is {server or 'of an unknown version'}, the client {client}",
            "this project is tried with client 5.2 only. Much may work all the same: "
            "run this with --write to see what",
        )
    return f"server {server}, client {client}"


def scope_of_feature_store(findings: Findings) -> str:
    """Look at the feature store and the feature groups in it."""
    rest, project = findings.known_rest, findings.known_address.project
    stores = ("project", findings.project_id, "featurestores")
    answer = rest.get(*stores, f"{project}_featurestore")
    if _says_nothing_is_there(answer):
        raise NotWellError(
            f"the project has no feature store ({answer.text})",
            "enable the feature store in the project's settings",
        )
    _needs_scope("FEATURESTORE", answer)
    groups = rest.get(*stores, str(answer.body["featurestoreId"]), "featuregroups")
    _needs_scope("FEATURESTORE", groups)
    found = groups.body["items"] if isinstance(groups.body, dict) else groups.body
    findings.group_locations = [str(each.get("location") or "") for each in found or []]
    return f"feature groups there: {len(findings.group_locations)}"


def scope_of_datasets(findings: Findings) -> str:
    """Look at the dataset that receipts and files are kept in."""
    _look_at_dataset(findings, "Resources", "add a dataset of that name to the project")
    return "sees the dataset Resources, where receipts and files go"


def models_dataset(findings: Findings) -> str:
    """Look at the dataset without which there is no model registry."""
    _look_at_dataset(
        findings, "Models", "enable model serving in the project's settings"
    )
    return "there"


def scope_of_registry(findings: Findings) -> str:
    """Ask the registry for a model that need not be there."""
    project = findings.project_id
    path = ("project", project, "modelregistries", project, "models")
    answer = findings.known_rest.get(*path, filter_by=f"name_eq:{CHECK_NAME}")
    if not _says_nothing_is_there(answer):
        _needs_scope("MODELREGISTRY", answer)
    return "may ask the model registry"


def scope_of_jobs(findings: Findings) -> str:
    """Ask for the job that lands rows, which need not be there."""
    skip_unless_mode(findings, "stream")
    job = f"{CHECK_NAME}_1_offline_fg_materialization"
    answer = findings.known_rest.get("project", findings.project_id, "jobs", job)
    if not _says_nothing_is_there(answer):
        _needs_scope("JOB", answer)
    return "may ask for jobs"


def scope_of_kafka(findings: Findings) -> str:
    """Ask where the brokers are."""
    skip_unless_mode(findings, "stream")
    rest, project = findings.known_rest, findings.project_id
    stores = ("project", project, "featurestores")
    store = rest.get(*stores, f"{findings.known_address.project}_featurestore")
    _needs_scope("FEATURESTORE", store)
    number = str(store.body["featurestoreId"])
    path = (*stores, number, "storageconnectors", "kafka_connector", "byok")
    answer = rest.get(*path, external="True")
    _needs_scope("KAFKA", answer)
    findings.bootstrap_servers = str(answer.body.get("bootstrapServers") or "")
    return f"brokers: {findings.bootstrap_servers or 'none are named'}"


def _look_at_dataset(findings: Findings, name: str, to_do: str) -> None:
    answer = findings.known_rest.get("project", findings.project_id, "dataset", name)
    if _says_nothing_is_there(answer):
        raise NotWellError(f"there is no dataset {name} ({answer.text})", to_do)
    _needs_scope("DATASET_VIEW", answer)


def _needs_scope(scope: str, answer: Answer) -> None:
    if answer.is_refused:
        raise _scope_missing(scope, answer)
    if not answer.is_ok:
        raise server_in_trouble(answer)


def _scope_missing(scope: str, answer: Answer) -> NotWellError:
    return NotWellError(
        f"the key may not do this ({answer.text})",
        f"give the key the scope {scope} in Hopsworks (Account settings, API; the key "
        f"stays the same), and see that its owner may do this in the project. Scopes "
        f"that are used: {SCOPES}",
    )


def _says_nothing_is_there(answer: Answer) -> bool:
    is_status = answer.status in (HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST)
    return is_status and answer.code is not None


def _projects(rest: Rest) -> str:
    """Name the projects that the key does open."""
    answer = rest.get("project")
    if not answer.is_ok or not isinstance(answer.body, list):
        return "upper and lower case count"
    names = [str(each.get("project", {}).get("name")) for each in answer.body]
    shown = ", ".join(names[:PROJECTS_SHOWN]) or "no project"
    return f"the key opens {shown}{' …' if len(names) > PROJECTS_SHOWN else ''}"


def skip_unless_mode(findings: Findings, mode: str) -> None:
    """Leave out a step that only another write mode needs."""
    if findings.known_address.write_mode != mode:
        raise SkippedError(f"only write mode {mode} needs it")


def _why_and_what(error: HopsworksError) -> tuple[str, str]:
    why, _, what = str(error).partition("; ")
    return why, what


def _check_trust_store(address: ClusterAddress) -> None:
    try:
        ssl.create_default_context(cafile=trusted_file(address))
    except (ssl.SSLError, OSError) as error:
        raise NotWellError(
            f"HOPSWORKS_TRUST_STORE_PATH is {address.trust_store_path}, which holds no "
            "certificate in PEM form",
            "name a PEM file (-----BEGIN CERTIFICATE-----); convert a DER file with "
            "openssl x509 -inform der -in FILE -out FILE.pem",
        ) from error

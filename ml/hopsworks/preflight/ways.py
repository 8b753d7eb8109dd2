"""Steps for the ways that rows take, which do not go through the REST interface.

Reading goes to the query service (Arrow Flight, port 5005), writing in mode ``delta``
to the name and data nodes of the file system, in mode ``stream`` to Kafka's brokers. An
administrator must have put a load balancer before each.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.flight as flight

from ml.hopsworks.preflight.network import addresses_of, connect
from ml.hopsworks.preflight.outcomes import NotWellError, SkippedError
from ml.hopsworks.preflight.questions import skip_unless_mode
from ml.hopsworks.preflight.rest import server_in_trouble

if TYPE_CHECKING:
    from ml.hopsworks.preflight.findings import Findings

FLIGHT_PORT = 5005
"""Written into the client."""
NAME_NODE_PORT = 8020
"""The usual one; a feature group's location says another."""
HEALTH_TIMEOUT_S = 8.0
NOT_ENABLED = (
    "ask the cluster's administrator to enable the load balancer of {}, or set "
    "HOPSWORKS_WRITE_MODE={}"
)
OPEN = "open {} to this machine, or set HOPSWORKS_WRITE_MODE={}"


def query_service(findings: Findings) -> str:
    """Ask the query service whether it is well; every read goes there."""
    if _variable(findings, "enable_flyingduck") != "true":
        raise NotWellError(
            "the query service is switched off, so rows cannot be read from outside",
            "ask the cluster's administrator to enable it (enable_flyingduck)",
        )
    host = _load_balancer(findings, "feature_query")
    if not host:
        raise NotWellError(
            "the query service has no load balancer, so rows cannot be read from here",
            "ask the cluster's administrator to enable it "
            "(loadbalancer_external_domain_feature_query)",
        )
    connect(host, FLIGHT_PORT, f"open port {FLIGHT_PORT} of {host} to this machine")
    _check_health(findings, host)
    return f"{host}:{FLIGHT_PORT} is well"


def name_node(findings: Findings) -> str:
    """Connect to the file system's name node, where mode ``delta`` writes."""
    _skip_without_file_system(findings)
    host = _load_balancer(findings, "namenode")
    if not host:
        raise NotWellError(
            "the name node has no load balancer, so tables cannot be written from here",
            NOT_ENABLED.format("the name node", "stream"),
        )
    ports = {urlsplit(each).port for each in findings.group_locations if each}
    port = next((each for each in ports if each), NAME_NODE_PORT)
    connect(host, port, OPEN.format(f"port {port} of {host}", "stream"))
    return f"{host}:{port} takes connections"


def data_node(findings: Findings) -> str:
    """Look for the data nodes; their port is told only to one who writes."""
    _skip_without_file_system(findings)
    host = _load_balancer(findings, "datanode")
    if not host:
        raise NotWellError(
            "the data nodes have no load balancer, so tables cannot be written from "
            "here",
            NOT_ENABLED.format("the data nodes", "stream"),
        )
    addresses_of(host, "tell the cluster's administrator that the name is not known")
    return f"{host} is known; whether its ports are open, only --write can tell"


def brokers(findings: Findings) -> str:
    """Connect to Kafka's brokers, where mode ``stream`` writes."""
    skip_unless_mode(findings, "stream")
    named = _bootstrap(findings.bootstrap_servers)
    if not named:
        raise NotWellError(
            "the cluster names no broker for clients outside of it",
            NOT_ENABLED.format("Kafka", "delta"),
        )
    for host, port in named:
        connect(host, port, OPEN.format(f"port {port} of {host}", "delta"))
    return ", ".join(f"{host}:{port}" for host, port in named) + " takes connections"


def _variable(findings: Findings, name: str) -> str:
    """Give a variable of the cluster; empty when it is not set."""
    answer = findings.known_rest.get("variables", name)
    if answer.status == HTTPStatus.NOT_FOUND and answer.code is not None:
        return ""
    if not answer.is_ok:
        raise server_in_trouble(answer)
    return str(answer.body.get("successMessage") or "")


def _load_balancer(findings: Findings, service: str) -> str:
    return _variable(findings, f"loadbalancer_external_domain_{service}")


def _skip_without_file_system(findings: Findings) -> None:
    skip_unless_mode(findings, "delta")
    schemes = {urlsplit(each).scheme for each in findings.group_locations if each}
    if schemes and not schemes & {"hopsfs", "hdfs"}:
        where = ", ".join(sorted(schemes))
        raise SkippedError(f"this project's tables lie elsewhere ({where}:)")


def _bootstrap(servers: str) -> list[tuple[str, int]]:
    """Read Kafka's list of brokers: ``PROTOCOL://host:port,host:port``."""
    found = [each.rpartition("://")[2].strip() for each in servers.split(",")]
    parts = [each.rpartition(":") for each in found if each]
    return [(host, int(port)) for host, _, port in parts if host and port.isdecimal()]


def _check_health(findings: Findings, host: str) -> None:
    domain = _variable(findings, "service_discovery_domain")
    certificates = _certificates(findings)
    options = flight.FlightCallOptions(timeout=HEALTH_TIMEOUT_S)
    client = flight.FlightClient(
        f"grpc+tls://{host}:{FLIGHT_PORT}",
        tls_root_certs=certificates["caChain"],
        cert_chain=certificates["clientCert"],
        private_key=certificates["clientKey"],
        override_hostname=f"flyingduck.service.{domain}",
    )
    try:
        list(client.do_action(flight.Action("healthcheck", b""), options))
    except pa.ArrowException as error:
        raise NotWellError(
            f"{host}:{FLIGHT_PORT} takes connections but is not well "
            f"({_first_line(error)})",
            "tell the cluster's administrator; a proxy that ends TLS on the way does "
            "not work for it",
        ) from error
    finally:
        client.close()


def _certificates(findings: Findings) -> dict[str, Any]:
    """Fetch what the client authenticates with there; never leaves this memory."""
    answer = findings.known_rest.get("project", findings.project_id, "credentials")
    if not answer.is_ok:
        raise server_in_trouble(answer)
    return answer.body


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__

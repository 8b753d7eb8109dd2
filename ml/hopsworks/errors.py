"""What can go wrong between us and a cluster, and what a person can do about it.

What belongs here: the kinds of failure a worker reports, their words, and how a port's
own errors are raised from them. What does not: telling from the client's exceptions
which kind it is (``worker.failures``).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from ml.file_lock import LockedError
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Generator

FailureKind = Literal[
    "refused", "missing", "project", "tls", "down", "reading", "broker", "other"
]
TRANSIENT_KINDS = ("down", "reading", "broker")
"""Kinds that may be over the next time one asks."""

ADVICE: dict[str, str] = {
    "refused": "the API key was refused or lacks a scope; set HOPSWORKS_API_KEY to a "
    "key of this project with the scopes PROJECT, FEATURESTORE, DATASET_VIEW, "
    "DATASET_CREATE, DATASET_DELETE, MODELREGISTRY, JOB and KAFKA",
    "missing": "what was asked for is not there",
    "project": "the key opens no such project; check HOPSWORKS_PROJECT and "
    "HOPSWORKS_API_KEY",
    "tls": "the cluster's certificate cannot be verified; set "
    "HOPSWORKS_TRUST_STORE_PATH to a PEM file of the authority that signed it",
    "down": "the cluster cannot be reached or answers with an error; check "
    "HOPSWORKS_HOST, HOPSWORKS_PORT and the network",
    "reading": "rows cannot be read; check that port 5005 (Arrow Flight) of the "
    "cluster's query service can be reached",
    "broker": "the cluster's Kafka brokers cannot be reached; open them to this "
    "machine, or set HOPSWORKS_WRITE_MODE=delta",
    "other": "the cluster or its client gave up",
}
AGAIN = "Nothing on this machine was changed; mend that and run the same command again"


class HopsworksError(SlutprisError):
    """The cluster, the way to it or its client failed; says what to do."""


class UnreachableError(HopsworksError):
    """The cluster did not answer, or not in time: it may, another time."""


class LateError(UnreachableError):
    """There was no answer before the deadline; asking again would only double it."""


class MissingError(HopsworksError):
    """What was asked for is not in the cluster."""


def error_of(kind: str, message: str, doing: str, where: str) -> HopsworksError:
    """Give the error of a failure that a worker reports.

    Parameters
    ----------
    kind, message
        As the worker says.
    doing, where
        What was asked, of whom.
    """
    text = f"cannot {doing} in {where}: {ADVICE[kind]} [{message}]. {AGAIN}"
    if kind in TRANSIENT_KINDS:
        return UnreachableError(text)
    if kind == "missing":
        return MissingError(text)
    return HopsworksError(text)


@contextmanager
def raised_as(
    error_type: type[SlutprisError], unreachable_type: type[SlutprisError]
) -> Generator[None]:
    """Raise failures of the cluster as errors of the port that was asked."""
    try:
        yield
    except UnreachableError as error:
        raise unreachable_type(str(error)) from error
    except (HopsworksError, LockedError) as error:
        raise error_type(str(error)) from error

"""Which kind of failure an exception of the client is, and its words.

What belongs here: telling the kinds apart. What does not: what a person can do about
each (``errors``).
"""

from __future__ import annotations

import http
from typing import TYPE_CHECKING

import requests
from confluent_kafka import KafkaException
from hopsworks.client.exceptions import (
    FeatureStoreException,
    ProjectException,
    RestAPIError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ml.hopsworks.errors import FailureKind

MAX_LENGTH = 500
NOT_READ = ("Hopsworks Query Service", "Reading data with Hive", "Query Service.")
INODE_CODES = range(110_000, 111_000)
"""Codes of the dataset interface."""


class WorkerError(Exception):
    """A failure that the worker itself found, of a kind it knows."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind: FailureKind = kind


def failure_of(error: BaseException) -> tuple[FailureKind, str]:
    """Give the kind of a failure and what the client said, shortened to one line."""
    for cause in _causes(error):
        kind = _kind(cause)
        if kind is not None:
            return kind, _one_line(cause)
    if isinstance(error, ProjectException):
        return "project", _one_line(error)
    return "other", _one_line(error)


def is_missing_inode(error: RestAPIError) -> bool:
    """Say whether the dataset interface answered that there is no such path.

    A page of a proxy has status 404 too, but no code.
    """
    is_status = error.response.status_code in (
        http.HTTPStatus.NOT_FOUND,
        http.HTTPStatus.BAD_REQUEST,
    )
    return is_status and getattr(error, "error_code", None) in INODE_CODES


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Give what an exception was raised from, the first cause first."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    return reversed(chain)


def _kind(error: BaseException) -> FailureKind | None:
    if isinstance(error, WorkerError):
        return error.kind
    if isinstance(error, RestAPIError):
        return _kind_of_status(error.response.status_code)
    if isinstance(error, requests.exceptions.SSLError):
        return "tls"
    if isinstance(error, requests.exceptions.JSONDecodeError):
        return "other"
    if isinstance(error, requests.exceptions.RequestException):
        return "down"
    if isinstance(error, KafkaException):
        return "broker"
    is_of_reading = any(text in str(error) for text in NOT_READ)
    if is_of_reading and isinstance(error, (FeatureStoreException, ValueError)):
        return "reading"
    if type(error).__name__.startswith("Flight"):
        return "reading"
    return None


def _kind_of_status(status: int) -> FailureKind | None:
    if status in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN):
        return "refused"
    if status == http.HTTPStatus.TOO_MANY_REQUESTS or status >= 500:
        return "down"
    return None


def _one_line(error: BaseException) -> str:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]} …"

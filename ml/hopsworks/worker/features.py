"""Feature groups and views: what the feature store is asked.

Rows come and go as Parquet files. They are written a slice at a time, each an upsert by
primary key and event time, so that repeating a write that broke off heals it.
"""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from hsfs.feature import Feature

from ml.hopsworks.worker.failures import WorkerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ml.hopsworks.worker.session import Session

ROWS_PER_SLICE = 250_000
COMMITS_SHOWN = 1_000
UNCHECKED = {"run_validation": False, "schema_validation": False}
"""The rows were checked; the client's own look fails on a column without a value."""
BROKER_CERTIFICATES = "kafka_sc_{project_id}_*.pem"
"""What the client writes into /tmp, whatever the folder for temporary files."""


def describe_group(session: Session, name: str, version: int) -> dict[str, Any] | None:
    """Key, event time and types of a group; None where there is none."""
    group = session.feature_store.get_feature_group(name, version)
    return None if group is None else _described(group)


def list_groups(session: Session) -> list[dict[str, Any]]:
    """Every group and version of the project's feature store."""
    listed = session.feature_store.get_feature_groups()
    return [
        _described(session.feature_store.get_feature_group(each.name, each.version))
        for each in listed
    ]


def write_group(
    session: Session, spec: dict[str, Any], rows: str, mode: str
) -> dict[str, Any]:
    """Upsert a file of rows, making the group when it is missing, until it is done.

    Answers with the commits it made, or the job that landed the rows.
    """
    group = _group_to_write(session, spec, mode)
    _check_mode(group, mode)
    is_new = not group.id
    commits_before = set() if is_new else _commit_ids(group)
    job, operation = None, "upsert"
    for table, is_last in _slices(rows):
        # One job lands all slices: the last of them starts it.
        job, _ = group.insert(
            table.to_pandas(types_mapper=pd.ArrowDtype),
            operation=operation,
            write_options={
                "wait_for_job": True,
                "start_offline_materialization": is_last,
            },
            validation_options=UNCHECKED,
        )
        # Of a table that holds only earlier slices no row can be replaced: the keys of
        # a batch differ. A merge would read it all again.
        operation = "insert" if is_new else "upsert"
    if mode == "stream":
        _remove_broker_certificates(session)
        return {"commits": [], "job": _finished_job(job)}
    made = [each for each in _commits(group) if each["commit"] not in commits_before]
    return {"commits": made, "job": None}


def remove_rows(session: Session, name: str, version: int, rows: str) -> list[Any]:
    """Remove the rows of a file's primary keys and event times; give the commits."""
    group = _existing(session, name, version)
    before = _commit_ids(group)
    group.remove_rows(pq.read_table(rows).to_pandas(types_mapper=pd.ArrowDtype))
    return [each for each in _commits(group) if each["commit"] not in before]


def read_group(
    session: Session,
    name: str,
    version: int,
    columns: list[str],
    start: str | None,
    end: str | None,
    target: str,
) -> int:
    """Write a group's columns to a Parquet file, of ``[start, end)``; give the rows."""
    group = _existing(session, name, version)
    query = _in_time(group.select(columns), group, start, end)
    return _read(query, target)


def commits(session: Session, name: str, version: int) -> list[dict[str, Any]] | None:
    """Give the group's commits, newest first; None where there is no such group."""
    group = session.feature_store.get_feature_group(name, version)
    return None if group is None else _commits(group)


def describe_view(session: Session, name: str, version: int) -> dict[str, Any] | None:
    """Group, columns and labels of a view; None where there is none."""
    view = session.feature_store.get_feature_view(name, version)
    if view is None:
        return None
    group = view.query._left_feature_group
    return {
        "name": view.name,
        "version": view.version,
        "description": view.description or "",
        "group": group.name,
        "group_version": group.version,
        "features": [feature.name for feature in view.features],
        "labels": list(view.labels or []),
    }


def create_view(session: Session, view: dict[str, Any], columns: list[str]) -> None:
    """Make a view of a group's columns."""
    group = _existing(session, view["group"], view["group_version"])
    session.feature_store.create_feature_view(
        name=view["name"],
        version=view["version"],
        description=view["description"],
        query=group.select(columns),
        labels=view["labels"],
    )


def read_view(
    session: Session,
    name: str,
    version: int,
    start: str | None,
    end: str | None,
    target: str,
) -> int:
    """Write a view's columns to a Parquet file, of ``[start, end)``; give the rows."""
    view = session.feature_store.get_feature_view(name, version)
    query = view.query
    return _read(_in_time(query, query._left_feature_group, start, end), target)


def _group_to_write(session: Session, spec: dict[str, Any], mode: str) -> Any:  # noqa: ANN401
    return session.feature_store.get_or_create_feature_group(
        name=spec["name"],
        version=spec["version"],
        description=spec["description"],
        primary_key=list(spec["primary_key"]),
        event_time=spec["event_time"],
        features=[_feature(spec, feature) for feature in spec["features"]],
        online_enabled=False,
        time_travel_format="DELTA",
        stream=mode == "stream",
        statistics_config=False,
    )


def _check_mode(group: Any, mode: str) -> None:  # noqa: ANN401
    """Refuse a group of another mode: the client writes it the way it was made."""
    made_in = "stream" if group.stream else "delta"
    if group.id and made_in != mode:
        raise WorkerError(
            "other",
            f"{group.name} version {group.version} was made in write mode {made_in} "
            f"and keeps it; set HOPSWORKS_WRITE_MODE={made_in}, or publish it as "
            "another version",
        )


def _feature(spec: dict[str, Any], feature: dict[str, Any]) -> Feature:
    length = feature["max_length"]
    return Feature(
        feature["name"],
        type=feature["type"],
        description=feature["description"] or None,
        primary=feature["name"] in spec["primary_key"],
        online_type=f"varchar({length})" if length else None,
    )


def _described(group: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "name": group.name,
        "version": group.version,
        "description": group.description or "",
        "primary_key": list(group.primary_key),
        "event_time": group.event_time,
        "types": {feature.name: feature.type for feature in group.features},
    }


def _existing(session: Session, name: str, version: int) -> Any:  # noqa: ANN401
    group = session.feature_store.get_feature_group(name, version)
    if group is None:
        raise WorkerError("missing", f"no feature group {name} version {version}")
    return group


def _slices(rows: str) -> Iterator[tuple[pa.Table, bool]]:
    """Give a file's rows in slices, each with whether it is the last."""
    with pq.ParquetFile(rows) as file:
        left = file.metadata.num_rows
        if left == 0:
            yield file.read(), True
        for batch in file.iter_batches(ROWS_PER_SLICE):
            left -= batch.num_rows
            yield pa.Table.from_batches([batch]), left == 0


def _commits(group: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    details = group.commit_details(limit=COMMITS_SHOWN)
    return [
        {
            "commit": str(number),
            "at_ms": int(number),
            "inserted": int(each["rowsInserted"] or 0),
            "updated": int(each["rowsUpdated"] or 0),
            "removed": int(each["rowsDeleted"] or 0),
        }
        for number, each in sorted(details.items(), reverse=True)
    ]


def _commit_ids(group: Any) -> set[str]:  # noqa: ANN401
    return {each["commit"] for each in _commits(group)}


def _finished_job(job: Any) -> dict[str, Any]:  # noqa: ANN401
    """Give the job that landed the rows; a failed one is a failure."""
    execution = job.get_executions()[0]
    if execution.success is not True:
        raise WorkerError(
            "other",
            f"the job {job.name} ended as {execution.final_status}; see its log in the "
            "project, and publish again",
        )
    return {"name": job.name, "execution": str(execution.id)}


def _in_time(query: Any, group: Any, start: str | None, end: str | None) -> Any:  # noqa: ANN401
    """Narrow a query to ``[start, end)`` of the group's event time."""
    event_time = group.get_feature(group.event_time)
    if start is not None:
        query = query.filter(event_time >= _bound(event_time.type, start))
    if end is not None:
        query = query.filter(event_time < _bound(event_time.type, end))
    return query


def _bound(kind: str, moment: str) -> str:
    at = dt.datetime.fromisoformat(moment)
    if kind == "date":
        return at.date().isoformat()
    return at.isoformat(sep=" ", timespec="seconds")


def _read(query: Any, target: str) -> int:  # noqa: ANN401
    """Stream a query's batches into a file; nothing is held but one of them."""
    rows, writer = 0, None
    try:
        with query.read_batches() as batches:
            for batch in batches:
                writer = writer or pq.ParquetWriter(target, batch.schema)
                writer.write_batch(batch)
                rows += batch.num_rows
    finally:
        if writer is not None:
            writer.close()
    return rows


def _remove_broker_certificates(session: Session) -> None:
    pattern = BROKER_CERTIFICATES.format(project_id=session.project.id)
    for path in Path("/tmp").glob(pattern):
        with suppress(FileNotFoundError, PermissionError):
            path.unlink()


OPERATIONS = (
    describe_group,
    list_groups,
    write_group,
    remove_rows,
    read_group,
    commits,
    describe_view,
    create_view,
    read_view,
)

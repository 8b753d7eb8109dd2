"""Rows of feature groups: Delta tables on disk, written by the client or by a job."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import TableNotFoundError

from fake_hopsworks.routing import ApiError
from fake_hopsworks.schemas import arrow_schema, declared_type, length_limits, too_long
from fake_hopsworks.state import table_folder

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.dataset import Dataset

SCHEMA_MISMATCH = 270094


def open_table(group: dict[str, Any]) -> DeltaTable | None:
    """A feature group's table, None before its first write."""
    try:
        return DeltaTable(group["location"])
    except TableNotFoundError:
        return None


def rows(group: dict[str, Any], *, as_of_ms: int | None = None) -> Dataset | pa.Table:
    """The rows of a feature group, now or as of a moment."""
    table = open_table(group)
    if table is None:
        return arrow_schema(group).empty_table()
    if as_of_ms is not None:
        _travel(table, as_of_ms)
    return table.to_pyarrow_dataset()


def _travel(table: DeltaTable, moment_ms: int) -> None:
    versions = [
        commit["version"]
        for commit in table.history()
        if int(commit["timestamp"]) <= moment_ms
    ]
    if not versions:
        raise ApiError(400, SCHEMA_MISMATCH, "No commits found before that moment.")
    table.load_as_version(max(versions))


def check_table(group: dict[str, Any]) -> None:
    """Refuse a table whose columns are not as the features are declared.

    A real server does not look; here it shows at once what would break every reader.
    """
    table = open_table(group)
    if table is None:
        raise ApiError(400, SCHEMA_MISMATCH, f"No table at {group['location']}.")
    declared = {each["name"]: each["type"] for each in group["features"]}
    for field in table.to_pyarrow_dataset().schema:
        wanted, found = declared.get(field.name), declared_type(field.type)
        if wanted is None or _as_stored(wanted) != found:
            message = f"Column {field.name} is {found}, declared as {wanted}."
            raise ApiError(400, SCHEMA_MISMATCH, message)
    limits = length_limits(group)
    columns = table.to_pyarrow_dataset().to_table(columns=list(limits))
    if wrong := too_long(columns, limits):
        raise ApiError(400, SCHEMA_MISMATCH, wrong)


def _as_stored(declared: str) -> str:
    return "int" if declared in ("smallint", "tinyint") else declared


def keys(group: dict[str, Any]) -> list[str]:
    """The columns that make a row the same row: primary key, event time, partition."""
    features = group["features"]
    names = [each["name"] for each in features if each.get("primary")]
    if group.get("eventTime"):
        names.append(group["eventTime"])
    names += [each["name"] for each in features if each.get("partition")]
    return list(dict.fromkeys(names))


def upsert(group: dict[str, Any], batch: pa.Table) -> dict[str, int]:
    """Write rows as the materialization job does; how many were new and changed."""
    table = open_table(group)
    if table is None:
        write_deltalake(group["location"], batch)
        return {"rowsInserted": batch.num_rows, "rowsUpdated": 0}
    same = " and ".join(f"old.{name} = new.{name}" for name in keys(group))
    done = (
        table.merge(batch, same, source_alias="new", target_alias="old")
        .when_matched_update_all()
        .when_not_matched_insert_all()
        .execute()
    )
    return {
        "rowsInserted": done["num_target_rows_inserted"],
        "rowsUpdated": done["num_target_rows_updated"],
    }


def last_commit_ms(group: dict[str, Any]) -> int:
    """When the table was last written, in milliseconds."""
    table = open_table(group)
    assert table is not None
    return int(table.history(1)[0]["timestamp"])


def drop(group: dict[str, Any]) -> None:
    """Remove a feature group's table."""
    shutil.rmtree(table_folder(group["location"]), ignore_errors=True)

"""A client's query as SQL over the Delta tables, run by DuckDB."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb

from fake_hopsworks import delta
from fake_hopsworks.feature_group_routes import find_group
from fake_hopsworks.routing import ApiError

if TYPE_CHECKING:
    import pyarrow as pa

    from fake_hopsworks.state import State

UNSUPPORTED = 270100
CONDITIONS = {
    "GREATER_THAN_OR_EQUAL": ">=",
    "GREATER_THAN": ">",
    "NOT_EQUALS": "<>",
    "EQUALS": "=",
    "LESS_THAN_OR_EQUAL": "<=",
    "LESS_THAN": "<",
    "LIKE": "like",
}
JOINS = {"INNER": "inner join", "LEFT": "left join", "RIGHT": "right join"}
ROWS_PER_BATCH = 50_000


def run(state: State, query: dict[str, Any]) -> pa.RecordBatchReader:
    """The rows a query asks for, as a stream of Arrow batches."""
    connection = duckdb.connect(config={"threads": 1})
    # Tables keep local time without a zone; so must the answer.
    connection.execute("set timezone = 'UTC'")
    for group, as_of in _groups(state, query):
        connection.register(_alias(group), delta.rows(group, as_of_ms=as_of))
    return connection.sql(to_sql(state, query)).to_arrow_reader(ROWS_PER_BATCH)


def _groups(
    state: State, query: dict[str, Any]
) -> list[tuple[dict[str, Any], int | None]]:
    group = find_group(state, query["leftFeatureGroup"]["id"])
    found = [(group, query.get("leftFeatureGroupEndTime"))]
    for join in query.get("joins") or []:
        found += _groups(state, join["query"])
    return found


def to_sql(state: State, query: dict[str, Any]) -> str:
    """The query as SQL."""
    left = find_group(state, query["leftFeatureGroup"]["id"])
    columns = _columns(query, left, "")
    tables = _alias(left)
    filters = [query.get("filter")]
    for join in query.get("joins") or []:
        right = find_group(state, join["query"]["leftFeatureGroup"]["id"])
        columns += _columns(join["query"], right, join.get("prefix") or "")
        tables += _join(join, left, right)
        filters.append(join["query"].get("filter"))
    wanted = [_where(state, each) for each in filters if each]
    sql = f"select {', '.join(columns)} from {tables}"
    if wanted:
        sql += f" where {' and '.join(wanted)}"
    if query.get("limit") is not None:
        sql += f" limit {int(query['limit'])}"
    return sql


def _columns(query: dict[str, Any], group: dict[str, Any], prefix: str) -> list[str]:
    known = {each["name"] for each in group["features"]}
    names = [each["name"] for each in query["leftFeatures"]]
    if unknown := sorted(set(names) - known):
        raise ApiError(400, UNSUPPORTED, f"{group['name']} has no {unknown}.")
    return [f'{_alias(group)}."{name}" as "{prefix}{name}"' for name in names]


def _join(join: dict[str, Any], left: dict[str, Any], right: dict[str, Any]) -> str:
    if join["query"].get("joins"):
        raise ApiError(400, UNSUPPORTED, "The fake does not nest joins.")
    on = [(each["name"], each["name"]) for each in join.get("on") or []]
    on += [
        (one["name"], other["name"])
        for one, other in zip(
            join.get("leftOn") or [], join.get("rightOn") or [], strict=True
        )
    ]
    on = on or [(name, name) for name in _shared_keys(left, right)]
    same = " and ".join(
        f'{_alias(left)}."{one}" = {_alias(right)}."{other}"' for one, other in on
    )
    return f" {JOINS[join.get('type') or 'INNER']} {_alias(right)} on {same}"


def _shared_keys(left: dict[str, Any], right: dict[str, Any]) -> list[str]:
    names = {each["name"] for each in left["features"] if each.get("primary")}
    return [each["name"] for each in right["features"] if each["name"] in names]


def _where(state: State, logic: dict[str, Any]) -> str:
    parts = [_compare(state, each) for each in _present(logic, "Filter")]
    parts += [_where(state, each) for each in _present(logic, "Logic")]
    word = " or " if logic["type"] == "OR" else " and "
    return f"({word.join(parts)})"


def _present(logic: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    found = [logic.get(f"left{kind}"), logic.get(f"right{kind}")]
    return [each for each in found if each]


def _compare(state: State, condition: dict[str, Any]) -> str:
    feature = condition["feature"]
    group = find_group(state, feature["featureGroupId"])
    types = {each["name"]: each["type"] for each in group["features"]}
    kind = types[feature["name"]]
    column = f'{_alias(group)}."{feature["name"]}"'
    if condition["condition"] == "IN":
        values = [_literal(each, kind) for each in json.loads(condition["value"])]
        return f"{column} in ({', '.join(values)})"
    return f"{column} {CONDITIONS[condition['condition']]} " + _literal(
        condition["value"], kind
    )


def _literal(value: Any, kind: str) -> str:
    text = str(value)
    if kind == "timestamp" and text.lstrip("-").isdigit():
        return f"make_timestamp({int(text)}::bigint * 1000)"
    quoted = text.replace("'", "''")
    names = {"string": "varchar", "timestamp": "timestamp"}
    return f"'{quoted}'::{names.get(kind, kind)}"


def _alias(group: dict[str, Any]) -> str:
    return f"fg_{group['id']}"

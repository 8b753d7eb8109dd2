"""Feature types: what a feature group may declare, and how other systems call them."""

from __future__ import annotations

import json
import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fake_hopsworks.routing import ApiError

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
ARROW_TYPES: dict[str, pa.DataType] = {
    "bigint": pa.int64(),
    "int": pa.int32(),
    "smallint": pa.int32(),
    "tinyint": pa.int32(),
    "double": pa.float64(),
    "float": pa.float32(),
    "string": pa.string(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us"),
    "date": pa.date32(),
    "binary": pa.binary(),
}
AVRO_TYPES: dict[str, Any] = {
    "bigint": "long",
    "int": "int",
    "smallint": "int",
    "tinyint": "int",
    "double": "double",
    "float": "float",
    "string": "string",
    "boolean": "boolean",
    "timestamp": {"type": "long", "logicalType": "timestamp-micros"},
    "date": {"type": "int", "logicalType": "date"},
    "binary": "bytes",
}
# Assumed codes: the client shows them and reads no meaning from them.
BAD_NAME = 270092
BAD_TYPE = 270093


def check_names_and_types(sent: dict[str, Any]) -> None:
    """Refuse a feature group that a server would not take."""
    features = sent.get("features") or []
    for name in [sent["name"], *(feature["name"] for feature in features)]:
        if not NAME.fullmatch(name):
            rule = "lower case letters, digits and _, at most 63, a letter first"
            raise ApiError(400, BAD_NAME, f"{name!r} is no valid name: {rule}.")
    for feature in features:
        arrow_type(feature["type"])


def arrow_type(name: str) -> pa.DataType:
    """The Arrow type of a declared type; arrays may nest."""
    if name.startswith("array<") and name.endswith(">"):
        return pa.list_(arrow_type(name[len("array<") : -1]))
    if name not in ARROW_TYPES:
        raise ApiError(400, BAD_TYPE, f"{name!r} is no type of a feature.")
    return ARROW_TYPES[name]


def arrow_schema(group: dict[str, Any]) -> pa.Schema:
    """The declared schema of a feature group."""
    features = group["features"]
    return pa.schema([(each["name"], arrow_type(each["type"])) for each in features])


def declared_type(found: pa.DataType) -> str:
    """The name under which an Arrow type would be declared."""
    if pa.types.is_timestamp(found):
        return "timestamp"
    if pa.types.is_large_string(found) or pa.types.is_string_view(found):
        return "string"
    if pa.types.is_list(found) or pa.types.is_large_list(found):
        return f"array<{declared_type(found.value_type)}>"
    names = {value: name for name, value in reversed(ARROW_TYPES.items())}
    return names.get(found, str(found))


def avro_schema(group: dict[str, Any], *, as_encoded: bool = False) -> dict[str, Any]:
    """The Avro schema of a row; encoded, arrays are bytes, as on the topic."""
    fields = [
        {"name": each["name"], "type": ["null", _avro(each["type"], as_encoded)]}
        for each in group["features"]
    ]
    name = f"{group['name']}_{group['version']}"
    return {"type": "record", "name": name, "namespace": "fake", "fields": fields}


def _avro(name: str, as_encoded: bool) -> Any:
    if not name.startswith("array<"):
        return AVRO_TYPES[name]
    if as_encoded:
        return "bytes"
    inner = _avro(name[len("array<") : -1], as_encoded)
    return {"type": "array", "items": ["null", inner]}


def avro_text(group: dict[str, Any]) -> str:
    """The schema as the registry of subjects gives it."""
    return json.dumps(avro_schema(group))


def online_type(name: str) -> str:
    """The type a server gives a feature's column online when none was asked for."""
    return {"string": "varchar(100)", "boolean": "tinyint"}.get(name, name)


def length_limits(group: dict[str, Any]) -> dict[str, int]:
    """How long the strings of a feature group may be, by feature.

    A limit that was asked for is kept everywhere; the default one, only online.
    """
    found = {}
    for feature in group["features"]:
        wanted = feature["onlineType"]
        limit = re.fullmatch(r"varchar\((\d+)\)", wanted)
        default = wanted == online_type(feature["type"])
        if limit and (group.get("onlineEnabled") or not default):
            found[feature["name"]] = int(limit[1])
    return found


def too_long(rows: pa.Table, limits: dict[str, int]) -> str | None:
    """What is wrong with the first feature whose strings pass their limit."""
    for name, limit in limits.items():
        longest = pc.max(pc.utf8_length(rows[name])).as_py() or 0
        if longest > limit:
            return f"{name} holds {longest} characters, over varchar({limit})."
    return None

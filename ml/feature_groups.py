"""What a feature group is: its key, its event time and its explicit schema.

What belongs here: the definition of a group and of a view over one, and the rules for
their names and types, which every feature store follows. What does not: checking rows
(``feature_batches``), keeping them (``feature_store`` and what implements it), and any
knowledge of a domain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

import pyarrow as pa

from warehouse.errors import SlutprisError

NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,62}")
FeatureType = Literal[
    "bigint", "int", "double", "boolean", "string", "date", "timestamp"
]
ARROW_TYPES: dict[str, pa.DataType] = {
    "bigint": pa.int64(),
    "int": pa.int32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "string": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
}
"""Types of features, each with the one Arrow type its values travel as (UTC, naive)."""

KEY_TYPES = ("bigint", "int", "string")
EVENT_TIME_TYPES = ("date", "timestamp")


class FeatureStoreError(SlutprisError):
    """The store cannot do it: a bad group, a changed schema, a row that breaks it."""


class FeatureStoreUnreachableError(FeatureStoreError):
    """The store did not answer, or not in time: it may, another time."""


@dataclass(frozen=True)
class Feature:
    """One column of a group.

    ``max_length`` is in characters; a string must have one, nothing else may.
    """

    name: str
    type: FeatureType
    max_length: int | None = None
    description: str = ""


@dataclass(frozen=True)
class FeatureGroupSpec:
    """One version of a feature group: what every batch written to it must look like.

    A row is identified by its primary key *and* its event time: writing one that is
    there replaces it. What a row means whose event time differs from that of an earlier
    row of the same key is said by ``keeps_history``.

    Parameters
    ----------
    name, version
        Lower case letters, digits and ``_``, from a letter; versions start at 1.
    primary_key
        Columns that say what a row is about.
    event_time
        The date or timestamp from which on the row's values were known.
    features
        Every column, keys and event time among them, in order.
    keeps_history
        True: rows of one key are its states over time, and stay. False: a key has one
        row; a row with another event time corrects it and takes its place.

    Raises
    ------
    FeatureStoreError
        When a name, type or length is not allowed, or a key is no column.
    """

    name: str
    version: int
    description: str
    primary_key: tuple[str, ...]
    event_time: str
    features: tuple[Feature, ...]
    keeps_history: bool = True

    def __post_init__(self) -> None:
        check_name(self.name, self.version)
        for feature in self.features:
            _check_feature(self.title, feature)
        _check_keys(self)

    @property
    def title(self) -> str:
        """Name and version, as messages say them."""
        return f"feature group {self.name!r} version {self.version}"

    @property
    def column_names(self) -> list[str]:
        """The columns, in order."""
        return [feature.name for feature in self.features]

    @property
    def identity(self) -> list[str]:
        """The columns that identify a row: primary key and event time."""
        return [*self.primary_key, self.event_time]

    @property
    def types(self) -> dict[str, str]:
        """The type of each column."""
        return {feature.name: feature.type for feature in self.features}

    def described(self) -> FeatureGroup:
        """Give the group as a store that holds it describes it."""
        return FeatureGroup(
            self.name,
            self.version,
            self.description,
            self.primary_key,
            self.event_time,
            self.types,
        )

    @property
    def arrow_schema(self) -> pa.Schema:
        """The schema a batch has once it is accepted."""
        return pa.schema(
            [(feature.name, ARROW_TYPES[feature.type]) for feature in self.features]
        )


@dataclass(frozen=True)
class FeatureViewSpec:
    """A selection of one group's columns, some of them labels, under a name.

    Keys and event time are always part of it. Reading a batch for inference leaves the
    labels out.
    """

    name: str
    version: int
    description: str
    group: str
    group_version: int
    features: tuple[str, ...]
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_name(self.name, self.version)
        absent = set(self.labels) - set(self.features)
        if absent:
            raise FeatureStoreError(
                f"{self.title}: the labels {', '.join(sorted(absent))} are not among "
                "its features; name them there too"
            )

    @property
    def title(self) -> str:
        """Name and version, as messages say them."""
        return f"feature view {self.name!r} version {self.version}"


@dataclass(frozen=True)
class FeatureGroup:
    """One version of a group that a store holds."""

    name: str
    version: int
    description: str
    primary_key: tuple[str, ...]
    event_time: str
    types: dict[str, str]


def check_name(name: str, version: int) -> None:
    """Refuse a name or version that one of the stores would not take."""
    if not NAME_PATTERN.fullmatch(name) or version < 1:
        raise FeatureStoreError(
            f"{name!r} version {version} is no name of a feature group or view; use "
            "a-z, 0-9 and '_', from a letter, 63 characters at most; versions from 1"
        )


def check_view(view: FeatureViewSpec, group: FeatureGroup) -> None:
    """Refuse a view of columns that its group has not.

    Raises
    ------
    FeatureStoreError
        Naming them.
    """
    absent = [name for name in view.features if name not in group.types]
    if absent:
        raise FeatureStoreError(
            f"{view.title}: the group {group.name!r} version {group.version} has no "
            f"column {', '.join(absent)}"
        )


def changed_view(view: FeatureViewSpec) -> FeatureStoreError:
    """Say that a view of that version is there and says something else."""
    return FeatureStoreError(
        f"{view.title} is there with other columns or labels; "
        f"create it as version {view.version + 1}"
    )


def view_columns(
    view: FeatureViewSpec, group: FeatureGroup, *, with_labels: bool
) -> list[str]:
    """Columns a batch of a view holds: keys, event time, then its features."""
    identity = [*group.primary_key, group.event_time]
    left_out = () if with_labels else view.labels
    return identity + [
        name for name in view.features if name not in identity and name not in left_out
    ]


def changed_group(
    spec: FeatureGroupSpec, stored: FeatureGroup
) -> FeatureStoreError | None:
    """Say what of a stored group differs from its definition; None where all agree."""
    kinds = spec.types
    differences = [f"{name} is new" for name in kinds if name not in stored.types]
    differences += [f"{name} is gone" for name in stored.types if name not in kinds]
    differences += [
        f"{name} was {stored.types[name]} and is {kinds[name]}"
        for name in kinds
        if stored.types.get(name, kinds[name]) != kinds[name]
    ]
    if set(stored.primary_key) != set(spec.primary_key):
        differences.append(f"key was {list(stored.primary_key)}")
    if stored.event_time != spec.event_time:
        differences.append(f"event time was {stored.event_time}")
    if not differences:
        return None
    return FeatureStoreError(
        f"{spec.title} is there with another schema: {'; '.join(differences)}. "
        f"Write it as version {spec.version + 1}"
    )


def _check_feature(title: str, feature: Feature) -> None:
    if not NAME_PATTERN.fullmatch(feature.name):
        raise FeatureStoreError(
            f"{title}: {feature.name!r} is no feature name; use a-z, 0-9 and '_', "
            "from a letter, at most 63 characters"
        )
    if feature.type not in get_args(FeatureType):
        raise FeatureStoreError(
            f"{title}: {feature.name} has the type {feature.type!r}; "
            f"use one of {', '.join(ARROW_TYPES)}"
        )
    if (feature.max_length is not None) != (feature.type == "string"):
        raise FeatureStoreError(
            f"{title}: {feature.name} is a {feature.type}; strings, and only they, "
            "have a max_length"
        )


def _check_keys(spec: FeatureGroupSpec) -> None:
    types = spec.types
    repeated = {name for name in types if spec.column_names.count(name) > 1}
    if repeated:
        raise FeatureStoreError(f"{spec.title}: {', '.join(repeated)} occurs twice")
    absent = [name for name in spec.identity if name not in types]
    if absent or not spec.primary_key or spec.event_time in spec.primary_key:
        raise FeatureStoreError(
            f"{spec.title}: primary key {list(spec.primary_key)} and event time "
            f"{spec.event_time!r} must be different columns of {', '.join(types)}"
        )
    wrong = [name for name in spec.primary_key if types[name] not in KEY_TYPES]
    if wrong or types[spec.event_time] not in EVENT_TIME_TYPES:
        raise FeatureStoreError(
            f"{spec.title}: keys are one of {', '.join(KEY_TYPES)} and the event time "
            f"is one of {', '.join(EVENT_TIME_TYPES)}; "
            f"{', '.join(wrong) or spec.event_time} is not"
        )

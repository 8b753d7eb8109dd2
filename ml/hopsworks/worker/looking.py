"""Looking around in a project, for a preflight; and removing the group it wrote.

What belongs here: reads that are harmless in any project, few and always in the same
order, so that a recording of them can be replayed. What does not: what publishing asks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ml.hopsworks.worker import datasets, features, models

if TYPE_CHECKING:
    from ml.hopsworks.worker.session import Session

LOOKED_AT = 3
SMALL_BYTES = 65_536
MODEL_NAME = re.compile(r"[A-Za-z0-9_]+")


def survey(session: Session) -> dict[str, list[str]]:
    """Read some feature groups, models and files; give what was seen in a few words."""
    return {
        "feature groups": _groups(session),
        "models": _models(session),
        "files": _files(session),
    }


def delete_group(session: Session, name: str, version: int) -> None:
    """Remove a feature group with its rows; one that is not there is no failure."""
    group = session.feature_store.get_feature_group(name, version)
    if group is not None:
        group.delete()


def _groups(session: Session) -> list[str]:
    listed = session.feature_store.get_feature_groups()
    first = sorted(listed, key=lambda each: (each.name, each.version))[:LOOKED_AT]
    seen = []
    for each in first:
        group = session.feature_store.get_feature_group(each.name, each.version)
        columns = len(group.features)
        seen.append(f"{group.name} version {group.version}, {columns} columns")
        if group.time_travel_format == "DELTA":
            found = features.commits(session, group.name, group.version)
            seen[-1] += f", {len(found or [])} commits"
    return seen


def _models(session: Session) -> list[str]:
    names = sorted(datasets.list_names(session, "Models"))
    names = [name for name in names if MODEL_NAME.fullmatch(name)][:LOOKED_AT]
    seen = []
    for name in names:
        versions = [each["version"] for each in models.list_models(session, name)]
        seen.append(f"{name} versions {versions}")
    return seen


def _files(session: Session) -> list[str]:
    seen = []
    for name in sorted(datasets.list_names(session, "Resources"))[:LOOKED_AT]:
        path = f"Resources/{name}"
        size = datasets.file_size(session, path) or 0
        if 0 < size <= SMALL_BYTES:
            datasets.download(session, path, str(session.folder / "seen"))
            seen.append(f"{name}, {size} bytes")
    return seen


OPERATIONS = (survey, delete_group)

"""A model version as a folder: what lies in it, what it may be called, its digests.

What belongs here: the rules that every registry follows before it keeps a model, the
folder it is kept and moved as, and proving that a copy is what was registered. What
does not: where versions are kept (``folder_registry``, ``hopsworks.registry``), and how
a model is trained, stored or judged.

A version's folder holds ``model/``, ``plots/``, ``version.json`` and ``manifest.json``
(the sha256 of every other file).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ml.registry import ModelVersion, RegistryError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,63}")
METRIC_PATTERN = re.compile(r"[a-z]+(_[a-z]+)*[0-9]?")
"""Names that come back from Hopsworks as they went: its client takes digits apart."""

MANIFEST = "manifest.json"
VERSION_RECORD = "version.json"


@dataclass(frozen=True)
class NewVersion:
    """A model on its way into a registry, checked: its files and its record.

    ``content_sha256`` is that of everything but the time it was registered: equal ones
    are the same model.
    """

    name: str
    files: Path
    plots: tuple[Path, ...]
    record: dict[str, Any]

    @property
    def content_sha256(self) -> str:
        """What says whether it is the same model."""
        return self.record["content_sha256"]


def new_version(
    name: str,
    folder: Path,
    *,
    metrics: Mapping[str, float],
    lineage: Mapping[str, Any],
    input_schema: Mapping[str, str],
    input_example: Mapping[str, Any],
    plots: Sequence[Path] = (),
) -> NewVersion:
    """Check a model and what is kept beside it, as ``ModelRegistry.register`` says.

    Raises
    ------
    RegistryError
        When the name or a metric is not allowed, or the folder is empty or holds a
        link.
    """
    check_name(name)
    _check_model_folder(folder)
    content = {
        "name": name,
        "metrics": _checked_metrics(metrics),
        "lineage": dict(lineage),
        "input_schema": dict(input_schema),
        "input_example": dict(input_example),
        "plots": [plot.name for plot in plots],
    }
    digest = _content_sha256(content, folder, plots)
    created_at = datetime.now(UTC).isoformat(timespec="seconds")
    record = content | {"created_at": created_at, "content_sha256": digest}
    return NewVersion(name, folder, tuple(plots), record)


def check_name(name: str) -> None:
    """Refuse what is no model name.

    Raises
    ------
    RegistryError
        Saying what a name may hold.
    """
    if not is_name(name):
        raise RegistryError(
            f"{name!r} is not a model name; use a-z, 0-9 and '_', "
            "starting with a letter, at most 64 characters"
        )


def is_name(name: str) -> bool:
    """Say whether a text can be a model's name."""
    return NAME_PATTERN.fullmatch(name) is not None


def fill_folder(folder: Path, version: NewVersion) -> None:
    """Write a version into a folder, its manifest last."""
    folder.chmod(0o755)  # mkdtemp's 0700 would hide the version from other readers
    shutil.copytree(version.files, folder / "model")
    (folder / "plots").mkdir()
    for plot in version.plots:
        shutil.copyfile(plot, folder / "plots" / plot.name)
    text = json.dumps(version.record, indent=2, ensure_ascii=False, default=str)
    (folder / VERSION_RECORD).write_text(text + "\n", encoding="utf-8")
    manifest = json.dumps(digests(folder), indent=2, sort_keys=True)
    (folder / MANIFEST).write_text(manifest + "\n", encoding="utf-8")


def read_folder(folder: Path, number: int) -> ModelVersion:
    """Read the record of a version's folder.

    Raises
    ------
    RegistryError
        When it cannot be read.
    """
    record: dict[str, Any] = {"content_sha256": ""}
    record |= _read_json(folder / VERSION_RECORD)
    return ModelVersion(**record, version=number)


def byte_count(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def file_sha256(path: Path) -> str:
    """Digest of one file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests(folder: Path) -> dict[str, str]:
    """Give the sha256 of every file below a folder but the manifest, by its path."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"link to {path.readlink()}"
        elif path.is_file() and name != MANIFEST:
            found[name] = file_sha256(path)
    return found


def manifest_digests(folder: Path) -> dict[str, str]:
    """Give the digests that a version's manifest says.

    Raises
    ------
    RegistryError
        When it cannot be read.
    """
    return _read_json(folder / MANIFEST)


def verify(folder: Path, title: str) -> None:
    """Prove that a copy of a version is what was registered.

    Raises
    ------
    RegistryError
        When a file is missing, added or changed.
    """
    expected, found = manifest_digests(folder), digests(folder)
    problems = [f"{name} is missing" for name in sorted(expected.keys() - found.keys())]
    problems += [f"{name} was added" for name in sorted(found.keys() - expected.keys())]
    problems += [
        f"{name} was changed"
        for name in sorted(expected.keys() & found.keys())
        if expected[name] != found[name]
    ]
    if problems:
        raise RegistryError(
            f"{title} is not what was registered: {'; '.join(problems)}. "
            "Nothing was loaded; register the model again"
        )


def _content_sha256(
    content: dict[str, Any], folder: Path, plots: Sequence[Path]
) -> str:
    files = digests(folder) | {f"plots/{p.name}": file_sha256(p) for p in plots}
    text = json.dumps([content, files], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _check_model_folder(folder: Path) -> None:
    if not folder.is_dir() or not any(path.is_file() for path in folder.rglob("*")):
        raise RegistryError(
            f"{folder} holds no model files; save the model there first"
        )
    links = [path for path in folder.rglob("*") if path.is_symlink()]
    if links:
        raise RegistryError(f"{links[0]} is a link; a model folder holds files only")


def _checked_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    checked = {}
    for key, value in metrics.items():
        if not METRIC_PATTERN.fullmatch(key):
            raise RegistryError(
                f"{key!r} is no name of a metric; use lower case words joined by '_', "
                "with at most one digit, at the end"
            )
        try:
            checked[key] = float(value)
        except (TypeError, ValueError) as error:
            raise RegistryError(f"metric {key!r} is not a number: {value!r}") from error
        if not math.isfinite(checked[key]):
            said = "NaN" if math.isnan(checked[key]) else "infinite"
            raise RegistryError(
                f"metric {key!r} is {said}; leave it out if it is unknown"
            )
    return checked


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RegistryError(
            f"cannot read {path} ({error}); register the model again"
        ) from error

"""The embedded model registry: versioned model folders, sha256-verified on the way out.

What belongs here: allocating versions, keeping a model's metrics, schema, lineage and
plots beside its files, and handing out verified copies. What does not: how any model is
trained, stored or judged, and any knowledge of a domain.

Layout: ``<root>/<name>/<version>/`` holds ``model/``, ``plots/``, ``version.json`` and
``manifest.json`` (the sha256 of every other file). A version is complete the moment its
folder has its name: it is built aside, in a hidden folder, and renamed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAME_PATTERN = re.compile(r"[a-z][a-z0-9_-]{0,63}")
STAGING_PREFIX = ".staging-"
MANIFEST = "manifest.json"
VERSION_RECORD = "version.json"
STALE_STAGING_S = 24 * 3600
"""Age after which a staging folder is taken for what a killed registration left."""


class RegistryError(SlutprisError):
    """The registry cannot do it: no such model, a bad name, a file that changed."""


@dataclass(frozen=True)
class ModelVersion:
    """One registered version: what was kept beside the model's files.

    ``lineage`` says where it came from (git commit, data snapshot, parameters);
    ``folder`` is the version's own folder, never to be loaded from: see
    :meth:`ModelRegistry.fetch`.
    """

    name: str
    version: int
    created_at: str
    metrics: dict[str, float]
    lineage: dict[str, Any]
    input_schema: dict[str, str]
    input_example: dict[str, Any]
    plots: list[str]
    folder: Path


class ModelRegistry:
    """Model versions in a folder; safe for several processes on one machine.

    Parameters
    ----------
    root
        The folder of the registry; made when the first model is registered.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def register(
        self,
        name: str,
        folder: Path,
        *,
        metrics: Mapping[str, float],
        lineage: Mapping[str, Any],
        input_schema: Mapping[str, str],
        input_example: Mapping[str, Any],
        plots: Sequence[Path] = (),
    ) -> ModelVersion:
        """Keep a model folder as the next version of ``name``.

        Parameters
        ----------
        name
            Lower case letters, digits, ``_`` and ``-``, starting with a letter.
        folder
            The model's files, as the model saved them; copied.
        metrics
            Numbers the model was judged by; :meth:`best` compares them.
        lineage
            Git commit, data snapshot and parameters the model came from.
        input_schema, input_example
            Column name to type, and one row, of what the model takes.
        plots
            Image files, kept under ``plots/`` by their file names.

        Raises
        ------
        RegistryError
            When the name is not allowed, the folder is empty or holds a link, or a
            metric is not a number.
        """
        home = self._home(name)
        _check_model_folder(folder)
        record = {
            "name": name,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "metrics": _checked_metrics(metrics),
            "lineage": dict(lineage),
            "input_schema": dict(input_schema),
            "input_example": dict(input_example),
            "plots": [plot.name for plot in plots],
        }
        home.mkdir(parents=True, exist_ok=True)
        _remove_stale_staging(home)
        staging = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=home))
        try:
            _fill(staging, folder, plots, record)
            return self.get(name, _claim_next_version(staging, home))
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def names(self) -> list[str]:
        """Names of the models that have at least one version, in order."""
        if not self.root.is_dir():
            return []
        names = [path.name for path in self.root.iterdir() if _is_name(path.name)]
        return sorted(name for name in names if self._numbers(name))

    def versions(self, name: str) -> list[ModelVersion]:
        """Every version of a model, oldest first; empty when there is none."""
        return [self.get(name, number) for number in self._numbers(name)]

    def get(self, name: str, version: int | None = None) -> ModelVersion:
        """One version's record; the newest when ``version`` is None.

        Raises
        ------
        RegistryError
            When there is no such model or version, or its record cannot be read.
        """
        numbers = self._numbers(name)
        if not numbers:
            raise RegistryError(self._no_model(name))
        version = numbers[-1] if version is None else version
        if version not in numbers:
            known = ", ".join(map(str, numbers))
            raise RegistryError(
                f"model {name!r} has no version {version}; it has {known}"
            )
        folder = self._home(name) / str(version)
        record = _read_json(folder / VERSION_RECORD)
        return ModelVersion(**record, version=version, folder=folder)

    def best(
        self, name: str, metric: str, direction: Literal["min", "max"]
    ) -> ModelVersion:
        """Return the version with the least or greatest metric, the newest of equals.

        Versions without the metric are passed over.

        Raises
        ------
        RegistryError
            When no version carries the metric; the message lists those that exist.
        """
        if direction not in ("min", "max"):
            raise RegistryError(
                f"direction must be 'min' or 'max', it was {direction!r}"
            )
        versions = self.versions(name)
        if not versions:
            raise RegistryError(self._no_model(name))
        candidates = [version for version in versions if metric in version.metrics]
        if not candidates:
            known = ", ".join(
                sorted({key for each in versions for key in each.metrics})
            )
            raise RegistryError(
                f"no version of {name!r} has the metric {metric!r}; "
                f"metrics kept: {known or 'none'}"
            )
        sign = 1 if direction == "min" else -1
        return min(candidates, key=lambda v: (sign * v.metrics[metric], -v.version))

    def fetch(self, name: str, version: int, into: Path) -> Path:
        """Copy a version's model files to a folder, after verifying every sha256.

        Only what this returns may be loaded: a model's format may run code when it is
        read (pickle does), so nothing is opened before every file has proved to be the
        one that was registered. The copy itself is what is hashed, so a file
        that changes meanwhile is caught too.

        Parameters
        ----------
        name, version
            The version to fetch.
        into
            A folder that does not exist yet, or is empty.

        Raises
        ------
        RegistryError
            When a file is missing, added or changed, or ``into`` is not empty.
        """
        source = self.get(name, version).folder
        if into.exists() and any(into.iterdir()):
            raise RegistryError(f"{into} is not empty; fetch into a new folder")
        into.parent.mkdir(parents=True, exist_ok=True)
        copy = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=into.parent))
        try:
            shutil.copytree(source, copy, symlinks=True, dirs_exist_ok=True)
            _verify(copy, f"{name} version {version}")
            shutil.rmtree(into, ignore_errors=True)
            (copy / "model").rename(into)
        finally:
            shutil.rmtree(copy, ignore_errors=True)
        return into

    def _home(self, name: str) -> Path:
        if not _is_name(name):
            raise RegistryError(
                f"{name!r} is not a model name; use a-z, 0-9, '_' and '-', "
                "starting with a letter, at most 64 characters"
            )
        return self.root / name

    def _numbers(self, name: str) -> list[int]:
        home = self._home(name)
        if not home.is_dir():
            return []
        return sorted(
            int(path.name) for path in home.iterdir() if path.name.isdecimal()
        )

    def _no_model(self, name: str) -> str:
        known = ", ".join(self.names()) or "none"
        return f"there is no model {name!r} in {self.root}; registered: {known}"


def _is_name(name: str) -> bool:
    return NAME_PATTERN.fullmatch(name) is not None


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
        try:
            checked[key] = float(value)
        except (TypeError, ValueError) as error:
            raise RegistryError(f"metric {key!r} is not a number: {value!r}") from error
        if checked[key] != checked[key]:
            raise RegistryError(f"metric {key!r} is NaN; leave it out if it is unknown")
    return checked


def _remove_stale_staging(home: Path) -> None:
    """Clear what killed registrations left; a young one may be at work right now."""
    for path in home.glob(f"{STAGING_PREFIX}*"):
        try:
            is_stale = time.time() - path.stat().st_mtime > STALE_STAGING_S
        except FileNotFoundError:
            continue  # finished between the listing and the look
        if is_stale:
            shutil.rmtree(path, ignore_errors=True)


def _fill(
    staging: Path, folder: Path, plots: Sequence[Path], record: dict[str, Any]
) -> None:
    staging.chmod(0o755)  # mkdtemp's 0700 would hide the version from other readers
    shutil.copytree(folder, staging / "model")
    (staging / "plots").mkdir()
    for plot in plots:
        shutil.copyfile(plot, staging / "plots" / plot.name)
    text = json.dumps(record, indent=2, ensure_ascii=False, default=str)
    (staging / VERSION_RECORD).write_text(text + "\n", encoding="utf-8")
    manifest = json.dumps(_digests(staging), indent=2, sort_keys=True)
    (staging / MANIFEST).write_text(manifest + "\n", encoding="utf-8")


def _claim_next_version(staging: Path, home: Path) -> int:
    """Rename the staging folder to the next free integer: the rename is the lock.

    A rename onto a folder that holds files fails, so of two that aim at the same
    number one moves on to the next.
    """
    taken = [int(path.name) for path in home.iterdir() if path.name.isdecimal()]
    number = max(taken, default=0) + 1
    while True:
        try:
            os.rename(staging, home / str(number))  # noqa: PTH104 - errno is needed
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            number += 1
        else:
            return number


def _digests(folder: Path) -> dict[str, str]:
    """Give the sha256 of every file below a folder but the manifest, by its path."""
    digests = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            digests[name] = f"link to {path.readlink()}"
        elif path.is_file() and name != MANIFEST:
            with path.open("rb") as file:
                digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def _verify(folder: Path, title: str) -> None:
    expected, found = _read_json(folder / MANIFEST), _digests(folder)
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


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RegistryError(
            f"cannot read {path} ({error}); register the model again"
        ) from error

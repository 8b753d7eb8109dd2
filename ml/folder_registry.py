"""The embedded model registry: versioned model folders, verified on the way out.

What belongs here: allocating versions and handing out verified copies on one machine.
What does not: what a version is made of (``model_versions``).

Layout: ``<root>/<name>/<version>/``. A version is complete the moment its folder has
its name: it is built aside, in a hidden folder, and renamed.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.model_versions import (
    NewVersion,
    byte_count,
    check_name,
    fill_folder,
    is_name,
    new_version,
    read_folder,
    verify,
)
from ml.registry import Direction, ModelVersion, Registered, RegistryError, best_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STAGING_PREFIX = ".staging-"
STALE_STAGING_S = 24 * 3600
"""Age after which a staging folder is taken for what a killed registration left."""


class FolderRegistry:
    """Model versions in a folder; safe for several processes on one machine.

    ``registry.ModelRegistry`` says what the calls do.

    Parameters
    ----------
    root
        The folder of the registry; made when the first model is registered.
    """

    backend = "embedded"

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
    ) -> Registered:
        """Keep a model folder as the next version, unless the newest is the same."""
        version = new_version(
            name,
            folder,
            metrics=metrics,
            lineage=lineage,
            input_schema=input_schema,
            input_example=input_example,
            plots=plots,
        )
        newest = self.newest_whole(name)
        if newest and newest.content_sha256 == version.content_sha256:
            return self._receipt(newest, is_new=False)
        return self._receipt(self._add(version), is_new=True)

    def adopt(self, folder: Path, name: str, number: int) -> ModelVersion:
        """Take a whole version's folder, made elsewhere, under its own number.

        The folder is verified and moved; one that is there already stays.

        Raises
        ------
        RegistryError
            When a file is not what was registered.
        """
        check_name(name)
        verify(folder, f"{name} version {number}")
        (self.root / name).mkdir(parents=True, exist_ok=True)
        try:
            folder.rename(self.root / name / str(number))
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        return self.get(name, number)

    def names(self) -> list[str]:
        """Names of the models that have at least one version, in order."""
        if not self.root.is_dir():
            return []
        names = [path.name for path in self.root.iterdir() if is_name(path.name)]
        return sorted(name for name in names if self.numbers(name))

    def numbers(self, name: str) -> list[int]:
        """Numbers of a model's versions, in order."""
        check_name(name)
        home = self.root / name
        if not home.is_dir():
            return []
        return sorted(
            int(path.name) for path in home.iterdir() if path.name.isdecimal()
        )

    def versions(self, name: str) -> list[ModelVersion]:
        """Every version of a model, oldest first; empty when there is none."""
        return [self.get(name, number) for number in self.numbers(name)]

    def get(self, name: str, version: int | None = None) -> ModelVersion:
        """One version's record; the newest when ``version`` is None."""
        numbers = self.numbers(name)
        if not numbers:
            raise RegistryError(self._no_model(name))
        version = numbers[-1] if version is None else version
        if version not in numbers:
            known = ", ".join(map(str, numbers))
            raise RegistryError(
                f"model {name!r} has no version {version}; it has {known}"
            )
        return read_folder(self.folder(name, version), version)

    def newest_whole(self, name: str) -> ModelVersion | None:
        """The newest version, if there is one and it is what was registered."""
        try:
            newest = self.get(name, self.numbers(name)[-1])
            verify(self.folder(name, newest.version), f"{name} {newest.version}")
        except (IndexError, RegistryError):
            return None
        return newest

    def folder(self, name: str, version: int) -> Path:
        """Give a version's own folder, never to be loaded from: see :meth:`fetch`."""
        return self.root / name / str(version)

    def plots(self, version: ModelVersion) -> list[Path]:
        """Give the files of a version's plots."""
        folder = self.folder(version.name, version.version) / "plots"
        return [folder / name for name in version.plots]

    def best(self, name: str, metric: str, direction: Direction) -> ModelVersion:
        """Give the version with the least or greatest metric, the newest of equals."""
        versions = self.versions(name)
        if not versions:
            raise RegistryError(self._no_model(name))
        return best_of(versions, name, metric, direction)

    def fetch(self, name: str, version: int, into: Path) -> Path:
        """Copy a version's model files to a folder, after verifying every sha256.

        The copy itself is what is hashed, so a file that changes meanwhile is caught.
        """
        self.get(name, version)
        source = self.folder(name, version)
        if into.exists() and any(into.iterdir()):
            raise RegistryError(f"{into} is not empty; fetch into a new folder")
        into.parent.mkdir(parents=True, exist_ok=True)
        copy = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=into.parent))
        try:
            shutil.copytree(source, copy, symlinks=True, dirs_exist_ok=True)
            verify(copy, f"{name} version {version}")
            shutil.rmtree(into, ignore_errors=True)
            (copy / "model").rename(into)
        finally:
            shutil.rmtree(copy, ignore_errors=True)
        return into

    def _add(self, version: NewVersion) -> ModelVersion:
        home = self.root / version.name
        home.mkdir(parents=True, exist_ok=True)
        _remove_stale_staging(home)
        staging = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=home))
        try:
            fill_folder(staging, version)
            return self.get(version.name, _claim_next_version(staging, home))
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _receipt(self, version: ModelVersion, *, is_new: bool) -> Registered:
        size = byte_count(self.folder(version.name, version.version))
        return Registered(version, is_new, self.backend, size)

    def _no_model(self, name: str) -> str:
        known = ", ".join(self.names()) or "none"
        return f"there is no model {name!r} in {self.root}; registered: {known}"


def _remove_stale_staging(home: Path) -> None:
    """Clear what killed registrations left; a young one may be at work right now."""
    for path in home.glob(f"{STAGING_PREFIX}*"):
        try:
            is_stale = time.time() - path.stat().st_mtime > STALE_STAGING_S
        except FileNotFoundError:
            continue  # finished between the listing and the look
        if is_stale:
            shutil.rmtree(path, ignore_errors=True)


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

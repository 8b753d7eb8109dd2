"""The model registry of a Hopsworks project; the port is ``ml.registry``.

What belongs here: what registering and fetching is made of, so that both may break off
anywhere and be repeated. What does not: the client (``worker``) and what a version's
folder holds (``model_versions``).

A version there holds the whole folder of a version here. Its description ends with the
digests of its content and of its manifest: the first says in one listing whether a
model is there, the second proves every file that is fetched.
"""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ml.hopsworks.errors import (
    HopsworksError,
    LateError,
    UnreachableError,
    raised_as,
)
from ml.model_versions import (
    MANIFEST,
    VERSION_RECORD,
    NewVersion,
    byte_count,
    check_name,
    file_sha256,
    fill_folder,
    manifest_digests,
    new_version,
    read_folder,
    verify,
)
from ml.registry import (
    Direction,
    ModelVersion,
    Registered,
    RegistryError,
    RegistryUnreachableError,
    best_of,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from ml.hopsworks.cluster import Cluster

DESCRIPTION = re.compile(r"content ([0-9a-f]{64}), manifest ([0-9a-f]{64})$")
ATTEMPTS = 3


@dataclass(frozen=True)
class _Listed:
    """A version as one listing shows it."""

    number: int
    content_sha256: str
    manifest_sha256: str


class HopsworksRegistry:
    """Models of a project; ``registry.ModelRegistry`` says the calls.

    Versions that something else than this system registered are not seen, but their
    numbers are taken.
    """

    backend = "hopsworks"

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

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
        with (
            _as_port(),
            self._cluster.publishing(),
            TemporaryDirectory(prefix="slutpris-register-") as scratch,
        ):
            filled = Path(scratch)
            fill_folder(filled, version)
            number = self._newest_if_same(filled, version)
            is_new = number is None
            if number is None:
                number = self._save(filled, version)
                record = read_folder(filled, number)
            else:
                record = self._record(name, number)
            return Registered(record, is_new, self.backend, byte_count(filled))

    def versions(self, name: str) -> list[ModelVersion]:
        """Every version of a model, oldest first; empty when there is none."""
        check_name(name)
        with _as_port():
            return [self._record(name, each.number) for each in self._listed(name)]

    def get(self, name: str, version: int | None = None) -> ModelVersion:
        """One version's record; the newest when ``version`` is None."""
        with _as_port():
            return self._record(name, self._find(name, version).number)

    def best(self, name: str, metric: str, direction: Direction) -> ModelVersion:
        """Give the version with the least or greatest metric, the newest of equals."""
        versions = self.versions(name)
        if not versions:
            raise self._no_model(name)
        return best_of(versions, name, metric, direction)

    def newest_number(self, name: str) -> int:
        """Number of a model's newest version.

        Raises
        ------
        RegistryError
            When there is none, or the cluster does not answer.
        """
        with _as_port():
            return self._find(name, None).number

    def fetch(self, name: str, version: int, into: Path) -> Path:
        """Bring a version's model files to a folder, every sha256 verified."""
        if into.exists() and any(into.iterdir()):
            raise RegistryError(f"{into} is not empty; fetch into a new folder")
        into.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".staging-", dir=into.parent) as scratch:
            whole = self.fetch_whole(name, version, Path(scratch) / "version")
            shutil.rmtree(into, ignore_errors=True)
            (whole / "model").rename(into)
        return into

    def fetch_whole(self, name: str, version: int, into: Path) -> Path:
        """Bring the whole folder of a version, every sha256 verified.

        Raises
        ------
        RegistryError
            When it is not what was registered, also the second time it is brought.
        """
        title = f"{name} version {version}"
        with _as_port():
            listed = self._find(name, version)
            for is_last in (False, True):
                self._cluster.transfer(
                    "download_model",
                    f"fetch {title}",
                    name=name,
                    version=version,
                    target=str(into),
                )
                try:
                    _verify_whole(into, listed, title)
                except RegistryError:
                    shutil.rmtree(into, ignore_errors=True)
                    if is_last:
                        raise
                else:
                    return into
        raise AssertionError("the last attempt returns or raises")

    def _save(self, filled: Path, version: NewVersion) -> int:
        """Register a filled folder; look again before each further attempt.

        An attempt that broke off may have registered it all the same, and another
        publisher may take the number that the client chose.
        """
        for attempt in range(1, ATTEMPTS + 1):
            taken = self._numbers_taken(version.name)
            try:
                return self._save_once(filled, version)
            except LateError:
                raise
            except HopsworksError as error:
                is_over = attempt == ATTEMPTS or not (
                    isinstance(error, UnreachableError)
                    or self._numbers_taken(version.name) != taken
                )
                number = self._newest_if_same(filled, version)
                if number is not None:
                    return number
                if is_over:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _save_once(self, filled: Path, version: NewVersion) -> int:
        name = version.name
        record = read_folder(filled, 0)
        manifest = file_sha256(filled / MANIFEST)
        return self._cluster.transfer_once(
            "save_model",
            f"register {name}",
            name=name,
            folder=str(filled),
            description=f"{name} of slutpris; content {version.content_sha256}, "
            f"manifest {manifest}",
            metrics=record.metrics,
            schema=[
                {"name": column, "type": kind}
                for column, kind in record.input_schema.items()
            ],
            example=record.input_example,
        )

    def _newest_if_same(self, filled: Path, version: NewVersion) -> int | None:
        """Give the number of the newest version if it is this model, and whole.

        One that has lost its files is taken away, to be registered again.
        """
        for newest in self._listed(version.name)[-1:]:
            if newest.content_sha256 != version.content_sha256:
                continue
            which = {"name": version.name, "version": newest.number}
            doing = f"look at {version.name} version {newest.number}"
            files = [MANIFEST, *manifest_digests(filled)]
            if self._cluster.ask("is_whole", doing, **which, files=files):
                return newest.number
            doing = f"take away {version.name} version {newest.number}, which broke off"
            self._cluster.ask("delete_model", doing, **which)
        return None

    def _numbers_taken(self, name: str) -> list[str]:
        doing = f"list the versions of {name}"
        return sorted(self._cluster.ask("list_names", doing, path=f"Models/{name}"))

    def _listed(self, name: str) -> list[_Listed]:
        doing = f"list the versions of {name}"
        found = self._cluster.ask("list_models", doing, name=name)
        said = (
            (each["version"], DESCRIPTION.search(each["description"])) for each in found
        )
        return [_Listed(number, *match.groups()) for number, match in said if match]

    def _find(self, name: str, version: int | None) -> _Listed:
        check_name(name)
        listed = self._listed(name)
        if not listed:
            raise self._no_model(name)
        if version is None:
            return listed[-1]
        for each in listed:
            if each.number == version:
                return each
        known = ", ".join(str(each.number) for each in listed)
        raise RegistryError(f"model {name!r} has no version {version}; it has {known}")

    def _record(self, name: str, number: int) -> ModelVersion:
        """Bring a version's record, proved by its manifest, and that by the listing."""
        listed = self._find(name, number)
        title = f"{name} version {number}"
        with TemporaryDirectory(prefix="slutpris-record-") as scratch:
            self._cluster.transfer(
                "download_record",
                f"read the record of {title}",
                name=name,
                version=number,
                files=[MANIFEST, VERSION_RECORD],
                target=scratch,
            )
            folder = Path(scratch)
            _verify_manifest(folder, listed, title)
            expected = manifest_digests(folder).get(VERSION_RECORD)
            if file_sha256(folder / VERSION_RECORD) != expected:
                raise _not_as_registered(title, VERSION_RECORD)
            return read_folder(folder, number)

    def _no_model(self, name: str) -> RegistryError:
        return RegistryError(
            f"there is no model {name!r} in {self._cluster.address.title}; publish it"
        )


@contextmanager
def _as_port() -> Generator[None]:
    with raised_as(RegistryError, RegistryUnreachableError):
        yield


def _verify_whole(folder: Path, listed: _Listed, title: str) -> None:
    _verify_manifest(folder, listed, title)
    verify(folder, title)


def _verify_manifest(folder: Path, listed: _Listed, title: str) -> None:
    path = folder / MANIFEST
    if not path.is_file() or file_sha256(path) != listed.manifest_sha256:
        raise _not_as_registered(title, MANIFEST)


def _not_as_registered(title: str, file: str) -> RegistryError:
    return RegistryError(
        f"{title} is not what was registered: {file} was changed. "
        "Nothing was loaded; publish the model again"
    )

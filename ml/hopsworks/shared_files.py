"""Shared files of a Hopsworks project; the port is ``ml.shared_files``.

A file lies under ``Resources/slutpris/files`` beside ``<name>.sha256``, which is taken
away before the file is replaced and comes back after it: a file without one is being
replaced, or its replacement broke off and is to be repeated.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ml.hopsworks.cluster import FOLDER
from ml.hopsworks.errors import raised_as
from ml.model_versions import file_sha256
from ml.shared_files import (
    FileReceipt,
    SharedFileError,
    SharedFilesUnreachableError,
    check_file_name,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from ml.hopsworks.cluster import Cluster

FILES = f"{FOLDER}/files"
DIGEST = ".sha256"


class HopsworksFiles:
    """Files of a project; ``shared_files.SharedFiles`` says the calls."""

    backend = "hopsworks"

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def put(self, path: Path, name: str) -> FileReceipt:
        """Keep a file under a name; the same bytes again change nothing."""
        check_file_name(name)
        digest, size = file_sha256(path), path.stat().st_size
        with _as_port(), self._cluster.publishing():
            skipped = self._digest(name) == digest and self._size(name) == size
            if not skipped:
                self._replace(path, name, digest)
        return FileReceipt(self.backend, name, f"{FILES}/{name}", digest, size, skipped)

    def get(self, name: str, into: Path) -> Path:
        """Bring the file of that name to a path, whole and verified, or not at all."""
        check_file_name(name)
        into.parent.mkdir(parents=True, exist_ok=True)
        with (
            _as_port(),
            TemporaryDirectory(prefix=".incoming-", dir=into.parent) as scratch,
        ):
            digest = self._digest(name)
            if digest is None:
                raise SharedFileError(
                    f"there is no whole file {name!r} in "
                    f"{self._cluster.address.title}; publish it (again)"
                )
            target = Path(scratch) / name
            self._cluster.transfer(
                "download", f"fetch {name}", path=f"{FILES}/{name}", target=str(target)
            )
            if not target.is_file() or file_sha256(target) != digest:
                raise SharedFileError(
                    f"{name!r} did not arrive as it was published; fetch it again, or "
                    "publish it again"
                )
            target.replace(into)
        return into

    def _replace(self, path: Path, name: str, digest: str) -> None:
        doing = f"publish the file {name}"
        self._cluster.ask("remove", doing, path=f"{FILES}/{name}{DIGEST}")
        self._cluster.transfer(
            "upload", doing, source=str(path.resolve()), path=f"{FILES}/{name}"
        )
        with TemporaryDirectory(prefix="slutpris-digest-") as scratch:
            sidecar = Path(scratch) / "digest"
            sidecar.write_text(digest, encoding="ascii")
            self._cluster.ask(
                "upload", doing, source=str(sidecar), path=f"{FILES}/{name}{DIGEST}"
            )

    def _digest(self, name: str) -> str | None:
        path = f"{FILES}/{name}{DIGEST}"
        return self._cluster.ask("read_text", f"look for {name}", path=path)

    def _size(self, name: str) -> int | None:
        path = f"{FILES}/{name}"
        return self._cluster.ask("file_size", f"look for {name}", path=path)


@contextmanager
def _as_port() -> Generator[None]:
    with raised_as(SharedFileError, SharedFilesUnreachableError):
        yield

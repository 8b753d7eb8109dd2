"""The models that are served: always verified files on this machine.

What belongs here: which registry a process that values loads its models from, and
keeping copies of those that were published to a cluster. What does not: loading one,
and deciding which version of our own is the champion (``champions``).

With ``FEATURE_BACKEND=hopsworks`` a model comes from the cluster and a copy of it is
kept. While the cluster does not answer the copy is used; where there is none yet, the
model that was trained here and published from here. Both are said in the log.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import TYPE_CHECKING

from ml.champions import Champions
from ml.folder_registry import FolderRegistry
from ml.hopsworks.address import ClusterAddress
from ml.hopsworks.cluster import Cluster
from ml.hopsworks.registry import HopsworksRegistry
from ml.registry import ModelVersion, RegistryError, RegistryUnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from warehouse.settings import Settings

logger = logging.getLogger(__name__)

ASKED = ".asked"
ASK_EVERY_S = 300
TRANSFER_FACTOR = 10
"""A model may take so many times as long to come as the news of it."""
COPIES_KEPT = 2


class ServingRegistry:
    """Versions of models on this machine, from the copies or else from our own.

    Parameters
    ----------
    settings
        Where both lie, and which backend is published to.
    """

    def __init__(self, settings: Settings) -> None:
        self.champions = Champions.of(settings)
        self.own = self.champions.registry
        self.copies = FolderRegistry(settings.fetched_models_dir)
        self._uses_copies = settings.feature_backend == "hopsworks"
        self._told: set[str] = set()

    def names(self) -> list[str]:
        """Names of the models that can be served."""
        copied = self.copies.names() if self._uses_copies else []
        return sorted({*self.own.names(), *copied})

    def get(self, name: str) -> ModelVersion:
        """Give the version that serves: our champion, or the newest copy.

        Raises
        ------
        RegistryError
            When there is none.
        """
        if self._home(name) is self.own:
            return self.champions.served(name).version
        return self.copies.get(name)

    def fetch_served(self, name: str, folder: Path) -> tuple[ModelVersion, Path]:
        """Copy the verified files of what serves to a new folder below a given one.

        Where the champion's are damaged, it is the version that served before, which is
        said in the log.

        Raises
        ------
        RegistryError
            When there is none whose files are what was registered.
        """
        if self._home(name) is self.own:
            served, copy = self.champions.fetch_served(name, folder)
            return served.version, copy
        version = self.copies.get(name)
        into = Path(mkdtemp(prefix=f"{name}-{version.version}-", dir=folder))
        return version, self.copies.fetch(name, version.version, into)

    def fetch(self, name: str, version: int, into: Path) -> Path:
        """Copy a version's verified model files to a folder.

        Raises
        ------
        RegistryError
            When there is no such version, or its files are not what was registered.
        """
        return self._home(name).fetch(name, version, into)

    def _home(self, name: str) -> FolderRegistry:
        if not self._uses_copies:
            return self.own
        if self.copies.numbers(name):
            return self.copies
        if self.own.numbers(name) and name not in self._told:
            self._told.add(name)
            logger.warning(
                "no copy of the model %s was fetched from the cluster yet; serving the "
                "version registered on this machine",
                name,
            )
        return self.own


def refresh_models(settings: Settings, names: Iterable[str]) -> None:
    """Copy the newest versions of models from the cluster, where one is published to.

    Asks at most every five minutes, whichever process asks. An outage is told in the
    log and changes nothing; so is a model that the cluster does not hold.

    Raises
    ------
    HopsworksError
        When a setting that the cluster needs is missing.
    """
    if settings.feature_backend != "hopsworks":
        return
    address = ClusterAddress.from_settings(settings)
    wanted = [name for name in names if _is_due(settings, name)]
    if not wanted:
        return
    limit_s = settings.hopsworks_serving_deadline_s
    transfer_s = min(address.transfer_deadline_s, TRANSFER_FACTOR * limit_s)
    cluster = Cluster(
        replace(address, deadline_s=limit_s, transfer_deadline_s=transfer_s)
    )
    copies = FolderRegistry(settings.fetched_models_dir)
    try:
        _copy_all(HopsworksRegistry(cluster), copies, wanted)
    finally:
        cluster.close()


@cache
def keep_models_fresh(settings: Settings, names: tuple[str, ...]) -> None:
    """Refresh models now and again for as long as this process lives, aside.

    A visitor never waits for the cluster, unless there is no model here at all.

    Raises
    ------
    HopsworksError
        When a setting that the cluster needs is missing.
    """
    if settings.feature_backend != "hopsworks":
        return
    ClusterAddress.from_settings(settings)
    if not ServingRegistry(settings).names():
        refresh_models(settings, names)
    threading.Thread(
        target=_refresh_forever,
        args=(settings, names),
        name="refresh-models",
        daemon=True,
    ).start()


def _refresh_forever(settings: Settings, names: tuple[str, ...]) -> None:
    while True:
        refresh_models(settings, names)
        time.sleep(ASK_EVERY_S)


def _copy_all(
    remote: HopsworksRegistry, copies: FolderRegistry, names: list[str]
) -> None:
    for name in names:
        _asked_file(copies.root, name).touch()
        try:
            _copy_newest(remote, copies, name)
        except RegistryError as error:
            logger.warning("serving %s: %s", _what_is_there(copies, name), error)
            if isinstance(error, RegistryUnreachableError):
                return


def _copy_newest(remote: HopsworksRegistry, copies: FolderRegistry, name: str) -> None:
    number = remote.newest_number(name)
    if number not in copies.numbers(name):
        copies.root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".staging-", dir=copies.root) as scratch:
            whole = remote.fetch_whole(name, number, Path(scratch) / "version")
            copies.adopt(whole, name, number)
        logger.info("fetched %s version %s from the cluster", name, number)
    for old in copies.numbers(name)[:-COPIES_KEPT]:
        shutil.rmtree(copies.folder(name, old), ignore_errors=True)


def _what_is_there(copies: FolderRegistry, name: str) -> str:
    numbers = copies.numbers(name)
    if not numbers:
        return f"the own version of {name}, if there is one"
    return f"the copy of {name} version {numbers[-1]}"


def _is_due(settings: Settings, name: str) -> bool:
    with suppress(FileNotFoundError):
        asked_at = _asked_file(settings.fetched_models_dir, name).stat().st_mtime
        return time.time() - asked_at > ASK_EVERY_S
    return True


def _asked_file(root: Path, name: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    return root / f"{ASKED}-{name}"

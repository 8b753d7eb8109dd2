"""The lock of a project: a folder in its dataset, which only one can make.

What belongs here: taking it, saying who has it, and breaking one that was left behind.
What does not: what is done under it.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import socket
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ml.file_lock import LockedError
from ml.hopsworks.errors import HopsworksError

if TYPE_CHECKING:
    from collections.abc import Generator

    from ml.hopsworks.cluster import Cluster

logger = logging.getLogger("ml.hopsworks")

POLL_S = 2.0
NAMELESS_S = 60
"""A lock whose holder has not signed it for so long was left by one that died."""


class FolderLock:
    """A lock folder; making it is atomic, and its holder signs it with who and when.

    A lock is broken when its holder was a process of this machine that is no more, or
    is older than that holder said its work may take.
    """

    def __init__(self, cluster: Cluster, path: str) -> None:
        self._cluster = cluster
        self._path = path
        self._token = uuid.uuid4().hex

    @contextmanager
    def held(self) -> Generator[None]:
        """Hold the lock.

        Raises
        ------
        LockedError
            When another publisher keeps it for longer than one may wait.
        """
        self._take(time.monotonic() + self._cluster.address.lock_wait_s)
        try:
            yield
        finally:
            self._release()

    def _take(self, until: float) -> None:
        first_seen = time.monotonic()
        while not self._ask("take_lock", "take the publishers' lock", **self._signed()):
            holder = self._holder()
            if holder is None and time.monotonic() - first_seen < NAMELESS_S:
                is_left = False
            else:
                is_left = holder is None or _is_left(holder)
            if is_left:
                logger.warning(
                    "breaking the lock %s, left by %s", self._path, _said(holder)
                )
                self._ask("break_lock", "break a lock that was left")
            elif time.monotonic() > until:
                raise LockedError(
                    f"{_said(holder)} is publishing to {self._cluster.address.title}; "
                    "wait for it to end and run the same command again, or, if it "
                    f"died, remove the folder {self._path} in the project"
                )
            else:
                time.sleep(POLL_S)

    def _signed(self) -> dict[str, str]:
        now = dt.datetime.now(dt.UTC)
        longest = 2 * self._cluster.address.transfer_deadline_s
        holder = {
            "token": self._token,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "at": now.isoformat(timespec="seconds"),
            "until": (now + dt.timedelta(seconds=longest)).isoformat(),
        }
        return {"holder": json.dumps(holder), "token": self._token}

    def _holder(self) -> dict[str, Any] | None:
        text = self._ask("lock_holder", "see who is publishing")
        try:
            return None if text is None else json.loads(text)
        except ValueError:
            return None  # being written

    def _release(self) -> None:
        try:
            self._cluster.ask_briefly(
                "release_lock",
                "let go of the lock",
                path=self._path,
                token=self._token,
            )
        except HopsworksError as error:
            logger.warning("the lock %s is left behind: %s", self._path, error)

    def _ask(self, operation: str, doing: str, **arguments: str) -> Any:  # noqa: ANN401
        return self._cluster.ask(operation, doing, path=self._path, **arguments)


def _is_left(holder: dict[str, Any]) -> bool:
    if dt.datetime.now(dt.UTC) > dt.datetime.fromisoformat(holder["until"]):
        return True
    return holder["host"] == socket.gethostname() and not _is_alive(holder["process"])


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _said(holder: dict[str, Any] | None) -> str:
    if holder is None:
        return "another publisher"
    return f"process {holder['process']} of {holder['host']}, since {holder['at']},"

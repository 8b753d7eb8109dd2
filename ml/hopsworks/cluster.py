"""Asking a cluster: in time, again where that is safe, one publisher at a time.

What belongs here: the worker's life, deadlines, repeats and the publishers' lock. What
does not: what is asked (the ports' modules) and the client (``worker``).
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ml.file_lock import file_lock
from ml.hopsworks.errors import UnreachableError
from ml.hopsworks.lock import FolderLock
from ml.hopsworks.process import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Generator

    from ml.hopsworks.address import ClusterAddress

logger = logging.getLogger("ml.hopsworks")

FOLDER = "Resources/slutpris"
"""Where in the project our receipts, files and lock lie."""
ATTEMPTS = 3
BRIEF_S = 15
FIRST_PAUSE_S = 1.0
"""Pause before the second attempt; twice that before the third."""


class Cluster:
    """A project in a cluster, asked by one worker process that starts when needed.

    Safe to use from several threads: they take turns. Close it when done.
    """

    def __init__(self, address: ClusterAddress) -> None:
        self.address = address
        self._worker: WorkerProcess | None = None
        self._turn = threading.RLock()

    def ask(self, operation: str, doing: str, **arguments: Any) -> Any:  # noqa: ANN401
        """Ask for what is read or harmless to repeat, within ``deadline_s``.

        Parameters
        ----------
        operation, arguments
            As ``worker.operations`` names them.
        doing
            What that is, after "cannot", for messages.

        Raises
        ------
        HopsworksError
            When the cluster fails, or does not answer in time.
        """
        return self._ask(operation, doing, arguments, self.address.deadline_s, ATTEMPTS)

    def transfer(self, operation: str, doing: str, **arguments: Any) -> Any:  # noqa: ANN401
        """Ask for rows, files or a model to be moved, within ``transfer_deadline_s``.

        Only what may be repeated: a read, or rows that replace themselves.
        """
        limit_s = self.address.transfer_deadline_s
        return self._ask(operation, doing, arguments, limit_s, ATTEMPTS)

    def transfer_once(self, operation: str, doing: str, **arguments: Any) -> Any:  # noqa: ANN401
        """As :meth:`transfer`, for what must be looked after before it is repeated."""
        limit_s = self.address.transfer_deadline_s
        return self._ask(operation, doing, arguments, limit_s, 1)

    def ask_briefly(self, operation: str, doing: str, **arguments: Any) -> Any:  # noqa: ANN401
        """Ask once and not for long: for clearing up after what may have failed."""
        limit_s = min(BRIEF_S, self.address.deadline_s)
        return self._ask(operation, doing, arguments, limit_s, 1)

    @contextmanager
    def publishing(self) -> Generator[None]:
        """Hold the project's lock: one publisher at a time, on any machine.

        Raises
        ------
        LockedError
            When another publisher does not end in time; says who and since when.
        """
        local = self.address.local_dir / "publish.lock"
        wait_s = self.address.lock_wait_s
        with file_lock(local, wait_s), FolderLock(self, f"{FOLDER}/lock").held():
            yield

    def close(self) -> None:
        """End the worker; a later question starts another."""
        with self._turn:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()

    def _ask(
        self,
        operation: str,
        doing: str,
        arguments: dict[str, Any],
        limit_s: float,
        attempts: int,
    ) -> Any:  # noqa: ANN401
        with self._turn:
            until = time.monotonic() + limit_s
            for attempt in range(1, attempts + 1):
                try:
                    return self._running().call(operation, arguments, doing, until)
                except UnreachableError as error:
                    self._drop()
                    pause_s = FIRST_PAUSE_S * 2 ** (attempt - 1)
                    if attempt == attempts or time.monotonic() + pause_s >= until:
                        raise
                    logger.warning("%s; asking again in %.0f s", error, pause_s)
                    time.sleep(pause_s)
        raise AssertionError("the last attempt returns or raises")

    def _running(self) -> WorkerProcess:
        if self._worker is None:
            self._worker = WorkerProcess(self.address)
        return self._worker

    def _drop(self) -> None:
        """Give up a worker whose client may be in any state."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.kill()

"""The worker process as its parent sees it: started, asked, and ended in time.

What belongs here: the process, its pipe, its deadline and its log. What does not: what
is asked of it (``cluster`` and the ports), and asking again.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ml.hopsworks.errors import AGAIN, LateError, UnreachableError, error_of
from warehouse.settings import PROJECT_ROOT, environment_for_child

if TYPE_CHECKING:
    from ml.hopsworks.address import ClusterAddress

logger = logging.getLogger("ml.hopsworks")

CLOSE_WAIT_S = 5
KEPT_LINES = 20
"""Lines of a worker's output that are told when it dies."""


class WorkerProcess:
    """One process of the client, logged in to one project; not shared by threads.

    It has a session of its own, so that all it starts goes with it, no stdin, and a
    private folder for its home, its certificates and its temporary files. The key goes
    through its pipe: neither its arguments nor its environment hold it.
    """

    def __init__(self, address: ClusterAddress) -> None:
        self._address = address
        self._folder = TemporaryDirectory(prefix="slutpris-hopsworks-")
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._pipe, theirs = Pipe()
        home = Path(self._folder.name)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ml.hopsworks.worker", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=home,
            env=environment_for_child(home, PROJECT_ROOT),
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
        theirs.close()
        self._reader = threading.Thread(target=self._read_output, daemon=True)
        self._reader.start()
        self._pipe.send_bytes(json.dumps(address.for_worker()).encode())

    def call(
        self, operation: str, arguments: dict[str, Any], doing: str, until: float
    ) -> Any:  # noqa: ANN401 - whatever the operation answers
        """Ask for one operation and wait for its answer.

        Parameters
        ----------
        operation, arguments
            As ``worker.operations`` names them.
        doing
            What that is, for messages.
        until
            The moment (``time.monotonic``) after which the process is killed.

        Raises
        ------
        UnreachableError
            When there was no answer in time, or the process died.
        HopsworksError
            When it reports a failure.
        """
        started = time.monotonic()
        reply = None
        with suppress(EOFError, OSError):  # it died, which the missing reply says
            request = {"operation": operation, "arguments": arguments}
            self._pipe.send_bytes(json.dumps(request).encode())
            if self._pipe.poll(max(0, until - started)):
                reply = json.loads(self._pipe.recv_bytes())
        if reply is None:
            is_late = time.monotonic() >= until
            raise self._ended(doing, time.monotonic() - started, is_late=is_late)
        if "failure" in reply:
            message = self.redacted(reply["message"])
            raise error_of(reply["failure"], message, doing, self._address.title)
        return reply["answer"]

    def close(self) -> None:
        """End the process and remove everything it has written."""
        self._pipe.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(CLOSE_WAIT_S)
        self.kill()

    def kill(self) -> None:
        """End the process and all it started, now."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._pipe.close()
        self._reader.join(CLOSE_WAIT_S)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._folder.cleanup()

    def redacted(self, text: str) -> str:
        """Take the key, and its secret half, out of a text."""
        key = self._address.api_key.get_secret_value()
        for secret in (key, key.rpartition(".")[2]):
            text = text.replace(secret, "***")
        return text

    def _ended(self, doing: str, seconds: float, *, is_late: bool) -> UnreachableError:
        self.kill()
        where = self._address.title
        if is_late:
            return LateError(
                f"cannot {doing} in {where}: no answer within {seconds:.0f} s, so it "
                "was given up; see whether the cluster is well, or allow more with "
                f"HOPSWORKS_DEADLINE_S or HOPSWORKS_TRANSFER_DEADLINE_S. {AGAIN}"
            )
        said = " | ".join(self._lines) or "nothing"
        return UnreachableError(
            f"cannot {doing} in {where}: the process of the client ended with code "
            f"{self._process.returncode}; it said: {said}. {AGAIN}"
        )

    def _read_output(self) -> None:
        for line in self._process.stdout or ():
            text = self.redacted(line.rstrip())
            if text:
                self._lines.append(text)
                logger.debug("worker %s: %s", self._process.pid, text)

"""One at a time on this machine: a lock file that goes with the process that holds it.

What belongs here: waiting for such a lock, and saying who has it. What does not: what
is done under it.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from warehouse.errors import SlutprisError
from warehouse.store import make_folder

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

POLL_S = 0.05


class LockedError(SlutprisError):
    """Another process holds the lock, and did not let go in time."""


@contextmanager
def file_lock(path: Path, wait_s: float) -> Generator[None]:
    """Hold an advisory lock (``flock``) on a file; the kernel frees a dead holder's.

    Raises
    ------
    LockedError
        When another process still holds it after ``wait_s`` seconds.
    """
    make_folder(path.parent)
    with path.open("a+", encoding="utf-8") as file:
        _wait(file.fileno(), path, time.monotonic() + wait_s)
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        yield


def _wait(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                holder = path.read_text(encoding="utf-8") or "another process"
                raise LockedError(
                    f"{holder} holds {path}; wait for it to end or stop it, then run "
                    "the same command again"
                ) from error
            time.sleep(POLL_S)
        else:
            return

"""Running our own commands as child processes that never outlive their parent.

A child that went on after its parent was killed would hold the warehouse's only write
lock, or the replica's port, against the next run.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

from warehouse.settings import PROJECT_ROOT

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies; elsewhere do nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start(
    arguments: Sequence[str], *, read_output: bool = False, read_errors: bool = False
) -> subprocess.Popen[str]:
    """Start ``python -m …`` in the project's folder; it dies with us.

    Its output and errors go where ours go, or are piped to be read.
    """
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=PROJECT_ROOT,
        text=True,
        stdout=subprocess.PIPE if read_output else None,
        stderr=subprocess.PIPE if read_errors else None,
        preexec_fn=die_with_parent,
    )


def last_error(process: subprocess.Popen[str]) -> str:
    """Pass on what a process writes to its errors; gives what it said at last of why.

    Our commands end with a line that begins with ``error:``; others with any line.
    """
    last = why = ""
    for line in process.stderr or ():
        sys.stderr.write(line)
        last = line.strip() or last
        why = line.removeprefix("error:").strip() if line.startswith("error:") else why
    return why or last


def dbt_that_dies_with_parent() -> None:
    """Become dbt: the command ``slutpris-dbt``, which Dagster starts in dbt's place.

    dbt started plainly goes on after its parent was killed, and holds the warehouse.
    """
    die_with_parent()
    dbt = str(Path(sys.executable).with_name("dbt"))
    os.execv(dbt, [dbt, *sys.argv[1:]])

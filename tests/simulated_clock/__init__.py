"""A wall clock for a process and its children that can be set from day to day.

Needs Linux and a C compiler; without them :func:`library` gives None, and whoever asked
goes on by the real clock.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

SOURCE = Path(__file__).with_name("clock.c")
VARIABLE = "SIMULATED_CLOCK"
OFFSET = struct.Struct("=q")


def library(folder: Path) -> Path | None:
    """Compile the clock into a folder; None where that cannot be done."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        return None
    target = folder / "clock.so"
    subprocess.run(
        [compiler, "-O2", "-shared", "-fPIC", "-o", target, SOURCE, "-ldl"], check=True
    )
    return target


def environment(folder: Path) -> dict[str, str]:
    """Give what a process needs to live by the clock in a folder; empty without one."""
    compiled = library(folder)
    if compiled is None:
        return {}
    offset = folder / "clock.offset"
    offset.write_bytes(OFFSET.pack(0))
    return {"LD_PRELOAD": str(compiled), VARIABLE: str(offset)}


def become(folder: Path) -> None:
    """Start this command anew, with ``--folder``, in a process that lives by a clock.

    Comes back where no clock can be made.
    """
    clock = environment(folder)
    if clock:
        given = sys.argv if "--folder" in sys.argv else [*sys.argv, "--folder", folder]
        os.execve(
            sys.executable, [sys.executable, *map(str, given)], os.environ | clock
        )


def is_simulated() -> bool:
    """Tell whether this process lives by such a clock."""
    return VARIABLE in os.environ


def set_clock(now: datetime, path: Path | None = None) -> None:
    """Make it a time of day for every process that lives by the clock."""
    path = path or Path(os.environ[VARIABLE])
    # The time that no offset touches: a file that was made just now.
    offset_s = round(now.timestamp() - _real_time_s(path.parent))
    with path.open("r+b") as file:
        file.write(OFFSET.pack(offset_s))


def _real_time_s(folder: Path) -> float:
    probe = folder / "clock.probe"
    probe.write_bytes(b"")
    return probe.stat().st_mtime

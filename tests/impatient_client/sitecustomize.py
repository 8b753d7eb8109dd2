"""Shortens the two waits of the client, in the process that loads it; see the package.

It knows of nothing but the standard library: every Python that finds it loads it.
"""

import sys
import time

POLL_S = 0.05
POLLING = ("hsml.engine.model_engine", "hopsworks_common.engine.execution_engine")

_sleep = time.sleep


def sleep(seconds: float) -> None:
    """Sleep as asked, but for a module that polls only a moment."""
    caller = sys._getframe(1).f_globals.get("__name__")
    _sleep(min(seconds, POLL_S) if caller in POLLING else seconds)


if __name__ == "sitecustomize":
    time.sleep = sleep

"""Errors a person can act on, and how commands report them.

Raise a :class:`SlutprisError` whose message says what was wrong, what was expected and
what to do. Programming errors stay ordinary exceptions and keep their traceback.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class SlutprisError(Exception):
    """Something the person at the keyboard can mend; its message is one line."""

    exit_code = 1


class WarehouseBusyError(SlutprisError):
    """Another process holds the DuckDB file; DuckDB has one writer at a time."""

    exit_code = 3


def exit_with(command: Callable[[], int | None]) -> None:
    """Run a command line and exit: 0, its own code, or one line for a known error."""
    try:
        sys.exit(command() or 0)
    except SlutprisError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("stopped; what was committed is kept\n")
        sys.exit(130)

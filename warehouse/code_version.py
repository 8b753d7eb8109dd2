"""Which code runs: the commit of the checkout it was started from."""

from __future__ import annotations

import subprocess

from warehouse.settings import PROJECT_ROOT


def git_commit() -> str | None:
    """Name the commit of the code that runs, None outside a git checkout."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(PROJECT_ROOT), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()

"""Which code is running, for what is kept to name it.

What belongs here: the commit of this checkout. What does not: the versions of models
(``ml.registry``) and of what they were made of (``registration``).
"""

from __future__ import annotations

import subprocess
from functools import cache

from warehouse.settings import PROJECT_ROOT


@cache
def code_commit() -> str | None:
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

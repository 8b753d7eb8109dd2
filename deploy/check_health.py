"""Ask one address whether its server is well: exit code 0 and a line, or 1 and why.

``python deploy/check_health.py http://127.0.0.1:5006/liveness``. Needs nothing but
Python, so that it works in a container without curl. The daemon, which has no address,
is asked by ``dagster-daemon liveness-check``.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

TIMEOUT_S = 10


def problem(url: str) -> str | None:
    """Say what is wrong with the server at an address, None when it is well."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            answer.read()
    except (urllib.error.URLError, OSError) as error:
        return str(error)
    return None


def main() -> int:
    """Run the command line."""
    url = sys.argv[1]
    wrong = problem(url)
    sys.stdout.write(f"{url}: {wrong or 'well'}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

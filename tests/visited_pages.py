"""The dashboards as ``panel serve`` serves them, and a browser to visit them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from warehouse.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

CHROMIUM = Path("/usr/bin/chromium")
QUIET = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PAGES = ("ml/dashboards/valuation.py", "ml/dashboards/monitoring.py")
LISTENING_WITHIN_S = 120


@dataclass(frozen=True)
class Site:
    """Pages that are being served."""

    url: str
    """Without a page's name."""
    port: int
    pid: int


@contextmanager
def served_pages(
    data: Path,
    *options: str,
    address: str | None = "127.0.0.1",
    log: Path | None = None,
    **environment: str,
) -> Iterator[Site]:
    """Serve both pages over a data folder until left.

    Parameters
    ----------
    data
        The data folder.
    options
        More of ``panel serve``.
    address
        To listen on; None is every network, as without the option.
    log
        Where the server's log goes; nowhere when None.
    environment
        More variables.
    """
    port = _free_port()
    where = [*(["--address", address] if address else []), "--port", str(port)]
    with (log or Path(os.devnull)).open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "panel", "serve", *PAGES, *where, *options],
            cwd=PROJECT_ROOT,
            env=os.environ
            | {"SLUTPRIS_DATA": str(data), "SLUTPRIS_THREADS": "1"}
            | environment,
            stdout=said,
            stderr=said,
        )
        try:
            _wait_for(port, process)
            yield Site(f"http://127.0.0.1:{port}", port, process.pid)
        finally:
            process.kill()
            process.wait()


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A headless Chromium; skips where there is none."""
    if not CHROMIUM.exists():
        pytest.skip(f"needs a browser at {CHROMIUM}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        yield browser
        browser.close()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + LISTENING_WITHIN_S
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, "panel serve ended"
        time.sleep(0.1)
    raise AssertionError("panel serve did not begin to listen")

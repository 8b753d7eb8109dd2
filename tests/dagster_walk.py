"""A newcomer's walk through Dagster's own pages, step by step.

``docs/walkthrough.md`` tells the same steps; ``tests/test_dagster_ui.py`` takes them
and asserts; ``python tests/dagster_walk.py pictures`` takes them for the docs, and
``spoilt FILE`` and ``mended FILE`` write the file that the walk lands.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

from PIL import Image
from visited_pages import running_browser

from warehouse.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

PICTURES = PROJECT_ROOT / "docs" / "screenshots"
COLOURS = 128
WINDOW = {"width": 1440, "height": 900}
STARTED_WITHIN_S = 300
RUN_WITHIN_S = 45 * 60
PATIENCE_MS = 180_000
RUN_BARS_PX = 330
"""The upper part of a run's page: how it ended, and its steps."""
LOOK_EVERY_MS = 15_000
ENDED = ("Success", "Failure", "Canceled")
TODAY = "2026-07-15"
WRITTEN_SALES = 60
SMALL_MARKET = {
    "SLUTPRIS_AUTOGLUON_TIME_LIMIT_S": "6",
    "SLUTPRIS_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""Of the demo's market in small, so that a walk takes minutes."""


@dataclass(frozen=True)
class RunningDagster:
    """``dg dev`` over a data folder of its own."""

    url: str
    environment: dict[str, str]


@contextmanager
def running_dagster(data: Path) -> Iterator[RunningDagster]:
    """Serve the replica and ``dg dev`` until left."""
    port = _free_port()
    with small_replica() as site, (data / "dg.log").open("w") as log:
        environment = os.environ | SMALL_MARKET
        environment |= {"SLUTPRIS_DATA": str(data), "BOOLI_BASE_URL": site}
        environment.pop("DAGSTER_HOME", None)
        process = subprocess.Popen(
            [sys.executable, "-m", "dagster_dg_cli.cli", "dev", "--port", str(port)],
            cwd=PROJECT_ROOT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}/server_info", process)
            yield RunningDagster(f"http://127.0.0.1:{port}", environment)
        finally:
            process.terminate()
            process.wait()


@contextmanager
def small_replica() -> Iterator[str]:
    """Serve the demo's market in small; gives its address."""
    command = [sys.executable, "-m", "scrapy_project.replica", "--port", "0"]
    options = ["--sales-per-month", "12", "--today", TODAY, "--exit-with-parent"]
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, text=True, cwd=PROJECT_ROOT
    ) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        announced = next(line for line in lines if line.startswith("address: "))
        try:
            yield announced.split()[1]
        finally:
            process.terminate()


class Walk:
    """The steps, in a real browser; each keeps a picture where a folder is given."""

    def __init__(self, page: Page, url: str, pictures: Path | None = None) -> None:
        self.page, self.url, self.pictures = page, url, pictures

    def lineage(self) -> None:
        """Open all assets, as they rest on one another."""
        self.page.goto(f"{self.url}/asset-groups")
        self.page.get_by_role("button", name="Materialize all").wait_for()
        self.page.get_by_text("publishing").first.wait_for()
        self._picture("dagster-lineage")

    def materialize_all(self) -> str:
        """Press the one button; gives the run's id."""
        self.lineage()
        self.page.get_by_role("button", name="Materialize all").click()
        link = self.page.locator("a[href^='/runs/']").first
        link.wait_for()
        found = link.get_attribute("href") or ""
        return found.split("/")[2].split("?")[0]

    def watch(self, run_id: str, name: str, height: int | None = None) -> str:
        """Watch a run until it ends; gives how. ``height`` cuts the picture off."""
        deadline = time.monotonic() + RUN_WITHIN_S
        while time.monotonic() < deadline:
            self.page.goto(f"{self.url}/runs/{run_id}")
            self.page.get_by_text("Events", exact=True).first.wait_for()
            self.page.wait_for_timeout(4000)
            for outcome in ENDED:
                if self.page.get_by_text(outcome, exact=True).count():
                    self._picture(name, height)
                    return outcome
            # the page draws all the while, and takes the processor from the run
            self.page.goto("about:blank")
            self.page.wait_for_timeout(LOOK_EVERY_MS)
        raise AssertionError(f"run {run_id} did not end in {RUN_WITHIN_S} s")

    def plot(self, asset: str, plot: str) -> int:
        """Open a plot in an asset's metadata; gives its width in pixels."""
        self.page.goto(f"{self.url}/assets/{asset}")
        row = self.page.locator("tr", has_text=plot).first
        row.wait_for()
        row.get_by_text("Show markdown").click()
        image = self.page.locator(f"img[alt='{plot}']")
        image.wait_for()
        self.page.wait_for_timeout(1000)
        self._picture("dagster-plot")
        return int(image.evaluate("image => image.naturalWidth"))

    def check(self, asset: str, check: str, name: str) -> str:
        """Open a check of an asset; gives what the page says of it."""
        self.page.goto(f"{self.url}/assets/{asset}?view=checks&checkDetail={check}")
        self.page.get_by_text("Latest execution").wait_for()
        self.page.wait_for_timeout(2000)
        self._picture(name)
        return self.page.locator("body").inner_text()

    def launch(self, job: str, config: str) -> str:
        """Launch a job from its Launchpad with a configuration; gives the run's id."""
        self.page.goto(f"{self.url}/jobs")
        self.page.get_by_text(job, exact=True).first.click()
        self.page.get_by_text("Launchpad", exact=True).first.click()
        self.page.locator(".CodeMirror").first.click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(config)
        self.page.get_by_text("No errors").wait_for()
        self.page.get_by_role("button", name="Launch run").click()
        self.page.wait_for_url("**/runs/*")
        return self.page.url.split("/runs/")[1].split("?")[0]

    def steps_not_executed(self) -> int:
        """Count the steps that the run on the page never came to."""
        found = re.search(
            r"Not executed \((\d+)\)", self.page.locator("body").inner_text()
        )
        return int(found[1]) if found else 0

    def _picture(self, name: str, height: int | None = None) -> None:
        if self.pictures is None:
            return
        path = self.pictures / f"{name}.png"
        seen = {"x": 0, "y": 0} | WINDOW
        self.page.screenshot(
            path=path, clip=seen | ({"height": height} if height else {})
        )
        with Image.open(path) as taken:
            taken.quantize(COLOURS).save(path, optimize=True)


def write_sales(path: Path, *, is_spoilt: bool) -> None:
    """Write sales of July 2026, or the same with a digit too many in their prices."""
    factor = 10 if is_spoilt else 1
    rows = [
        {
            "platform": "file",
            "source_id": f"walk-{number}",
            "address": f"Åsögatan {10 + number}",
            "area": "Södermalm",
            "municipality": "Stockholm",
            "sold_date": f"2026-07-{1 + number % 12:02d}",
            "sold_price": factor * (5_200_000 + 10_000 * number),
            "living_area": 52,
            "rooms": 2,
            "object_type": "Lägenhet",
        }
        for number in range(WRITTEN_SALES)
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def land(path: Path, environment: dict[str, str]) -> None:
    """Land a file, as the walk tells."""
    subprocess.run(
        [sys.executable, "-m", "warehouse.land", str(path)],
        cwd=PROJECT_ROOT,
        env=environment,
        check=True,
    )


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTED_WITHIN_S
    while time.monotonic() < deadline:
        assert process.poll() is None, "dg dev ended"
        try:
            with urlopen(address, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.5)
    raise AssertionError("dg dev did not begin to answer")


def take_pictures(folder: Path) -> None:
    """Take the walk, and keep its pictures."""
    with (
        tempfile.TemporaryDirectory(prefix="slutpris-walk-") as data,
        running_dagster(Path(data)) as dagster,
        running_browser() as browser,
    ):
        page = browser.new_page(viewport=WINDOW)
        page.set_default_timeout(PATIENCE_MS)
        walk = Walk(page, dagster.url, folder)
        walk.watch(walk.materialize_all(), "dagster-run")
        walk.plot("models/xgboost", "predicted_against_actual")
        walk.check("champions/xgboost", "gate", "dagster-gate")
        write_sales(Path(data) / "spoilt.csv", is_spoilt=True)
        land(Path(data) / "spoilt.csv", dagster.environment)
        # below it stands a traceback, with the paths of this machine
        walk.watch(walk.materialize_all(), "dagster-stopped", height=RUN_BARS_PX)
        walk.check("marts/sale_features", "rejected_share", "dagster-failed-check")


def main() -> None:
    """Write a file for the walk, or take the walk's pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("pictures", "spoilt", "mended"))
    parser.add_argument("path", type=Path, nargs="?", default=PICTURES)
    arguments = parser.parse_args()
    if arguments.what == "pictures":
        take_pictures(arguments.path)
    else:
        write_sales(arguments.path, is_spoilt=arguments.what == "spoilt")


if __name__ == "__main__":
    main()

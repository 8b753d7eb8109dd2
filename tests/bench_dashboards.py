"""What the valuation page costs: first paint, from click to value, memory a visitor.

Run ``python tests/bench_dashboards.py`` (part of ``make bench``); ``--sizes 50k 1m``
chooses how many sales the snapshot holds, and with ``--folder DIR`` each size is built
once and used again, also by ``tests/bench_valuation.py``. A real browser measures what
a person waits for; memory is the server's, with visitors that are sessions alone.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import psutil
from bench_valuation import SIZES, prepared, registered, table_of
from page_sessions import PageSession
from playwright.sync_api import Page, expect
from rich.console import Console
from visited_pages import running_browser, served_pages

from warehouse.serving import open_snapshot

ONE_THREAD = {
    "SLUTPRIS_FORWARD_LOG": "false",
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
}
PAINTS = 5
CLICKS = 12
VISITORS = 10
WARM_S = 600
ANSWERED_S = 120
console = Console(highlight=False)

PAINTED_MS = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
VALUE = ".value"
MODEL_ROW = "li[data-made-of*=' {} ']"


def addresses(data: Path, count: int) -> list[str]:
    """Choose known addresses, the same in every run."""
    with open_snapshot(data / "serving") as snapshot:
        rows = snapshot.connection.execute(
            "select address from marts.places where place_level = 'address' "
            "and street_number between 1 and 300 order by hash(place_key) limit ?",
            [count],
        ).fetchall()
    return [address for (address,) in rows]


def opened_first(page: Page, url: str, address: str) -> float:
    """Open the page as its first visitor, until a value stands there: seconds."""
    started = time.perf_counter()
    page.goto(f"{url}?address={address}&living_area_m2=50", timeout=1000 * WARM_S)
    page.locator(VALUE).wait_for(timeout=1000 * WARM_S)
    return time.perf_counter() - started


def paints(page: Page, url: str) -> list[float]:
    """Open the empty page several times: milliseconds to the first paint."""
    painted = []
    for _ in range(PAINTS):
        page.goto(url)
        page.get_by_role("button", name="Värdera").wait_for()
        painted.append(page.evaluate(PAINTED_MS))
    return painted


def clicks(page: Page, model: str) -> list[float]:
    """Change the area and click, several times: milliseconds to the model's value."""
    row = page.locator(MODEL_ROW.format(model))
    passed = []
    for number in range(CLICKS):
        page.get_by_label("Boarea m²", exact=True).fill(str(40 + number))
        former = row.get_attribute("data-value")
        started = time.perf_counter()
        page.get_by_role("button", name="Värdera").click()
        expect(row).not_to_have_attribute(
            "data-value", former or "", timeout=1000 * ANSWERED_S
        )
        passed.append(1000 * (time.perf_counter() - started))
        page.wait_for_timeout(1500)
    return passed


def memory_per_visitor_mib(server: psutil.Process, url: str, homes: list[str]) -> float:
    """Let visitors open a valuation each and stay: memory for each beyond the first."""

    async def stay() -> float:
        before = server.memory_info().rss
        sessions = []
        for home in homes:
            sessions.append(
                await PageSession.open(url, address=home, living_area_m2="50")
            )
            await asyncio.sleep(2)
        await asyncio.sleep(10)
        grown = server.memory_info().rss - before
        for session in sessions:
            session.close()
        return grown / 2**20 / len(homes)

    return asyncio.run(stay())


def measured(data: Path) -> list[str]:
    """Measure one size: the cells of its row."""
    homes = addresses(data, VISITORS + 1)
    with served_pages(data, **ONE_THREAD) as site:
        server, url = psutil.Process(site.pid), f"{site.url}/valuation"
        with running_browser() as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(1000 * ANSWERED_S)
            first_s = opened_first(page, url, homes[0])
            painted = paints(page, url)
            opened_first(page, url, homes[0])
            page.locator(MODEL_ROW.format("autogluon")).wait_for()
            timed = {model: clicks(page, model) for model in ("xgboost", "autogluon")}
        each_mib = memory_per_visitor_mib(server, url, homes[1:])
        server_mib = server.memory_info().rss / 2**20
    return [
        f"{first_s:.1f} s",
        f"{statistics.median(painted):.0f} ms",
        *(spread(passed) for passed in timed.values()),
        f"{each_mib:.1f} MiB",
        f"{server_mib:.0f} MiB",
    ]


def spread(passed: list[float]) -> str:
    """Write median and 95th percentile."""
    cuts = statistics.quantiles(passed, n=20)
    return f"{statistics.median(passed):.0f} / {cuts[-1]:.0f} ms"


def main() -> None:
    """Measure the sizes asked for and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["50k", "1m"])
    parser.add_argument("--folder", type=Path, help="keep what is built, and use it")
    parser.add_argument("--data", type=Path, help="measure this data folder instead")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slutpris-bench-") as made:
        home = arguments.folder or Path(made)
        rows = []
        if arguments.data:
            rows.append([str(arguments.data), *measured(arguments.data)])
        for size in () if arguments.data else arguments.sizes:
            folder = prepared(home, size)
            registered(folder)
            rows.append([size, *measured(folder / "data")])
    columns = [
        *("sales", "first answer of a new server", "first paint"),
        *("click to XGBoost p50 / p95", "to AutoGluon", "a visitor", "server"),
    ]
    console.print(table_of("The valuation page", columns, rows))


if __name__ == "__main__":
    main()

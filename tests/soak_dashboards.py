"""Visitors who keep valuing while Dagster makes everything anew.

``python tests/soak_dashboards.py`` (part of ``make bench``, after ``make demo``) copies
the data folder, serves the pages, lands a sale and launches
``dg launch --assets '*'`` again and again, and lets the visitors value the same homes
all the while. It fails on an error, on an answer that mixes two snapshots or models,
and where memory grows by more than it may.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import html
import itertools
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from page_sessions import PageSession
from visited_pages import served_pages

from dagster_assets.demo import prepare_environment, replica
from warehouse.serving import open_snapshot
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
ALLOWED_GROWTH = 0.6
"""Of the server's memory, from when every visitor has had an answer to the end: two
snapshots and their models are held at once while one takes over from the other."""
ANSWER_WITHIN_S = 60
PAUSE_S = (0.5, 3.0)
NICELY = ("nice", "-n", "10")
"""As the units in ``deploy/`` run Dagster: whoever waits for a page goes first."""
EVERYTHING = ("launch", "--assets", "*")
ANSWER = re.compile(r'data-value="(\d+)" data-made-of="([^"]+)"')
"""Beside each model on the page: its value, and snapshot, model and version."""
SHOWN = re.compile(r'"attr": "results", "new": (\d+)')
"""How many answers were shown: what comes yet of a former one is not the next."""
FAILURE = re.compile(r"Traceback|Internal Server Error|class=\"error\"")
SETTLING_SHARE = 0.3
"""Of the time, at the beginning, in which memory may grow as it likes."""


@dataclass
class Record:
    """What the visitors saw."""

    seconds: list[float] = field(default_factory=list)
    values: dict[tuple[str, str], set[int]] = field(
        default_factory=lambda: defaultdict(set)
    )
    errors: list[str] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)
    runs: list[int] = field(default_factory=list)

    def mixed(self) -> list[tuple[str, str]]:
        """Name homes with two values from one snapshot and model."""
        return [key for key, values in self.values.items() if len(values) > 1]

    def growth(self) -> float:
        """Give the share the server's memory grew by after it had settled."""
        settled = self.memory_mib[int(SETTLING_SHARE * len(self.memory_mib)) :]
        return max(settled) / settled[0] - 1 if settled else 0.0


@contextmanager
def made_anew(data: Path, record: Record) -> Iterator[None]:
    """Land a sale and materialize everything, again and again, until left."""
    is_over = threading.Event()
    thread = threading.Thread(target=_launches, args=(data, record, is_over))
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _launches(data: Path, record: Record, is_over: threading.Event) -> None:
    number = 0
    while not is_over.is_set():
        number += 1
        _land_one(data, number)
        run = subprocess.Popen(
            [*NICELY, sys.executable, "-m", "dagster_dg_cli.cli", *EVERYTHING],
            cwd=ROOT,
            stdout=(data / "dagster.log").open("a"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        while run.poll() is None and not is_over.wait(0.5):
            pass
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
        else:
            record.runs.append(run.returncode)


def _land_one(data: Path, number: int) -> None:
    """Land a sale like the newest one, so that the next snapshot differs."""
    with open_snapshot(data / "serving") as snapshot:
        row = snapshot.connection.execute(
            "select address, district, living_area_m2, rooms, sold_price_sek, "
            "sold_date from marts.sales order by sold_date desc, sale_id limit 1"
        ).fetchall()[0]
    address, area, living_area, rooms, price, sold_date = row
    path = data / f"soak-{number}.csv"
    sale = {
        "platform": "soak",
        "source_id": f"soak-{number}",
        "address": address,
        "area": area,
        "municipality": "Stockholm",
        "sold_date": sold_date,
        "sold_price": price + 1000 * number,
        "living_area": living_area,
        "rooms": rooms,
        "object_type": "Lägenhet",
    }
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(sale))
        writer.writeheader()
        writer.writerow(sale)
    subprocess.run(
        [sys.executable, "-m", "warehouse.land", str(path)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        check=False,
    )


async def visit(
    page_url: str, home: dict[str, str], until: float, record: Record
) -> None:
    """Open a link to a home, then value it again and again, like an anxious owner."""
    started = time.perf_counter()
    session = await PageSession.open(page_url, **home)
    try:
        button = session.data_labelled("Värdera")
        for presses in itertools.count(1):
            if not await _answered(session, home, started, presses, record):
                return
            # The sections below come after the value; then the owner looks again.
            await session.settle()
            await asyncio.sleep(random.uniform(*PAUSE_S))
            if time.time() > until:
                return
            started = time.perf_counter()
            await session.change(button, "presses", presses)
    finally:
        session.close()


async def _answered(
    session: PageSession,
    home: dict[str, str],
    started: float,
    number: int,
    record: Record,
) -> bool:
    """Wait for a click's answer; a visitor who gets none in time gives up."""
    shown = asyncio.wait_for(_text(session, number, record), ANSWER_WITHIN_S)
    try:
        value, made_of = await shown
    except TimeoutError:
        record.errors.append(f"no answer in {ANSWER_WITHIN_S} s for {home['address']}")
        return False
    record.seconds.append(time.perf_counter() - started)
    record.values[home["address"], made_of].add(value)
    return True


async def _text(session: PageSession, number: int, record: Record) -> tuple[int, str]:
    """Wait for the answer of that number; a traceback on the way is an error."""
    answer, shown = None, 0
    while answer is None or shown < number:
        kind, content = await session.receive()
        text = html.unescape(
            json.dumps(content, ensure_ascii=False).replace('\\"', '"')
        )
        if kind == "ERROR" or FAILURE.search(text):
            record.errors.append(text[:300])
        if found := ANSWER.search(text):
            answer = int(found[1]), found[2]
        if counted := SHOWN.search(text):
            shown = int(counted[1])
    return answer


async def visits(
    page_url: str, homes: list[dict[str, str]], minutes: float, record: Record
) -> None:
    """Let a visitor value each home, all at once."""
    until = time.time() + 60 * minutes
    outcomes = await asyncio.gather(
        *(visit(page_url, home, until, record) for home in homes),
        return_exceptions=True,
    )
    record.errors += [repr(each) for each in outcomes if isinstance(each, Exception)]


@contextmanager
def memory_watched(process: psutil.Process, record: Record) -> Iterator[None]:
    """Write down the server's memory every second."""
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(1.0):
            record.memory_mib.append(process.memory_info().rss / 2**20)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def homes_of(data: Path, count: int) -> list[dict[str, str]]:
    """Choose known addresses to value, the same in every run."""
    with open_snapshot(data / "serving") as snapshot:
        rows = snapshot.connection.execute(
            "select address from marts.places where place_level = 'address' "
            "order by hash(place_key) limit ?",
            [count],
        ).fetchall()
    today = date.today().isoformat()
    return [
        {"address": address, "living_area_m2": str(35 + 3 * number), "date": today}
        for number, (address,) in enumerate(rows)
    ]


def report(record: Record) -> dict[str, Any]:
    """Sum up what was seen."""
    cuts = statistics.quantiles(record.seconds or [0.0, 0.0], n=20)
    return {
        "answers": len(record.seconds),
        "p50_s": round(statistics.median(record.seconds or [0.0]), 3),
        "p95_s": round(cuts[-1], 3),
        "made_of": len({made_of for _, made_of in record.values}),
        "whole_dagster_runs": record.runs,
        "memory_mib_settled": round(record.memory_mib[len(record.memory_mib) // 3]),
        "memory_mib_most": round(max(record.memory_mib)),
        "growth": round(record.growth(), 3),
        "allowed_growth": ALLOWED_GROWTH,
        "mixed": record.mixed(),
        "errors": record.errors[:20],
        "error_count": len(record.errors),
    }


def main() -> int:
    """Run it; 1 when something was not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument(
        "--data", type=Path, default=Settings().data, help="is copied first"
    )
    arguments = parser.parse_args()
    record = Record()
    with tempfile.TemporaryDirectory(prefix="slutpris-soak-") as folder:
        data = Path(folder) / "data"
        shutil.copytree(arguments.data, data, symlinks=True)
        with replica(None) as address:
            prepare_environment(Settings(data_dir=data), address, synthetic=True)
            homes = homes_of(data, arguments.visitors)
            with (
                served_pages(
                    data, log=data / "panel.log", SLUTPRIS_FORWARD_LOG="false"
                ) as site,
                memory_watched(psutil.Process(site.pid), record),
                made_anew(data, record),
            ):
                page_url = f"{site.url}/valuation"
                asyncio.run(visits(page_url, homes, arguments.minutes, record))
    summary = report(record)
    sys.stdout.write(json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
    is_well = not (summary["error_count"] or summary["mixed"] or not summary["answers"])
    return 0 if is_well and record.growth() <= ALLOWED_GROWTH else 1


if __name__ == "__main__":
    sys.exit(main())

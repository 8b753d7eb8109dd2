"""`make bench`: what the main jobs cost, and how the cost grows with size.

Never part of the tests: machines are shared and noisy, so read ratios and slopes rather
than seconds. Each job runs in a process of its own at three sizes, on sales of the
synthetic market; the peak memory is that process's and its children's.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from web_poet import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[1]
SALES_PER_MONTH = (281, 1123, 5614)
"""Some 50 000, 200 000 and 1 000 000 sales."""
ROW_WISE_SALES = 50_000
MARKET_END = date(2026, 10, 31)
PARSED_PAGES = 300
VALUATIONS = 100
console = Console(highlight=False)


def sales_file(folder: Path) -> Path:
    """The synthetic market as a file that `warehouse.land` takes."""
    return folder / "sales.parquet"


def write_market(folder: Path, sales_per_month: int) -> int:
    """Write a market of a size; gives its number of sales."""
    from scrapy_project.replica.site import truth_lines
    from scrapy_project.replica.synthetic import synthetic_market

    market = synthetic_market(7, MARKET_END, sales_per_month)
    truth = folder / "truth.jsonl"
    truth.write_bytes(b"".join(truth_lines(market)))
    duckdb.execute(
        f"""
        copy (
            select 'booli' as platform, booli_id::varchar as source_id,
                street_address as address, district as area, municipality,
                sold_date::date as sold_date, sold_price_sek as sold_price,
                living_area_m2 as living_area, rooms, fee_sek_per_month as fee, floor,
                construction_year, latitude as lat, longitude as lon, object_type
            from read_json_auto('{truth}', sample_size=-1)
        ) to '{sales_file(folder)}' (format parquet)
        """
    )
    return len(market.sales)


def land(folder: Path) -> None:
    """Land the file of sales."""
    run("warehouse.land", str(sales_file(folder)))


def build(_folder: Path) -> None:
    """Build the whole warehouse."""
    dbt_build("--resource-type", "seed", "--resource-type", "model")


def check(_folder: Path) -> None:
    """Run the data tests."""
    dbt_build("--resource-type", "test")


def dbt_build(*options: str) -> None:
    dbt = Path(sys.executable).with_name("dbt")
    command = [dbt, "-q", "build", "--project-dir", "dbt_project", *options]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def day(_folder: Path) -> None:
    """Build again after as many new sales as the newest day had."""
    from warehouse.store import connect

    with connect() as connection:
        connection.execute(
            """
            insert into raw.landed_sales
            select * replace (
                uuid()::varchar as source_id, living_area_m2 + 1 as living_area_m2
            )
            from raw.landed_sales
            where sold_date = (select max(sold_date) from raw.landed_sales)
            """
        )
    dbt_build("--resource-type", "model")


def train(_folder: Path) -> None:
    """Fit XGBoost once on every sale."""
    from ml.valuation.described import read_described_sales
    from ml.valuation.models import new_model
    from warehouse.settings import Settings
    from warehouse.store import connect

    with connect(read_only=True) as connection:
        sales = read_described_sales(connection, Settings())
    new_model("xgboost", Settings()).fit(sales)


def run(module: str, *arguments: str) -> None:
    """Run one of our commands without its output."""
    subprocess.run(
        [sys.executable, "-m", module, *arguments],
        check=True,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )


def row_wise(folder: Path) -> None:
    """Clean sales and make a few features as the seed project did: apply by row."""
    import numpy as np
    import pandas as pd

    sales = pd.read_parquet(sales_file(folder)).head(ROW_WISE_SALES)
    bounds = {"living_area": (10, 800), "rooms": (1, 20), "fee": (0, 60_000)}

    def cleaned(sale: pd.Series) -> pd.Series:
        text = str(sale["address"]).replace("\u00ad", "").replace("\u2011", "-")
        match = re.match(r"^([^0-9]*)([0-9]+)?", text)
        sale["street"] = match[1].strip() if match else None
        sale["street_number"] = float(match[2]) if match and match[2] else 1.0
        for name, (lowest, highest) in bounds.items():
            sale[f"{name}_norm"] = (sale[name] - lowest) / (highest - lowest)
        month = sale["sold_date"].month
        sale["month_sin"] = np.sin(2 * np.pi * (month - 1) / 12)
        sale["month_cos"] = np.cos(2 * np.pi * (month - 1) / 12)
        return sale

    sales = sales.apply(cleaned, axis=1)
    for name in ("rooms", "floor", "construction_year", "fee"):
        medians = sales.groupby("area")[name].median()
        sales[name] = sales.apply(
            lambda sale, name=name, medians=medians: (
                medians.get(sale["area"]) if pd.isna(sale[name]) else sale[name]
            ),
            axis=1,
        )


JOBS: dict[str, Callable[[Path], None]] = {
    "land": land,
    "build": build,
    "a day more": day,
    "check": check,
    "train": train,
}
ALL_JOBS = JOBS | {"row_wise": row_wise}


def measure(job: str, folder: Path) -> dict[str, float]:
    """Run one job in a process of its own; gives seconds and peak memory in MiB."""
    result = subprocess.run(
        [sys.executable, __file__, "--job", job, "--folder", str(folder)],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ
        | {"SLUTPRIS_DATA": str(folder / "data"), "OMP_WAIT_POLICY": "PASSIVE"},
    )
    return json.loads(result.stdout.splitlines()[-1])


def run_job(job: str, folder: Path) -> None:
    """The measured process: run the job and print its cost."""
    started = time.perf_counter()
    ALL_JOBS[job](folder)
    seconds = time.perf_counter() - started
    peaks = (
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    cost = {"seconds": seconds, "peak_mib": max(peaks) / 1024}
    sys.stdout.write(json.dumps(cost) + "\n")


def slope(sizes: list[int], seconds: list[float]) -> float:
    """Slope of log time on log size between the smallest and the largest size."""
    return math.log(seconds[-1] / seconds[0]) / math.log(sizes[-1] / sizes[0])


def scaling(folder: Path) -> tuple[list[int], dict[str, list[dict[str, float]]]]:
    """Cost of every job at every size."""
    sizes: list[int] = []
    costs: dict[str, list[dict[str, float]]] = {job: [] for job in JOBS}
    for sales_per_month in SALES_PER_MONTH:
        home = folder / str(sales_per_month)
        home.mkdir()
        sizes.append(write_market(home, sales_per_month))
        for job in JOBS:
            console.print(f"[dim]{job}, {sizes[-1]} sales[/dim]")
            costs[job].append(measure(job, home))
    return sizes, costs


def scaling_table(sizes: list[int], costs: dict[str, list[dict[str, float]]]) -> Table:
    """Seconds and peak memory by job and size, and the slope."""
    table = Table(title="Cost by number of sales", title_justify="left", box=SIMPLE)
    table.add_column("job")
    for size in sizes:
        table.add_column(f"{size:,}".replace(",", "\u00a0"), justify="right")
    table.add_column("slope", justify="right")
    for job, cells in costs.items():
        seconds = [cell["seconds"] for cell in cells]
        shown = [f"{c['seconds']:.1f} s, {c['peak_mib']:.0f} MiB" for c in cells]
        table.add_row(job, *shown, f"{slope(sizes, seconds):.2f}")
    return table


def parsing() -> dict[str, float]:
    """Pages per second of the page objects alone, by kind."""
    from scrapy_project.pages.listing import ListingPage
    from scrapy_project.pages.search import SearchPage

    samples = ROOT / "tests" / "samples"
    search = (samples / "search_page.next_data.json").read_text(encoding="utf-8")
    listing = samples / "listing_page_several_sales.next_data.json"
    pages: dict[str, tuple[Any, str]] = {
        "search pages (4 cards)": (SearchPage, search),
        "listing pages": (ListingPage, listing.read_text(encoding="utf-8")),
    }
    return {kind: pages_per_second(*page) for kind, page in pages.items()}


def pages_per_second(page_class: Any, payload: str) -> float:
    """How many such pages become items in a second."""
    script = f'<script id="__NEXT_DATA__" type="application/json">{payload}</script>'
    response = HttpResponse("https://www.booli.se/x", script.encode())
    read = page_class.cards if hasattr(page_class, "cards") else page_class.home
    started = time.perf_counter()
    for _ in range(PARSED_PAGES):
        read.__get__(page_class(response))
    return PARSED_PAGES / (time.perf_counter() - started)


def published_folder() -> Path | None:
    """The data folder of a finished demo, where valuations can be timed."""
    from warehouse.settings import Settings

    settings = Settings()
    return settings.data if (settings.serving_dir / "current").exists() else None


def latency() -> dict[str, list[float]]:
    """Milliseconds of whole valuations, warm, by model, sorted."""
    from ml.valuation.request import ValuationRequest
    from ml.valuation.value import Valuer
    from warehouse.settings import Settings

    valuer = Valuer(Settings())
    addresses = valuer.connection().execute(
        "select address from marts.sales order by hash(sale_id) limit ?", [VALUATIONS]
    )
    requests = [
        {"address": address, "living_area_m2": 52, "rooms": 2, "floor": 3}
        for (address,) in addresses.fetchall()
    ]
    times: dict[str, list[float]] = {}
    for model in ("xgboost", "autogluon"):
        valuer.served_model(model)
        times[model] = sorted(
            valuer.value(ValuationRequest(**request, model=model)).latency_ms
            for request in requests
        )
    return times


def figures_table() -> Table:
    """Parsing rates, and latency where a demo has published."""
    table = Table(title="Rates and latency", title_justify="left", box=SIMPLE)
    table.add_column("what")
    table.add_column("figure", justify="right")
    for kind, rate in parsing().items():
        table.add_row(f"{kind} parsed", f"{rate:.0f} per s")
    if published_folder() is None:
        table.add_row("valuations", "nothing published; run make demo SERVE=0 first")
        return table
    for model, times in latency().items():
        shares = (0.5, 0.95, 0.99)
        shown = [times[min(len(times) - 1, int(s * len(times)))] for s in shares]
        table.add_row(
            f"one valuation, {model}: p50 / p95 / p99",
            " / ".join(f"{ms:.0f}" for ms in shown) + " ms",
        )
    return table


def main() -> None:
    """Measure everything, or run one job for the measuring process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--job", choices=ALL_JOBS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        run_job(arguments.job, arguments.folder)
        return
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    console.print(f"{datetime.now(UTC):%Y-%m-%d}, {machine}, {platform.machine()}")
    with tempfile.TemporaryDirectory(prefix="slutpris-bench-") as folder:
        sizes, costs = scaling(Path(folder))
        seed_style = measure("row_wise", Path(folder) / str(SALES_PER_MONTH[0]))
    console.print(scaling_table(sizes, costs))
    console.print(
        f"Cleaning, medians and dates alone of {ROW_WISE_SALES} sales as the seed "
        f"project did, pandas row by row: {seed_style['seconds']:.1f} s, "
        f"{seed_style['peak_mib']:.0f} MiB, "
        f"{seed_style['seconds'] / costs['build'][0]['seconds']:.1f} times our build, "
        "which also compares, locates and indexes."
    )
    console.print(figures_table())


if __name__ == "__main__":
    main()

"""The crawl's part of `make bench`: rates, memory by size, and a plain loop to compare.

Everything is crawled from the bundled replica, with politeness off as on any loopback
address. The loop is what one writes first, as the seed project did: `requests` and
BeautifulSoup, one page after the other, nothing kept but a list. Read the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from bs4 import BeautifulSoup
from crawling import ROOT, SCRAPY, environment, landed, replica
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from web_poet import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Iterator

SALES_PER_MONTH = {1_000: 7, 10_000: 79, 50_000: 399}
"""About how many pages, search and listing, the market of so many sales has."""
TODAY = "2026-06-30"
PARSE_FOR_S = 5.0
LOOP_MONTHS = tuple(f"2025-{month:02}" for month in range(1, 13))
console = Console(highlight=False)


def market(sales_per_month: int) -> tuple[str, ...]:
    """The replica's options for a market of a size."""
    return "--sales-per-month", str(sales_per_month), "--today", TODAY


def fetched(url: str) -> bytes:
    """A page of the replica, uncompressed."""
    with urllib.request.urlopen(url) as answer:
        return answer.read()


def month_url(address: str, month: str, page: int = 1) -> str:
    """The search of one month's sales."""
    return (
        f"{address}/sok/slutpriser?areaIds=1&objectType=L%C3%A4genhet"
        f"&minSoldDate={month}-01&maxSoldDate={month}-28&page={page}"
    )


def parse_rates(address: str) -> dict[str, float]:
    """Pages per second that the page objects alone turn into items."""
    from scrapy_project.pages.listing import ListingPage
    from scrapy_project.pages.search import SearchPage

    search = fetched(month_url(address, LOOP_MONTHS[0]))
    cards = SearchPage(HttpResponse(address, search)).cards
    listing = fetched(f"{address}{cards[0].url}")
    return {
        f"search page ({len(cards)} cards) parsed": rate(SearchPage, "cards", search),
        "listing page parsed": rate(ListingPage, "home", listing),
    }


def rate(page_class: Any, what: str, body: bytes) -> float:
    """Read one body over and over."""
    response, count, started = HttpResponse("https://x", body), 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < PARSE_FOR_S:
        getattr(page_class(response), what)
        count += 1
    return count / elapsed


def crawl_cost(address: str, data_dir: Path, *arguments: str) -> dict[str, float]:
    """One crawl in a process of its own: seconds, peak MiB, pages and items landed."""
    command = [
        sys.executable, __file__, "--crawl", str(data_dir), "--site", address,
        *arguments,
    ]  # fmt: skip
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    cost = json.loads(done.stdout.splitlines()[-1])
    tables = landed(data_dir)
    items = len(tables["cards"]) + len(tables["homes"])
    return cost | {"pages": len(tables["pages"]), "items": items}


def measured_crawl(data_dir: Path, site: str, arguments: list[str]) -> None:
    """Crawl and print what it cost; this process has no other child."""
    started = time.perf_counter()
    given = [part for argument in arguments for part in ("-a", argument)]
    subprocess.run(
        [SCRAPY, "crawl", "booli", *given], check=True, cwd=ROOT,
        env=environment(data_dir, site), capture_output=True,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    peak_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    sys.stdout.write(json.dumps({"seconds": seconds, "peak_mib": peak_mib}) + "\n")


def plain_loop(address: str) -> tuple[float, int]:
    """The same months with requests and BeautifulSoup: seconds and pages."""
    started, pages = time.perf_counter(), 0
    for month in LOOP_MONTHS:
        for url in plain_cards(address, month):
            plain_state(f"{address}{url}")
            pages += 1
        pages += 1
    return time.perf_counter() - started, pages


def plain_cards(address: str, month: str) -> Iterator[str]:
    """Paths of the homes on every search page of a month."""
    number, last, seen = 1, 1, set()
    while number <= last:
        state = plain_state(month_url(address, month, number))
        root = state["ROOT_QUERY"]
        result = next(v for k, v in root.items() if k.startswith("searchSold("))
        last, number = result["pages"], number + 1
        for reference in result["result"]:
            url = state[reference["__ref"]]["url"]
            if url not in seen:
                seen.add(url)
                yield url


def plain_state(url: str) -> dict[str, Any]:
    """Fetch and parse a page as a first script would."""
    page = requests.get(url, timeout=60)
    script = BeautifulSoup(page.text, "html.parser").find(id="__NEXT_DATA__")
    assert script is not None, f"no data in {url}"
    return json.loads(script.text)["props"]["pageProps"]["__APOLLO_STATE__"]


def rates_table(folder: Path) -> Table:
    """Parsing alone, the whole crawl, the plain loop, and their ratios."""
    table = Table(title="Rates", title_justify="left", box=SIMPLE)
    table.add_column("what")
    table.add_column("figure", justify="right")
    with replica(folder, *market(SALES_PER_MONTH[10_000])) as (address, _):
        for what, per_s in parse_rates(address).items():
            table.add_row(what, f"{per_s:.0f} per s")
        months = (f"from={LOOP_MONTHS[0]}-01", f"to={LOOP_MONTHS[-1]}-28")
        cost = crawl_cost(address, folder / "rates", *months, "details=all")
        loop_s, loop_pages = plain_loop(address)
    ours, loop = cost["pages"] / cost["seconds"], loop_pages / loop_s
    table.add_row("crawl, start and end included", f"{ours:.0f} pages per s")
    table.add_row("  the same in items", f"{cost['items'] / cost['seconds']:.0f} per s")
    table.add_row("requests + BeautifulSoup loop", f"{loop:.0f} pages per s")
    table.add_row("crawl against the loop", f"{ours / loop:.2f} times")
    return table


def memory_table(folder: Path, sizes: list[int]) -> Table:
    """Seconds and peak memory of a whole crawl by number of pages."""
    table = Table(title="Whole crawls by size", title_justify="left", box=SIMPLE)
    for column in ("pages", "items", "seconds", "pages per s", "peak MiB"):
        table.add_column(column, justify="right")
    for size in sizes:
        home = folder / str(size)
        home.mkdir()
        console.print(f"[dim]crawling about {size} pages[/dim]")
        with replica(home, *market(SALES_PER_MONTH[size])) as (address, _):
            cost = crawl_cost(address, home / "data", "details=all")
        per_s = cost["pages"] / cost["seconds"]
        table.add_row(
            f"{cost['pages']:.0f}", f"{cost['items']:.0f}", f"{cost['seconds']:.0f}",
            f"{per_s:.0f}", f"{cost['peak_mib']:.0f}",
        )  # fmt: skip
    return table


def main() -> None:
    """Measure everything, or one crawl for the measuring process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", choices=SALES_PER_MONTH)
    parser.add_argument("--crawl", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--site", help=argparse.SUPPRESS)
    parser.add_argument("arguments", nargs="*", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.crawl:
        measured_crawl(given.crawl, given.site, given.arguments)
        return
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    console.print(f"{datetime.now(UTC):%Y-%m-%d}, {machine}, {platform.machine()}")
    with tempfile.TemporaryDirectory(prefix="slutpris-bench-") as folder:
        console.print(rates_table(Path(folder)))
        sizes = given.sizes or list(SALES_PER_MONTH)
        console.print(memory_table(Path(folder), sizes))


if __name__ == "__main__":
    main()

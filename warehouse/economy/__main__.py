"""Refresh the economy from downloaded files: ``python -m warehouse.economy FILE ...``.

What belongs here: the command line. What does not: anything it calls.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.economy.land import day, land_economy_file
from warehouse.economy.series import SERIES
from warehouse.errors import exit_with
from warehouse.settings import Settings
from warehouse.store import connect

if TYPE_CHECKING:
    from warehouse.economy.land import EconomyLanding


def main() -> None:
    """Land the files named on the command line and say what became of each."""
    options = _parser().parse_args()
    published_on = day(options.published_on) if options.published_on else None
    path = Settings().warehouse_path
    with connect(path) as connection:
        for file in options.files:
            landing = land_economy_file(
                connection,
                file,
                series_name=options.series,
                published_on=published_on,
            )
            sys.stdout.write(summary(landing))
    sys.stdout.write(f"in {path}; next: dbt build --project-dir dbt_project\n")


def summary(landing: EconomyLanding) -> str:
    """Say what became of a file, a line a series."""
    lines = [f"{landing.path.name}, published by {landing.vintage_on}:"]
    for name, found in sorted(landing.found.items()):
        new, revised = landing.new[name], landing.revised[name]
        lines.append(
            f"  {name}: {found} figures to {landing.newest_period[name]}; "
            f"{new - revised} new, {revised} revised, {found - new} known"
        )
    return "\n".join(lines) + "\n"


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m warehouse.economy",
        description=(
            "Land figures of the economy from files downloaded from Riksbanken (SWEA's "
            "JSON of SECBREPOEFF, or the search page's CSV) and SCB (CSV or json-stat2 "
            "of unemployment, GDP, KPI). Each file lands whole or not at all; the same "
            "file again changes nothing."
        ),
        epilog=(
            "example: python -m warehouse.economy SECBREPOEFF.json kpi.json && "
            "dbt build --project-dir dbt_project"
        ),
    )
    parser.add_argument(
        "files", metavar="FILE", nargs="+", type=Path, help="a .json or .csv file"
    )
    parser.add_argument(
        "--series",
        choices=sorted(SERIES),
        help="what the files hold, where they do not say so themselves",
    )
    parser.add_argument(
        "--published-on",
        metavar="DAY",
        help="by when the files were public, of an older download (default: what "
        "a file says itself, else today)",
    )
    return parser


if __name__ == "__main__":
    exit_with(main)

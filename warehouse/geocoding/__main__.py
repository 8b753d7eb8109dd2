"""Build the gazetteer, or place an address: ``python -m warehouse.geocoding``.

What belongs here: the command line. What does not: anything it calls.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.errors import SlutprisError, exit_with
from warehouse.geocoding.gazetteer import gazetteer_version
from warehouse.geocoding.geocoder import DuckDBGeocoder
from warehouse.geocoding.protocol import GeocodeRequest
from warehouse.geocoding.sources import add_cards, add_file
from warehouse.store import connect, create_raw_tables

if TYPE_CHECKING:
    from argparse import Namespace

    import duckdb


def main() -> None:
    """Run the command line of this process."""
    options = _parser().parse_args()
    if not (options.files or options.cards or options.geocode):
        raise SlutprisError(
            "nothing to do; name address files, --cards or --geocode ADDRESS"
        )
    building = bool(options.files or options.cards)
    with connect(read_only=not building) as connection:
        if building:
            _build(connection, options)
        if options.geocode:
            request = GeocodeRequest(
                options.geocode, options.municipality, options.district
            )
            result = DuckDBGeocoder(connection).geocode([request])[0]
            _say(json.dumps(asdict(result), ensure_ascii=False))


def _build(connection: duckdb.DuckDBPyConnection, options: Namespace) -> None:
    for path in options.files:
        _say(f"{path}: {add_file(connection, path):,} addresses")
    if options.cards:
        create_raw_tables(connection)
        _say(f"the crawl's cards: {add_cards(connection):,} addresses")
    _say(f"gazetteer {gazetteer_version(connection)}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m warehouse.geocoding",
        description="Build or extend the gazetteer, and place addresses by it.",
    )
    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help=".csv, .pbf (OSM) or .gpkg (Belägenhetsadress)",
    )
    parser.add_argument(
        "--cards", action="store_true", help="add the addresses the crawl has seen"
    )
    parser.add_argument("--geocode", metavar="ADDRESS", help="print its place as JSON")
    parser.add_argument("--municipality", help="of the address, where known")
    parser.add_argument("--district", help="of the address, where known")
    return parser


if __name__ == "__main__":
    exit_with(main)

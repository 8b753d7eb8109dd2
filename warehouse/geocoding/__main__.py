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
from warehouse.geocoding.nominatim import NominatimGeocoder
from warehouse.geocoding.protocol import GeocodeRequest
from warehouse.geocoding.sales import geocode_sales
from warehouse.geocoding.sources import add_cards, add_file
from warehouse.settings import Settings
from warehouse.store import connect, create_raw_tables

if TYPE_CHECKING:
    from argparse import Namespace

    import duckdb


def main() -> None:
    """Run the command line of this process."""
    options = _parser().parse_args()
    building = bool(options.files or options.cards)
    if not (building or options.sales or options.geocode):
        raise SlutprisError(
            "nothing to do; name address files, --cards, --sales or --geocode ADDRESS"
        )
    if building or options.sales:
        with connect() as connection:
            _build(connection, options)
    if options.geocode:
        _geocode(options)


def _geocode(options: Namespace) -> None:
    request = GeocodeRequest(options.geocode, options.municipality, options.district)
    settings = Settings()
    if (options.geocoder or settings.geocoder) == "nominatim":
        results = NominatimGeocoder(settings).geocode([request])
    else:
        with connect(read_only=True) as connection:
            results = DuckDBGeocoder(connection).geocode([request])
    _say(json.dumps(asdict(results[0]), ensure_ascii=False))


def _build(connection: duckdb.DuckDBPyConnection, options: Namespace) -> None:
    for path in options.files:
        _say(f"{path}: {add_file(connection, path):,} addresses")
    if options.cards:
        create_raw_tables(connection)
        _say(f"the crawl's cards: {add_cards(connection):,} addresses")
    if options.files or options.cards:
        _say(f"gazetteer {gazetteer_version(connection)}")
    if options.sales:
        done = geocode_sales(connection)
        _say(
            f"sales without a position: {done.asked_count:,} addresses asked, "
            f"{done.placed_count:,} placed"
        )


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
    parser.add_argument(
        "--sales",
        action="store_true",
        help="place the addresses of sales that came without a position",
    )
    parser.add_argument("--geocode", metavar="ADDRESS", help="print its place as JSON")
    parser.add_argument(
        "--geocoder",
        choices=("embedded", "nominatim"),
        help="who places it, in place of SLUTPRIS_GEOCODER",
    )
    parser.add_argument("--municipality", help="of the address, where known")
    parser.add_argument("--district", help="of the address, where known")
    return parser


if __name__ == "__main__":
    exit_with(main)

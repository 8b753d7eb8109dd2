"""Land places of a user's own: ``python -m warehouse.places FILE ...``.

What belongs here: the command line. What does not: anything it calls.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path

from warehouse.errors import exit_with
from warehouse.places.geojson import NAME_PROPERTY
from warehouse.places.gtfs import KINDS
from warehouse.places.landing import land_places
from warehouse.store import connect


def main() -> None:
    """Land the files named on the command line and say what became of each."""
    options = _parser().parse_args()
    with connect() as connection:
        for path in options.files:
            landed = land_places(
                connection,
                path,
                kind=options.kind,
                name_property=options.name_property,
            )
            news = "landed" if landed.is_new else "had landed before"
            sys.stdout.write(f"{path}: {landed.row_count} {landed.content} {news}\n")
    sys.stdout.write("next: dbt build --project-dir dbt_project\n")


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m warehouse.places",
        description=(
            "Land district polygons (GeoJSON) or stations (GTFS) of your own; the "
            "newest file takes the place of the bundled districts or stations."
        ),
    )
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help=".geojson, stops.txt (with routes, trips and stop_times) or GTFS .zip",
    )
    parser.add_argument(
        "--kind", choices=KINDS, help="of every station, when no routes tell it"
    )
    parser.add_argument(
        "--name-property",
        default=NAME_PROPERTY,
        help="the GeoJSON property that names a district (default: name)",
    )
    return parser


if __name__ == "__main__":
    exit_with(main)

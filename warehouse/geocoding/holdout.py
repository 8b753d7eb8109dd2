"""How good the geocoder is on a file: ``python -m warehouse.geocoding.holdout FILE``.

What belongs here: the hold-out and its report. What does not: geocoding.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from warehouse.errors import exit_with
from warehouse.geocoding.gazetteer import load_macros, statement
from warehouse.geocoding.geocoder import geocode_table
from warehouse.geocoding.noise import NOISE, as_range
from warehouse.geocoding.sources import add_file

if TYPE_CHECKING:
    from collections.abc import Callable

_SPLIT = """
create or replace temp table truth as
select
    row_number() over (order by street_key, number, letter) as request_id,
    concat(street, ' ', number, letter) as address,
    *,
    md5_number_lower(concat($seed, street_key, number, letter)) % 5 = 0 as is_held_out
from gazetteer.addresses
"""
_ERRORS = """
create or replace temp table judged as
select
    t.*,
    g.precision,
    g.uncertainty_m,
    g.street_match,
    -- Linnégatan and Linnegatan in one file are one street, if they are in one place.
    if(
        folded(place_key(g.street)) = folded(t.street_key)
        and metres_between(t.latitude, t.longitude, g.latitude, g.longitude) <= 2000,
        t.street_key, place_key(g.street)
    ) as found_key,
    metres_between(t.latitude, t.longitude, g.latitude, g.longitude) as error_m,
    exists (select 1 from gazetteer.streets as s where s.street_key = t.street_key)
        as is_known_street
from truth as t
inner join geocoded as g using (request_id)
"""
_BY_PRECISION = """
select
    coalesce(precision, 'miss'),
    count(*) / (select count(*) from judged where is_held_out),
    median(error_m),
    quantile_cont(error_m, 0.9),
    avg((error_m <= uncertainty_m)::integer),
    median(uncertainty_m)
from judged where is_held_out
group by grouping sets ((precision), ())
having count(*) > 0
order by grouping(precision), count(*) desc
"""
_OF_RANGES = """
select
    precision,
    count(*) / (select count(*) from judged where is_held_out),
    median(error_m),
    quantile_cont(error_m, 0.9),
    avg((error_m <= uncertainty_m)::integer),
    median(uncertainty_m)
from judged where is_held_out and precision = 'range'
group by precision
"""
_BY_NOISE = """
select
    count(*),
    avg((found_key is not distinct from street_key)::integer)
        filter (is_known_street),
    avg((found_key <> street_key and found_key <> '')::integer),
    avg((error_m <= 25)::integer)
        filter (not is_held_out and precision = 'exact')
from judged
where is_changed
"""


@dataclass(frozen=True)
class Report:
    """What a hold-out found.

    `by_precision` rows: precision, share of the held-out, median and 90th percentile
    error in metres, share within the stated uncertainty, median stated uncertainty
    (metres); the first row is of the same addresses, asked as the first number of a
    range, the last one is all of them but for that. `by_noise` rows: habit, addresses,
    share with the right street (of those whose street is known), share with a wrong
    one, share of the known numbers within 25 m.
    """

    by_precision: list[tuple]
    by_noise: list[tuple]


def hold_out(path: Path, seed: str = "slutpris") -> Report:
    """Hold out a fifth of a CSV of addresses, geocode it from the rest, and judge.

    Which fifth is decided by a hash of the address and the seed, so that the same file
    is always split the same way.

    Raises
    ------
    SlutprisError
        When the file cannot be read (see `add_file`).
    """
    with duckdb.connect() as connection:
        add_file(connection, path)
        connection.execute(_SPLIT, {"seed": seed})
        _rebuild_without_held_out(connection)
        load_macros(connection)
        by_noise = []
        by_precision: list[tuple] = []
        for name, habit in NOISE.items():
            _judge(connection, name, habit)
            if name == "as it is":
                by_precision = connection.execute(_BY_PRECISION).fetchall()
            by_noise.append((name, *connection.execute(_BY_NOISE).fetchall()[0]))
        _judge(connection, "as a range", as_range)
        ranges = connection.execute(_OF_RANGES).fetchall()
    by_precision = [
        ("all" if row == len(by_precision) - 1 else values[0], *values[1:])
        for row, values in enumerate(by_precision)
    ]
    return Report([*ranges, *by_precision], by_noise)


def _rebuild_without_held_out(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "delete from gazetteer.addresses as a using truth as t "
        "where t.is_held_out and a.municipality_key = t.municipality_key "
        "and a.street_key = t.street_key and a.number = t.number "
        "and a.letter = t.letter"
    )
    connection.execute(statement("derived"))


def _judge(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    habit: Callable[[str, Random], str],
) -> None:
    rows = connection.execute(
        "select request_id, address, district from truth order by request_id"
    ).fetchall()
    random = Random(name)
    noisy = [habit(address, random) for _, address, _ in rows]
    asked = pa.table(
        {
            "request_id": [row[0] for row in rows],
            "address": noisy,
            "district": [
                "Atlantis" if name == "wrong district" else row[2] for row in rows
            ],
            "is_changed": [
                new != old[1] or name in ("as it is", "wrong district")
                for new, old in zip(noisy, rows, strict=True)
            ],
        },
    )
    connection.register("asked_rows", asked)
    connection.execute(
        "create or replace temp table asked_noise as "
        "select * replace (district::varchar as district) from asked_rows"
    )
    connection.unregister("asked_rows")
    geocode_table(connection, "asked_noise")
    connection.execute(_ERRORS)
    connection.execute(
        "create or replace temp table judged as select j.*, a.is_changed "
        "from judged as j inner join asked_noise as a using (request_id)"
    )


def report_lines(report: Report) -> list[str]:
    """The report as two tables of text."""
    return [
        "precision       share   median_m      p90_m  covered  stated_m",
        *(
            f"{name:<13}{share:>8.1%}{_metres(median)}{_metres(p90)}"
            f"{'-' if covered is None else format(covered, '.1%'):>9}{_metres(stated)}"
            for name, share, median, p90, covered, stated in report.by_precision
        ),
        "",
        "noise                    rows  right street  wrong street  known, in 25 m",
        *(
            f"{name:<22}{rows:>7,}{right:>14.2%}{wrong:>14.2%}{near or 0:>16.2%}"
            for name, rows, right, wrong, near in report.by_noise
        ),
    ]


def _metres(value: float | None) -> str:
    return f"{'-' if value is None else format(value, ',.1f'):>11}"


def main() -> None:
    """Run the command line of this process."""
    parser = ArgumentParser(prog="python -m warehouse.geocoding.holdout")
    parser.add_argument("file", type=Path, help="CSV of addresses with coordinates")
    parser.add_argument("--seed", default="slutpris", help="decides which are held out")
    options = parser.parse_args()
    for line in report_lines(hold_out(options.file, options.seed)):
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    exit_with(main)

"""What geocoding costs: 10 k, 100 k and 1 M addresses, in a process of each its own.

Run ``python tests/bench_geocoding.py [FILE.csv]``; without a file, on made-up streets.
"""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
import time
from pathlib import Path

import duckdb

from warehouse.geocoding.gazetteer import add_addresses
from warehouse.geocoding.geocoder import geocode_table
from warehouse.geocoding.sources import add_file

SIZES = (10_000, 100_000, 1_000_000)
_MADE_UP = """
create temp table made_up as
select
    chr((97 + i % 26)::integer) || chr((97 + i // 26 % 26)::integer)
        || 'lunda'
        || chr((97 + i * 7 % 26)::integer) || 'vägen ' || n as address,
    null::varchar as municipality, null::varchar as district,
    59.3 + i * 0.001 + n * 0.0001 as latitude, 18.0 as longitude,
    'csv' as source, 'made up' as attribution, null::double as spread_m
from range(676) as streets(i), range(1, 60, 2) as numbers(n)
"""
# A tenth each: as it is, upper case, with a floor, one letter lost, without accents;
# numbers differ, so that most questions are asked once.
_QUESTIONS = """
create temp table bench_questions as
with known as (
    select row_number() over () - 1 as place, street from gazetteer.streets
)

select
    i as request_id,
    case i % 10
        when 1 then upper(street)
        when 2 then street[:3] || street[5:]
        when 3 then strip_accents(street)
        else street
    end || ' ' || (1 + i // {streets} % 400)
    || if(i % 10 = 4, ', 3 tr', '') as address
from range({rows}) as numbers(i)
inner join known on known.place = i % {streets}
"""


def measure(rows: int, file: Path | None) -> dict[str, float]:
    """Seconds and peak memory (MiB, the whole process) of geocoding so many rows."""
    with duckdb.connect() as connection:
        if file:
            add_file(connection, file)
        else:
            connection.execute(_MADE_UP)
            add_addresses(connection, "made_up")
        streets = connection.execute(
            "select count(*) from gazetteer.streets"
        ).fetchall()[0][0]
        connection.execute(_QUESTIONS.format(rows=rows, streets=streets))
        start = time.perf_counter()
        found = geocode_table(connection, "bench_questions").count("latitude")
        answered = found.fetchall()[0][0]
        seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rows": rows, "s": seconds, "peak_mib": memory, "answered": answered}


def bench_geocoding(file: Path | None = None) -> list[dict[str, float]]:
    """Measure every size in a process of its own; the last row has the slope."""
    results = []
    for rows in SIZES:
        command = [sys.executable, __file__, "--rows", str(rows)]
        command += [str(file)] if file else []
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        results.append(json.loads(done.stdout))
    first, last = results[0], results[-1]
    slope = math.log(last["s"] / first["s"]) / math.log(last["rows"] / first["rows"])
    return [*results, {"slope": slope}]


def main() -> None:
    """Print one JSON line per size, or measure the one size asked for."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["--rows"]:
        file = Path(arguments[2]) if arguments[2:] else None
        sys.stdout.write(json.dumps(measure(int(arguments[1]), file)) + "\n")
        return
    for line in bench_geocoding(Path(arguments[0]) if arguments else None):
        sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()

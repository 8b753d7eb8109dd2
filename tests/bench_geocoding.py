"""What geocoding costs: 10 k, 100 k and 1 M addresses, in a process of each its own.

Run ``python tests/bench_geocoding.py [FILE.csv]``; without a file, on made-up streets.
Then a sample of the same questions to a real Nominatim that knows the same addresses:
by geopy, one at a time, and by the project's own client.
"""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.sax.saxutils import quoteattr

import duckdb
from running_nominatim import Programs, find_programs, running_nominatim

from warehouse.geocoding.gazetteer import add_addresses
from warehouse.geocoding.geocoder import geocode_table
from warehouse.geocoding.nominatim import NominatimGeocoder
from warehouse.geocoding.protocol import GeocodeRequest
from warehouse.geocoding.sources import add_file
from warehouse.settings import Settings

SIZES = (10_000, 100_000, 1_000_000)
ASKED_OVER_HTTP = 500
_GEOPY = Path(__file__).with_name("geopy_one_at_a_time.py")
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
        _prepare(connection, rows, file)
        seconds, answered = _timed(connection, "bench_questions")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rows": rows, "s": seconds, "peak_mib": memory, "answered": answered}


def _prepare(
    connection: duckdb.DuckDBPyConnection, rows: int, file: Path | None
) -> None:
    if file:
        add_file(connection, file)
    else:
        connection.execute(_MADE_UP)
        add_addresses(connection, "made_up")
    streets = connection.execute("select count(*) from gazetteer.streets").fetchall()
    connection.execute(_QUESTIONS.format(rows=rows, streets=streets[0][0]))


def _timed(connection: duckdb.DuckDBPyConnection, relation: str) -> tuple[float, int]:
    start = time.perf_counter()
    found = geocode_table(connection, relation).count("latitude").fetchall()
    return time.perf_counter() - start, found[0][0]


def measure_nominatim(
    programs: Programs, file: Path | None, folder: Path
) -> list[dict[str, float | str]]:
    """The same questions to a Nominatim of the same addresses; milliseconds for each.

    `ratio` is how many addresses the embedded geocoder places meanwhile.
    """
    with duckdb.connect() as connection:
        _prepare(connection, SIZES[0], file)
        embedded_s, _ = _timed(connection, "bench_questions")
        connection.execute(
            "create temp table sample as from bench_questions "
            f"order by hash(request_id) limit {ASKED_OVER_HTTP}"
        )
        _, answered = _timed(connection, "sample")
        rows = connection.execute("select address from sample").fetchall()
        extract = folder / "addresses.osm"
        _write_extract(connection, extract)
    addresses = [row[0] for row in rows]
    each_s = embedded_s / SIZES[0]
    lines = [_line("embedded", each_s, each_s, answered)]
    with running_nominatim(programs, folder / "nominatim", extract) as url:
        for name, ask in (("geopy", _by_geopy), ("our client", _by_our_client)):
            seconds, answered = ask(programs, url, addresses, folder)
            lines.append(_line(name, seconds / len(addresses), each_s, answered))
    return lines


def _line(
    name: str, each_s: float, embedded_s: float, answered: int
) -> dict[str, float | str]:
    return {
        "geocoder": name,
        "asked": ASKED_OVER_HTTP,
        "answered": answered,
        "ms_each": 1000 * each_s,
        "ratio": each_s / embedded_s,
    }


def _by_geopy(
    programs: Programs, url: str, addresses: list[str], folder: Path
) -> tuple[float, int]:
    file = folder / "questions.json"
    file.write_text(json.dumps(addresses), encoding="utf-8")
    python = programs.environment_program("python")
    command = [python, str(_GEOPY), url.removeprefix("http://"), str(file)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result = json.loads(done.stdout)
    return result["s"], result["answered"]


def _by_our_client(
    _: Programs, url: str, addresses: list[str], folder: Path
) -> tuple[float, int]:
    settings = Settings(data_dir=folder / "data", nominatim_url=url)
    requests = [GeocodeRequest(address) for address in addresses]
    start = time.perf_counter()
    results = NominatimGeocoder(settings).geocode(requests)
    seconds = time.perf_counter() - start
    return seconds, sum(result.latitude is not None for result in results)


def _write_extract(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """The gazetteer as an OSM extract: its addresses, and a line along each street."""
    rows = connection.execute(
        "select street, concat(number, upper(letter)), latitude, longitude "
        "from gazetteer.addresses order by street_key, number, letter"
    ).fetchall()
    streets: dict[str, list[int]] = {}
    with path.open("w", encoding="utf-8") as file:
        file.write('<osm version="0.6">\n')
        for row, (street, number, latitude, longitude) in enumerate(rows, start=1):
            # A line needs two corners, and a street may have one address.
            house, corner = 2 * row, 2 * row + 1
            streets.setdefault(street, []).extend((house, corner))
            file.write(
                f'<node id="{house}" version="1" lat="{latitude}" lon="{longitude}">'
                f'<tag k="addr:street" v={quoteattr(street)}/>'
                f'<tag k="addr:housenumber" v="{number}"/></node>\n'
                f'<node id="{corner}" version="1" lat="{latitude + 1e-5}" '
                f'lon="{longitude}"/>\n'
            )
        for way, (street, nodes) in enumerate(streets.items(), start=1):
            corners = "".join(f'<nd ref="{node}"/>' for node in nodes)
            file.write(
                f'<way id="{way}" version="1">{corners}'
                f'<tag k="highway" v="residential"/>'
                f'<tag k="name" v={quoteattr(street)}/></way>\n'
            )
        file.write("</osm>\n")


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
    file = Path(arguments[0]) if arguments else None
    for line in bench_geocoding(file):
        sys.stdout.write(json.dumps(line) + "\n")
    programs = find_programs()
    if isinstance(programs, str):
        sys.stdout.write(f"not measured against Nominatim: {programs}\n")
        return
    with tempfile.TemporaryDirectory() as folder:
        for row in measure_nominatim(programs, file, Path(folder)):
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()

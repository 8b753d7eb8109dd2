"""Landing files of sales in the raw tables: ``python -m warehouse.land FILE ...``.

Validates every row, quarantines the bad ones with their reason, and lands the rest, a
file at a time and whole or not at all. What belongs here: identity, observations, the
transaction and the summary. What does not: how files are read (``sales_files``), what a
value must be (``sales_checks``), and whether a sale is plausible (dbt).

The identity of a sale is (platform, source_id), else a hash of address, living area,
date and price. A sale seen again with other values is a new observation, and the newest
one counts: later files after earlier ones, and within a file later rows after earlier.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from warehouse.errors import SlutprisError, exit_with
from warehouse.sales_checks import CHECKS, parsed_rows_query
from warehouse.sales_files import REQUIRED_COLUMNS, SalesFile, recognise
from warehouse.settings import Settings
from warehouse.store import connect, create_raw_tables, transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

Report = Callable[[str], None]
"""Told now and then, in words, how far a landing has come."""

MAX_BAD_SHARE = 0.5
"""With more bad rows than this, the file is something else than it says."""

PROGRESS_INTERVAL_S = 1.0
REASONS_SHOWN = 8

# Two spellings of one address are one home: case, blanks, soft hyphens, Unicode form.
_ADDRESS_KEY = r"""
    lower(nfc_normalize(trim(regexp_replace(
        replace(address, chr(173), ''), '[\s\x{A0}\x{200B}]+', ' ', 'g'
    ))))
"""
_HASHED_ID = f"""
    left(sha256(concat_ws(
        '|', {_ADDRESS_KEY}, living_area_m2, sold_date, sold_price_sek
    )), 32)
"""
_VALUE_COLUMNS = [
    check.raw_column
    for check in CHECKS
    if check.raw_column not in ("platform", "source_id")
]

# list_price 0 means unknown, in every export seen.
_OBSERVATIONS = f"""
create temp table observations as
with good_rows as (
    select
        * replace (
            nullif(list_price_sek, 0) as list_price_sek,
            coalesce(platform, 'file') as platform,
            coalesce(source_id, {_HASHED_ID}) as source_id
        ),
        source_id is not null as has_own_id
    from parsed_rows
    where len(problems) = 0
)

select
    *,
    sha256(cast(json_array({", ".join(_VALUE_COLUMNS)}) as varchar)) as content_sha256
from good_rows
"""

# A row is kept when its values are new for that sale. The last row of a sale is kept
# too when it brings back values that newer ones, stored or in this file, had replaced.
_KEPT_ROWS = """
create temp table kept_rows as
with stored as (
    select
        landed_sales.platform,
        landed_sales.source_id,
        landed_sales.content_sha256,
        landed_sales.observed_at
    from raw.landed_sales
    semi join observations
        on
            landed_sales.platform = observations.platform
            and landed_sales.source_id = observations.source_id
),

latest as (
    select
        platform,
        source_id,
        arg_max(content_sha256, observed_at) as content_sha256
    from stored
    group by all
),

changes as (
    select row_number, platform, source_id, content_sha256
    from observations
    qualify
        lag(content_sha256) over (
            partition by platform, source_id order by row_number
        ) is distinct from content_sha256
),

compared as (
    select
        changes.row_number,
        changes.platform,
        changes.source_id,
        changes.content_sha256,
        latest.content_sha256 as latest_content_sha256,
        row_number() over (
            partition by changes.platform, changes.source_id, changes.content_sha256
            order by changes.row_number
        ) = 1
        and not exists (
            select 1 from stored
            where
                stored.platform = changes.platform
                and stored.source_id = changes.source_id
                and stored.content_sha256 = changes.content_sha256
        ) as is_new,
        row_number() over (
            partition by changes.platform, changes.source_id
            order by changes.row_number desc
        ) = 1 as is_last
    from changes
    left join latest
        on
            changes.platform = latest.platform
            and changes.source_id = latest.source_id
)

select row_number
from compared
qualify
    is_new
    or (
        is_last
        and (
            content_sha256 is distinct from latest_content_sha256
            or bool_or(is_new) over (partition by platform, source_id)
        )
    )
"""

_LANDED_COLUMNS = ", ".join(
    ["platform", "source_id", "content_sha256", "has_own_id", *_VALUE_COLUMNS]
)
_INSERT_SALES = f"""
insert into raw.landed_sales (
    observed_at, file_sha256, row_number, {_LANDED_COLUMNS}
)
select
    cast($landed_at as timestamp) + to_microseconds(row_number) as observed_at,
    $file_sha256 as file_sha256,
    row_number,
    {_LANDED_COLUMNS}
from observations
semi join kept_rows using (row_number)
order by row_number
"""

_INSERT_QUARANTINE = """
insert into raw.quarantine (
    source, source_sha256, row_number, field, reason, record, quarantined_at
)
select
    $file_name,
    $file_sha256,
    parsed_rows.row_number,
    parsed_rows.problems[1].field,
    list_aggregate(
        list_transform(
            parsed_rows.problems,
            lambda problem:
                coalesce(problem.field || ' ', '')
                || coalesce('''' || problem.found || ''': ', '')
                || problem.expected
        ),
        'string_agg',
        '; '
    ),
    coalesce(file_rows.record, json_object({record})),
    $landed_at
from parsed_rows
inner join file_rows using (row_number)
where len(parsed_rows.problems) > 0
"""

_PROBLEM_COUNTS = """
with problems as (
    select unnest(problems) as problem from parsed_rows
)

select
    concat_ws(' ', problem.field, problem.expected) as reason,
    count(*) as row_count
from problems
group by all
order by row_count desc, reason
"""


@dataclass(frozen=True)
class Landing:
    """What became of the rows of one file; the three counts add up to all rows."""

    file: SalesFile
    row_count: int
    landed_count: int
    known_count: int
    quarantined_count: int
    problems: tuple[tuple[str, int], ...]
    """Reason and number of rows, the most frequent first."""
    landed_before_at: datetime | None
    """When the very same file had landed already (UTC), else None."""


def land_file(
    connection: duckdb.DuckDBPyConnection,
    file: SalesFile,
    report: Report = lambda _: None,
) -> Landing:
    """Land one file in one transaction; the same file again changes nothing.

    Raises
    ------
    SlutprisError
        When the file is unreadable, holds no row, or is mostly bad. Nothing has landed.
    """
    file_sha256 = file.sha256()
    with transaction(connection):
        create_raw_tables(connection)
        before = _landed_before(connection, file, file_sha256)
        if before:
            return before
        try:
            return _land(connection, file, file_sha256, report)
        finally:
            _drop_staging(connection)


def _landed_before(
    connection: duckdb.DuckDBPyConnection, file: SalesFile, file_sha256: str
) -> Landing | None:
    row = connection.execute(
        "select row_count, quarantined_count, landed_at"
        " from raw.landed_files where file_sha256 = ?",
        [file_sha256],
    ).fetchone()
    if row is None:
        return None
    row_count, quarantined, landed_at = row
    return Landing(
        file, row_count, 0, row_count - quarantined, quarantined, (), landed_at
    )


def _land(
    connection: duckdb.DuckDBPyConnection,
    file: SalesFile,
    file_sha256: str,
    report: Report,
) -> Landing:
    row_count = _stage(connection, file, report)
    report(f"checking {grouped(row_count)} rows")
    connection.execute(
        f"create temp table parsed_rows as {parsed_rows_query(file.texts())}"
    )
    problems = tuple(connection.execute(_PROBLEM_COUNTS).fetchall())
    quarantined = _count(
        connection, "select count(*) from parsed_rows where len(problems) > 0"
    )
    _refuse_mostly_bad(file, row_count, quarantined, problems)
    report("comparing with what had landed")
    connection.execute(_OBSERVATIONS)
    connection.execute(_KEPT_ROWS)
    landed = _write(connection, file, file_sha256, row_count, quarantined)
    known = row_count - quarantined - landed
    return Landing(file, row_count, landed, known, quarantined, problems, None)


def _stage(
    connection: duckdb.DuckDBPyConnection, file: SalesFile, report: Report
) -> int:
    names = [f"c{index}" for index in range(len(file.columns))]
    staged = "".join(f", {name} varchar" for name in names)
    connection.execute(
        "create temp table file_rows"
        f" (row_number bigint, malformed varchar, record varchar{staged})"
    )
    row_count = 0
    for batch in file.batches():
        connection.register("file_batch", batch)
        kinds = connection.execute("describe file_batch").fetchall()
        texts = ", ".join(_as_text(name, kind) for name, kind, *_ in kinds)
        connection.execute(f"insert into file_rows select {texts} from file_batch")
        connection.unregister("file_batch")
        row_count += batch.num_rows
        report(f"{grouped(row_count)} rows read")
    if not row_count:
        raise SlutprisError(
            f"{file.path} holds no rows, only its columns; nothing landed"
        )
    return row_count


def _as_text(name: str, kind: str) -> str:
    # A day's midnight in Stockholm lies on the day before in UTC.
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"cast(timezone('Europe/Stockholm', {name}) as varchar)"
    return name if name == "row_number" else f"cast({name} as varchar)"


def _refuse_mostly_bad(
    file: SalesFile,
    row_count: int,
    quarantined: int,
    problems: Sequence[tuple[str, int]],
) -> None:
    if quarantined <= MAX_BAD_SHARE * row_count:
        return
    reason, count = problems[0]
    raise SlutprisError(
        f"{grouped(quarantined)} of {grouped(row_count)} rows of {file.path} are bad, "
        f"so nothing of it landed; most often ({grouped(count)} rows): {reason}; "
        "is it the right file, with the right columns?"
    )


def _write(
    connection: duckdb.DuckDBPyConnection,
    file: SalesFile,
    file_sha256: str,
    row_count: int,
    quarantined: int,
) -> int:
    landed_at = _landing_time(connection)
    landed = _count(connection, "select count(*) from kept_rows")
    connection.execute(
        _INSERT_SALES, {"landed_at": landed_at, "file_sha256": file_sha256}
    )
    if quarantined:
        connection.execute(
            _INSERT_QUARANTINE.replace("{record}", _record_fields(file)),
            {
                "file_name": file.name,
                "file_sha256": file_sha256,
                "landed_at": landed_at,
            },
        )
    connection.execute(
        "insert into raw.landed_files values (?, ?, ?, ?, ?, ?, ?)",
        [
            file_sha256,
            file.name,
            file.format,
            row_count,
            landed,
            quarantined,
            landed_at,
        ],
    )
    return landed


def _landing_time(connection: duckdb.DuckDBPyConnection) -> datetime:
    # A clock set back must not make new observations older than stored ones.
    now = datetime.now(UTC).replace(tzinfo=None)
    row = connection.execute("select max(observed_at) from raw.landed_sales").fetchone()
    if row and row[0] and row[0] >= now:
        return row[0] + timedelta(microseconds=1)
    return now


def _record_fields(file: SalesFile) -> str:
    quoted = ("'" + name.replace("'", "''") + "'" for name in file.columns)
    return ", ".join(f"{name}, c{index}" for index, name in enumerate(quoted))


def _drop_staging(connection: duckdb.DuckDBPyConnection) -> None:
    try:
        for table in ("file_rows", "parsed_rows", "observations", "kept_rows"):
            connection.execute(f"drop table if exists temp.{table}")
    except duckdb.TransactionException:
        # The transaction has failed: its rollback takes these tables along.
        return


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return row[0] if row else 0


def grouped(number: int) -> str:
    """Write a whole number as Swedes do: 48 098, with no-break spaces."""
    return f"{number:,}".replace(",", "\N{NO-BREAK SPACE}")


def summary(landing: Landing) -> str:
    """Say what became of a file, in a few lines for a person."""
    file = landing.file
    lines = [
        f"{file.name} ({file.format}): {grouped(landing.row_count)} rows",
        f"  landed        {grouped(landing.landed_count):>12}",
        f"  already known {grouped(landing.known_count):>12}",
        f"  quarantined   {grouped(landing.quarantined_count):>12}",
    ]
    lines += [
        f"    {grouped(count)} × {reason}"
        for reason, count in landing.problems[:REASONS_SHOWN]
    ]
    if len(landing.problems) > REASONS_SHOWN:
        lines.append(f"    and {len(landing.problems) - REASONS_SHOWN} other reasons")
    if landing.quarantined_count:
        lines.append("    see raw.quarantine: file, row (1 = first data row), reason")
    if file.ignored_columns:
        names = ", ".join(name or "(unnamed)" for name in file.ignored_columns)
        lines.append(f"  ignored columns: {names}")
    if landing.landed_before_at:
        lines.append(
            f"  this very file landed on {landing.landed_before_at:%Y-%m-%d %H:%M} UTC:"
            " 0 new"
        )
    return "\n".join(lines) + "\n"


def _progress(name: str) -> Report:
    """Write progress to standard error, at most once a second, from the first on."""
    last = time.monotonic()

    def report(message: str) -> None:
        nonlocal last
        if time.monotonic() - last >= PROGRESS_INTERVAL_S:
            last = time.monotonic()
            sys.stderr.write(f"{name}: {message}\n")

    return report


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m warehouse.land",
        description=(
            "Land files of sales in the warehouse: CSV (commas, UTF-8), Parquet, or "
            "the seed project's 21-column CSV (semicolons). Columns needed: "
            f"{', '.join(REQUIRED_COLUMNS)}. Each file lands whole or not at all; bad "
            "rows go to raw.quarantine; the same file again changes nothing."
        ),
        epilog=(
            "example: python -m warehouse.land sales_2025.csv sales_2026.parquet && "
            "dbt build --project-dir dbt_project"
        ),
    )
    parser.add_argument(
        "files", metavar="FILE", nargs="+", type=Path, help="a .csv or .parquet file"
    )
    return parser


def main() -> None:
    """Land the files named on the command line and say what became of each."""
    paths = _parser().parse_args().files
    files = [recognise(path) for path in paths]
    settings = Settings()
    with connect(settings.warehouse_path) as connection:
        connection.execute("set threads = ?", [settings.threads])
        for file in files:
            landing = land_file(connection, file, _progress(file.name))
            sys.stdout.write(summary(landing))
            sys.stdout.flush()
    sys.stdout.write(
        f"in {settings.warehouse_path}; next: dbt build --project-dir dbt_project\n"
    )


if __name__ == "__main__":
    exit_with(main)

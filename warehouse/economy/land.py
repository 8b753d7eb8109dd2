"""Landing the economy's figures, each with the vintage it is of.

What belongs here: the transaction, and which figures are new. What does not: reading
them (``figures``), and which of them holds on a day (dbt).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from warehouse.economy.figures import Figure, figures_of
from warehouse.economy.files import read_file
from warehouse.errors import SlutprisError
from warehouse.store import create_raw_tables, transaction

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from warehouse.economy.cells import StatisticsFile

# A figure equal to the newest of its period, of that vintage or an earlier one, says
# nothing new: the same file again changes nothing.
_NEW_FIGURES = """
create temp table new_figures as
with newest as (
    select
        series,
        period,
        arg_max(value, (vintage_on, loaded_at)) as value
    from raw.economy_observations
    where vintage_on <= $vintage_on
    group by series, period
)

select
    file_figures.*,
    newest.value is not null as is_revision
from file_figures
left join newest
    on
        file_figures.series = newest.series
        and file_figures.period = newest.period
where file_figures.value is distinct from newest.value
"""

_INSERT = """
insert into raw.economy_observations (
    series, period, vintage_on, value, unit, known_from, source, file_name,
    file_sha256, row_number, loaded_at
)
select
    series, period, $vintage_on, value, unit, known_from, source, $file_name,
    $file_sha256, row_number, $loaded_at
from new_figures
"""


@dataclass(frozen=True)
class EconomyLanding:
    """What became of the figures of one file, by series."""

    path: Path
    vintage_on: dt.date
    found: Counter[str]
    new: Counter[str]
    revised: Counter[str]
    """Of the new ones those whose period had another figure in an earlier file."""
    newest_period: dict[str, str]


def land_economy_file(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    *,
    series_name: str | None = None,
    published_on: dt.date | None = None,
) -> EconomyLanding:
    """Land one file, whole or not at all; the same file again changes nothing.

    Parameters
    ----------
    connection
        To the warehouse, for writing.
    path
        A file of Riksbanken or SCB.
    series_name
        What it holds, where it does not say so itself.
    published_on
        The day by which it was public; else what it says itself, else today.

    Raises
    ------
    SlutprisError
        When the file is unreadable, unknown or holds an impossible figure.
    """
    file = read_file(path)
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    vintage_on = _vintage_on(file, published_on, now.date())
    figures = figures_of(file, vintage_on, series_name)
    with transaction(connection):
        create_raw_tables(connection)
        changes = _write(connection, file, figures, vintage_on, now)
    newest: dict[str, Figure] = {}
    for figure in sorted(figures, key=lambda figure: figure.period.end):
        newest[figure.series.name] = figure
    return EconomyLanding(
        path,
        vintage_on,
        found=Counter(figure.series.name for figure in figures),
        new=Counter(series for series, _ in changes),
        revised=Counter(series for series, is_revision in changes if is_revision),
        newest_period={name: figure.period.text for name, figure in newest.items()},
    )


def _vintage_on(
    file: StatisticsFile, published_on: dt.date | None, today: dt.date
) -> dt.date:
    vintage_on = published_on or file.published_on or today
    if vintage_on > today:
        raise file.error(f"published on {vintage_on}, which is yet to come")
    return vintage_on


def _write(
    connection: duckdb.DuckDBPyConnection,
    file: StatisticsFile,
    figures: list[Figure],
    vintage_on: dt.date,
    now: dt.datetime,
) -> list[tuple[str, bool]]:
    connection.register("file_figures", _table(file, figures, vintage_on))
    try:
        connection.execute(_NEW_FIGURES, {"vintage_on": vintage_on})
        connection.execute(
            _INSERT,
            {
                "vintage_on": vintage_on,
                "file_name": file.path.name,
                "file_sha256": file.sha256,
                "loaded_at": _loading_time(connection, now),
            },
        )
        changes = connection.execute(
            "select series, is_revision from new_figures"
        ).fetchall()
        connection.execute("drop table new_figures")
    finally:
        connection.unregister("file_figures")
    return changes


def _loading_time(
    connection: duckdb.DuckDBPyConnection, now: dt.datetime
) -> dt.datetime:
    # A clock set back must not make a newer landing look older than one before it.
    (latest,) = connection.execute(
        "select max(loaded_at) from raw.economy_observations"
    ).fetchall()[0]
    return max(now, latest + dt.timedelta(microseconds=1)) if latest else now


def _table(
    file: StatisticsFile, figures: list[Figure], vintage_on: dt.date
) -> pa.Table:
    source = f"{file.title or file.path.name}, as of {vintage_on}"
    return pa.table(
        {
            "series": [figure.series.name for figure in figures],
            "period": [figure.period.text for figure in figures],
            "value": pa.array([figure.value for figure in figures], pa.float64()),
            "unit": [figure.series.unit for figure in figures],
            "known_from": pa.array(
                [f.series.known_from(f.period, vintage_on) for f in figures],
                pa.date32(),
            ),
            "source": [source] * len(figures),
            "row_number": pa.array([figure.row for figure in figures], pa.int64()),
        }
    )


def day(text: str) -> dt.date:
    """Read a day of the command line.

    Raises
    ------
    SlutprisError
        When it is none.
    """
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise SlutprisError(
            f"--published-on is {text!r}, expected a day such as 2024-03-14"
        ) from error

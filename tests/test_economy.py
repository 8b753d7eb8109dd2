"""The economy: known on a day, gaps, the scenario, and what a refresh moves."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import pytest
from economy_files import unemployment_file
from test_dbt_project import WITHOUT_UNIT_TESTS, run_dbt

from warehouse.economy.land import land_economy_file
from warehouse.store import connect, create_raw_tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb


@pytest.fixture(scope="module")
def built_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose warehouse holds the bundled figures and no sale."""
    folder = tmp_path_factory.mktemp("economy")
    with connect(folder / "warehouse.duckdb") as connection:
        create_raw_tables(connection)
    build(folder)
    return folder


def build(folder: Path) -> None:
    run_dbt("build", "--select", "+economy", *WITHOUT_UNIT_TESTS, data_dir=folder)


@pytest.fixture
def economy(built_dir: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A reader of the warehouse with the bundled figures."""
    with connect(built_dir / "warehouse.duckdb", read_only=True) as connection:
        yield connection


def known(
    connection: duckdb.DuckDBPyConnection, series: str, day: str
) -> list[tuple[float, bool]]:
    return connection.execute(
        "select value, is_scenario from marts.economy"
        " where series = ? and ?::date >= known_from and ?::date < valid_until",
        [series, day, day],
    ).fetchall()


@pytest.mark.parametrize(
    ("series", "day", "value"),
    [
        # January's unemployment came out within 30 days of its end.
        ("unemployment", "2010-03-01", None),
        ("unemployment", "2010-03-02", 9.3),
        # The rate of 30 November was announced on the 24th.
        ("policy_rate", "2022-11-23", 1.75),
        ("policy_rate", "2022-11-24", 2.5),
        # The fourth quarter was published on 29 February, 4.5; the third was 4.53.
        ("gdp_growth_yoy", "2016-02-28", 4.53),
        ("gdp_growth_yoy", "2016-02-29", 4.5),
        # As known on 1 March 2013, not the -1.64 of a level revised later.
        ("gdp_growth_yoy", "2012-12-24", 0.7),
        # 384.04 / 346.44 of October, 387.93 / 348.03 of November, 21 days after it.
        ("cpi_yoy", "2022-12-20", 10.85),
        ("cpi_yoy", "2022-12-21", 11.46),
        # No month of 2023 after February is known: its figure holds to the end of May.
        ("unemployment", "2023-05-30", 7.6),
        ("unemployment", "2023-05-31", None),
        ("unemployment", "2023-11-28", None),
        # No growth is known of the first half of 2021, nor of 2022.
        ("gdp_growth_yoy", "2021-06-04", None),
        ("gdp_growth_yoy", "2022-12-31", None),
        ("cpi_yoy", "2010-12-31", None),
    ],
)
def test_a_day_sees_what_was_published_by_then_and_gaps_stay_gaps(
    economy: duckdb.DuckDBPyConnection, series: str, day: str, value: float | None
) -> None:
    expected = [] if value is None else [(value, False)]
    assert known(economy, series, day) == expected


@pytest.mark.parametrize(
    ("series", "last_day", "value"),
    [
        ("policy_rate", "2026-07-06", 1.75),
        ("gdp_growth_yoy", "2026-09-28", 2.0),
        ("unemployment", "2025-12-19", 8.7),
        ("cpi_yoy", "2025-02-20", 1.56),
    ],
)
def test_after_the_last_figure_the_scenario_stands_in_and_says_so(
    economy: duckdb.DuckDBPyConnection, series: str, last_day: str, value: float
) -> None:
    day_after = dt.date.fromisoformat(last_day) + dt.timedelta(days=1)

    assert known(economy, series, last_day) == [(value, False)]
    assert known(economy, series, str(day_after)) == [(value, True)]
    assert known(economy, series, "2099-12-31") == [(value, True)]


def test_a_scenario_may_be_a_number_or_none(built_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "warehouse.duckdb"
    target.write_bytes((built_dir / "warehouse.duckdb").read_bytes())
    scenario = {"economy_scenario": {"policy_rate": 3.25, "cpi_yoy": "none"}}
    run_dbt(
        "run",
        "--select",
        "economy",
        "--vars",
        json.dumps(scenario),
        data_dir=tmp_path,
    )

    with connect(target, read_only=True) as connection:
        assert known(connection, "policy_rate", "2026-11-24") == [(3.25, True)]
        assert known(connection, "cpi_yoy", "2026-11-24") == []
        assert known(connection, "unemployment", "2026-11-24") == []


def test_a_refresh_moves_nothing_that_was_known_before_it(
    built_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "warehouse.duckdb"
    target.write_bytes((built_dir / "warehouse.duckdb").read_bytes())
    monkeypatch.setenv("SLUTPRIS_DATA", str(tmp_path))
    first = unemployment_file(tmp_path, "march.json", "2025-04-25T06:00:00Z", 9.0, 8.8)
    second = unemployment_file(tmp_path, "april.json", "2025-05-16", 9.4, 9.3, 9.2)
    with connect(target) as connection:
        for path in (first, second):
            land_economy_file(connection, path)
        # Written as it would be landed then: a clock may be behind these days.
        connection.execute(
            """
            insert into raw.economy_observations
            select
                'policy_rate', strftime(day, '%Y-%m-%d'), day, 2.0, 'percent', day,
                'Riksbanken', 'SECBREPOEFF.json', '', 1, day
            from generate_series(
                date '2026-11-18', date '2026-11-20', interval 1 day
            ) as days (day)
            """
        )
    build(tmp_path)

    with connect(target, read_only=True) as connection:
        connection.execute(f"attach '{built_dir / 'warehouse.duckdb'}' as before")
        moved = connection.execute(
            """
            select series, known_from, valid_until
            from marts.economy
            where known_from < '2025-03-30'
            except
            select series, known_from, valid_until
            from before.marts.economy
            """
        ).fetchall()
        # January was 8.9 as published, and is no newer than February when revised.
        assert known(connection, "unemployment", "2025-03-29") == [(8.9, False)]
        assert known(connection, "unemployment", "2025-03-30") == [(8.8, False)]
        assert known(connection, "unemployment", "2025-04-29") == [(8.8, False)]
        assert known(connection, "unemployment", "2025-04-30") == [(9.2, False)]
        assert known(connection, "unemployment", "2025-08-19") == [(8.7, False)]
        # A day's rate bridges a holiday, no more; between July and November is a gap.
        assert known(connection, "policy_rate", "2026-07-07") == []
        assert known(connection, "policy_rate", "2026-11-26") == [(2.0, False)]
        assert known(connection, "policy_rate", "2026-11-27") == [(2.0, True)]
    # All that ends sooner is the January figure, replaced by February's.
    assert moved == [("unemployment", dt.date(2025, 2, 17), dt.date(2025, 3, 30))]


def test_seeded_prices_are_the_yearly_change_of_the_published_index(
    real_data_dir: Path, economy: duckdb.DuckDBPyConnection
) -> None:
    path = real_data_dir / "macro" / "cpi_kpi_1980_monthly.csv"
    differing = economy.execute(
        """
        with index as (select * from read_csv($1, types = {'period': 'varchar'})),

        changes as (
            select
                current.period,
                100 * (current.value / before.value - 1) as value
            from index as current
            inner join index as before
                on (current.period || '-01')::date
                = (before.period || '-01')::date + interval 1 year
        )

        select coalesce(changes.period, seeded.period)
        from changes
        full join (from staging.stg_economy where series = 'cpi_yoy') as seeded
            on changes.period = seeded.period
        where abs(changes.value - seeded.value) < 0.00501 is distinct from true
        """,
        [str(path)],
    ).fetchall()

    assert differing == []

"""Builds that follow a change: the same warehouse as one built anew, with less work."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from test_dbt_project import SALE_COUNT, build, count, run_dbt, write_warehouse

from warehouse.store import connect

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

NEWEST_DAYS = "sold_date >= date '2015-12-20'"
LATE = "hash(source_id) % 100 = 7"
# When a table's row was read, and which days that touches, differ by intent.
OWN_HISTORY = {"int_sale_observations": "exclude (loaded_at, changed_from)"}

LATE_AND_CORRECTED = f"""
    insert into raw.landed_sales
    select * from held_back where {LATE};

    -- seen again with another price, another day, another area
    insert into raw.landed_sales
    select * replace (
        observed_at + interval 1 day as observed_at,
        sold_price_sek + 50000 as sold_price_sek,
        case when hash(source_id) % 2 = 0 then sold_date - 200 else sold_date end
            as sold_date,
        living_area_m2 + hash(source_id) % 3 as living_area_m2
    )
    from raw.landed_sales
    where hash(source_id) % 100 = 9 and sold_date >= date '2014-06-01';

    -- the same sale under another id, which is a duplicate of a sale that stands
    insert into raw.landed_sales
    select * replace ('twin' || source_id as source_id, sold_date + 3 as sold_date)
    from raw.landed_sales
    where hash(source_id) % 100 = 11;

    -- a field of a standing row read otherwise by a mended parser
    update raw.landed_sales set area = 'Vasastaden'
    where hash(source_id) % 100 = 13 and sold_date >= date '2015-03-01'
"""


@pytest.fixture(scope="module")
def yesterday_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built warehouse without its newest days, and without some late sales."""
    folder = tmp_path_factory.mktemp("yesterday")
    write_warehouse(folder)
    with connect(folder / "warehouse.duckdb") as connection:
        connection.execute(
            f"""
            create table held_back as
            select * from raw.landed_sales where {NEWEST_DAYS} or {LATE};
            delete from raw.landed_sales where {NEWEST_DAYS} or {LATE}
            """
        )
    build(folder)
    return folder


@pytest.fixture
def today_dir(yesterday_dir: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    shutil.copy(yesterday_dir / "warehouse.duckdb", tmp_path / "warehouse.duckdb")
    return tmp_path


def change(folder: Path, statements: str) -> None:
    with connect(folder / "warehouse.duckdb") as connection:
        connection.execute(statements)


def differing_tables(folder: Path, other: Path) -> dict[str, int]:
    """Tables of two warehouses that differ, with the number of rows that do."""
    with connect(folder / "warehouse.duckdb", read_only=True) as connection:
        connection.execute(f"attach '{other / 'warehouse.duckdb'}' as other")
        tables = connection.execute(
            """
            select schema_name || '.' || table_name, table_name
            from duckdb_tables()
            where
                database_name = 'warehouse'
                and schema_name in ('intermediate', 'marts')
                and table_name not in ('rebuilds', 'this_run')
            """
        ).fetchall()
        assert len(tables) >= 15
        rows = {name: rows_that_differ(connection, path, name) for path, name in tables}
    return {name: row_count for name, row_count in rows.items() if row_count}


def rows_that_differ(
    connection: duckdb.DuckDBPyConnection, path: str, name: str
) -> int:
    left = f"select * {OWN_HISTORY.get(name, '')} from {path}"
    right = f"select * {OWN_HISTORY.get(name, '')} from other.{path}"
    return count(
        connection,
        f"select count(*) from (({left} except all {right}) union all "
        f"({right} except all {left}))",
    )


def rebuilt_in_full(today_dir: Path, folder: Path) -> Path:
    folder.mkdir()
    shutil.copy(today_dir / "warehouse.duckdb", folder / "warehouse.duckdb")
    run_dbt(
        "build",
        "--full-refresh",
        *("--resource-type", "seed", "--resource-type", "model"),
        data_dir=folder,
    )
    return folder


@pytest.mark.parametrize(
    "raw_change",
    [
        f"insert into raw.landed_sales select * from held_back where {NEWEST_DAYS}",
        LATE_AND_CORRECTED,
    ],
    ids=["the newest days", "late and corrected sales"],
)
def test_following_a_change_ends_where_a_full_build_does(
    today_dir: Path, raw_change: str
) -> None:
    change(today_dir, raw_change)
    build(today_dir)

    full = rebuilt_in_full(today_dir, today_dir / "full")

    assert differing_tables(today_dir, full) == {}
    with connect(full / "warehouse.duckdb", read_only=True) as connection:
        features = count(connection, "select count(*) from marts.sale_features")
    assert 1_000 < features <= SALE_COUNT


def test_new_sales_leave_what_is_older_untouched(today_dir: Path) -> None:
    # Marks that only a rebuild of the row would take away.
    change(
        today_dir,
        """
        update marts.sale_features set agency = 'mark' where sold_date < '2015-11-01';
        update marts.sale_comparables set distance_m = -1 where sold_date < '2015-11-01'
        """
        f";insert into raw.landed_sales select * from held_back where {NEWEST_DAYS}",
    )
    build(today_dir)

    with connect(today_dir / "warehouse.duckdb", read_only=True) as connection:
        for table, mark in [
            ("sale_features", "agency = 'mark'"),
            ("sale_comparables", "distance_m = -1"),
        ]:
            old, marked, new = connection.execute(
                f"""
                select
                    count(*) filter (where sold_date < '2015-11-01'),
                    count(*) filter (where {mark}),
                    count(*) filter (where {NEWEST_DAYS})
                from marts.{table}
                """
            ).fetchall()[0]
            assert old == marked > 1_000
            assert new > 0


def test_a_build_without_news_rebuilds_nothing_and_another_variable_everything(
    today_dir: Path,
) -> None:
    change(today_dir, "update marts.sale_features set agency = 'mark'")
    marked = "select count(*) from marts.sale_features where agency = 'mark'"

    build(today_dir)
    with connect(today_dir / "warehouse.duckdb", read_only=True) as connection:
        assert count(connection, marked) > 1_000

    run_dbt(
        "build",
        *("--resource-type", "seed", "--resource-type", "model"),
        *("--vars", "{building_shrinkage_sales: 2}"),
        data_dir=today_dir,
    )
    with connect(today_dir / "warehouse.duckdb", read_only=True) as connection:
        assert count(connection, marked) == 0


def test_a_clock_that_was_a_day_ahead_hides_no_change(today_dir: Path) -> None:
    change(
        today_dir,
        """
        update intermediate.rebuilds
        set
            seen_until = seen_until + interval 1 day,
            finished_at = finished_at + interval 1 day;
        update intermediate.int_sale_observations
        set loaded_at = loaded_at + interval 1 day;
        insert into raw.landed_sales select * from held_back
        """,
    )
    build(today_dir)

    full = rebuilt_in_full(today_dir, today_dir / "full")

    assert differing_tables(today_dir, full) == {}


def test_a_build_of_one_model_alone_forgets_no_change(today_dir: Path) -> None:
    change(today_dir, "insert into raw.landed_sales select * from held_back")
    # Its inputs have not seen the change yet, so it has not, either.
    run_dbt("build", "--select", "int_sale_observations", data_dir=today_dir)
    run_dbt("run", "--select", "sale_features", data_dir=today_dir)
    build(today_dir)

    full = rebuilt_in_full(today_dir, today_dir / "full")

    assert differing_tables(today_dir, full) == {}

"""The dbt project as a whole: it builds anywhere, and its features never look ahead."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ml.valuation.comparables_estimate import (
    comparables_estimate,
    read_weighed_sales,
    usual_price_sek,
)
from ml.valuation.serving_path import FEATURES_SQL, REQUEST_TYPES
from warehouse.geocoding.gazetteer import add_addresses
from warehouse.geocoding.sales import geocode_sales
from warehouse.land import land_file
from warehouse.row_sql.program import Programs
from warehouse.sales_files import recognise
from warehouse.settings import PROJECT_ROOT
from warehouse.store import connect, create_raw_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

DBT = Path(sys.executable).with_name("dbt")
SALE_COUNT = 1_500
STREETS = ["Odengatan", "Tulegatan", "Sankt Eriksgatan", "Hornsgatan", "Ringvägen"]
DISTRICTS = ["Vasastan", "Vasastan", "Kungsholmen", "Södermalm", None]
# Unit tests read no table: once is enough.
WITHOUT_UNIT_TESTS = ("--exclude-resource-type", "unit_test")
# Never features: they may move with the sale.
LABELS = "sold_price_sek, price_per_m2_sek, list_price_sek, sold_price_norm"


def run_dbt(*arguments: str, data_dir: Path, cwd: Path = PROJECT_ROOT) -> str:
    environment = {
        **os.environ,
        "SLUTPRIS_DATA": str(data_dir),
        "DBT_TARGET_PATH": str(data_dir / "dbt"),
        "DBT_LOG_PATH": str(data_dir / "dbt"),
        "NO_COLOR": "1",
    }
    return _run([*arguments, "--project-dir", "dbt_project"], cwd, environment)


def _run(arguments: list[str], cwd: Path, environment: dict[str, str]) -> str:
    finished = subprocess.run(
        [str(DBT), "--no-partial-parse", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout[-4000:] + finished.stderr
    return finished.stdout


def build(data_dir: Path) -> None:
    """Build the tables alone; the tests of dbt run once, in a test of their own."""
    run_dbt("build", "--resource-type", "seed", "model", data_dir=data_dir)


def random_sales(seed: int) -> list[tuple[object, ...]]:
    """Sales of four years with many fields missing, some impossible."""
    chance = random.Random(seed)

    def perhaps(value: object) -> object:
        return value if chance.random() < 0.7 else None

    rows = []
    for number in range(SALE_COUNT):
        place = chance.randrange(len(STREETS))
        area_m2 = chance.choice([1, *range(20, 120)])
        sold_date = date(2012, 1, 1) + timedelta(days=chance.randrange(1461))
        rows.append(
            (
                str(number),
                f"{STREETS[place]} {chance.randrange(1, 60)}",
                DISTRICTS[place],
                perhaps(chance.choice(["Alfa", "Beta"])),
                sold_date,
                area_m2 * chance.randrange(40_000, 80_000),
                area_m2,
                perhaps(chance.randrange(1, 6)),
                perhaps(chance.randrange(0, 9)),
                perhaps(chance.randrange(1880, 2012)),
                perhaps(area_m2 * 55),
                perhaps(area_m2 * 100),
                perhaps(59.3 + place / 100 + chance.random() / 1000),
                18.05 + chance.random() / 1000,
            )
        )
    return rows


def write_warehouse(data_dir: Path, seed: int = 7) -> None:
    with connect(data_dir / "warehouse.duckdb") as connection:
        create_raw_tables(connection)
        connection.executemany(
            """
            insert into raw.landed_sales (
                platform, source_id, observed_at, content_sha256, has_own_id,
                file_sha256, row_number, address, area, agency, sold_date,
                sold_price_sek, living_area_m2, rooms, floor, construction_year,
                fee_sek_per_month, operating_cost_sek_per_year, latitude, longitude
            )
            select
                'booli', $1, timestamp '2026-01-01', $1, true, '', $1::integer, $2,
                $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
            """,
            random_sales(seed),
        )
        place_some_streets(connection)


def place_some_streets(connection: duckdb.DuckDBPyConnection) -> None:
    """Geocode the sales without a position, by a gazetteer of one street."""
    connection.execute(
        """
        create temp table known as
        select
            'Odengatan ' || number as address, null::varchar as municipality,
            null::varchar as district, 59.3 + number / 1e5 as latitude,
            18.05 as longitude, 'csv' as source, 'made up' as attribution,
            null::double as spread_m
        from range(1, 60) as numbers (number)
        """
    )
    add_addresses(connection, "known")
    geocode_sales(connection)


@pytest.fixture(scope="module")
def built_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose warehouse was built from random sales."""
    folder = tmp_path_factory.mktemp("built")
    write_warehouse(folder)
    build(folder)
    return folder


@pytest.fixture
def marts(built_dir: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A reader of the built warehouse."""
    with connect(built_dir / "warehouse.duckdb", read_only=True) as connection:
        yield connection


def rebuilt_with(built_dir: Path, folder: Path, change: str) -> Path:
    """Copy the warehouse, change its raw rows by one statement, build again."""
    shutil.copy(built_dir / "warehouse.duckdb", folder / "warehouse.duckdb")
    with connect(folder / "warehouse.duckdb") as connection:
        connection.execute(change)
    build(folder)
    return folder / "warehouse.duckdb"


def features_that_differ(
    marts: duckdb.DuckDBPyConnection, other: Path, where: str
) -> list[tuple[object, ...]]:
    """Feature rows, without labels, that only one of two warehouses has."""
    marts.execute(f"attach '{other}' as other (read_only)")
    query = "select * exclude ({}) from {}marts.sale_features where {}"
    ours = query.format(LABELS, "", where)
    theirs = query.format(LABELS, "other.", where)
    return marts.execute(
        f"({ours} except {theirs}) union all ({theirs} except {ours})"
    ).fetchall()


def count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def test_past_sales_get_the_marts_values_from_the_serving_path(
    marts: duckdb.DuckDBPyConnection,
) -> None:
    marts.execute(
        """
        create temp table past_sales as
        select
            sale_id as request_id, sold_date, address, district, agency,
            living_area_m2, rooms, floor, construction_year, fee_sek_per_month,
            operating_cost_sek_per_month, latitude, longitude, brf_name, residence_id
        from marts.sales
        """
    )
    served = "select * from marts.features_of('past_sales')"
    in_mart = f"select * exclude ({LABELS}) from marts.sale_features"

    differing = marts.execute(
        f"({served} except {in_mart}) union all ({in_mart} except {served})"
    ).fetchall()

    assert differing == []
    assert count(marts, f"select count(*) from ({served})") >= 1_000
    assert count(marts, f"select count(*) from ({served}) where is_latitude_imputed")
    sources = marts.execute(f"select distinct position_source from ({served})")
    assert {"own", "address", "geocoded", "street"} <= {
        source for (source,) in sources.fetchall()
    }


def test_past_sales_get_the_marts_values_from_the_compiled_serving_path(
    marts: duckdb.DuckDBPyConnection,
) -> None:
    macros = marts.execute(
        "select function_name, macro_definition from duckdb_functions() "
        "where schema_name = 'marts' and function_type = 'table_macro'"
    ).fetchall()
    programs = Programs(marts, REQUEST_TYPES, dict(macros))
    program = programs.compiled(
        FEATURES_SQL.format(requests="requests"),
        "select sale_id, weight from marts.comparables_of(requests)",
    )
    programs.load()
    sales = rows_of(
        marts,
        f"select sale_id as request_id, {', '.join(list(REQUEST_TYPES)[1:])} "
        "from marts.sales order by sale_id",
    )

    served, compared = program.ask(sales)

    in_mart = f"select * exclude ({LABELS}) from marts.sale_features"
    expected = {str(row.pop("sale_id")): row for row in rows_of(marts, in_mart)}
    assert len(sales) == len(expected) >= 1_000
    for values in zip(*served.values(), strict=True):
        row = dict(zip(served, values, strict=True))
        sale_id = row.pop("request_id")
        assert row == expected[str(sale_id)]
    used = marts.execute("select count(*) from marts.sale_comparables").fetchone()
    assert len(compared["sale_id"]) == (used or [0])[0]


def rows_of(
    connection: duckdb.DuckDBPyConnection, query: str
) -> list[dict[str, object]]:
    cursor = connection.execute(query)
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def test_past_sales_are_shown_the_comparables_their_features_were_made_of(
    marts: duckdb.DuckDBPyConnection,
) -> None:
    marts.execute(
        """
        create or replace temp table past_sales as
        select
            sale_id as request_id, sold_date, address, district, agency,
            living_area_m2, rooms, floor, construction_year, fee_sek_per_month,
            operating_cost_sek_per_month, latitude, longitude, brf_name, residence_id
        from marts.sales;

        create temp table shown as from marts.comparables_of('past_sales');
        """
    )
    shown = "select request_id, sale_id, log_residual, distance_m, weight from shown"
    used = """
        select sale_id, comparable_sale_id, log_residual, distance_m, weight
        from marts.sale_comparables
    """
    assert count(marts, f"select count(*) from ({shown})") >= 10_000
    differing = f"({shown} except {used}) union all ({used} except {shown})"
    assert marts.execute(differing).fetchall() == []

    # One price says as much above the market and the qualities as the sale's residual.
    off = """
        select count(*)
        from shown
        inner join marts.sales as sales on shown.request_id = sales.sale_id
        inner join marts.comparable_sales as own on shown.request_id = own.sale_id
        where abs(
            ln(adjusted_price_sek / sales.sold_price_sek)
            - (shown.log_residual - own.log_residual)
        ) > 0.0001
    """
    assert count(marts, off) == 0


def test_weights_of_comparables_reproduce_the_estimate_behind_the_feature(
    marts: duckdb.DuckDBPyConnection,
) -> None:
    homes = marts.execute(
        """
        select features.*
        from marts.sale_features as features
        where comparables_weight is not null
        order by hash(sale_id)
        limit 5
        """
    ).df()
    for home in homes.to_dict("records"):
        marts.execute(
            """
            create or replace temp table one_home as
            select sale_id as request_id, * exclude (sale_id)
            from marts.sales where sale_id = $1
            """,
            [home["sale_id"]],
        )
        sales, shrinkage_weight = read_weighed_sales(marts, "one_home")

        estimate = comparables_estimate(
            sales, shrinkage_weight=shrinkage_weight, usual_sek=usual_price_sek(home)
        )

        # The feature is rounded to the fifth decimal, the estimate is not.
        feature = home["comparables_log_residual"]
        assert estimate.log_residual == pytest.approx(feature, abs=6e-6)
        added_up = estimate.no_evidence_weight * estimate.usual_price_sek + sum(
            sale.weight * sale.adjusted_price_sek for sale in estimate.sales
        )
        assert abs(added_up - estimate.estimate_sek) <= 1


def test_serving_path_reads_nothing_outside_the_marts(
    marts: duckdb.DuckDBPyConnection,
) -> None:
    row = marts.execute(
        "select macro_definition from duckdb_functions() "
        "where function_name = 'features_of'"
    ).fetchone()
    assert row is not None
    for outside in ("staging", "intermediate", "seeds", "raw.", "warehouse"):
        assert outside not in row[0]


def test_request_with_nothing_but_address_and_area_gets_features(
    marts: duckdb.DuckDBPyConnection,
) -> None:
    marts.execute(
        """
        create temp table request as
        select
            'r' as request_id, date '2016-03-01' as sold_date,
            'odengatan 999 B, 2 tr' as address, null as district, null as agency,
            52 as living_area_m2, null as rooms, null as floor,
            null as construction_year, null as fee_sek_per_month,
            null as operating_cost_sek_per_month, null as latitude, null as longitude,
            null as brf_name, null as residence_id
        """
    )
    row = marts.execute(
        """
        select
            street, street_number, is_street_number_imputed, is_latitude_imputed,
            rooms is null, fee_sek_per_month is null, latitude between 59.3 and 59.301,
            unemployment_pct, price_index_sek_per_m2 is null
        from marts.features_of('request')
        """
    ).fetchone()

    assert row == ("odengatan", 999, False, True, False, False, True, 7.2, False)


def test_a_request_after_the_last_figure_is_told_what_is_assumed(
    marts: duckdb.DuckDBPyConnection,
) -> None:
    marts.execute(
        """
        create temp table days as
        select
            day::varchar as request_id, day as sold_date,
            'Odengatan 9' as address, null as district, null as agency,
            52 as living_area_m2, null as rooms, null as floor,
            null as construction_year, null as fee_sek_per_month,
            null as operating_cost_sek_per_month, null as latitude, null as longitude,
            null as brf_name, null as residence_id
        from (values (date '2015-03-01'), (date '2021-09-01'), (date '2040-01-01'))
            as days (day)
        """
    )
    rows = marts.execute(
        """
        select
            gdp_growth_yoy_pct, is_gdp_growth_yoy_pct_scenario,
            cpi_yoy_pct, is_cpi_yoy_pct_scenario, is_policy_rate_pct_scenario
        from marts.features_of('days') order by sold_date
        """
    ).fetchall()

    # 2021 lies inside the series: its gap is no scenario.
    assert rows[0] == (3.39, False, -0.21, False, False)
    assert rows[1][:2] == (None, False)
    assert rows[2][1:] == (True, 1.56, True, True)


def test_later_sales_move_no_feature_of_an_earlier_one(
    marts: duckdb.DuckDBPyConnection, built_dir: Path, tmp_path: Path
) -> None:
    poisoned = rebuilt_with(
        built_dir,
        tmp_path,
        """
        update raw.landed_sales set
            sold_price_sek = 3 * sold_price_sek, fee_sek_per_month = 1, rooms = 9,
            floor = 30, construction_year = 1700, latitude = 59.9, area = 'Elsewhere',
            operating_cost_sek_per_year = 1
        where sold_date >= date '2014-07-01'
        """,
    )
    earlier = "sold_date < date '2014-07-01'"

    assert features_that_differ(marts, poisoned, earlier) == []
    assert count(marts, f"select count(*) from marts.sale_features where {earlier}")


def test_own_price_moves_no_own_feature(
    marts: duckdb.DuckDBPyConnection, built_dir: Path, tmp_path: Path
) -> None:
    sale_ids = marts.execute(
        "select sale_id from marts.sales where month(sold_date) = 6 order by all"
    ).fetchall()
    sale_id = sale_ids[0][0]
    changed = rebuilt_with(
        built_dir,
        tmp_path,
        "update raw.landed_sales set sold_price_sek = sold_price_sek + 100000 "
        f"where 'booli:' || source_id = '{sale_id}'",
    )

    assert features_that_differ(marts, changed, f"sale_id = '{sale_id}'") == []


def test_build_with_every_test_has_no_warning(built_dir: Path, tmp_path: Path) -> None:
    shutil.copy(built_dir / "warehouse.duckdb", tmp_path / "warehouse.duckdb")

    printed = run_dbt("--warn-error", "build", data_dir=tmp_path)

    assert "WARN=0 ERROR=0 SKIP=0" in printed


NEWER_LOAD = """
    insert into raw.landed_sales
    select * replace (
        'newer ' || source_id as source_id,
        timestamp '2026-01-02' as observed_at,
        address || '99' as address,
        {change}
    )
    from raw.landed_sales
    where row_number < 600
"""
DRIFT_TESTS = ("test", "--select", "test_name:has_not_drifted")


def test_a_load_unlike_the_earlier_ones_is_warned_of(
    built_dir: Path, tmp_path: Path
) -> None:
    alike, unlike = tmp_path / "alike", tmp_path / "unlike"
    for folder in (alike, unlike):
        folder.mkdir()
    rebuilt_with(built_dir, alike, NEWER_LOAD.format(change="rooms as rooms"))
    change = "sold_price_sek * 10 as sold_price_sek, null as floor"
    rebuilt_with(built_dir, unlike, NEWER_LOAD.format(change=change))

    assert "WARN=0" in run_dbt(*DRIFT_TESTS, data_dir=alike)
    printed = run_dbt(*DRIFT_TESTS, data_dir=unlike)
    assert "WARN=2" in printed
    warned = [line for line in printed.splitlines() if " WARN 1 " in line]
    assert [line.split("observations_")[1].split(" ")[0] for line in warned] == [
        "floor",
        "sold_price_sek",
    ]


def test_a_warehouse_without_rows_builds_and_answers(tmp_path: Path) -> None:
    with connect(tmp_path / "warehouse.duckdb") as connection:
        create_raw_tables(connection)
    run_dbt("build", *WITHOUT_UNIT_TESTS, data_dir=tmp_path)
    run_dbt("docs", "generate", data_dir=tmp_path)

    assert (tmp_path / "dbt" / "catalog.json").exists()
    with connect(tmp_path / "warehouse.duckdb", read_only=True) as connection:
        assert count(connection, "select count(*) from marts.sales") == 0
        assert count(connection, "select count(*) from marts.economy") > 300


@pytest.mark.parametrize(
    ("folder", "arguments"),
    [(".", ["--project-dir", "dbt_project"]), ("dbt_project", [])],
)
def test_one_warehouse_from_either_folder_without_environment(
    folder: str, arguments: list[str], tmp_path: Path
) -> None:
    for path in ("dbt_project", "profiles.yml"):
        source, copy = PROJECT_ROOT / path, tmp_path / path
        if source.is_symlink():
            copy.symlink_to(source.readlink())
        else:
            ignored = shutil.ignore_patterns("target", "logs")
            shutil.copytree(source, copy, ignore=ignored)
    with connect(tmp_path / "data" / "warehouse.duckdb") as connection:
        create_raw_tables(connection)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SLUTPRIS_", "DBT_"))
    }

    _run(
        ["build", "--select", "+feature_bounds", *arguments],
        tmp_path / folder,
        environment,
    )

    warehouse = tmp_path / "data" / "warehouse.duckdb"
    with connect(warehouse, read_only=True) as connection:
        assert count(connection, "select count(*) from marts.feature_bounds") == 14
    assert list(tmp_path.rglob("*.duckdb")) == [warehouse]


def test_real_sales_are_accepted_or_rejected_by_a_rule(
    real_data_dir: Path, tmp_path: Path
) -> None:
    with connect(tmp_path / "warehouse.duckdb") as connection:
        create_raw_tables(connection)
        for name in ("sales_booli_2012_2016", "sales_hemnet_2012_2022"):
            land_file(connection, recognise(real_data_dir / f"{name}.parquet"))
    run_dbt("build", *WITHOUT_UNIT_TESTS, data_dir=tmp_path)

    with connect(tmp_path / "warehouse.duckdb", read_only=True) as connection:
        raw = count(connection, "select count(*) from raw.landed_sales")
        rejected = count(connection, "select count(*) from marts.rejected_sales")
        repeated = count(
            connection,
            "select count(*) from marts.rejected_sales "
            "where rule in ('duplicate_sale', 'superseded_observation')",
        )
        assert count(connection, "select count(*) from marts.sales") == raw - rejected
    assert raw > 90_000
    assert rejected - repeated < raw / 1_000


def test_comparables_are_earlier_sales_by_weight(
    marts: duckdb.DuckDBPyConnection,
) -> None:
    compared = """
        from marts.sale_comparables as compared
        inner join marts.sales as sale on compared.sale_id = sale.sale_id
        inner join marts.sales as other
            on compared.comparable_sale_id = other.sale_id
    """
    assert count(marts, f"select count(*) {compared}") >= 10_000
    late = f"select count(*) {compared} where other.sold_date >= sale.sold_date"
    assert count(marts, late) == 0


def test_comparables_are_what_a_plain_search_of_the_squares_finds(
    marts: duckdb.DuckDBPyConnection,
) -> None:
    found = marts.execute(
        """
        with first_sales as (
            select * from marts.comparable_sales order by sold_date, sale_id limit 100
        ),

        pairs as (
            select
                sale.sale_id,
                other.sale_id as comparable_sale_id,
                111320 * sqrt(
                    (sale.latitude - other.latitude) ** 2
                    + (
                        (sale.longitude - other.longitude)
                        * cos(radians(sale.latitude))
                    ) ** 2
                ) as distance_m
            from first_sales as sale
            inner join first_sales as other
                on sale.sold_date > other.sold_date
                and abs(sale.wide_square // 100000 - other.wide_square // 100000) <= 1
                and abs(sale.wide_square % 100000 - other.wide_square % 100000) <= 1
        )

        select
            pairs.sale_id,
            count(*) as expected,
            count(kept.weight) as kept,
            max(abs(pairs.distance_m - kept.distance_m)) as distance_off_m
        from pairs
        left join marts.sale_comparables as kept
            on pairs.sale_id = kept.sale_id
            and pairs.comparable_sale_id = kept.comparable_sale_id
        group by pairs.sale_id
        """
    ).fetchall()

    # Where so few are near, the newest of a square are all of them.
    few = [row for row in found if row[1] <= 8]
    assert few
    for sale_id, expected, kept, distance_off_m in few:
        assert kept == expected, sale_id
        assert distance_off_m <= 0.1

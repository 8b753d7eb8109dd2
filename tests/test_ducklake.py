"""The dbt target `ducklake`: the marts in a lake that other machines can read.

The build needs DuckDB's extension `ducklake`, which is fetched from the network; where
it cannot be had, that test says so and is skipped.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import jinja2
import pytest
import yaml
from dbt.adapters.duckdb.credentials import DuckDBCredentials

from warehouse.settings import PROJECT_ROOT
from warehouse.store import connect, create_raw_tables

if TYPE_CHECKING:
    from warehouse.settings import Settings

DBT = Path(sys.executable).with_name("dbt")
ATTACH_WAREHOUSE = "ATTACH IF NOT EXISTS '/data/warehouse.duckdb' AS warehouse"
ONE_SALE = """
    insert into raw.landed_sales by name
    select
        'booli' as platform, '1' as source_id, timestamp '2026-11-01' as observed_at,
        'a' as content_sha256, true as has_own_id, 'f' as file_sha256, 1 as row_number,
        'Sveavägen 98' as address, 'Vasastan' as area, 'Stockholm' as municipality,
        'Slutpris' as sold_price_type, 'Lägenhet' as object_type,
        date '2026-10-01' as sold_date, 4000000 as sold_price_sek,
        50.0 as living_area_m2, 2.0 as rooms
"""


def target(name: str, **environment: str) -> DuckDBCredentials:
    """Read a target of profiles.yml as dbt does, in an environment of the test's."""

    def env_var(key: str, default: str | None = None) -> str:
        return environment.get(key, default) or ""

    def rendered(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: rendered(each) for key, each in value.items()}
        if isinstance(value, list):
            return [rendered(each) for each in value]
        if isinstance(value, str):
            return jinja2.Template(value).render(env_var=env_var)
        return value

    profiles = yaml.safe_load(
        (PROJECT_ROOT / "dbt_project" / "profiles.yml").read_text()
    )
    output = rendered(profiles["slutpris"]["outputs"][name])
    output.pop("type")
    # it changes what it is given
    fields = DuckDBCredentials.__pre_deserialize__(output)
    return DuckDBCredentials.from_dict(fields)


def test_the_lake_lies_in_the_data_folder_unless_told() -> None:
    credentials = target("ducklake", SLUTPRIS_DATA="/data")

    assert credentials.database == "lake"
    # so dbt-duckdb renames and replaces tables as DuckLake can
    assert credentials._ducklake_dbs == {"lake"}
    assert [each.to_sql() for each in credentials.attach or []] == [
        "ATTACH IF NOT EXISTS 'ducklake:/data/lake.ducklake' AS lake"
        " (DATA_PATH '/data/lake_files')",
        f"{ATTACH_WAREHOUSE} (READ_ONLY)",
    ]


def test_the_catalog_may_be_postgresql() -> None:
    credentials = target(
        "ducklake",
        SLUTPRIS_DATA="/data",
        SLUTPRIS_LAKE_CATALOG="postgres:dbname=slutpris host=db",
        SLUTPRIS_LAKE_FILES="s3://homes/lake",
    )

    assert (credentials.attach or [])[0].to_sql() == (
        "ATTACH IF NOT EXISTS 'ducklake:postgres:dbname=slutpris host=db' AS lake"
        " (DATA_PATH 's3://homes/lake')"
    )
    assert credentials._ducklake_dbs == {"lake"}


def test_motherduck_reads_the_same_raw_rows() -> None:
    credentials = target("motherduck", SLUTPRIS_DATA="/data")

    assert (credentials.is_motherduck, credentials.database) == (True, "slutpris")
    attached = [each.to_sql() for each in credentials.attach or []]
    assert attached == [f"{ATTACH_WAREHOUSE} (READ_ONLY)"]


@pytest.fixture
def lake_extension() -> None:
    with duckdb.connect() as connection:
        try:
            connection.execute("install ducklake")
            connection.execute("load ducklake")
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            pytest.skip(
                f"needs DuckDB's extension ducklake, which is not here: {reason}"
            )


@pytest.mark.usefixtures("lake_extension")
def test_dbt_builds_the_marts_in_a_lake_and_again(settings: Settings) -> None:
    with connect(settings.warehouse_path) as connection:
        create_raw_tables(connection)
        connection.execute(ONE_SALE)

    for _ in range(2):
        _build_lake(settings)

    with duckdb.connect() as connection:
        connection.execute(f"attach 'ducklake:{settings.data}/lake.ducklake' as lake")
        counts = connection.execute(
            "select (select count(*) from lake.marts.sales),"
            " (select count(*) from lake.marts.sale_features)"
        ).fetchall()
    assert counts == [(1, 1)]


def _build_lake(settings: Settings) -> None:
    done = subprocess.run(
        [
            *(DBT, "--no-use-colors", "build", "--project-dir", "dbt_project"),
            *("--target", "ducklake", "--exclude-resource-type", "unit_test"),
        ],
        cwd=PROJECT_ROOT,
        env=os.environ
        | {
            "SLUTPRIS_DATA": str(settings.data),
            "DBT_TARGET_PATH": str(settings.data / "dbt"),
            "DBT_LOG_PATH": str(settings.data / "dbt"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]

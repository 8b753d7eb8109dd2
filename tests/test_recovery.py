"""The warehouse against a market whose truth is known: index and comparables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from bench import sales_file, write_market
from test_dbt_project import build

from warehouse.land import land_file
from warehouse.sales_files import recognise
from warehouse.store import connect, create_raw_tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb

SALES_PER_MONTH = 120

# The first years teach the qualities; the index is judged by how it moved in a year,
# since the truth is the price of one home and the index that of the mean one.
YEARLY_CHANGES = """
    with errors as (
        select
            {key} as key,
            period_start,
            {standard_error} as standard_error_pct,
            100 * ln(price_index_sek_per_m2 / index_sek_per_m2) as error_pct
        from marts.{table}
        inner join true_index
            on date_trunc('month', period_start) = true_index.month
        where period_start >= date '{first}'
    )

    select
        error_pct - lag(error_pct, 24) over year as change_error_pct,
        sqrt(
            power(standard_error_pct, 2)
            + power(lag(standard_error_pct, 24) over year, 2)
        ) as change_standard_error_pct
    from errors
    window year as (partition by key order by period_start)
    qualify change_error_pct is not null
"""

CITY_CHANGES = YEARLY_CHANGES.format(
    key="'city'",
    table="price_index",
    standard_error="standard_error_pct",
    first="2013-07-01",
)


@pytest.fixture(scope="module")
def built_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse built of a synthetic market, beside the market's truth."""
    folder = tmp_path_factory.mktemp("market")
    write_market(folder, SALES_PER_MONTH)
    with connect(folder / "warehouse.duckdb") as connection:
        create_raw_tables(connection)
        land_file(connection, recognise(sales_file(folder)))
    build(folder)
    return folder


@pytest.fixture
def marts(built_dir: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A reader of the warehouse, with the truth as temporary tables."""
    with connect(built_dir / "warehouse.duckdb", read_only=True) as connection:
        connection.execute(
            f"""
            create temp table truth as
            from read_json_auto('{built_dir / "truth.jsonl"}', sample_size = -1);

            create temp table true_index as
            select
                date_trunc('month', sold_date::date) as month,
                any_value(index_sek_per_m2) as index_sek_per_m2
            from truth
            group by month
            """
        )
        yield connection


def one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[float, ...]:
    return connection.execute(query).fetchall()[0]


def test_index_recovers_the_true_change_of_a_year_within_its_stated_error(
    marts: duckdb.DuckDBPyConnection,
) -> None:
    count, within_3, mean_error, truth_moves = one(
        marts,
        f"""
        select
            count(*),
            avg((abs(change_error_pct) <= 3 * change_standard_error_pct)::integer),
            abs(avg(change_error_pct)),
            (select stddev(100 * ln(index_sek_per_m2)) from true_index)
        from ({CITY_CHANGES})
        """,
    )

    assert count >= 250
    assert within_3 >= 0.95
    assert mean_error < 0.5
    # An index that stood still would not pass for a good one.
    assert truth_moves > 10


def test_the_stated_error_is_no_wider_than_it_need_be(
    marts: duckdb.DuckDBPyConnection,
) -> None:
    ratio = one(
        marts,
        f"select stddev(change_error_pct) / avg(change_standard_error_pct) "
        f"from ({CITY_CHANGES})",
    )[0]

    assert 0.7 < ratio < 1.7


def test_districts_move_as_the_truth_did(marts: duckdb.DuckDBPyConnection) -> None:
    changes = YEARLY_CHANGES.format(
        key="district_key",
        table="district_price_index",
        standard_error="cast(null as double)",
        first="2015-07-01",
    )

    count, median_error, p95_error = one(
        marts,
        f"""
        select
            count(*), median(abs(change_error_pct)),
            quantile_cont(abs(change_error_pct), 0.95)
        from ({changes})
        """,
    )

    assert count >= 1_000
    assert median_error < 2.5
    assert p95_error < 7


def test_comparables_and_the_building_bring_the_expected_price_nearer(
    marts: duckdb.DuckDBPyConnection,
) -> None:
    count, by_qualities, by_comparables, by_building = one(
        marts,
        """
        select
            count(*),
            median(abs(off)),
            median(abs(off + coalesce(comparables_log_residual, 0))),
            median(abs(
                off + coalesce(comparables_log_residual, 0) / 2
                + coalesce(building_log_residual, 0) / 2
            ))
        from (
            select
                sale_features.*,
                ln(
                    price_index_sek_per_m2 * exp(quality_log_premium)
                    / (expected_price_sek / true_living_area_m2)
                ) as off
            from marts.sale_features
            inner join truth on sale_features.sale_id = truth.sale_id
            where
                sale_features.sold_date >= date '2013-07-01'
                and not list_contains(truth.dirt, 'area_typo')
                and not list_contains(truth.dirt, 'price_typo')
        )
        """,
    )

    assert count >= 5_000
    assert by_comparables < 0.98 * by_qualities
    assert by_building < 0.97 * by_comparables
    assert by_building < 0.06


def test_comparables_are_the_heaviest_of_all_earlier_sales(
    marts: duckdb.DuckDBPyConnection,
) -> None:
    """Weighed one by one against every earlier sale, which the search never is."""
    past = marts.execute("from marts.comparable_sales order by sale_id").df()
    kept = marts.execute(
        """
        select sale_id, comparable_sale_id, weight from marts.sale_comparables
        where sale_id in (
            select sale_id from marts.comparable_sales
            where sold_date >= date '2020-01-01' order by hash(sale_id) limit 300
        )
        """
    ).df()
    shares = []
    for sale_id, comparables in kept.groupby("sale_id"):
        subject = past[past["sale_id"] == sale_id].iloc[0]
        earlier = past[past["sold_date"] < subject["sold_date"]]
        weights = weighed(earlier, subject)
        chosen = weights[comparables["comparable_sale_id"]]
        np.testing.assert_allclose(chosen, comparables["weight"], rtol=0.01, atol=1e-6)
        shares.append(chosen.sum() / weights.nlargest(25).sum())

    assert len(kept) >= 5_000
    assert np.median(shares) > 0.9
    assert np.mean(shares) > 0.85


def weighed(earlier: pd.DataFrame, subject: pd.Series) -> pd.Series:
    """Weights by sale_id, as docs/decisions/0011 has them."""
    north_m = 111_320 * (earlier["latitude"] - subject["latitude"])
    east_m = (
        111_320
        * (earlier["longitude"] - subject["longitude"])
        * np.cos(np.radians(subject["latitude"]))
    )
    days = (subject["sold_date"] - earlier["sold_date"]).dt.days
    size = np.log(earlier["living_area_m2"] / subject["living_area_m2"]).abs()
    ages = (
        (earlier["construction_year"] - subject["construction_year"])
        .abs()
        .astype("float64")
        .fillna(20)
    )
    weights = np.exp(
        -np.hypot(north_m, east_m) / 150 - size / 0.35 - days / 400 - ages / 40
    )
    return pd.Series(weights.to_numpy(), index=earlier["sale_id"])

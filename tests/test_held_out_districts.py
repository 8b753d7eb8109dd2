"""Districts that were never observed: a market of our own, built by dbt three times."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from ml.valuation.backtest import read_backtest_sales
from ml.valuation.held_out_districts import (
    district_of,
    district_splits,
    held_out_districts,
    held_out_months,
)
from ml.valuation.plan import Plan
from warehouse.settings import Settings
from warehouse.store import connect, create_raw_tables
from warehouse.without_sales import build_without

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    from ml.valuation.plan import Protocol
    from ml.valuation.protocols import Split

PLACES = {
    "Vasastan": ("Odengatan", 59.343, 18.045),
    "Södermalm": ("Hornsgatan", 59.314, 18.060),
    "Farsta": ("Farstavägen", 59.243, 18.092),
    "Kista": ("Kistagången", 59.403, 17.944),
}
SHARES = [0.35, 0.3, 0.25, 0.1]
PLAN = Plan(start=date(2016, 4, 1), end=date(2016, 5, 1), models=("xgboost_plain",))
ARRIVAL = pd.Timestamp(2015, 10, 1)


def raw_sales(rows: int = 700) -> pd.DataFrame:
    """Sales of 30 months, until half a year after the plan."""
    chance = np.random.default_rng(4)
    names = chance.choice(list(PLACES), rows, p=SHARES)
    area_m2 = chance.integers(25, 110, rows)
    number = chance.integers(1, 40, rows)
    days = np.sort(chance.integers(0, 900, rows))
    return pd.DataFrame(
        {
            "platform": "booli",
            "source_id": [str(n) for n in range(rows)],
            "address": [
                f"{PLACES[d][0]} {n}" for d, n in zip(names, number, strict=True)
            ],
            "area": names,
            "sold_date": pd.Timestamp(2014, 5, 1) + pd.to_timedelta(days, unit="D"),
            "sold_price_sek": area_m2 * chance.integers(45_000, 60_000, rows),
            "list_price_sek": area_m2 * 48_000,
            "living_area_m2": area_m2,
            "latitude": [PLACES[d][1] for d in names] + number / 1e5,
            "longitude": [PLACES[d][2] for d in names],
        }
    )


def land(connection: duckdb.DuckDBPyConnection, sales: pd.DataFrame) -> None:
    create_raw_tables(connection)
    connection.register("landing", sales)
    connection.execute(
        """
        insert into raw.landed_sales by name
        select
            *, timestamp '2026-01-01' as observed_at, source_id as content_sha256,
            true as has_own_id, '' as file_sha256, source_id::bigint as row_number
        from landing;

        -- What the first build needs to know of itself: nothing was rejected.
        create schema marts;
        create table marts.sales (sale_id varchar);
        create table marts.rejected_sales (sale_id varchar);
        """
    )


@pytest.fixture(scope="module")
def whole(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The whole market's warehouse, built."""
    folder = tmp_path_factory.mktemp("market")
    with connect(folder / "landed.duckdb") as landed:
        land(landed, raw_sales())
        path = build_without(landed, [], folder)
    with connect(path, read_only=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def sales(
    whole: duckdb.DuckDBPyConnection, tmp_path_factory: pytest.TempPathFactory
) -> pd.DataFrame:
    settings = Settings(data_dir=tmp_path_factory.mktemp("kept"))
    return read_backtest_sales(whole, PLAN, settings)


@pytest.fixture(scope="module")
def held_out(sales: pd.DataFrame) -> pd.DataFrame:
    return sales[district_of(sales).isin(held_out_districts(sales, PLAN))]


def fits(
    whole: duckdb.DuckDBPyConnection, sales: pd.DataFrame, protocol: Protocol
) -> list[Split]:
    return list(district_splits(whole, sales, PLAN, protocol))


def own_history(tests: pd.DataFrame) -> pd.Series:
    return tests["building_sale_count"].fillna(0) + tests["comparables_weight"].fillna(
        0
    )


def test_unseen_district_has_neither_training_nor_history_of_its_own(
    whole: duckdb.DuckDBPyConnection, sales: pd.DataFrame, held_out: pd.DataFrame
) -> None:
    of_months = fits(whole, sales, "unseen_districts")

    assert len(of_months) == len(held_out_months(sales, PLAN)) == 2
    tests = pd.concat([split.tests["unseen_districts"] for split in of_months])
    expected = held_out[held_out["sold_date"] >= pd.Timestamp(PLAN.start)]
    assert sorted(tests["sale_id"]) == sorted(expected["sale_id"])
    assert (own_history(tests) == 0).all()
    assert (own_history(expected) > 0).mean() > 0.9
    for split in of_months:
        assert not split.train["sale_id"].isin(held_out["sale_id"]).any()
    # Labels and asking prices are those of the whole warehouse.
    for name in ("sold_price_sek", "list_price_sek", "platform", "address"):
        both = tests.merge(expected, on="sale_id")
        assert both[f"{name}_x"].equals(both[f"{name}_y"])
    assert tests["price_index_sek_per_m2"].notna().all()
    # What is fitted of sales knows the city's level, and no neighbour within reach.
    assert tests["market_log_level"].notna().all()
    assert tests["neighbours_certainty"].max() < 0.2
    assert expected["neighbours_certainty"].median() > 0.2


def test_arriving_district_has_history_but_no_training(
    whole: duckdb.DuckDBPyConnection, sales: pd.DataFrame, held_out: pd.DataFrame
) -> None:
    of_months = fits(whole, sales, "unseen_districts_arriving")

    tests = pd.concat([s.tests["unseen_districts_arriving"] for s in of_months])
    arrived = of_months[-1].sales
    arrived = arrived[arrived["sale_id"].isin(held_out["sale_id"])]
    assert arrived["sold_date"].min() >= ARRIVAL
    assert len(arrived) == (held_out["sold_date"] >= ARRIVAL).sum()
    assert (own_history(tests) > 0).mean() > 0.9
    assert tests["neighbours_certainty"].median() > 0.2
    for split in of_months:
        assert not split.train["sale_id"].isin(held_out["sale_id"]).any()
        assert (split.train["sold_date"] < tests["sold_date"].max()).all()

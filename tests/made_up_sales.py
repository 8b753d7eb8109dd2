"""Sales of a made-up market, with every column models read of ``marts.sale_features``.

Prices are index x area x district x a little noise; the district and the coordinates
tell the level, so a model that learns beats the median of the district and month.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml.valuation.described import described_sales
from ml.valuation.features import HISTORY_FEATURES, SURROUNDINGS
from ml.valuation.hedonic.hedonics import Hedonics

if TYPE_CHECKING:
    import duckdb

DISTRICTS = ("Vasastan", "Södermalm", "Farsta", "Spånga")
DISTRICT_LEVEL = np.array([1.5, 1.2, 0.8, 0.6])
SMALL = {
    "xgboost": {
        "objective": "reg:absoluteerror",
        "num_boost_round": 60,
        "learning_rate": 0.2,
        "max_depth": 5,
        "subsample": 0.8,
    },
    "lightgbm": {"num_boost_round": 60, "learning_rate": 0.2, "num_leaves": 15},
    "neural": {
        "networks": 2,
        "bins": 4,
        "hidden_layer_sizes": [16, 8],
        "alpha": 0.01,
        "learning_rate_init": 0.01,
        "batch_size": 64,
        "epochs": 20,
        "averaged_epochs": 4,
    },
}
"""Hyperparameters for tests: small trees and networks, learnt in a blink."""


def described_made_up_sales(rows: int = 1500, seed: int = 1) -> pd.DataFrame:
    """The same with their hedonic features, as models learn from them."""
    sales = made_up_sales(rows, seed)
    return described_sales(sales, Hedonics(sales))


def made_up_sales(rows: int = 1500, seed: int = 1) -> pd.DataFrame:
    """Sales from January 2015 to June 2016, oldest first."""
    rng = np.random.default_rng(seed)
    days = np.sort(rng.integers(0, 545, rows))
    sold_date = pd.Timestamp(2015, 1, 1) + pd.to_timedelta(days, unit="D")
    district = rng.integers(0, len(DISTRICTS), rows)
    floor = rng.integers(0, 7, rows).astype(float)
    area_m2 = rng.uniform(20, 120, rows).round(1)
    index = 60_000 * (1 + 0.01 * np.floor(days / 30))
    per_m2 = index * DISTRICT_LEVEL[district] * (1.4 - area_m2 / 250)
    per_m2 *= (1 + 0.02 * floor) * np.exp(rng.normal(0, 0.05, rows))
    price_sek = (per_m2 * area_m2).round(-3)
    sales = pd.DataFrame(
        {
            "sale_id": [f"made_up:{n}" for n in range(rows)],
            "sold_date": sold_date,
            "sold_price_sek": price_sek.astype("int64"),
            "price_per_m2_sek": price_sek / area_m2,
            "list_price_sek": (price_sek * rng.uniform(0.85, 0.95, rows)).round(-3),
            "street": [f"Gata {d * 10 + rng.integers(10)}" for d in district],
            "district": np.array(DISTRICTS)[district],
            "agency": rng.choice(["Mäklarna", "Bostäder AB"], rows),
            "street_number": rng.integers(1, 90, rows).astype(float),
            "living_area_m2": area_m2,
            "rooms": np.ceil(area_m2 / 30),
            "floor": floor,
            "construction_year": rng.integers(1890, 2015, rows).astype(float),
            "fee_sek_per_month": area_m2 * 50,
            "operating_cost_sek_per_month": area_m2 * 8,
            "construction_year_source": "own",
            "latitude": 59.2 + 0.03 * district + rng.normal(0, 0.003, rows),
            "longitude": 18.0 + 0.02 * district + rng.normal(0, 0.003, rows),
            "gdp_growth_yoy_pct": 2.5,
            "unemployment_pct": 7.0,
            "policy_rate_pct": -0.35,
            "price_index_sek_per_m2": index,
            # No home has a history or a station here: the models must do without.
            **dict.fromkeys(SURROUNDINGS + HISTORY_FEATURES, np.nan),
            "unemployment_norm": 0.3,
            "policy_rate_norm": 0.05,
        }
    )
    return _with_flags_and_norms(sales)


def _with_flags_and_norms(sales: pd.DataFrame) -> pd.DataFrame:
    flags = (
        "street_number",
        "rooms",
        "floor",
        "construction_year",
        "fee_sek_per_month",
        "operating_cost_sek_per_month",
        "latitude",
    )
    date = sales["sold_date"]
    year = date.dt.year + date.dt.month / 12 + date.dt.day / 365
    return sales.assign(
        **{f"is_{name}_imputed": False for name in flags},
        street_number_norm=sales["street_number"] / 300,
        living_area_norm=(sales["living_area_m2"] - 10) / 790,
        rooms_norm=(sales["rooms"] - 1) / 19,
        sold_date_norm=(year - 2010) / 15,
        fee_norm=sales["fee_sek_per_month"] / 60_000,
        operating_cost_norm=sales["operating_cost_sek_per_month"] / 20_000,
        floor_norm=(sales["floor"] + 3) / 38,
        construction_year_norm=(sales["construction_year"] - 1850) / 173,
        latitude_norm=(sales["latitude"] - 58.8) / 1.4,
        longitude_norm=(sales["longitude"] - 17.5) / 1.6,
        sold_price_norm=(sales["sold_price_sek"] - 150_000) / 69_850_000,
    )


def repriced(sales: pd.DataFrame, price_sek: pd.Series) -> pd.DataFrame:
    """Give sales other prices, in every column that states them."""
    return sales.assign(
        sold_price_sek=price_sek,
        price_per_m2_sek=price_sek / sales["living_area_m2"],
        sold_price_norm=(price_sek - 150_000) / 69_850_000,
    )


def without_labels(sales: pd.DataFrame) -> pd.DataFrame:
    """What is known of homes that are not sold."""
    labels = ["sold_price_sek", "price_per_m2_sek", "sold_price_norm"]
    return sales.drop(columns=labels)


def write_marts(connection: duckdb.DuckDBPyConnection, sales: pd.DataFrame) -> None:
    """Put sales into a warehouse as the two marts that a backtest reads."""
    connection.execute("create schema marts")
    connection.register("made_up", sales)
    connection.execute("create table marts.sale_features as from made_up")
    connection.execute(
        """
        create table marts.sales as
        select sale_id, 'made_up' as platform, split_part(sale_id, ':', 2) as source_id,
            street || ' ' || street_number::integer as address, sold_date,
            null::varchar as url
        from made_up
        """
    )

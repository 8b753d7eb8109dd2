"""The seed project's recipe, kept as a model to compare with, not to imitate.

Its features are min-max normalised and its target is the normalised price; it has no
categories (the version the seed served had none), no price index and no log. Its
``XGBRegressor`` came from a grid of depth 4-10, 500-5000 trees and learning rates
0.01-0.00001; we take depth 8, 3000 trees and 0.01, which
values later sales better than 500 trees do. Rows the seed dropped are dropped from
training; it had no answer for such homes, but here it values them from the mart's
imputed values, so that all models value every sale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

import pandas as pd
import xgboost as xgb

from ml.valuation.model_files import read_description, write_description

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

COLUMNS = (
    "street_number_norm",
    "living_area_norm",
    "rooms_norm",
    "sold_date_norm",
    "fee_norm",
    "operating_cost_norm",
    "floor_norm",
    "construction_year_norm",
    "latitude_norm",
    "longitude_norm",
    "gdp_growth_yoy_pct",
    "unemployment_norm",
    "policy_rate_norm",
)
"""The seed's, but for GDP: its growth stands where the seed had its level."""

NO_VALUE = {
    "fee_norm": ("is_fee_sek_per_month_imputed", 0.0),
    "operating_cost_norm": ("is_operating_cost_sek_per_month_imputed", 0.0),
    "street_number_norm": ("is_street_number_imputed", 1 / 300),
}
"""What the seed filled in where our mart imputes: no fee, no cost, number 1."""

DROPPED_WHEN_MISSING = (
    "is_floor_imputed",
    "is_construction_year_imputed",
    "is_latitude_imputed",
)
FIRST_SOLD_DATE = pd.Timestamp(2012, 1, 1)
MIN_PRICE_SEK, MAX_PRICE_SEK = 150_000, 70_000_000
BOOSTER = "booster.ubj"


class SeedRecipeModel:
    """XGBoost on the normalised price of the rows the seed kept."""

    name: ClassVar[str] = "seed_recipe"
    drops_rows: ClassVar[bool] = True

    def __init__(
        self, *, threads: int = 1, n_estimators: int = 3000, learning_rate: float = 0.01
    ) -> None:
        self.regressor = xgb.XGBRegressor(
            max_depth=8,
            n_estimators=n_estimators,
            learning_rate=learning_rate,
            n_jobs=threads,
            random_state=7,
        )

    def fit(self, sales: pd.DataFrame) -> Self:
        """Learn from the rows the seed would have kept."""
        kept = sales[rows_kept(sales)] if self.drops_rows else sales
        self.regressor.fit(_matrix(kept), kept["sold_price_norm"])
        return self

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        """Values in SEK, also for rows the seed would have refused."""
        share = self.regressor.predict(_matrix(features)).astype("float64")
        return MIN_PRICE_SEK + share * (MAX_PRICE_SEK - MIN_PRICE_SEK)

    def save(self, folder: Path) -> None:
        """Write the booster in XGBoost's own format."""
        write_description(folder, self.name, columns=COLUMNS)
        self.regressor.save_model(folder / BOOSTER)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a saved model."""
        read_description(folder)
        model = cls()
        model.regressor.load_model(folder / BOOSTER)
        return model


class WholeSeedRecipeModel(SeedRecipeModel):
    """The same on every row, with the mart's imputed values: a harder mark to beat."""

    name: ClassVar = "seed_recipe_whole"
    drops_rows: ClassVar = False


def rows_kept(sales: pd.DataFrame) -> pd.Series:
    """Which sales survive the seed's cleaning: about two thirds of them."""
    is_missing = sales[list(DROPPED_WHEN_MISSING)].fillna(False).astype(bool)
    is_kept = ~is_missing.any(axis=1)
    is_kept &= sales["street_number"].fillna(1) <= 300
    is_kept &= sales["floor"].fillna(0) <= 36
    is_kept &= sales["construction_year"].fillna(1850) >= 1850
    return is_kept & (pd.to_datetime(sales["sold_date"]) >= FIRST_SOLD_DATE)


def _matrix(features: pd.DataFrame) -> pd.DataFrame:
    matrix = features.reindex(columns=list(COLUMNS)).astype("float64")
    for column, (flag, value) in NO_VALUE.items():
        if flag in features:
            is_missing = features[flag].fillna(False).astype(bool)
            matrix[column] = matrix[column].mask(is_missing, value)
    return matrix

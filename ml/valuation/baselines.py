"""What one can say without learning: the marks that a model has to beat.

What belongs here: rules that a person could follow with a list of sales. What does not:
the predecessor's model (``seed_recipe``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import pandas as pd

from ml.valuation.model_files import read_description, write_description

if TYPE_CHECKING:
    from pathlib import Path

MEDIAN_DAYS = 365
FEWEST_SALES_FOR_MEDIAN = 5


class _IndexedRule:
    """A ratio over the price index of the day, made of the features of a home."""

    name: ClassVar[str]

    def fit(self, sales: pd.DataFrame) -> Self:
        """Learn nothing but what the rule keeps of past sales."""
        del sales
        return self

    def log_ratio(self, features: pd.DataFrame) -> np.ndarray:
        """Log of the price per m² over the index; NaN where the rule is silent."""
        raise NotImplementedError

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        """Values in SEK; NaN where the rule has none."""
        index = _numbers(features, "price_index_sek_per_m2")
        area_m2 = _numbers(features, "living_area_m2")
        return np.exp(self.log_ratio(features)) * index * area_m2

    def save(self, folder: Path) -> None:
        """Write the name: there is nothing else to know."""
        write_description(folder, self.name)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a saved rule."""
        read_description(folder)
        return cls()


class IndexedComparablesModel(_IndexedRule):
    """The comparables' prices freed of time and quality, as plain SQL weighs them."""

    name = "indexed_comparables"

    def log_ratio(self, features: pd.DataFrame) -> np.ndarray:
        """Sum what qualities and the comparables beyond them are worth."""
        quality = _numbers(features, "quality_log_premium")
        return quality + _numbers(features, "comparables_log_residual")


class LastSaleModel(_IndexedRule):
    """What the home itself last sold for, moved by the index."""

    name = "last_sale_indexed"

    def log_ratio(self, features: pd.DataFrame) -> np.ndarray:
        """Take the ratio of the earlier sale."""
        return _numbers(features, "previous_sale_log_ratio")


class DistrictMedianModel(_IndexedRule):
    """The median price per m² of the district's last year, over the index."""

    name = "district_median"

    def __init__(self) -> None:
        self._medians: dict[str, float] = {}

    def fit(self, sales: pd.DataFrame) -> Self:
        """Take the medians of the last year's sales."""
        newest = sales["sold_date"].max() - pd.Timedelta(days=MEDIAN_DAYS)
        recent = sales[sales["sold_date"] > newest]
        ratio = recent["price_per_m2_sek"] / recent["price_index_sek_per_m2"]
        log_ratio = ratio.astype(float).transform(np.log).groupby(recent["district"])
        enough = log_ratio.count() >= FEWEST_SALES_FOR_MEDIAN
        medians = log_ratio.median()[enough].dropna()
        self._medians = {str(name): median for name, median in medians.items()}
        return self

    def log_ratio(self, features: pd.DataFrame) -> np.ndarray:
        """Look the district up."""
        return features["district"].map(self._medians).to_numpy(dtype=float)

    def save(self, folder: Path) -> None:
        """Write the medians."""
        write_description(folder, self.name, medians=self._medians)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the medians."""
        model = cls()
        model._medians = read_description(folder)["medians"]
        return model


def _numbers(features: pd.DataFrame, name: str) -> np.ndarray:
    return pd.to_numeric(features[name]).to_numpy(dtype=float, na_value=np.nan)

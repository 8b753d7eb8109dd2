"""The columns a model sees, and the typed matrix made of them.

What belongs here: which columns of ``marts.sale_features`` and which hedonic features
models read, how imputed values and the price target are encoded. What does not: how a
column is computed, which is dbt's or ``hedonic``'s, and how a model learns from it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import duckdb
import numpy as np
import pandas as pd

from ml.valuation.hedonic.columns import floats, known_floats, texts
from ml.valuation.hedonic.hedonics import (
    HEDONIC_FEATURES,
    LATELY_FEATURE,
    PART_FEATURES,
)
from ml.valuation.hedonic.terms import GUESSED_YEAR_SOURCES
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from ml.valuation.hedonic.columns import Table

Mode = Literal["before_listing", "listed"]
MODES: tuple[Mode, ...] = get_args(Mode)

FACTS = (
    "street_number",
    "living_area_m2",
    "rooms",
    "floor",
    "construction_year",
    "fee_sek_per_month",
    "operating_cost_sek_per_month",
    "latitude",
    "longitude",
)
HISTORY_FEATURES = (
    "quality_log_premium",
    "comparables_log_residual",
    "comparables_log_spread",
    "comparables_weight",
    "comparables_distance_m",
    "building_log_residual",
    "building_sale_count",
    "building_days_since_sale",
    "street_log_residual",
    "street_sale_count",
    "street_days_since_sale",
    "brf_log_residual",
    "brf_sale_count",
    "brf_days_since_sale",
    "previous_sale_log_ratio",
    "previous_sale_days",
    "fee_log_ratio",
)
"""What earlier sales around the home fetched; missing where there were none.

Plain SQL computes them; ranges read them, and of the models ``xgboost_plain`` alone.
"""

ECONOMY_FEATURES = (
    "gdp_growth_yoy_pct",
    "unemployment_pct",
    "policy_rate_pct",
    "cpi_yoy_pct",
)
"""The economy as known on the day: available, but of the models only the seed recipe
reads any of it, as ``unemployment_norm`` and ``policy_rate_norm``."""

SURROUNDINGS = ("metro_distance_m", "commuter_rail_distance_m", "centre_distance_m")
"""Distances to what lies around the home; missing where its position is unknown.

They took 0.16 points off the MAPE on sales of 2016.
"""

KNOWN_FACTS = ("floor_known", "construction_year_known", "fee_sek_per_m2_month")
"""Facts that are missing here where the mart imputes them: with both, a model tells a
guess from a fact."""

MARKET_LEVEL = "market_log_level"
ASKING_FEATURES = (
    "asking_log_premium",
    "neighbours_asking_log_residual",
    "agency_asking_log_residual",
    "district_asking_log_residual",
)
NEIGHBOURHOOD_FEATURES = (
    *PART_FEATURES,
    "size_log_drift",
    "neighbours_log_residual",
    "neighbours_certainty",
    LATELY_FEATURE,
)
"""Of the hedonic features, those that a model reads as they are; the market's level is
part of the target, and the asking prices' premium is for homes that are listed."""

HEDONIC_SUM = (*PART_FEATURES, "neighbours_log_residual", LATELY_FEATURE)

PLAIN_FEATURES = FACTS + SURROUNDINGS + HISTORY_FEATURES
FEATURES = (
    *FACTS,
    *KNOWN_FACTS,
    *SURROUNDINGS,
    "fee_log_ratio",
    *NEIGHBOURHOOD_FEATURES,
)

LISTED_FEATURE = "list_price_ratio"
"""Log of the asking price per m² over the price level: the target, as asked."""
ASKING_GAP = "asking_log_gap"
"""How far below what the hedonic features say a home is asked for, as a log."""
ASKING_STYLE = {
    "asking_rest_of_million": 1_000_000,
    "asking_rest_of_100_thousand": 100_000,
}
"""How the asking price is written, as shares: 2 995 000 kr invites bids, 3 150 000 kr
is nearer what the seller expects. They took 0.07 points off the MAPE."""
LISTED_FEATURES = (LISTED_FEATURE, ASKING_GAP, *ASKING_STYLE, *ASKING_FEATURES)


def read_sale_features(
    connection: duckdb.DuckDBPyConnection,
    *,
    before: date | None = None,
    columns: Sequence[str] = ("*",),
) -> pd.DataFrame:
    """Rows of ``marts.sale_features``, oldest first.

    Parameters
    ----------
    connection
        To the warehouse, or to a published snapshot.
    before
        Only sales sold before this day; all of them when None.
    columns
        Which columns; all of them unless they are named.

    Raises
    ------
    SlutprisError
        When the mart is not built.
    """
    try:
        return connection.execute(
            f"""
            select {", ".join(columns)} from marts.sale_features
            where $before::date is null or sold_date < $before::date
            order by sold_date, sale_id
            """,
            {"before": before},
        ).df()
    except duckdb.CatalogException as error:
        raise SlutprisError(
            "the warehouse has no table marts.sale_features; build it with "
            "`dbt build --project-dir dbt_project`"
        ) from error


def assumed_economy(features: Mapping[str, Any]) -> list[str]:
    """Name the figures of the economy that are assumed for a home's day.

    The day lies after the last published figure of their series; what stands there is
    set by the dbt variable ``economy_scenario``. None where an older snapshot does not
    say.
    """
    return [
        name for name in ECONOMY_FEATURES if features.get(f"is_{name}_scenario", False)
    ]


@dataclass(frozen=True)
class FeatureEncoding:
    """How a frame of features becomes a matrix, fixed when a model is fitted.

    Imputed values go in as they are: marked as missing instead, they cost 0.1 points
    of MAPE on sales of 2015. The date is left to the price index: as a feature of its
    own it cost 0.4. The price level that stands in where no index is known is that of
    the sales the model was fitted on.
    """

    mode: Mode
    columns: tuple[str, ...]
    fallback_price_sek_per_m2: float

    @classmethod
    def fitted_on(
        cls,
        sales: pd.DataFrame,
        *,
        mode: Mode = "before_listing",
        features: tuple[str, ...] = FEATURES,
    ) -> FeatureEncoding:
        """Learn the fallback price level from past sales.

        Raises
        ------
        SlutprisError
            When the sales lack the hedonic features.
        """
        listed = LISTED_FEATURES if mode == "listed" else ()
        columns = features + tuple(name for name in listed if name not in features)
        _check_described(columns, sales)
        return cls(
            mode=mode,
            columns=columns,
            fallback_price_sek_per_m2=float(sales["price_per_m2_sek"].median()),
        )

    def matrix(self, features: Table) -> pd.DataFrame:
        """Doubles in the model's order, NaN where missing."""
        rows = np.empty((len(features), len(self.columns)))
        for place, name in enumerate(self.columns):
            rows[:, place] = self._number(features, name)
        return pd.DataFrame(rows, index=features.index, columns=list(self.columns))

    def log_price_ratio(self, sales: pd.DataFrame) -> np.ndarray:
        """Compute the target: log of the price per m² over the index of its day."""
        price = sales["sold_price_sek"] / sales["living_area_m2"]
        return np.log(price.to_numpy(dtype=float) / self.price_level(sales))

    def value_sek(self, log_ratio: np.ndarray, features: Table) -> np.ndarray:
        """Turn predicted log ratios back into prices, in SEK."""
        area_m2 = floats(features, "living_area_m2")
        return np.exp(log_ratio) * self.price_level(features) * area_m2

    def to_json(self) -> dict[str, Any]:
        """Plain values for a model's description file."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> FeatureEncoding:
        """Rebuild an encoding from a model's description file."""
        return cls(
            mode=values["mode"],
            columns=tuple(values["columns"]),
            fallback_price_sek_per_m2=values["fallback_price_sek_per_m2"],
        )

    def price_level(self, features: Table) -> np.ndarray:
        """What a usual m² costs that day: the index, moved by the latest sales."""
        index = floats(features, "price_index_sek_per_m2")
        level = np.where(np.isnan(index), self.fallback_price_sek_per_m2, index)
        if not self.is_hedonic:
            return level
        return level * np.exp(market_log_level(features))

    @property
    def is_hedonic(self) -> bool:
        """Whether hedonic features are read, and with them the level of the day."""
        return any(name in HEDONIC_FEATURES for name in self.columns)

    def _number(self, features: Table, name: str) -> np.ndarray:
        if name == LISTED_FEATURE:
            return self._list_price_ratio(features)
        if name == ASKING_GAP:
            return hedonic_sum(features) - self._list_price_ratio(features)
        if name in ASKING_STYLE:
            return _asked_sek(features) % ASKING_STYLE[name] / ASKING_STYLE[name]
        if name in KNOWN_FACTS:
            return known_fact(features, name)
        return floats(features, name)

    def _list_price_ratio(self, features: Table) -> np.ndarray:
        per_m2 = _asked_sek(features) / floats(features, "living_area_m2")
        return np.log(per_m2 / self.price_level(features))


def _asked_sek(features: Table) -> np.ndarray:
    asked = floats(features, "list_price_sek")
    return np.where(asked > 0, asked, np.nan)


def market_log_level(features: Table) -> np.ndarray:
    """Log of the latest sales' level over the index; none where it is not known."""
    level = floats(features, MARKET_LEVEL)
    return np.where(np.isnan(level), 0.0, level)


def hedonic_sum(features: Table) -> np.ndarray:
    """Add up what qualities and neighbours say: the log price ratio, unlearnt."""
    return np.sum([floats(features, name) for name in HEDONIC_SUM], axis=0)


def known_fact(features: Table, name: str) -> np.ndarray:
    """Give a fact of ``KNOWN_FACTS``, missing where it is imputed."""
    if name == "fee_sek_per_m2_month":
        fee = known_floats(features, "fee_sek_per_month")
        return fee / floats(features, "living_area_m2")
    if name == "floor_known":
        return known_floats(features, "floor")
    source = texts(features, "construction_year_source")
    is_guess = np.isin(source, GUESSED_YEAR_SOURCES)
    return np.where(is_guess, np.nan, floats(features, "construction_year"))


def _check_described(columns: tuple[str, ...], sales: pd.DataFrame) -> None:
    absent = [c for c in columns if c in HEDONIC_FEATURES and c not in sales]
    if absent:
        raise SlutprisError(
            f"the sales have no {absent[0]}; read them with "
            "ml.valuation.described.read_described_sales"
        )

"""What the sales of a snapshot say of homes: hedonic features and comparables.

What belongs here: reading the snapshot's sales once for a process that values homes.
What does not: models, and the features that the snapshot's own macro computes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml.valuation.comparables import Comparables
from ml.valuation.described import hedonics_of, with_features
from ml.valuation.features import market_log_level, read_sale_features
from ml.valuation.hedonic.columns import Columns, Table, floats
from ml.valuation.hedonic.hedonics import HEDONIC_FEATURES, SALE_COLUMNS
from ml.valuation.reasons import USUAL_DAYS

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    import duckdb

    from ml.valuation.hedonic.market import NearSales
    from warehouse.settings import Settings


class PastMarket:
    """The past sales of a snapshot, open for questions.

    Parameters
    ----------
    connection
        To the snapshot.
    settings
        Where hedonic features are kept.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, settings: Settings
    ) -> None:
        sales = read_sale_features(connection, columns=SALE_COLUMNS)
        self.hedonics = hedonics_of(sales, settings)
        self.comparables = Comparables(connection)

    def make_ready(self, days: Sequence[dt.date]) -> None:
        """Make the months of some days ready, so that no home has to wait for them."""
        homes = self.hedonics.sales.tail(1)
        homes = homes.loc[homes.index.repeat(len(days))]
        self.hedonics.described(homes.assign(sold_date=pd.to_datetime(days)))

    def described(
        self, features: Columns, asked_sek: Sequence[float | None]
    ) -> tuple[Columns, NearSales]:
        """Add hedonic features and asking prices to rows of features.

        The sales that the first home was described by come with them.
        """
        found, near = self.hedonics.described(features)
        described = features.with_columns(
            **dict(zip(HEDONIC_FEATURES, found.T, strict=True)),
            list_price_sek=np.array(asked_sek, dtype=float),
        )
        return described, near

    def latest(self, connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
        """Give the described sales of the last year: what is usual now."""
        newest = self.hedonics.sales["sold_date"].max()
        since = newest - pd.Timedelta(days=USUAL_DAYS)
        found = self.hedonics.features_of_sales(since=since)
        sales = read_sale_features(connection)
        sales = sales[sales["sale_id"].isin(found.index)]
        return with_features(sales, found.reindex(sales["sale_id"]))


def carried_to_each_day(features: Columns) -> Columns:
    """Carry one home's asking price, of its first row, along with the market.

    Asked for on the first row's day; on another, homes were asked for as much more or
    less as the market was higher or lower.
    """
    asked_sek = floats(features, "list_price_sek")[0]
    if np.isnan(asked_sek):
        return features
    level = market_sek_per_m2(features)
    return features.with_columns(list_price_sek=asked_sek * level / level[0])


def market_sek_per_m2(features: Table) -> np.ndarray:
    """Give the city's price level of each row's day: the index, and the latest sales'.

    Missing where no index was known.
    """
    index = floats(features, "price_index_sek_per_m2")
    return index * np.exp(market_log_level(features))

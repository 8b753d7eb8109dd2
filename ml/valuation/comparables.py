"""The earlier sales a home is compared with, as a valuation shows them.

What belongs here: reading what the hedonic features were made of, with weights and the
estimate they give. What does not: choosing and weighing them (``hedonic.neighbours``).
So what is shown is what was used.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - pydantic reads the annotations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from ml.valuation.comparables_estimate import (
    ComparablesEstimate,
    WeighedSale,
    comparables_estimate,
)
from ml.valuation.hedonic.past import METRES_PER_DEGREE, METRES_PER_DEGREE_EAST

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

    from ml.valuation.hedonic.hedonics import Hedonics

SHOWN_SQL = """
    select
        sales.sale_id,
        sales.address,
        sales.district,
        sales.sold_date,
        cast(sales.sold_price_sek as bigint) as sold_price_sek,
        sales.living_area_m2,
        sales.rooms,
        sales.floor,
        features.latitude,
        features.longitude,
        sales.url
    from marts.sales as sales
    inner join marts.sale_features as features on sales.sale_id = features.sale_id
    where features.price_index_sek_per_m2 is not null
    order by features.sold_date, features.sale_id
"""
"""In the order of ``Hedonics.sales``."""


class ComparableSale(BaseModel):
    """An earlier sale that a home was compared with; ``distance_m`` in metres.

    ``weight_share_pct`` is how much it counts, of 100; what is left of 100 is the usual
    price for such a home. The ``adjusted_price_sek`` is what the home itself would have
    fetched on the day of the valuation, had it sold as much above or below what is
    usual as this sale did: freed of differences in time, place, size, age and floor.
    """

    model_config = ConfigDict(frozen=True)

    sale_id: str
    address: str | None
    district: str | None
    sold_date: dt.date
    sold_price_sek: int
    living_area_m2: float
    rooms: float | None
    floor: float | None
    latitude: float | None
    longitude: float | None
    url: str | None
    distance_m: int
    weight_share_pct: float
    adjusted_price_sek: int


class Compared(NamedTuple):
    """Comparables, heaviest first, and what they say by themselves."""

    sales: list[ComparableSale]
    estimate: ComparablesEstimate


class Comparables:
    """Shows the sales that hedonic features are made of.

    Parameters
    ----------
    connection
        To the snapshot the hedonics were made of.
    hedonics
        Whose neighbours are shown.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, hedonics: Hedonics
    ) -> None:
        self._hedonics = hedonics
        # Arrow keeps a million addresses in a tenth of the memory of Python's strings.
        self._shown: pa.Table = connection.execute(SHOWN_SQL).to_arrow_table()

    def of(self, home: pd.DataFrame) -> Compared:
        """Give the comparables of one home.

        Parameters
        ----------
        home
            A described row of features, as the value was predicted from.
        """
        near = self._hedonics.neighbours(home)
        near = near[near["weight"] > 0]
        estimate = _estimate(near, home.iloc[0])
        shown = self._shown.take(near["row"].to_numpy(dtype=np.int64)).to_pylist()
        sales = [
            ComparableSale(
                **sale,
                distance_m=_distance_m(home.iloc[0], sale),
                weight_share_pct=round(100 * weight.weight, 1),
                adjusted_price_sek=round(weight.adjusted_price_sek),
            )
            for sale, weight in zip(shown, estimate.sales, strict=True)
        ]
        return Compared(sales, estimate)


def _estimate(near: pd.DataFrame, home: pd.Series) -> ComparablesEstimate:
    ratio = home["hedonic_log_premium"] + home["market_log_level"]
    usual_per_m2 = home["price_index_sek_per_m2"] * np.exp(np.nan_to_num(ratio))
    return comparables_estimate(
        [
            WeighedSale(sale_id, weight, log_residual)
            for sale_id, weight, log_residual in zip(
                near["sale_id"], near["weight"], near["log_residual"], strict=True
            )
        ],
        shrinkage_weight=max(0.0, 1 - near["weight"].sum()),
        usual_sek=float(usual_per_m2 * home["living_area_m2"]),
    )


def _distance_m(home: pd.Series, sale: dict[str, float]) -> int:
    north = (sale["latitude"] - home["latitude"]) * METRES_PER_DEGREE
    east = (sale["longitude"] - home["longitude"]) * METRES_PER_DEGREE_EAST
    return round(float(np.hypot(north, east)))

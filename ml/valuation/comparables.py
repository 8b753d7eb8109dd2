"""The earlier sales a home is compared with, as a valuation shows them.

What belongs here: reading what the hedonic features were made of, with weights and the
estimate they give. What does not: choosing and weighing them (``hedonic.neighbours``).
So what is shown is what was used.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - pydantic reads the annotations
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from ml.valuation.comparables_estimate import (
    ComparablesEstimate,
    WeighedSale,
    comparables_estimate,
)
from ml.valuation.hedonic.past import METRES_PER_DEGREE, METRES_PER_DEGREE_EAST

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

    from ml.valuation.hedonic.market import NearSales

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
    """Comparables, heaviest first, and what they say by themselves.

    Without a price index of the day they say nothing, and there is no estimate.
    """

    sales: list[ComparableSale]
    estimate: ComparablesEstimate | None


class Comparables:
    """Shows the sales that hedonic features are made of.

    Parameters
    ----------
    connection
        To the snapshot the hedonics were made of.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        # Arrow keeps a million addresses in a tenth of the memory of Python's strings;
        # in one piece, or each row would be looked for among the pieces.
        shown = connection.sql(SHOWN_SQL).to_arrow_table().combine_chunks()
        self._shown: pa.RecordBatch = pa.record_batch(
            [column.combine_chunks() for column in shown.columns], schema=shown.schema
        )

    def of(self, home: Mapping[Any, Any], near: NearSales) -> Compared:
        """Give the comparables of one home.

        Parameters
        ----------
        home
            A described row of features, as the value was predicted from.
        near
            The neighbours it was described by.
        """
        near = near.counted()
        estimate = _estimate(near, home)
        if estimate is None:
            return Compared([], None)
        shown = self._shown.take(pa.array(near.row)).to_pylist()
        sales = [
            ComparableSale(
                **sale,
                distance_m=_distance_m(home, sale),
                weight_share_pct=round(100 * weight.weight, 1),
                adjusted_price_sek=round(weight.adjusted_price_sek),
            )
            for sale, weight in zip(shown, estimate.sales, strict=True)
        ]
        # By what is shown: weights of a plain mean differ a little from the others'.
        return Compared(
            sorted(sales, key=lambda each: -each.weight_share_pct), estimate
        )


def _estimate(near: NearSales, home: Mapping[Any, Any]) -> ComparablesEstimate | None:
    if pd.isna(home["price_index_sek_per_m2"]):
        return None
    ratio = home["hedonic_log_premium"] + home["market_log_level"]
    usual_per_m2 = home["price_index_sek_per_m2"] * np.exp(np.nan_to_num(ratio))
    weighed = zip(
        near.sale_id.tolist(),
        near.weight.tolist(),
        near.log_residual.tolist(),
        strict=True,
    )
    return comparables_estimate(
        [WeighedSale(*sale) for sale in weighed],
        shrinkage_weight=max(0.0, 1 - float(near.weight.sum())),
        usual_sek=float(usual_per_m2 * home["living_area_m2"]),
    )


def _distance_m(home: Mapping[Any, Any], sale: dict[str, Any]) -> int:
    north = (sale["latitude"] - home["latitude"]) * METRES_PER_DEGREE
    east = (sale["longitude"] - home["longitude"]) * METRES_PER_DEGREE_EAST
    return round(math.hypot(north, east))

"""What the comparables alone say a home is worth, with weights that reproduce it.

What belongs here: the estimate behind the feature ``comparables_log_residual``, told so
that a reader can add it up. What does not: choosing and weighing the sales, which
``marts.comparables_of`` does.

The mart takes a weighted mean of logs and shrinks it towards "as usual for such homes".
So the estimate is a weighted geometric mean of what the home would have fetched at each
sale's measure, and of the usual price, which stands for the evidence that is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from ml.valuation.attribution import log_mean, sek_parts
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb


@dataclass(frozen=True)
class WeighedSale:
    """A comparable as the mart weighs it: a row of ``marts.comparables_of``."""

    sale_id: str
    weight: float
    log_residual: float


class ComparableWeight(BaseModel):
    """What one sale says, and how much it counts.

    ``weight`` is its weight in the plain mean of adjusted prices that is the estimate;
    ``contribution_sek`` is what it moves the estimate by, from the usual price.
    """

    model_config = ConfigDict(frozen=True)

    sale_id: str
    adjusted_price_sek: float
    weight: float
    contribution_sek: int


class ComparablesEstimate(BaseModel):
    """An estimate by comparables alone, and what reproduces it.

    Two ways, both to the krona: the usual price and all contributions add up to
    ``estimate_sek``; and so does the mean of the adjusted prices by their weights and
    of ``usual_price_sek`` by ``no_evidence_weight`` (``weighted_mean_sek``, before it
    is rounded).
    """

    model_config = ConfigDict(frozen=True)

    estimate_sek: int
    usual_price_sek: int
    no_evidence_weight: float
    sales: list[ComparableWeight]
    weighted_mean_sek: float
    log_residual: float


def usual_price_sek(features: Mapping[Any, Any]) -> float:
    """Give what a home of such qualities usually fetches on the day, in SEK."""
    return float(
        features["price_index_sek_per_m2"]
        * np.exp(features["quality_log_premium"])
        * features["living_area_m2"]
    )


def read_weighed_sales(
    connection: duckdb.DuckDBPyConnection, requests: str
) -> tuple[list[WeighedSale], float]:
    """Read the comparables of the one request in a relation, and their shrinkage.

    The shrinkage is the weight of "as usual" beside theirs, as the warehouse was built
    with; 0 where there is no comparable.
    """
    rows = connection.execute(
        "select sale_id, weight, log_residual, shrinkage_weight "
        f"from marts.comparables_of('{requests}') order by weight desc, sale_id"
    ).fetchall()
    sales = [WeighedSale(row[0], float(row[1]), float(row[2])) for row in rows]
    return sales, float(rows[0][3]) if rows else 0.0


def comparables_estimate(
    sales: Sequence[WeighedSale], *, shrinkage_weight: float, usual_sek: float
) -> ComparablesEstimate:
    """Estimate a home by its comparables, with the weights that give the estimate.

    A geometric mean is also a plain mean, by weights divided by the logarithmic mean of
    each price and the estimate. Those are the weights shown: what a reader multiplies
    and adds is then the estimate itself.

    Parameters
    ----------
    sales
        The comparables with the mart's weights; none gives the usual price.
    shrinkage_weight
        The weight of "as usual" beside the sales' own.
    usual_sek
        What such a home usually fetches (see :func:`usual_price_sek`).

    Raises
    ------
    SlutprisError
        When the weights cannot stand for shares.
    """
    weights = np.array([sale.weight for sale in sales] + [shrinkage_weight])
    logs = np.array([sale.log_residual for sale in sales] + [0.0])
    if not sales:
        weights = np.ones(1)
    if (weights < 0).any() or weights.sum() <= 0:
        raise SlutprisError("weights of comparables are never negative, nor all zero")
    shares = weights / weights.sum()
    log_residual = float(shares @ logs)
    estimate = usual_sek * float(np.exp(log_residual))
    prices = usual_sek * np.exp(logs)
    plain = shares / [log_mean(float(price), estimate) for price in prices]
    plain /= plain.sum()
    usual, whole = round(usual_sek), round(estimate)
    moved = sek_parts((shares * logs)[:-1], usual, whole) if sales else []
    return ComparablesEstimate(
        estimate_sek=whole,
        usual_price_sek=usual,
        no_evidence_weight=float(plain[-1]),
        sales=[
            ComparableWeight(
                sale_id=sale.sale_id,
                adjusted_price_sek=float(price),
                weight=float(weight),
                contribution_sek=int(step),
            )
            for sale, price, weight, step in zip(
                sales, prices[:-1], plain[:-1], moved, strict=True
            )
        ],
        weighted_mean_sek=float(plain @ prices),
        log_residual=log_residual,
    )

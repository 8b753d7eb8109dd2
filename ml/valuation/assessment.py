"""Are values equally right for all homes? The figures of a ratio study.

What belongs here: figures of the ratio of value to price, as assessors compute them,
and the bands in which they are good. What does not: how far off values are, see
``metrics``.

The ratio of a home is its value divided by its price. COD, PRD and PRB and their bands
are those of the International Association of Assessing Officers, *Standard on Ratio
Studies* (2013); KI and MKI are Carmela Quintos' *A Gini measure for vertical equity in
property assessments* (2020) and *A Gini decomposition of the sources of inequality in
property assessments* (2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Band:
    """Where a figure is good, both ends included."""

    low: float
    high: float

    def holds(self, figure: float) -> bool:
        """Tell whether a figure lies in the band; NaN does not."""
        return self.low <= figure <= self.high


IAAO_BANDS = {
    "cod": Band(5, 15),
    "prd": Band(0.98, 1.03),
    "prb": Band(-0.05, 0.05),
    "mki": Band(0.95, 1.05),
}
"""For homes of one kind in a city; a COD below 5 hints at values set after prices."""


def ratio_study(actual_sek: np.ndarray, value_sek: np.ndarray) -> dict[str, float]:
    """Every figure of one set of valuations, NaN where there are too few to tell.

    Parameters
    ----------
    actual_sek
        What the homes were sold for, in SEK, each above zero.
    value_sek
        What a model said, in SEK, in the same order, each above zero.
    """
    actual = np.asarray(actual_sek, dtype=float)
    value = np.asarray(value_sek, dtype=float)
    return {
        "cod": cod(actual, value),
        "prd": prd(actual, value),
        "prb": prb(actual, value),
        "ki": ki(actual, value),
        "mki": mki(actual, value),
    }


def cod(actual: np.ndarray, value: np.ndarray) -> float:
    """Coefficient of dispersion: mean distance of ratios from their median, in % of it.

    How unequal values are, whatever their level. Good: 5 to 15 (IAAO).
    """
    ratio = value / actual
    median = np.median(ratio)
    return float(100 * np.mean(np.abs(ratio - median)) / median)


def prd(actual: np.ndarray, value: np.ndarray) -> float:
    """Price-related differential: mean ratio over the ratio of the sums.

    Above one, dear homes are valued lower for their price than cheap ones. Good: 0.98
    to 1.03 (IAAO).
    """
    return float(np.mean(value / actual) / (value.sum() / actual.sum()))


def prb(actual: np.ndarray, value: np.ndarray) -> float:
    """Coefficient of price-related bias: how the ratio changes when a price doubles.

    The slope of the ratio's relative distance from the median ratio on the base-2 log
    of worth, where worth is the mean of the price and the value over the median ratio:
    either alone would turn its own noise into a slope. Below zero, dear homes are
    valued low. Good: within ±0.05 (IAAO). NaN where all homes are worth the same.
    """
    ratio = value / actual
    median = np.median(ratio)
    log_worth = np.log2((actual + value / median) / 2)
    centred = log_worth - log_worth.mean()
    spread = np.sum(centred**2)
    if spread == 0:
        return float("nan")
    return float(np.sum(centred * (ratio - median) / median) / spread)


def ki(actual: np.ndarray, value: np.ndarray) -> float:
    """Kakwani index: Gini of the values less Gini of the prices, both by price.

    Below zero, values are spread less over the homes than prices are: dear homes are
    valued low (Quintos 2020). Good: near 0.
    """
    return _gini(value, by=actual) - _gini(actual, by=actual)


def mki(actual: np.ndarray, value: np.ndarray) -> float:
    """Modified Kakwani index: Gini of the values over Gini of the prices, by price.

    Below one, dear homes are valued low (Quintos 2021). Good: 0.95 to 1.05. NaN where
    all prices are the same.
    """
    of_prices = _gini(actual, by=actual)
    return _gini(value, by=actual) / of_prices if of_prices else float("nan")


def _gini(amounts: np.ndarray, *, by: np.ndarray) -> float:
    # A stable order, so that homes of one price do not change places from run to run.
    ordered = amounts[np.argsort(by, kind="stable")]
    count = len(ordered)
    ranks = np.arange(1, count + 1)
    return float(
        2 * np.sum(ranks * ordered) / (count * ordered.sum()) - (1 + 1 / count)
    )

"""How far values lie from prices: one dictionary of figures, the same for every model.

What belongs here: figures of two arrays in SEK. What does not: whether they are fair
(``assessment``), and which sales are valued with what knowledge (``protocols``).

MAPE, MdAPE and the hit rates are what portals publish; a Stockholm median error below
4.5 % before listing lies under the noise of repeat sales and is a sign of a leak.
"""

from __future__ import annotations

import numpy as np

SEED_PRICE_FLOOR_SEK = 150_000
"""Lower bound of the seed project's min-max normalisation of the price."""


def evaluate(actual_sek: np.ndarray, value_sek: np.ndarray) -> dict[str, float]:
    """Every figure of one set of valuations.

    Parameters
    ----------
    actual_sek
        What the homes were sold for, in SEK, each above zero.
    value_sek
        What a model said, in SEK, in the same order.

    Raises
    ------
    ValueError
        When there is nothing to evaluate, the lengths differ, a price is not above
        zero or a value is not finite.
    """
    actual = np.asarray(actual_sek, dtype=float)
    value = np.asarray(value_sek, dtype=float)
    _check(actual, value)
    return {
        "n": len(actual),
        "mae_sek": mae_sek(actual, value),
        "mape_pct": mape_pct(actual, value),
        "mdape_pct": mdape_pct(actual, value),
        "within_5_pct": within_pct(actual, value, 5),
        "within_10_pct": within_pct(actual, value, 10),
        "within_20_pct": within_pct(actual, value, 20),
        "bias_pct": bias_pct(actual, value),
        "p95_ape_pct": p95_ape_pct(actual, value),
        "r2": r2(actual, value),
        "mape_seed_pct": mape_seed_pct(actual, value),
    }


def mae_sek(actual: np.ndarray, value: np.ndarray) -> float:
    """Mean absolute error in SEK; dear homes weigh most. Good: below 300 000 kr."""
    return float(np.mean(np.abs(value - actual)))


def mape_pct(actual: np.ndarray, value: np.ndarray) -> float:
    """Mean absolute percentage error. Good for Stockholm flats: below 8 %."""
    return float(np.mean(_absolute_pct(actual, value)))


def mdape_pct(actual: np.ndarray, value: np.ndarray) -> float:
    """Median absolute percentage error: half the values are closer. Good: 5-6 %."""
    return float(np.median(_absolute_pct(actual, value)))


def within_pct(actual: np.ndarray, value: np.ndarray, limit_pct: float) -> float:
    """Share of values at most so far off. Good within 10 %: above 70 %."""
    # Multiplied out, so that 10 % of a round price is not 10.000000000000009 %.
    is_within = np.abs(value - actual) * 100 <= limit_pct * actual
    return float(np.mean(is_within) * 100)


def bias_pct(actual: np.ndarray, value: np.ndarray) -> float:
    """Mean signed percentage error; above zero values too high. Good: within ±1 %."""
    return float(np.mean((value - actual) / actual) * 100)


def p95_ape_pct(actual: np.ndarray, value: np.ndarray) -> float:
    """Absolute percentage error that one value of twenty exceeds. Good: below 20 %."""
    return float(np.quantile(_absolute_pct(actual, value), 0.95))


def r2(actual: np.ndarray, value: np.ndarray) -> float:
    """Share of the prices' variance explained; NaN for one price. Good: above 0.9."""
    variance = np.sum((actual - actual.mean()) ** 2)
    if variance == 0:
        return float("nan")
    return float(1 - np.sum((actual - value) ** 2) / variance)


def mape_seed_pct(actual: np.ndarray, value: np.ndarray) -> float:
    """MAPE as the seed project computed it: on the price less 150 000 kr.

    It took the error on its min-max normalised price, whose lower bound is 150 000 kr;
    that makes the figure some 4 % larger than MAPE. NaN where no price is above that.
    """
    above = actual > SEED_PRICE_FLOOR_SEK
    if not above.any():
        return float("nan")
    error = np.abs(value[above] - actual[above])
    return float(np.mean(error / (actual[above] - SEED_PRICE_FLOOR_SEK)) * 100)


def _absolute_pct(actual: np.ndarray, value: np.ndarray) -> np.ndarray:
    return np.abs(value - actual) / actual * 100


def _check(actual: np.ndarray, value: np.ndarray) -> None:
    if actual.size == 0:
        raise ValueError("no valuations to evaluate")
    if actual.shape != value.shape:
        raise ValueError(f"{actual.size} prices but {value.size} values")
    if not (actual > 0).all():
        raise ValueError("prices must be above zero")
    if not np.isfinite(value).all():
        raise ValueError("values must be finite numbers")

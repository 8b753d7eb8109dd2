"""Dividing a price, or a change of one, among its causes so that the shares add up.

What belongs here: arithmetic that knows nothing of homes: a product of factors divided
in SEK, whole numbers that keep their sum, and Shapley values of a few causes. What does
not: what the causes are (``explain``, ``changes``, ``comparables_estimate``).
"""

from __future__ import annotations

from math import factorial

import numpy as np

from warehouse.errors import SlutprisError

MAX_LOG_GAP = 1e-3
"""How far logs may be from adding up: float32 sums of a thousand trees are within
1e-4. Anything wider is another value than the one explained."""


def whole_numbers(parts: np.ndarray, total: int) -> np.ndarray:
    """Round parts that add up to ``total`` to whole numbers that still do.

    The largest remainders are rounded up, so no part moves by one or more.
    """
    floors = np.floor(parts)
    left = int(total - floors.sum())
    order = np.argsort(floors - parts, kind="stable")
    rounded = floors.astype("int64")
    rounded[order[:left]] += 1
    return rounded


def log_mean(first: float, second: float) -> float:
    """Give the logarithmic mean: the difference of two prices over that of their logs.

    What one log point is worth in SEK between them; both are positive.
    """
    log_ratio = np.log(second / first)
    if log_ratio == 0:
        return first
    return float(first * np.expm1(log_ratio) / log_ratio)


def spread_to(parts: np.ndarray, total: float) -> np.ndarray:
    """Make parts add up to a total they nearly do, each moved in step with its size."""
    sizes = np.abs(parts)
    weights = sizes if sizes.any() else np.ones_like(parts)
    return parts + (total - parts.sum()) * weights / weights.sum()


def sek_parts(logs: np.ndarray, base_sek: int, value_sek: int) -> np.ndarray:
    """Divide the way from one price to another in SEK as factors divide it in logs.

    Each part is its log times the logarithmic mean of the two prices. That has the
    sign of the log, does not hang on an order of the factors, and adds up: what logs of
    single precision leave is spread by their size, the rest by rounding.

    Raises
    ------
    SlutprisError
        When the logs lead from the base to another price than the value.
    """
    gap = np.log(value_sek / base_sek) - logs.sum()
    if abs(gap) > MAX_LOG_GAP:
        raise SlutprisError(
            f"contributions lead to {base_sek * np.exp(logs.sum()):.0f} kr, not to the "
            f"value of {value_sek} kr; explain it by the model that made it"
        )
    exact = spread_to(logs, np.log(value_sek / base_sek)) * log_mean(
        base_sek, value_sek
    )
    return whole_numbers(exact, int(value_sek - base_sek))


def coalitions(players: int) -> np.ndarray:
    """List all subsets of the players: one row each, True where a player is in.

    Row ``n`` holds the players whose bit is set in ``n``; the first has none of them.
    """
    numbers = np.arange(2**players)
    return (numbers[:, None] >> np.arange(players)) & 1 == 1


def shapley_values(outcomes: np.ndarray) -> np.ndarray:
    """Give what each player adds on average over all orders in which they may join.

    Parameters
    ----------
    outcomes
        One row per subset in the order of :func:`coalitions`; further axes are kept.

    Returns
    -------
    One row per player. The rows add up to the outcome of all players less that of none.
    """
    players = int(np.log2(len(outcomes)))
    numbers = np.arange(2**players)
    sizes = coalitions(players).sum(axis=1)
    orders = [factorial(n) * factorial(players - n - 1) for n in range(players)]
    share = np.array(orders) / factorial(players)
    added = []
    for player in range(players):
        without = numbers[(numbers >> player) & 1 == 0]
        gains = outcomes[without | (1 << player)] - outcomes[without]
        added.append(np.tensordot(share[sizes[without]], gains, axes=1))
    return np.array(added)

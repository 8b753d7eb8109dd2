"""Homes described as if their part of town were new: examples of the unknown.

What belongs here: leaving out the sales of some squares, month by month, and describing
the sales there as strangers. What does not: learning from them (``boosted_model``).

A model whose every example has neighbours trusts them too much where there are none.
So each month an eighth of the squares of 2 km is taken for never seen, and another
eighth for seen since five months only; a sale there is described once more, by effects
and neighbours that know nothing else of the square.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml.valuation.hedonic.days import month_start
from ml.valuation.hedonic.hedonics import (
    FEWEST_SALES,
    HEDONIC_FEATURES,
    Hedonics,
    fitted_effects,
)
from ml.valuation.hedonic.market import Market

if TYPE_CHECKING:
    from ml.valuation.hedonic.kept import Arrays
    from ml.valuation.hedonic.lately import Lately
    from ml.valuation.hedonic.past import PastSales

PREFIX = "masked_"
MASKED_FEATURES = tuple(PREFIX + name for name in HEDONIC_FEATURES)
SQUARE_M = 2_200
ONE_IN = 8
NEVER_SEEN, SEEN_LATELY = 0, 1
SEEN_LATELY_DAYS = 150


def masked_features_of_sales(hedonics: Hedonics) -> pd.DataFrame:
    """Describe those sales again whose squares are masked in their month.

    Returns
    -------
    pandas.DataFrame
        ``MASKED_FEATURES`` by ``sale_id``, of about a quarter of the sales.
    """
    months = np.unique(month_start(hedonics.past.day)).tolist()
    frames = [_of_month(hedonics, first_day) for first_day in months]
    known = [frame for frame in frames if len(frame)]
    return pd.concat(known) if known else _frame(np.array([]), np.empty((0, _COUNT)))


_COUNT = len(MASKED_FEATURES)


def _of_month(hedonics: Hedonics, first_day: int) -> pd.DataFrame:
    settled = hedonics.window(first_day)
    sales = hedonics.past[settled.start : hedonics.end(first_day)]
    count = settled.stop - settled.start
    draw = _draw(sales, first_day)
    is_asked = (draw <= SEEN_LATELY) & (np.arange(len(sales)) >= count)

    def made() -> Arrays:
        is_old = sales.day < first_day - SEEN_LATELY_DAYS
        is_hidden = (draw == NEVER_SEEN) | ((draw == SEEN_LATELY) & is_old)
        kept = int((~is_hidden[:count]).sum())
        if kept < FEWEST_SALES or not is_asked.any():
            return {"features": np.full((int(is_asked.sum()), _COUNT), np.nan)}
        seen = sales[~is_hidden]
        effects = fitted_effects(seen[:kept], first_day)
        homes = sales.homes[is_asked]
        found = Market(seen, kept, effects).features(homes)
        lately = _lately_but(is_hidden, hedonics, first_day).before(homes.points)
        return {"features": np.column_stack([found, lately])}

    rows = hedonics.seen_lately(first_day)
    found = hedonics.known("masked", first_day, rows, made)["features"]
    return _frame(sales.sale_id[is_asked], found)


def _lately_but(is_hidden: np.ndarray, hedonics: Hedonics, first_day: int) -> Lately:
    """Give what was lately unforeseen of sales that are not hidden.

    ``is_hidden`` ends where the recent sales do.
    """
    unforeseen = hedonics.unforeseen(hedonics.recent(first_day))
    hidden = is_hidden[len(is_hidden) - len(unforeseen) :]
    return hedonics.lately_of(first_day, np.where(hidden, np.nan, unforeseen))


def _draw(sales: PastSales, first_day: int) -> np.ndarray:
    """Draw a number of 0 to ``ONE_IN`` - 1 for each sale's square and the month."""
    points = sales.homes.points
    place = np.floor(np.nan_to_num(points.east_m) / SQUARE_M) * 1_000_003
    place += np.floor(np.nan_to_num(points.north_m) / SQUARE_M)
    squares = (place * 10_007 + first_day).astype(np.int64)
    return (pd.util.hash_array(squares) >> 16).astype(np.int64) % ONE_IN


def _frame(sale_id: np.ndarray, features: np.ndarray) -> pd.DataFrame:
    index = pd.Index(sale_id, name="sale_id")
    return pd.DataFrame(features, index=index, columns=list(MASKED_FEATURES))


def examples_of(sales: pd.DataFrame) -> pd.DataFrame:
    """Choose what a model of hedonic features learns from.

    Those are the described sales and, beside them, those described again as strangers.
    The first sales of all, of which there are no hedonic features yet, are left out:
    they would teach that a fact that is missing means a home of another kind. Where
    there is next to nothing else, all are taken.
    """
    is_described = sales["hedonic_log_premium"].notna()
    enough = is_described.sum() >= FEWEST_SALES
    return with_masked_examples(sales[is_described] if enough else sales)


def with_masked_examples(sales: pd.DataFrame) -> pd.DataFrame:
    """Add to described sales those described again, as further rows to learn from."""
    if PREFIX + "hedonic_log_premium" not in sales:
        return sales
    again = sales[sales[PREFIX + "hedonic_log_premium"].notna()]
    masked = again[list(MASKED_FEATURES)].set_axis(list(HEDONIC_FEATURES), axis=1)
    others = again.drop(columns=list(HEDONIC_FEATURES))
    return pd.concat([sales, others.join(masked)], ignore_index=True)

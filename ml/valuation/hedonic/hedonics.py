"""The hedonic features of any home on any day, from what was sold before that day.

What belongs here: which sales count when, and what is kept of each month. What does
not: the regression (``ridge``), the neighbours' weights (``neighbours``), and how the
features of a month are made of both (``market``).

At the first of each month effects are fitted on the sales of the four years before. A
home asked about later in the month is described with those effects, and with the
sales of all earlier days, the same month's included: levels and neighbours are never
older than yesterday's sales, however old the effects or the trees are. Nothing sold on
the day or later is looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml.valuation.hedonic.days import (
    date_of,
    month_start,
    next_month_start,
    period_of,
)
from ml.valuation.hedonic.kept import Arrays, KeptArrays, fingerprint
from ml.valuation.hedonic.market import (
    HEDONIC_FEATURES,
    NO_SALES,
    PART_FEATURES,
    PERIOD_SHRINKAGE_SALES,
    Market,
    NearSales,
)
from ml.valuation.hedonic.past import Homes, PastSales
from ml.valuation.hedonic.ridge import Effects, fit_effects
from ml.valuation.hedonic.terms import TERMS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HEDONIC_FEATURES", "PART_FEATURES", "Hedonics"]

SALE_COLUMNS = (
    "sale_id",
    "sold_date",
    "sold_price_sek",
    "list_price_sek",
    "price_index_sek_per_m2",
    "living_area_m2",
    "rooms",
    "floor",
    "is_floor_imputed",
    "construction_year",
    "construction_year_source",
    "fee_sek_per_month",
    "is_fee_sek_per_month_imputed",
    "fee_log_ratio",
    "latitude",
    "longitude",
    "centre_distance_m",
    "metro_distance_m",
    "street",
    "district",
    "agency",
)
"""What is read of past sales; of homes, the same without prices and ids."""

WINDOW_DAYS = 1460
HALF_LIFE_DAYS = 400
"""Tastes change: a sale of a year ago counts about half."""
MOST_MARKETS = 24
"""Months that are held ready; each takes some 100 bytes for every sale it sees."""
FEWEST_SALES = 200
"""Below, no effects are fitted and there are no hedonic features."""


class Hedonics:
    """What past sales say of homes, month by month.

    Parameters
    ----------
    sales
        Rows of ``marts.sale_features``, in any order; those from before there was a
        price index are left out.
    kept
        Where a month's effects and features are kept for the next process; None keeps
        nothing.
    """

    def __init__(self, sales: pd.DataFrame, kept: KeptArrays | None = None) -> None:
        known = sales["price_index_sek_per_m2"].notna()
        self.sales = sales[known].sort_values(["sold_date", "sale_id"], kind="stable")
        self.past = PastSales.of(self.sales)
        self._kept = kept
        self._markets: dict[int, Market] = {}

    def features(self, homes: pd.DataFrame) -> pd.DataFrame:
        """Hedonic features of homes on their days (``sold_date``), as of before them.

        Parameters
        ----------
        homes
            Rows with the columns of ``marts.sale_features``; sales, or requests as
            ``marts.features_of`` gives them.

        Returns
        -------
        pandas.DataFrame
            ``HEDONIC_FEATURES``, with the index of ``homes``; missing where no effects
            were known yet.
        """
        return self.described(homes)[0]

    def described(self, homes: pd.DataFrame) -> tuple[pd.DataFrame, NearSales]:
        """Hedonic features of homes, and the sales the first was described by."""
        found = np.full((len(homes), len(HEDONIC_FEATURES)), np.nan)
        nearest = NO_SALES
        asked = Homes.of(homes)
        month = month_start(asked.day)
        for first_day in np.unique(month).tolist():
            market = self.market(first_day)
            if market is not None:
                rows = np.flatnonzero(month == first_day)
                near = market.neighbours(asked[rows])
                found[rows] = market.features_by(asked[rows], near)
                if rows[0] == 0:
                    nearest = market.near_sales(near, 0)
                    start = self.window(first_day).start
                    nearest = nearest._replace(row=nearest.row + start)
        columns = list(HEDONIC_FEATURES)
        return pd.DataFrame(found, index=homes.index, columns=columns), nearest

    def features_of_sales(
        self,
        watch: Callable[[pd.Timestamp], None] = lambda _month: None,
        *,
        since: pd.Timestamp | None = None,
    ) -> pd.DataFrame:
        """Features of the sales themselves, by ``sale_id``: ``features`` of each.

        With a folder to keep them in, only months of which something has changed are
        worked on. Given ``since``, months that were over by then are left out.
        """
        month = month_start(self.past.day)
        frames = [_no_features()]
        for first_day in np.unique(month).tolist():
            if since is not None and date_of(next_month_start(first_day)) <= since:
                continue
            watch(date_of(first_day))
            sales = self.sales.iloc[np.flatnonzero(month == first_day)]
            frames.append(self._features_of_month(first_day, sales))
            self._markets.pop(first_day, None)
        return pd.concat(frames[1:] or frames)

    def neighbours(self, home: pd.DataFrame) -> pd.DataFrame:
        """Tell the sales behind ``neighbours_log_residual`` of one home.

        Returns
        -------
        pandas.DataFrame
            ``sale_id``, ``row`` (of ``sales``), ``weight`` and ``log_residual``,
            heaviest first; the sum of the products of the last two is the feature.
            Empty where there are none.
        """
        return pd.DataFrame(self.described(home)[1]._asdict())

    def market(self, first_day: int) -> Market | None:
        """Give the month that begins on a day; None before there are enough sales."""
        if (known := self._markets.get(first_day)) is not None:
            return known
        made = self._new_market(first_day)
        if made is not None:
            for oldest in list(self._markets)[: 1 - MOST_MARKETS]:
                self._markets.pop(oldest, None)
            self._markets[first_day] = made
        return made

    def _new_market(self, first_day: int) -> Market | None:
        settled = self.window(first_day)
        count = settled.stop - settled.start
        if count < FEWEST_SALES:
            return None

        def fitted() -> Arrays:
            return fitted_effects(self.past[settled], first_day).to_arrays()

        effects = Effects.from_arrays(self.known("effects", first_day, settled, fitted))
        sales = self.past[settled.start : self.end(first_day)]
        return Market(sales, count, effects)

    def _features_of_month(self, first_day: int, sales: pd.DataFrame) -> pd.DataFrame:
        def made() -> Arrays:
            return {"features": self.features(sales).to_numpy()}

        seen = slice(self.window(first_day).start, self.end(first_day))
        return pd.DataFrame(
            self.known("features", first_day, seen, made)["features"],
            index=pd.Index(sales["sale_id"], name="sale_id"),
            columns=list(HEDONIC_FEATURES),
        )

    def window(self, first_day: int) -> slice:
        """Give the rows of ``past`` that a month's effects are fitted on."""
        return slice(
            int(np.searchsorted(self.past.day, first_day - WINDOW_DAYS)),
            int(np.searchsorted(self.past.day, first_day)),
        )

    def end(self, first_day: int) -> int:
        """Give the row after a month's last sale."""
        return int(np.searchsorted(self.past.day, next_month_start(first_day)))

    def known(
        self, what: str, first_day: int, rows: slice, make: Callable[[], Arrays]
    ) -> Arrays:
        """Make something of sales, or read what an earlier process made of them."""
        if self._kept is None:
            return make()
        made_of = fingerprint(self.past[rows].content())
        return self._kept.get(f"{what}-{date_of(first_day):%Y-%m}", made_of, make)


def fitted_effects(sales: PastSales, first_day: int) -> Effects:
    """Fit the effects that hold from a day on, on the sales before it."""
    return fit_effects(
        sales.homes.keys,
        period_of(sales.day),
        sales.log_ratio,
        0.5 ** ((first_day - sales.day) / HALF_LIFE_DAYS),
        [*(term.shrinkage_sales for term in TERMS), PERIOD_SHRINKAGE_SALES],
    )


def _no_features() -> pd.DataFrame:
    return pd.DataFrame(
        columns=list(HEDONIC_FEATURES), index=pd.Index([], name="sale_id"), dtype=float
    )

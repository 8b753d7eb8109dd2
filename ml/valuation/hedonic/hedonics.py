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

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from ml.valuation.hedonic.days import (
    date_of,
    month_start,
    next_month_start,
    period_of,
)
from ml.valuation.hedonic.kept import Arrays, KeptArrays, fingerprint
from ml.valuation.hedonic.lately import LATELY_DAYS, Lately
from ml.valuation.hedonic.market import (
    MARKET_FEATURES,
    NO_SALES,
    PART_FEATURES,
    PERIOD_SHRINKAGE_SALES,
    Market,
    NearSales,
    foreseen,
)
from ml.valuation.hedonic.neighbours import KEPT, Neighbours, weighed
from ml.valuation.hedonic.past import Homes, PastSales
from ml.valuation.hedonic.ridge import Effects, fit_effects
from ml.valuation.hedonic.terms import TERMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ml.valuation.hedonic.columns import Table

__all__ = ["HEDONIC_FEATURES", "PART_FEATURES", "Hedonics"]

LATELY_FEATURE = "lately_log_residual"
HEDONIC_FEATURES = (*MARKET_FEATURES, LATELY_FEATURE)
"""``MARKET_FEATURES``, and what sales here and of this size lately fetched beyond what
those foretold of them."""

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
HELD_SALES = 4_000_000
"""Months that are held ready: so many, and more of them where they are small. Each
takes some 100 bytes for every sale it sees."""
MARKETS_IN_PASSING = 12
"""So many months are made at a time where there are more than can be held; those that
are held stay, for the next answer needs them."""
FEWEST_SALES = 200
"""Below, no effects are fitted and there are no hedonic features."""


class AskedMonth(NamedTuple):
    """A month that homes are asked about in."""

    first_day: int
    market: Market
    rows: np.ndarray
    """Of the homes."""


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
        self._most_markets = max(MOST_MARKETS, HELD_SALES // self._seen_at_the_end())
        self._markets: dict[int, Market] = {}
        self._lately: dict[int, Lately] = {}
        self._unforeseen: dict[int, np.ndarray] = {}

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
        found = self.described(homes)[0]
        return pd.DataFrame(found, index=homes.index, columns=list(HEDONIC_FEATURES))

    def described(self, homes: Table) -> tuple[np.ndarray, NearSales]:
        """Hedonic features of homes, and the sales the first was described by.

        A row a home, a column for each of ``HEDONIC_FEATURES``.
        """
        found = np.full((len(homes), len(HEDONIC_FEATURES)), np.nan)
        nearest = NO_SALES
        asked = Homes.of(homes)
        for months in self._months_of(asked):
            near = self._neighbours(asked, months)
            for first_day, market, rows in months:
                start = self.window(first_day).start
                own, its = asked[rows], near.of(rows, start)
                found[rows, :-1] = market.features_by(own, its)
                found[rows, -1] = self.lately(first_day).before(own.points)
                if rows[0] == 0:
                    nearest = market.near_sales(its, 0)
                    nearest = nearest._replace(row=nearest.row + start)
        return found, nearest

    def _months_of(self, asked: Homes) -> Iterator[list[AskedMonth]]:
        """Give the months that are known of homes, all at once where they are held."""
        month = month_start(asked.day)
        days = np.unique(month).tolist()
        is_held = len(days) <= self._most_markets - MARKETS_IN_PASSING
        at_once = max(1, len(days)) if is_held else MARKETS_IN_PASSING
        for start in range(0, len(days), at_once):
            markets = [
                (day, self.market(day, is_held=is_held))
                for day in days[start : start + at_once]
            ]
            yield [
                AskedMonth(first_day, market, np.flatnonzero(month == first_day))
                for first_day, market in markets
                if market is not None
            ]

    def _neighbours(self, asked: Homes, months: Sequence[AskedMonth]) -> Neighbours:
        """Weigh the neighbours of all months at once, as rows of ``past``."""
        nearest = np.full((len(asked), KEPT), -1)
        for first_day, market, rows in months:
            found = market.nearest(asked[rows])
            start = self.window(first_day).start
            nearest[rows] = np.where(found >= 0, found + start, -1)
        return weighed(nearest, self.past.homes.points, asked.points)

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
            frames.append(self._features_of_month(first_day))
            self._forget(first_day)
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

    def market(self, first_day: int, *, is_held: bool = True) -> Market | None:
        """Give the month that begins on a day; None before there are enough sales.

        It is held for the next time, unless it is made in passing.
        """
        known = self._markets.get(first_day)
        made = known or self._new_market(first_day)
        if made is not None and (is_held or known is not None):
            self._hold(self._markets, first_day, made)
        return made

    def _hold(self, held: dict[int, Any], first_day: int, made: object) -> None:
        """Hold what was used last; what was not used for longest is let go."""
        held.pop(first_day, None)
        for oldest in list(held)[: 1 - self._most_markets]:
            held.pop(oldest, None)
        held[first_day] = made

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

    def lately(self, first_day: int) -> Lately:
        """Give the sales up to a month's end by what was not foreseen of them."""
        made = self._lately.get(first_day) or self.lately_of(
            first_day, self.unforeseen(self.recent(first_day))
        )
        self._hold(self._lately, first_day, made)
        return made

    def lately_of(self, first_day: int, unforeseen: np.ndarray) -> Lately:
        """Make the same of other residuals of the ``recent`` rows; NaN is unseen."""
        rows = self.recent(first_day)
        points = self.past.homes.points[rows]
        count = self.month(first_day).start - rows.start
        return Lately(points[:count], points[count:], unforeseen)

    def unforeseen(self, rows: slice) -> np.ndarray:
        """What sales fetched beyond what was foretold on their day; NaN of the first.

        Parameters
        ----------
        rows
            Of ``past``.
        """
        months = np.unique(month_start(self.past.day[rows])).tolist()
        if not months:
            return np.zeros(0)
        found = np.concatenate([self._unforeseen_of_month(each) for each in months])
        before = rows.start - self.month(months[0]).start
        return found[before : before + rows.stop - rows.start]

    def _unforeseen_of_month(self, first_day: int) -> np.ndarray:
        if first_day not in self._unforeseen:
            self._market_features_of_month(first_day)
        return self._unforeseen[first_day]

    def _market_features_of_month(self, first_day: int) -> np.ndarray:
        rows = self.month(first_day)

        def made() -> Arrays:
            market = self.market(first_day)
            if market is None:
                nothing = np.full(
                    (rows.stop - rows.start, len(MARKET_FEATURES)), np.nan
                )
                return {"features": nothing}
            return {"features": market.features(self.past.homes[rows])}

        seen = slice(self.window(first_day).start, rows.stop)
        found = self.known("features", first_day, seen, made)["features"]
        self._unforeseen[first_day] = self.past.log_ratio[rows] - foreseen(found)
        return found

    def _features_of_month(self, first_day: int) -> pd.DataFrame:
        rows = self.month(first_day)
        found = self._market_features_of_month(first_day)

        def made() -> Arrays:
            points = self.past.homes.points[rows]
            return {"lately": self.lately(first_day).before(points)}

        seen = self.seen_lately(first_day)
        lately = self.known("lately", first_day, seen, made)["lately"]
        is_described = np.isfinite(found[:, 0])
        return pd.DataFrame(
            np.column_stack([found, np.where(is_described, lately, np.nan)]),
            index=pd.Index(self.past.sale_id[rows], name="sale_id"),
            columns=list(HEDONIC_FEATURES),
        )

    def recent(self, first_day: int) -> slice:
        """Give the rows of ``past`` that are recent in a month, its own included."""
        start = int(np.searchsorted(self.past.day, first_day - LATELY_DAYS))
        return slice(start, self.end(first_day))

    def seen_lately(self, first_day: int) -> slice:
        """Give the rows of ``past`` that the recent ones were foretold from, and they.

        The oldest of them was foretold from the window before its own month.
        """
        rows = self.recent(first_day)
        oldest = int(month_start(self.past.day[rows.start]))
        return slice(self.window(oldest).start, rows.stop)

    def month(self, first_day: int) -> slice:
        """Give the rows of ``past`` that were sold in a month."""
        start = int(np.searchsorted(self.past.day, first_day))
        return slice(start, self.end(first_day))

    def _seen_at_the_end(self) -> int:
        if len(self.past.day) == 0:
            return 1
        window = self.window(int(self.past.day[-1]) + 1)
        return max(1, window.stop - window.start)

    def _forget(self, first_day: int) -> None:
        self._markets.pop(first_day, None)
        self._lately.pop(first_day, None)

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

"""Which sales train and which are valued, fit by fit, for each protocol.

What belongs here: splitting a frame of sales. What does not: warehouses in which whole
districts are missing (``held_out_districts``), fitting, figures.

The headline is a monthly rolling origin: for each month, train on what was sold before
its first day and value what was sold in it. In every protocol the features of a sale
are those of its own day: index and comparables are live even where the model is not.
The random 80/20 split stands beside it for comparison with others' figures; it
flatters.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from ml.valuation.plan import FROZEN_MONTHS, Plan, Protocol
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Iterator

RANDOM_SPLIT_SEED = 7
"""The seed project's; it split without shuffling, so its seed did nothing."""

UNSEEN_BUILDINGS_ONE_IN = 5


@dataclass(frozen=True)
class Split:
    """One fit: the sales to learn from and, by protocol, those to value."""

    label: str
    """Tells it from every other fit of a plan."""
    sales: pd.DataFrame
    is_train: np.ndarray
    is_test: dict[Protocol, np.ndarray]

    @property
    def train(self) -> pd.DataFrame:
        """The sales to learn from, oldest first."""
        return self.sales[self.is_train]

    @property
    def tests(self) -> dict[Protocol, pd.DataFrame]:
        """The sales to value, by protocol."""
        return {protocol: self.sales[rows] for protocol, rows in self.is_test.items()}


def splits(sales: pd.DataFrame, plan: Plan) -> Iterator[Split]:
    """Yield the fits of a plan, but for those that need a warehouse of their own.

    Parameters
    ----------
    sales
        Features, labels and address, oldest first, up to the end of the plan.
    plan
        Its months and protocols.

    Raises
    ------
    SlutprisError
        When nothing was sold in the months, or nothing before one of them.
    """
    _check_months(sales, plan)
    yield from _splits_by_cutoff(sales, plan)
    if "unseen_buildings" in plan.protocols:
        yield from _unseen_buildings(sales, plan)
    if "last_10_pct" in plan.protocols:
        yield _last_tenth(sales)
    if "random_80_20" in plan.protocols:
        yield _random_fifth(sales)


def in_month(sales: pd.DataFrame, month: pd.Timestamp) -> np.ndarray:
    """Tell which sales were sold in a month, given as its first day."""
    sold, after = sales["sold_date"], month + pd.offsets.MonthBegin(1)
    return ((sold >= month) & (sold < after)).to_numpy()


def building_of(sales: pd.DataFrame) -> pd.Series:
    """Name the building of each sale: street and number, else the address as it is."""
    number = pd.to_numeric(sales["street_number"]).map(
        "{:g}".format, na_action="ignore"
    )
    known = sales["street"] + " " + number
    if "is_street_number_imputed" in sales:
        known = known.where(~sales["is_street_number_imputed"].astype(bool))
    return known.fillna(sales["address"].str.casefold()).fillna("")


def is_unseen_building(sales: pd.DataFrame) -> np.ndarray:
    """Pick a fifth of all buildings by a hash of their names: the same in every run."""
    buildings = building_of(sales)
    picked = {
        name: _hash(name) % UNSEEN_BUILDINGS_ONE_IN == 0 for name in set(buildings)
    }
    return buildings.map(picked).to_numpy(dtype=bool)


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


def _check_months(sales: pd.DataFrame, plan: Plan) -> None:
    if set(plan.protocols) <= {"last_10_pct", "random_80_20"}:
        return
    sold = sales["sold_date"]
    if not (sold >= pd.Timestamp(plan.start)).any():
        raise SlutprisError(
            f"no sale was sold from {plan.start:%Y-%m} to {plan.end:%Y-%m}; the "
            f"warehouse has sales from {sold.min():%Y-%m} to {sold.max():%Y-%m}"
        )


def _splits_by_cutoff(sales: pd.DataFrame, plan: Plan) -> Iterator[Split]:
    """Yield one fit per day to train up to, whichever protocols share it."""
    tests: dict[pd.Timestamp, dict[Protocol, np.ndarray]] = {}
    for protocol in plan.protocols:
        if protocol != "rolling_monthly" and protocol not in FROZEN_MONTHS:
            continue
        age = pd.DateOffset(months=FROZEN_MONTHS.get(protocol, 0))
        for month, is_test in _months_with_sales(sales, plan):
            # Several months of one protocol never share a cut-off.
            tests.setdefault(month - age, {})[protocol] = is_test
    for cutoff in sorted(tests):
        is_train = _sold_before(sales, cutoff)
        yield Split(f"before {cutoff:%Y-%m}", sales, is_train, tests[cutoff])


def _months_with_sales(
    sales: pd.DataFrame, plan: Plan
) -> Iterator[tuple[pd.Timestamp, np.ndarray]]:
    for month in plan.months:
        is_test = in_month(sales, month)
        if is_test.any():
            yield month, is_test


def _sold_before(sales: pd.DataFrame, day: pd.Timestamp) -> np.ndarray:
    is_past = (sales["sold_date"] < day).to_numpy()
    if not is_past.any():
        raise SlutprisError(
            f"no sale was sold before {day:%Y-%m-%d}, so there is nothing to "
            f"train on; start later than {sales['sold_date'].min():%Y-%m}"
        )
    return is_past


def _unseen_buildings(sales: pd.DataFrame, plan: Plan) -> Iterator[Split]:
    is_unseen = is_unseen_building(sales)
    for month, is_in_month in _months_with_sales(sales, plan):
        if (is_in_month & is_unseen).any():
            yield Split(
                f"unseen buildings {month:%Y-%m}",
                sales,
                _sold_before(sales, month) & ~is_unseen,
                {"unseen_buildings": is_in_month & is_unseen},
            )


def _last_tenth(sales: pd.DataFrame) -> Split:
    # Whole days: no sale is valued by a model that learnt from its own day.
    sold = sales["sold_date"]
    first_day = sold.sort_values(ignore_index=True).iloc[int(len(sales) * 0.9)]
    is_train = _sold_before(sales, first_day)
    return Split("last 10 %", sales, is_train, {"last_10_pct": ~is_train})


def _random_fifth(sales: pd.DataFrame) -> Split:
    positions = np.arange(len(sales))
    _, held_out = train_test_split(
        positions, test_size=0.2, random_state=RANDOM_SPLIT_SEED
    )
    is_test = np.isin(positions, held_out)
    return Split("random 80/20", sales, ~is_test, {"random_80_20": is_test})

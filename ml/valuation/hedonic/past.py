"""Past sales and homes as columns that effects and neighbours are computed from.

What belongs here: reading the columns of ``marts.sale_features`` once. What does not:
what is made of them (``market``, ``neighbours``, ``ridge``).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml.valuation.hedonic.columns import texts
from ml.valuation.hedonic.days import days_of
from ml.valuation.hedonic.groups import NO_GROUP
from ml.valuation.hedonic.neighbours import ALIKE, Points
from ml.valuation.hedonic.terms import Traits, hashed, keys_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ml.valuation.hedonic.columns import Table

METRES_PER_DEGREE = 111_320
METRES_PER_DEGREE_EAST = METRES_PER_DEGREE * float(np.cos(np.radians(59.33)))
SIZE_STEP = 0.35


@dataclass(frozen=True)
class Homes:
    """Homes on their days, as classes and points; rows align."""

    keys: np.ndarray
    """Classes by the terms of the regression, a column each."""
    points: Points
    size: np.ndarray
    agency: np.ndarray
    district: np.ndarray

    @classmethod
    def of(cls, homes: Table) -> Homes:
        """Read the columns of ``marts.sale_features``."""
        traits = Traits.of(homes)
        points = points_of(traits, days_of(homes["sold_date"]))
        return Homes(
            keys=keys_of(traits),
            points=points,
            size=size_class(points.log_area),
            agency=group_keys(homes, "agency"),
            district=group_keys(homes, "district"),
        )

    def __getitem__(self, rows: slice | np.ndarray) -> Homes:
        return Homes(
            **{each.name: getattr(self, each.name)[rows] for each in fields(self)}
        )

    def __len__(self) -> int:
        return len(self.day)

    @property
    def day(self) -> np.ndarray:
        """The day of each, as a number."""
        return self.points.day


@dataclass(frozen=True)
class PastSales:
    """Sales of known prices and index, oldest first; rows align."""

    homes: Homes
    sale_id: np.ndarray
    log_ratio: np.ndarray
    """Log of the price per m² over the price index of the day."""
    asking_log_premium: np.ndarray
    """Log of the price over the asking price; NaN where none is known."""

    @classmethod
    def of(cls, sales: pd.DataFrame) -> PastSales:
        """Read the columns of sales that are in order."""
        return PastSales(
            homes=Homes.of(sales),
            sale_id=sales["sale_id"].to_numpy(),
            log_ratio=_log_price_ratio(sales),
            asking_log_premium=_asking_log_premium(sales),
        )

    def __getitem__(self, rows: slice | np.ndarray) -> PastSales:
        return PastSales(
            **{each.name: getattr(self, each.name)[rows] for each in fields(self)}
        )

    def __len__(self) -> int:
        return len(self.sale_id)

    @property
    def day(self) -> np.ndarray:
        """The day each was sold, as a number."""
        return self.homes.day

    def content(self) -> Iterator[np.ndarray]:
        """Give the arrays that all else follows from."""
        points = self.homes.points
        yield from (self.homes.keys, self.day, self.log_ratio)
        yield from (points.steps(ALIKE), points.year, points.log_fee)
        yield from (self.asking_log_premium, self.homes.agency, self.homes.district)


def points_of(traits: Traits, day: np.ndarray) -> Points:
    """Give homes as points to find neighbours by."""
    return Points(
        east_m=traits.longitude * METRES_PER_DEGREE_EAST,
        north_m=traits.latitude * METRES_PER_DEGREE,
        day=day,
        log_area=traits.log_area,
        year=traits.year,
        log_fee=traits.log_fee_per_m2,
    )


def group_keys(homes: Table, column: str) -> np.ndarray:
    """Give names as numbers of groups; ``NO_GROUP`` where there is none."""
    names = texts(homes, column)
    return np.where(names == "", NO_GROUP, hashed(names))


def size_class(log_area: np.ndarray) -> np.ndarray:
    """Class sizes coarsely, for how their prices drift apart."""
    return np.floor(log_area / SIZE_STEP).clip(7, 14).astype(np.int64)


def _log_price_ratio(sales: pd.DataFrame) -> np.ndarray:
    price = sales["sold_price_sek"] / sales["living_area_m2"]
    return np.log((price / sales["price_index_sek_per_m2"]).to_numpy(dtype=float))


def _asking_log_premium(sales: pd.DataFrame) -> np.ndarray:
    asked = pd.to_numeric(sales["list_price_sek"]).to_numpy(float, na_value=np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        premium = np.log(sales["sold_price_sek"].to_numpy(dtype=float) / asked)
    return np.where(asked > 0, premium, np.nan)

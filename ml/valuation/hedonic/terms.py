"""A home as classes: the terms of the hedonic regression.

What belongs here: which classes there are, what a person would call them, and how far
their effects are held back. What does not: estimating effects (``ridge``).

A class is a number; equal numbers are equal classes, in any frame. Coarse and fine
classes stand side by side (squares of 9 km down to 250 m), so that a place without
sales of its own gets what its surroundings show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from ml.valuation.hedonic.columns import floats, known_floats, texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from ml.valuation.hedonic.columns import Table

Part = Literal["place", "size", "building", "floor", "fee"]
PARTS: tuple[Part, ...] = ("place", "size", "building", "floor", "fee")

UNKNOWN = -9
FEW_NAMES = 100
"""So few are hashed sooner one by one than by their distinct ones."""
GUESSED_YEAR_SOURCES = ("city", "district")
"""Sources of a construction year that say nothing of the house itself."""


@dataclass(frozen=True)
class Term:
    """One way to class homes; ``shrinkage_sales`` make an effect half believed."""

    name: str
    part: Part
    shrinkage_sales: float
    key: Callable[[Traits], np.ndarray]


@dataclass(frozen=True)
class Traits:
    """What the classes are made of, one entry a home; NaN where unknown.

    An imputed floor or fee is unknown, and so is a year that is but a guess.
    """

    latitude: np.ndarray
    longitude: np.ndarray
    log_area: np.ndarray
    rooms: np.ndarray
    floor: np.ndarray
    year: np.ndarray
    log_centre_m: np.ndarray
    metro_m: np.ndarray
    log_fee_per_m2: np.ndarray
    fee_log_ratio: np.ndarray
    street: np.ndarray

    @classmethod
    def of(cls, homes: Table) -> Traits:
        """Read the columns of ``marts.sale_features``."""
        area_m2 = floats(homes, "living_area_m2")
        fee = known_floats(homes, "fee_sek_per_month")
        return Traits(
            latitude=floats(homes, "latitude"),
            longitude=floats(homes, "longitude"),
            log_area=np.log(area_m2),
            rooms=floats(homes, "rooms").clip(0, 7),
            floor=np.round(known_floats(homes, "floor")).clip(-1, 8),
            year=_known_year(homes),
            log_centre_m=np.log(floats(homes, "centre_distance_m").clip(300, 40_000)),
            metro_m=floats(homes, "metro_distance_m").clip(0, 3_000),
            log_fee_per_m2=np.log((fee / area_m2).clip(10, 200)),
            fee_log_ratio=floats(homes, "fee_log_ratio").clip(-1.2, 1.2),
            street=hashed(texts(homes, "street")),
        )

    def square(self, degrees: float) -> np.ndarray:
        """Squares of so many degrees of latitude, about as wide as they are high."""
        return _joined(
            _step(self.latitude, degrees), _step(self.longitude, 2 * degrees)
        )

    def size(self, step: float) -> np.ndarray:
        """Living areas, each so much larger than the last, as a log."""
        return _step(self.log_area, step)

    def centre(self, step: float) -> np.ndarray:
        """Rings around the centre, each so much farther than the last, as a log."""
        return _step(self.log_centre_m, step)

    def decades(self, count: int) -> np.ndarray:
        """Construction years, so many decades together."""
        return _step(self.year, 10 * count)


def _step(values: np.ndarray, width: float) -> np.ndarray:
    steps = np.floor(values / width)
    return np.where(np.isnan(steps), UNKNOWN, steps).astype(np.int64)


def _joined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    # Classes lie within +-500 000, so two of them never meet in one number.
    return first * 1_000_003 + second


TERMS = (
    Term("square_9km", "place", 1, lambda t: t.square(0.08)),
    Term("square_4km", "place", 1, lambda t: t.square(0.04)),
    Term("square_2km", "place", 1, lambda t: t.square(0.02)),
    Term("square_1km", "place", 3, lambda t: t.square(0.009)),
    Term("square_500m", "place", 3, lambda t: t.square(0.0045)),
    Term("square_250m", "place", 3, lambda t: t.square(0.00225)),
    Term("centre", "place", 5, lambda t: t.centre(0.12)),
    Term("metro", "place", 5, lambda t: _step(t.metro_m, 200)),
    Term("street", "place", 4, lambda t: _joined(t.street, t.square(0.02))),
    Term("size", "size", 1, lambda t: t.size(0.1)),
    Term("size_fine", "size", 5, lambda t: t.size(0.05)),
    Term(
        "rooms_by_size",
        "size",
        10,
        lambda t: _joined(_step(t.rooms, 0.5), t.size(0.25)),
    ),
    Term("size_by_2km", "size", 8, lambda t: _joined(t.square(0.02), t.size(0.3))),
    Term("size_by_1km", "size", 8, lambda t: _joined(t.square(0.009), t.size(0.3))),
    Term("size_by_centre", "size", 5, lambda t: _joined(t.centre(0.3), t.size(0.2))),
    Term("decade", "building", 3, lambda t: t.decades(1)),
    Term(
        "decade_by_2km", "building", 8, lambda t: _joined(t.square(0.02), t.decades(2))
    ),
    Term(
        "decade_by_1km", "building", 8, lambda t: _joined(t.square(0.009), t.decades(2))
    ),
    Term(
        "decade_by_size", "building", 10, lambda t: _joined(t.decades(2), t.size(0.3))
    ),
    Term(
        "decade_by_centre",
        "building",
        5,
        lambda t: _joined(t.centre(0.3), t.decades(2)),
    ),
    Term("floor", "floor", 2, lambda t: _step(t.floor, 1)),
    Term(
        "floor_by_centre",
        "floor",
        10,
        lambda t: _joined(t.centre(0.5), _step(t.floor, 1)),
    ),
    Term(
        "floor_by_size", "floor", 10, lambda t: _joined(t.size(0.4), _step(t.floor, 1))
    ),
    Term("fee_ratio", "fee", 5, lambda t: _step(t.fee_log_ratio, 0.1)),
    Term("fee", "fee", 5, lambda t: _step(t.log_fee_per_m2, 0.15)),
    Term(
        "fee_ratio_by_centre",
        "fee",
        10,
        lambda t: _joined(t.centre(0.5), _step(t.fee_log_ratio, 0.2)),
    ),
    Term(
        "fee_by_centre",
        "fee",
        10,
        lambda t: _joined(t.centre(0.5), _step(t.log_fee_per_m2, 0.25)),
    ),
)
"""Tried term by term on real sales of 2015 and 2016; see docs/experiments.md."""


def class_keys(homes: Table) -> np.ndarray:
    """Class of each home (row) by each of ``TERMS`` (column), as int64.

    Parameters
    ----------
    homes
        Rows with the columns of ``marts.sale_features``.
    """
    return keys_of(Traits.of(homes))


def keys_of(traits: Traits) -> np.ndarray:
    """Class of each home (row) by each of ``TERMS`` (column), as int64."""
    return np.column_stack([term.key(traits) for term in TERMS])


def hashed(names: np.ndarray) -> np.ndarray:
    """Give names as numbers that are the same in every process."""
    # Some 40 bits: far fewer than two in a million streets would share one.
    is_many = len(names) > FEW_NAMES
    return (pd.util.hash_array(names, categorize=is_many) >> 24).astype(np.int64)


def _known_year(homes: Table) -> np.ndarray:
    """Construction year of the house or of the nearest one; NaN where only guessed."""
    is_guess = np.isin(texts(homes, "construction_year_source"), GUESSED_YEAR_SOURCES)
    year = floats(homes, "construction_year").clip(1850, 2100)
    return np.where(is_guess, np.nan, year)

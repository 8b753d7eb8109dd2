"""How large an error to expect of one home's value, from what is known around it.

What belongs here: the traits of a home that errors grow with, the regression of their
size on them, and which homes have too thin evidence to trust it. What does not: how
many errors a range must hold, see ``intervals``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.valuation.hedonic.columns import floats, texts

if TYPE_CHECKING:
    from ml.valuation.hedonic.columns import Table

LARGE_AREA_M2 = 80
NEAR_M = 200
FAR_M = 1500
"""No comparable sale is sought further away."""
POSITIONS_OF_A_HOUSE = ("own", "address", "geocoded")
IMPUTED_FLAGS = (
    "is_floor_imputed",
    "is_construction_year_imputed",
    "is_fee_sek_per_month_imputed",
    "is_rooms_imputed",
    "is_latitude_imputed",
)

WIDENS, NARROWS, EITHER = 1, -1, 0
DIRECTIONS: dict[str, int] = {
    "log_spread": WIDENS,
    "log_weight": NARROWS,
    "log_distance_beyond_near": WIDENS,
    "has_no_sale_in_building": WIDENS,
    "log_street_sales": NARROWS,
    "log_area": EITHER,
    "log_area_beyond_large": EITHER,
    "log_price_level": EITHER,
    "log_price_level_above_city": EITHER,
    "has_previous_sale": NARROWS,
} | dict.fromkeys(IMPUTED_FLAGS, WIDENS)
"""Which way each trait may move the expected error.

More evidence never widens a range. Homes with next to none are rarely sold, so what
they get is drawn out from those with little; a sign that chance gave would lead astray.
"""

RIDGE = 20.0
"""Sales' worth of doubt that a trait matters at all."""
NEWTON_STEPS = 12
ERROR_LIMITS = (0.003, 0.6)
"""Absolute log errors are taken as no smaller and no larger: a few are mistakes."""

THIN_WEIGHT_SHARE = 0.05
THIN_DISTANCE_TIMES = 2.5


@dataclass(frozen=True)
class ErrorScale:
    """The absolute log error to expect of a home: the exponential of a sum of traits.

    Fitted as the mean of exponentially distributed absolute errors (Laplace errors),
    which single wild sales hardly move. Boosted trees on the same traits gave ranges
    of the same width, and sums can be read. A trait is taken as no further out than
    past sales were (``lowest``, ``highest``).
    """

    intercept: float
    means: dict[str, float]
    lowest: dict[str, float]
    highest: dict[str, float]
    coefficients: dict[str, float]

    @classmethod
    def fitted(
        cls, traits: np.ndarray, absolute_log_error: np.ndarray, weights: np.ndarray
    ) -> ErrorScale:
        """Learn from past sales; a trait whose sign is against reason is left out."""
        error = np.clip(absolute_log_error, *ERROR_LIMITS)
        means = traits.mean(axis=0)
        directions = np.array(list(DIRECTIONS.values()))
        found = np.zeros(len(DIRECTIONS))
        kept = np.full(len(DIRECTIONS), True)
        while True:
            centred = (traits - means)[:, kept]
            intercept, *found[kept] = _regressed(centred, error, weights)
            is_against_reason = kept & (found * directions < 0)
            found[is_against_reason] = 0
            if not is_against_reason.any():
                break
            kept &= ~is_against_reason
        return cls(
            intercept=float(intercept),
            means=_by_trait(means),
            lowest=_by_trait(traits.min(axis=0)),
            highest=_by_trait(traits.max(axis=0)),
            coefficients=_by_trait(found),
        )

    def of(self, traits: np.ndarray) -> np.ndarray:
        """Absolute log errors to expect, one per row."""
        seen = np.clip(traits, _in_order(self.lowest), _in_order(self.highest))
        centred = seen - _in_order(self.means)
        return np.exp(self.intercept + centred @ _in_order(self.coefficients))

    def to_json(self) -> dict[str, Any]:
        """Plain values for a file."""
        return asdict(self)


@dataclass(frozen=True)
class ThinEvidence:
    """Where comparables are so far or so light that they say next to nothing.

    So it is where nothing was sold before in the home's building or street. Limits are
    relative to the homes usually valued, so that they hold for another city and other
    weights.
    """

    min_weight: float
    max_distance_m: float

    @classmethod
    def fitted(cls, features: Table) -> ThinEvidence:
        """Take the limits from the typical home among past sales."""
        weight = np.nanmedian(np.append(numbers(features, "comparables_weight"), 0))
        distance = numbers(features, "comparables_distance_m")
        typical = np.nanmedian(np.append(distance, FAR_M))
        return cls(
            min_weight=float(THIN_WEIGHT_SHARE * weight),
            max_distance_m=float(THIN_DISTANCE_TIMES * typical),
        )

    def among(self, features: Table) -> np.ndarray:
        """Tell which homes have too little around them, or no place of their own."""
        weight = numbers(features, "comparables_weight")
        distance = numbers(features, "comparables_distance_m")
        is_near = (weight >= self.min_weight) & (distance <= self.max_distance_m)
        is_alone = np.isnan(numbers(features, "street_sale_count")) & np.isnan(
            numbers(features, "building_sale_count")
        )
        return ~is_near | is_alone | ~_has_place_of_house(features)

    def to_json(self) -> dict[str, Any]:
        """Plain values for a file."""
        return asdict(self)


def traits_of(features: Table, value_sek: np.ndarray) -> np.ndarray:
    """Compute what errors grow with, a column for each of ``DIRECTIONS``.

    A column that is absent counts as missing, and missing evidence as the least there
    can be. Plain arrays, for one home is asked about as often as many: in pandas it
    took ten times as long.
    """
    area_m2 = numbers(features, "living_area_m2")
    index = numbers(features, "price_index_sek_per_m2")
    with np.errstate(divide="ignore", invalid="ignore"):
        price_level = np.nan_to_num(np.log(value_sek / area_m2 / index), posinf=0)
        log_area = np.nan_to_num(np.log(area_m2 / LARGE_AREA_M2), neginf=0)
    traits = _evidence(features) | {
        "log_area": np.clip(log_area, -2, 2),
        "log_area_beyond_large": np.clip(log_area, 0, 2),
        "log_price_level": np.clip(price_level, -1.5, 1.5),
        "log_price_level_above_city": np.clip(price_level, 0, 1.5),
    }
    flags = {flag: np.nan_to_num(numbers(features, flag)) for flag in IMPUTED_FLAGS}
    return np.column_stack([(traits | flags)[name] for name in DIRECTIONS])


def numbers(features: Table, name: str) -> np.ndarray:
    """Read a column as doubles, NaN where it is null or absent."""
    if name not in features:
        return np.full(len(features), np.nan)
    return floats(features, name)


def _evidence(features: Table) -> dict[str, np.ndarray]:
    spread = np.nan_to_num(numbers(features, "comparables_log_spread"), nan=0.1)
    weight = np.nan_to_num(numbers(features, "comparables_weight"))
    distance = np.nan_to_num(numbers(features, "comparables_distance_m"), nan=FAR_M)
    in_building = np.nan_to_num(numbers(features, "building_sale_count"))
    in_street = np.nan_to_num(numbers(features, "street_sale_count"))
    return {
        "log_spread": np.log(np.clip(spread, 0.04, 0.4)),
        "log_weight": np.log(np.clip(weight, 0.02, 1000)),
        "log_distance_beyond_near": np.log(
            np.clip(distance / NEAR_M, 1, FAR_M / NEAR_M)
        ),
        "has_no_sale_in_building": (in_building == 0).astype(float),
        "log_street_sales": np.log1p(np.clip(in_street, 0, 30)),
        "has_previous_sale": np.isfinite(
            numbers(features, "previous_sale_days")
        ).astype(float),
    }


def _by_trait(values: np.ndarray) -> dict[str, float]:
    return dict(zip(DIRECTIONS, map(float, values), strict=True))


def _in_order(by_trait: dict[str, float]) -> np.ndarray:
    return np.array([by_trait[name] for name in DIRECTIONS])


def _regressed(
    traits: np.ndarray, error: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Minimise sum(w · (error / scale + log scale)), log scale linear, by Newton."""
    design = np.column_stack([np.ones(len(traits)), traits])
    penalty = np.full(design.shape[1], RIDGE)
    penalty[0] = 1e-9
    found = np.zeros(design.shape[1])
    found[0] = np.log(np.average(error, weights=weights))
    origin = np.append(found[0], np.zeros(len(found) - 1))
    for _ in range(NEWTON_STEPS):
        ratio = error / np.exp(design @ found)
        gradient = design.T @ (weights * (1 - ratio)) + penalty * (found - origin)
        curvature = (design * (weights * ratio)[:, None]).T @ design
        found = found - np.linalg.solve(curvature + np.diag(penalty), gradient)
    return found


def _has_place_of_house(features: Table) -> np.ndarray:
    if "position_source" not in features:
        return np.full(len(features), True)
    return np.isin(texts(features, "position_source"), POSITIONS_OF_A_HOUSE)

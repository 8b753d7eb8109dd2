"""The hedonic regression: log prices on classes, all effects held back at once.

What belongs here: estimating and applying effects. What does not: the classes
(``terms``), and which sales are used when (``hedonics``).

Each effect is a mean shrunk towards none as far as sales are few, given all other
effects: a ridge regression on indicators, which is a mixed model's best linear unbiased
prediction when the penalties are ratios of variances. Solved by conjugate gradients, so
that the work grows with the sales and not with the square of the classes.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TOLERANCE = 1e-4
MOST_STEPS = 100
FEW_HOMES = 3
"""So few are looked up sooner one by one."""


@dataclass(frozen=True)
class Effects:
    """Log effects of the classes of each term; a class that was not seen has none."""

    classes: tuple[np.ndarray, ...]
    """Of each term, the numbers of its classes, ascending."""
    values: tuple[np.ndarray, ...]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Give the effects as named arrays."""
        return {
            f"{name}_{term}": each
            for name in ("classes", "values")
            for term, each in enumerate(getattr(self, name))
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Effects:
        """Read what ``to_arrays`` gave."""
        terms = range(len(arrays) // 2)
        return cls(
            tuple(arrays[f"classes_{term}"] for term in terms),
            tuple(arrays[f"values_{term}"] for term in terms),
        )

    def of(self, keys: np.ndarray) -> np.ndarray:
        """Effect of each home's class (row) by each term (column)."""
        if len(keys) <= FEW_HOMES:
            return self._of_few(keys)
        effects = np.zeros(keys.shape)
        for term, (classes, values) in enumerate(
            zip(self.classes, self.values, strict=True)
        ):
            place = np.searchsorted(classes, keys[:, term]).clip(max=len(classes) - 1)
            is_known = classes[place] == keys[:, term]
            effects[:, term] = np.where(is_known, values[place], 0.0)
        return effects

    def _of_few(self, keys: np.ndarray) -> np.ndarray:
        columns = [
            [_effect(classes, values, key) for key in column]
            for classes, values, column in zip(
                self.classes, self.values, keys.T.tolist(), strict=True
            )
        ]
        return np.array(columns, dtype=float).T.copy()


def _effect(classes: np.ndarray, values: np.ndarray, key: int) -> float:
    place = bisect_left(classes, key)
    is_known = place < len(classes) and classes[place] == key
    return values[place] if is_known else 0.0


def fit_effects(
    keys: np.ndarray,
    period: np.ndarray,
    log_price: np.ndarray,
    weight: np.ndarray,
    shrinkage_sales: Sequence[float],
) -> Effects:
    """Estimate the effects of classes from sales.

    What the sales of a period have in common is the market's: the periods are classes
    as well, and are not returned.

    Parameters
    ----------
    keys
        Class of each sale (row) by each term (column).
    period
        When each sale was, as a number.
    log_price
        What the effects of a sale's classes and period should add up to.
    weight
        How much each sale counts.
    shrinkage_sales
        For each term, and last for the periods: the sales at which an effect is half
        believed.
    """
    columns = [*keys.T, period]
    found = [np.unique(column, return_inverse=True) for column in columns]
    sizes = [len(classes) for classes, _ in found]
    offsets = np.cumsum([0, *sizes])
    codes = np.column_stack(
        [place + offset for (_, place), offset in zip(found, offsets, strict=False)]
    )
    solution = _solved(codes, log_price, weight, np.repeat(shrinkage_sales, sizes))
    return Effects(
        tuple(classes for classes, _ in found[:-1]),
        tuple(np.split(solution, offsets[1:-1])[:-1]),
    )


def _solved(
    codes: np.ndarray, log_price: np.ndarray, weight: np.ndarray, penalty: np.ndarray
) -> np.ndarray:
    terms = codes.shape[1]
    flat = codes.ravel()
    count = len(penalty)

    def gathered(per_sale: np.ndarray) -> np.ndarray:
        return np.bincount(flat, np.repeat(per_sale, terms), minlength=count)

    def normal(effects: np.ndarray) -> np.ndarray:
        return gathered(weight * effects[codes].sum(axis=1)) + penalty * effects

    diagonal = gathered(weight) + penalty
    return _conjugate_gradients(normal, gathered(weight * log_price), diagonal)


def _conjugate_gradients(
    normal: Callable[[np.ndarray], np.ndarray], right: np.ndarray, diagonal: np.ndarray
) -> np.ndarray:
    """Solve ``normal(x) = right``, preconditioned by the diagonal."""
    solution = np.zeros_like(right)
    left_over = right.copy()
    direction = scaled = left_over / diagonal
    size = left_over @ scaled
    for _ in range(MOST_STEPS):
        image = normal(direction)
        step = size / (direction @ image)
        solution += step * direction
        left_over -= step * image
        if np.linalg.norm(left_over) <= TOLERANCE * np.linalg.norm(right):
            break
        scaled = left_over / diagonal
        size, before = left_over @ scaled, size
        direction = scaled + size / before * direction
    return solution

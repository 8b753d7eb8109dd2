"""What groups of sales fetch beyond the values, shrunk by how much is known of each.

A mixed model: log(price / value) = what district, month, size and value level explain
(fixed) + a random effect of the agency + one of the agency in the district + noise.
Variance components are by the method of moments (Henderson's method III), effects are
the best linear unbiased predictions, which is empirical Bayes: an agency with few sales
is pulled to the mean, and its interval says so. What belongs here: the statistics, on
arrays. What does not: names, files and words (``agencies``).

Source: Searle, Casella & McCulloch, *Variance Components*, 5.5 and 7.4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.stats import norm

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_VARIANCE = 1e-12
"""Stands for no variance at all, where it must be divided by."""

SAME_COLUMN = 1e-9
"""A direction with less than this of the greatest weight is no direction."""

CLIPPED_AT_SDS = 4
PRIOR_SALES = 30
"""Sales' worth of the common scatter in each group's own."""

NORMAL_SD_OF_MAD = 1.4826


@dataclass(frozen=True)
class Design:
    """Which agency and district each sale has, and what else is adjusted for.

    All are codes from 0. ``noise`` is how widely prices of its kind scatter, 1 being
    usual: a sale counts by the square of its inverse. Taken as equal, the scatter of
    the suburbs would pass for local agencies.
    """

    agencies: np.ndarray
    districts: np.ndarray
    others: tuple[np.ndarray, ...]
    noise: np.ndarray

    @cached_property
    def cells(self) -> Cells:
        """The agencies in their districts."""
        width = int(self.districts.max()) + 1
        ids, codes = np.unique(
            self.agencies * width + self.districts, return_inverse=True
        )
        return Cells(codes, ids // width, ids % width)

    def shuffled(self, rng: np.random.Generator) -> Design:
        """Deal the agencies of each district out again among its sales."""
        order = np.argsort(self.districts, kind="stable")
        drawn = np.lexsort((rng.random(len(self.districts)), self.districts))
        agencies = np.empty_like(self.agencies)
        agencies[order] = self.agencies[drawn]
        return replace(self, agencies=agencies)

    def columns(self, codes: np.ndarray) -> sparse.csr_matrix:
        """Give a column for each code, its sales weighed by their noise."""
        rows = np.arange(len(codes))
        return sparse.csr_matrix((1 / self.noise, (rows, codes)))

    def fixed_columns(self) -> sparse.csr_matrix:
        """Give a constant and each factor but for its first level."""
        constant = self.columns(np.zeros(len(self.agencies), dtype=int))
        factors = (self.districts, *self.others)
        contrasts = [self.columns(codes)[:, 1:] for codes in factors]
        return sparse.hstack([constant, *contrasts]).tocsr()

    def with_noise_of(self, log_ratio: np.ndarray) -> Design:
        """Measure each district's scatter, small ones' pulled to that of all."""
        groups = self.districts
        left = _Fixed.of(self, log_ratio).left
        mean_square = np.mean(left**2)
        squares = np.bincount(groups, left**2) + PRIOR_SALES * mean_square
        variance = squares / (np.bincount(groups) + PRIOR_SALES)
        return replace(self, noise=np.sqrt(variance / mean_square)[groups])


@dataclass(frozen=True)
class Components:
    """Variances on the log scale: of noise, agencies, and agencies in districts.

    As estimated; one below zero says that there is less difference than chance gives.
    """

    residual: float
    agency: float
    local: float

    def less(self, chance: Sequence[Components]) -> Components:
        """Take off what chance gives, on average."""
        if not chance:
            return self
        agency = float(np.mean([each.agency for each in chance]))
        local = float(np.mean([each.local for each in chance]))
        return replace(self, agency=self.agency - agency, local=self.local - local)


@dataclass(frozen=True)
class Cells:
    """Agencies in districts: each sale's cell, and whose and where each cell is."""

    codes: np.ndarray
    agencies: np.ndarray
    districts: np.ndarray


@dataclass(frozen=True)
class Effects:
    """Predicted effects on the log scale, and how unsure each one is.

    All are held against the mean agency, each weighted by its sales.
    """

    effect: np.ndarray
    standard_error: np.ndarray

    @property
    def probability_above_mean(self) -> np.ndarray:
        """How probably each lies above the mean, as the data are seen."""
        return norm.cdf(self.effect / self.standard_error)

    def interval(self, level: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Give the bounds that hold the effect with a probability."""
        reach = norm.ppf((1 + level) / 2) * self.standard_error
        return self.effect - reach, self.effect + reach


def clipped(log_ratio: np.ndarray) -> np.ndarray:
    """Pull in the few prices far from their values, mostly errors of data.

    At four standard deviations, told by the median absolute deviation.
    """
    middle = np.median(log_ratio)
    sd = NORMAL_SD_OF_MAD * np.median(np.abs(log_ratio - middle))
    reach = CLIPPED_AT_SDS * sd
    return np.clip(log_ratio, middle - reach, middle + reach)


def components(log_ratio: np.ndarray, design: Design) -> Components:
    """Estimate the variance of noise, agencies and agencies in districts.

    By what each reduces the sum of squares, against what it would on average.
    """
    return _components(_Fixed.of(design, log_ratio), design)


def chance_components(
    log_ratio: np.ndarray, design: Design, *, shuffles: int, seed: int = 7
) -> list[Components]:
    """Estimate the same with the agencies shuffled within districts: chance alone."""
    rng = np.random.default_rng(seed)
    fixed = _Fixed.of(design, log_ratio)
    return [_components(fixed, design.shuffled(rng)) for _ in range(shuffles)]


def p_value(true: float, by_chance: Sequence[float]) -> float:
    """How often chance gives as much; near 0 there is more than chance."""
    return (1 + sum(each >= true for each in by_chance)) / (1 + len(by_chance))


def predicted_effects(
    log_ratio: np.ndarray, design: Design, found: Components
) -> tuple[Effects, Effects]:
    """Predict the effects of agencies, and of agencies in districts (both summed).

    Solves Henderson's mixed model equations; the many cells are eliminated first, which
    is cheap for each stands in one row of its own.
    """
    values = log_ratio / design.noise
    fixed, agency = design.fixed_columns(), design.columns(design.agencies)
    cell = design.columns(design.cells.codes)
    known = sparse.hstack([fixed, agency]).tocsr()
    noise = max(found.residual, LEAST_VARIANCE)
    count, width = agency.shape[1], fixed.shape[1]
    gram = (known.T @ known).toarray()
    gram[width:, width:] += np.eye(count) * noise / max(found.agency, LEAST_VARIANCE)
    cross = (known.T @ cell).toarray()
    weight = 1 / (_squares(cell) + noise / max(found.local, LEAST_VARIANCE))
    inverse = np.linalg.pinv(gram - (cross * weight) @ cross.T, hermitian=True)
    of_cells = cell.T @ values
    solution = inverse @ (known.T @ values - cross @ (weight * of_cells))
    in_cells = weight * (of_cells - cross.T @ solution)
    linked = -(inverse @ cross * weight)[width:]
    own_variance = weight + weight**2 * np.einsum("ic,ij,jc->c", cross, inverse, cross)
    centred = _centring(design.agencies, count)
    effect = centred @ solution[width:]
    variance = centred @ inverse[width:, width:] @ centred.T
    of_agencies = Effects(effect, np.sqrt(noise * np.diag(variance)))
    whose = design.cells.agencies
    link = (centred @ linked)[whose, np.arange(len(whose))]
    together = np.diag(variance)[whose] + own_variance + 2 * link
    of_locals = Effects(effect[whose] + in_cells, np.sqrt(noise * together))
    return of_agencies, of_locals


@dataclass(frozen=True)
class _Fixed:
    """The fit of what is adjusted for alone: what it leaves, and how much it holds."""

    matrix: sparse.csr_matrix
    values: np.ndarray
    left: np.ndarray
    inverse: np.ndarray
    rank: int

    @classmethod
    def of(cls, design: Design, log_ratio: np.ndarray) -> _Fixed:
        matrix, values = design.fixed_columns(), log_ratio / design.noise
        inverse, rank = _inverse((matrix.T @ matrix).toarray())
        left = values - matrix @ (inverse @ (matrix.T @ values))
        return cls(matrix, values, left, inverse, rank)

    def linked(self, one: sparse.csr_matrix, other: sparse.csr_matrix) -> np.ndarray:
        """Give the products of two groups' columns, both freed of what is fitted."""
        crossed = (one.T @ self.matrix) @ self.inverse
        return (one.T @ other).toarray() - crossed @ (self.matrix.T @ other).toarray()


def _components(fixed: _Fixed, design: Design) -> Components:
    agency, cell = design.columns(design.agencies), design.columns(design.cells.codes)
    own = fixed.linked(agency, agency)
    inverse, agency_rank = _inverse(own)
    moments = agency.T @ fixed.left
    explained = float(moments @ inverse @ moments)
    of_cells = fixed.linked(agency, cell)
    crossed = (fixed.matrix.T @ cell).toarray()
    cells_trace = float(
        _squares(cell).sum() - np.sum((fixed.inverse @ crossed) * crossed)
    )
    taken = float(np.sum((inverse @ of_cells) * of_cells))
    least, rank = _within(fixed, cell)
    residual = least / max(len(fixed.values) - rank, 1)
    # the rank of what is fitted, of agencies, and of cells beyond both
    cell_rank = rank - fixed.rank - agency_rank
    beyond = float(fixed.left @ fixed.left) - explained - least
    local = _ratio(beyond - residual * cell_rank, cells_trace - taken)
    surplus = explained - residual * agency_rank - max(local, 0) * taken
    return Components(residual, _ratio(surplus, float(np.trace(own))), local)


def _within(fixed: _Fixed, cell: sparse.csr_matrix) -> tuple[float, int]:
    """Fit the adjustment and every cell: the squares left, and the rank of it all."""
    size = _squares(cell)
    crossed = (fixed.matrix.T @ cell).toarray()
    means = sparse.diags(1 / size) @ cell.T
    deviations = fixed.values - cell @ (means @ fixed.values)
    gram = (fixed.matrix.T @ fixed.matrix).toarray() - (crossed / size) @ crossed.T
    inverse, rank = _inverse(gram)
    moments = fixed.matrix.T @ deviations
    left = float(deviations @ deviations - moments @ inverse @ moments)
    return left, rank + cell.shape[1]


def _inverse(gram: np.ndarray) -> tuple[np.ndarray, int]:
    """Give the pseudo-inverse of a Gram matrix, and its rank."""
    values, vectors = np.linalg.eigh(gram)
    is_kept = values > SAME_COLUMN * max(values[-1], 1.0)
    kept = vectors[:, is_kept]
    return (kept / values[is_kept]) @ kept.T, int(is_kept.sum())


def _centring(agencies: np.ndarray, count: int) -> np.ndarray:
    share = np.bincount(agencies, minlength=count) / len(agencies)
    return np.eye(count) - np.tile(share, (count, 1))


def _squares(matrix: sparse.csr_matrix) -> np.ndarray:
    return np.asarray(matrix.power(2).sum(axis=0)).ravel()


def _ratio(surplus: float, trace: float) -> float:
    return surplus / trace if trace > LEAST_VARIANCE else 0.0


def codes_of(values: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Number the levels of a factor, in order, and give the levels."""
    levels, codes = np.unique(np.asarray(values, dtype=object), return_inverse=True)
    return codes, [str(level) for level in levels]

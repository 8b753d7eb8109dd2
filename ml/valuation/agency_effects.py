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

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.stats import norm

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_VARIANCE = 1e-12
"""Stands for no variance at all, where it must be divided by."""

CLIPPED_AT_SDS = 4
NORMAL_SD_OF_MAD = 1.4826


@dataclass(frozen=True)
class Design:
    """Which level of everything each sale has.

    ``fixed`` holds codes of the factors that are adjusted for; ``cells`` are agencies
    in districts, and ``agency_of_cell`` says whose each cell is.
    """

    fixed: tuple[np.ndarray, ...]
    agencies: np.ndarray
    cells: np.ndarray
    agency_of_cell: np.ndarray


@dataclass(frozen=True)
class Components:
    """Standard deviations on the log scale: of noise, agencies and local agencies."""

    residual_sd: float
    agency_sd: float
    local_sd: float


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

    By what each reduces the sum of squares, against what it would on average; below
    zero is zero: no more difference between agencies than chance gives.
    """
    fixed, agency = _fixed_matrix(design), one_hot(design.agencies)
    cell = one_hot(design.cells)
    base = _Fit.of(fixed, log_ratio)
    by_agency = _Fit.of(sparse.hstack([fixed, agency]).tocsr(), log_ratio)
    by_cell = _within(fixed, cell, log_ratio)
    residual = by_cell.sum_of_squares / max(len(log_ratio) - by_cell.rank, 1)
    local = _positive(
        by_agency.sum_of_squares
        - by_cell.sum_of_squares
        - residual * (by_cell.rank - by_agency.rank),
        by_agency.trace_left(cell),
    )
    between = _positive(
        base.sum_of_squares
        - by_agency.sum_of_squares
        - residual * (by_agency.rank - base.rank)
        - local * (base.trace_left(cell) - by_agency.trace_left(cell)),
        base.trace_left(agency),
    )
    return Components(math.sqrt(residual), math.sqrt(between), math.sqrt(local))


def predicted_effects(
    log_ratio: np.ndarray, design: Design, found: Components
) -> tuple[Effects, Effects]:
    """Predict the effects of agencies, and of agencies in districts (both summed).

    Solves Henderson's mixed model equations; the many cells are eliminated first, which
    is cheap for each stands in one row of its own.
    """
    fixed, agency = _fixed_matrix(design), one_hot(design.agencies)
    cell = one_hot(design.cells)
    known = sparse.hstack([fixed, agency]).tocsr()
    noise = max(found.residual_sd**2, LEAST_VARIANCE)
    count, width = agency.shape[1], fixed.shape[1]
    gram = (known.T @ known).toarray()
    gram[width:, width:] += np.eye(count) * noise / _least(found.agency_sd)
    cross = (known.T @ cell).toarray()
    weight = 1 / (_sums(cell) + noise / _least(found.local_sd))
    inverse = np.linalg.pinv(gram - (cross * weight) @ cross.T, hermitian=True)
    of_cells = cell.T @ log_ratio
    solution = inverse @ (known.T @ log_ratio - cross @ (weight * of_cells))
    in_cells = weight * (of_cells - cross.T @ solution)
    linked = -(inverse @ cross * weight)[width:]
    own_variance = weight + weight**2 * np.einsum("ic,ij,jc->c", cross, inverse, cross)
    centred = _centring(design.agencies, count)
    effect = centred @ solution[width:]
    variance = centred @ inverse[width:, width:] @ centred.T
    of_agencies = Effects(effect, np.sqrt(noise * np.diag(variance)))
    whose = design.agency_of_cell
    link = (centred @ linked)[whose, np.arange(len(whose))]
    together = np.diag(variance)[whose] + own_variance + 2 * link
    of_locals = Effects(effect[whose] + in_cells, np.sqrt(noise * together))
    return of_agencies, of_locals


def chance_p_value(
    log_ratio: np.ndarray,
    design: Design,
    within: np.ndarray,
    *,
    shuffles: int,
    seed: int = 7,
) -> float:
    """How often agencies shuffled within districts differ as much as the true ones.

    Near 0, agencies do differ; at 0.05 and above it may be chance.

    Parameters
    ----------
    within
        Codes of the groups inside which the names are shuffled.
    """
    fixed = _fixed_matrix(design)
    base = _Fit.of(fixed, log_ratio)
    left = log_ratio - fixed @ base.coefficients
    true = _explained(base, fixed, design.agencies, left)
    rng = np.random.default_rng(seed)
    as_much = sum(
        _explained(base, fixed, _shuffled(design.agencies, within, rng), left) >= true
        for _ in range(shuffles)
    )
    return (1 + as_much) / (1 + shuffles)


def one_hot(codes: np.ndarray) -> sparse.csr_matrix:
    """Give a column of zeros and ones for each code."""
    rows = np.arange(len(codes))
    return sparse.csr_matrix((np.ones(len(codes)), (rows, codes)))


@dataclass(frozen=True)
class _Fit:
    """A least squares fit: what it leaves, and what it can still tell apart."""

    matrix: sparse.csr_matrix
    inverse: np.ndarray
    coefficients: np.ndarray
    sum_of_squares: float
    rank: int

    @classmethod
    def of(cls, matrix: sparse.csr_matrix, values: np.ndarray) -> _Fit:
        gram = (matrix.T @ matrix).toarray()
        inverse = np.linalg.pinv(gram, hermitian=True)
        moments = matrix.T @ values
        coefficients = inverse @ moments
        left = float(values @ values - moments @ coefficients)
        rank = int(np.linalg.matrix_rank(gram, hermitian=True))
        return cls(matrix, inverse, coefficients, max(left, 0.0), rank)

    def trace_left(self, other: sparse.csr_matrix) -> float:
        """Give the trace of the other's Gram matrix, freed of what is fitted here."""
        cross = (self.matrix.T @ other).toarray()
        return other.shape[0] - float(np.sum((self.inverse @ cross) * cross))


def _within(
    fixed: sparse.csr_matrix, cell: sparse.csr_matrix, values: np.ndarray
) -> _Fit:
    """Fit the fixed part and every cell: by deviations from the cells' means."""
    means = sparse.diags(1 / _sums(cell)) @ cell.T
    deviations = values - cell @ (means @ values)
    cross = (fixed.T @ cell).toarray()
    gram = (fixed.T @ fixed).toarray() - (cross / _sums(cell)) @ cross.T
    inverse = np.linalg.pinv(gram, rcond=1e-10, hermitian=True)
    moments = fixed.T @ deviations
    coefficients = inverse @ moments
    left = float(deviations @ deviations - moments @ coefficients)
    rank = cell.shape[1] + int(
        np.linalg.matrix_rank(gram, tol=1e-8 * len(values), hermitian=True)
    )
    return _Fit(fixed, inverse, coefficients, max(left, 0.0), rank)


def _explained(
    base: _Fit, fixed: sparse.csr_matrix, agencies: np.ndarray, left: np.ndarray
) -> float:
    """Give how much of what is left the agencies explain."""
    agency = one_hot(agencies)
    cross = (fixed.T @ agency).toarray()
    gram = (agency.T @ agency).toarray() - cross.T @ base.inverse @ cross
    moments = agency.T @ left
    return float(moments @ np.linalg.pinv(gram, rcond=1e-10, hermitian=True) @ moments)


def _fixed_matrix(design: Design) -> sparse.csr_matrix:
    rows = len(design.agencies)
    constant = sparse.csr_matrix(np.ones((rows, 1)))
    return sparse.hstack([constant, *map(_contrasts, design.fixed)]).tocsr()


def _contrasts(codes: np.ndarray) -> sparse.csr_matrix:
    """Leave out the first level, which the constant stands for."""
    return one_hot(codes)[:, 1:]


def _centring(agencies: np.ndarray, count: int) -> np.ndarray:
    share = np.bincount(agencies, minlength=count) / len(agencies)
    return np.eye(count) - np.tile(share, (count, 1))


def _shuffled(
    agencies: np.ndarray, within: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    order = np.argsort(within, kind="stable")
    drawn = np.lexsort((rng.random(len(within)), within))
    shuffled = np.empty_like(agencies)
    shuffled[order] = agencies[drawn]
    return shuffled


def _sums(matrix: sparse.csr_matrix) -> np.ndarray:
    return np.asarray(matrix.sum(axis=0)).ravel()


def _positive(surplus: float, trace: float) -> float:
    return max(surplus / trace, 0.0) if trace > LEAST_VARIANCE else 0.0


def _least(sd: float) -> float:
    return max(sd**2, LEAST_VARIANCE)


def codes_of(values: Sequence[object]) -> tuple[np.ndarray, list[object]]:
    """Number the levels of a factor, in order, and give the levels."""
    levels, codes = np.unique(np.asarray(values, dtype=object), return_inverse=True)
    return codes, list(levels)

"""How sure a difference between models is: intervals by resampling the sales.

What belongs here: paired bootstrap of errors. What does not: which errors, and ranges
of values (``intervals``).

Two models are compared on the same resampled sales, so what makes a sale hard for both
cancels out. Sales of one month share the market's surprise and are not independent:
where a protocol has months enough, intervals are given with whole months resampled too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ml.valuation.valuing import is_answered

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

RESAMPLES = 1000
SEED = 7
CONFIDENCE_QUANTILES = (0.025, 0.975)
FEWEST_MONTHS = 6
FEWEST_ANSWERED = 0.95
"""Of what the most answering model answers: less is no rival, it chose its sales."""


def differences(
    predictions: pd.DataFrame, *, resamples: int = RESAMPLES
) -> list[dict[str, Any]]:
    """Compare every model with the best, by MAPE, of its protocol.

    Returns
    -------
    list of dict
        ``model, mode, protocol, other, metric, difference, low, high, low_by_month,
        high_by_month, n``: the figure of the model less that of ``other``, the best,
        in percentage points, and its 95 % interval; by month None with fewer than six.
    """
    found = []
    for protocol, rows in predictions.groupby("protocol", sort=False):
        key = {"mode": rows["mode"].iloc[0], "protocol": protocol}
        errors = absolute_errors(rows)
        best = _best(errors)
        for model in errors.columns.drop(best):
            common = errors[[model, best]].dropna()
            found += [
                {"model": model, "other": best, **key, **compared}
                for compared in _compared(common, resamples)
            ]
    return found


def absolute_errors(predictions: pd.DataFrame) -> pd.DataFrame:
    """Absolute percentage errors of one protocol: a row per sale, a column per model.

    The rows are indexed by month and sale; NaN where a model gave no value.
    """
    answered = predictions[is_answered(predictions)]
    price = answered["sold_price_sek"].astype(float)
    error = (answered["value_sek"].astype(float) - price).abs() / price * 100
    month = answered["sold_date"].dt.strftime("%Y-%m")
    table = answered.assign(error=error, month=month).pivot(
        index=["month", "platform", "source_id"], columns="model", values="error"
    )
    models = dict.fromkeys(predictions["model"])
    return table[[model for model in models if model in table]].sort_index()


def mean_interval(
    errors: np.ndarray, *, resamples: int = RESAMPLES
) -> tuple[float, ...]:
    """Give the 95 % interval of a mean error."""
    means = [
        counts @ errors / counts.sum() for counts in _resampled(len(errors), resamples)
    ]
    return tuple(float(bound) for bound in np.quantile(means, CONFIDENCE_QUANTILES))


def _best(errors: pd.DataFrame) -> str:
    answered = errors.notna().sum()
    rivals = answered.index[answered >= FEWEST_ANSWERED * answered.max()]
    return str(errors[rivals].mean().idxmin())


def _compared(common: pd.DataFrame, resamples: int) -> Iterator[dict[str, Any]]:
    errors = common.to_numpy()
    months, month = np.unique(
        common.index.get_level_values("month"), return_inverse=True
    )
    drawn = _drawn(errors, _resampled(len(errors), resamples))
    by_month = None
    if len(months) >= FEWEST_MONTHS:
        of_months = (counts[month] for counts in _resampled(len(months), resamples))
        by_month = _drawn(errors, of_months)
    whole = _figures(errors, np.ones(len(errors)), np.argsort(errors, axis=0))
    for position, metric in enumerate(("mape_pct", "mdape_pct")):
        low, high = np.quantile(drawn[:, position], CONFIDENCE_QUANTILES)
        bounds = (None, None)
        if by_month is not None:
            bounds = np.quantile(by_month[:, position], CONFIDENCE_QUANTILES).tolist()
        yield {
            "metric": metric,
            "difference": float(whole[position]),
            "low": float(low),
            "high": float(high),
            "low_by_month": bounds[0],
            "high_by_month": bounds[1],
            "n": len(errors),
        }


def _drawn(errors: np.ndarray, resampled: Iterator[np.ndarray]) -> np.ndarray:
    order = np.argsort(errors, axis=0)
    return np.array([_figures(errors, counts, order) for counts in resampled])


def _figures(
    errors: np.ndarray, counts: np.ndarray, order: np.ndarray
) -> tuple[float, float]:
    """Difference of means and of medians of two columns, each row counted so often."""
    means = counts @ errors / counts.sum()
    medians = [
        _median(errors[order[:, column], column], counts[order[:, column]])
        for column in range(2)
    ]
    return means[0] - means[1], medians[0] - medians[1]


def _median(ordered: np.ndarray, counts: np.ndarray) -> float:
    """Median of ordered numbers, each counted so often: as of the numbers repeated."""
    below = np.cumsum(counts)
    total = below[-1]
    middle = np.searchsorted(below, [(total - 1) // 2, total // 2], side="right")
    return float(ordered[middle].mean())


def _resampled(size: int, resamples: int) -> Iterator[np.ndarray]:
    """Yield how often each of ``size`` things is drawn, resample by resample."""
    generator = np.random.default_rng(SEED)
    for _ in range(resamples):
        drawn = generator.integers(0, size, size)
        yield np.bincount(drawn, minlength=size)

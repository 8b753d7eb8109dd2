"""How the homes sold lately differ from those before: drift of a model's features.

What belongs here: the population stability index of two samples, what chance alone
makes of it, and the report over all features of a model. What does not: showing it.

The index (PSI) compares the shares of two samples in classes that hold a tenth of the
first each, with missing values as a class of their own. By the usual rule of thumb 0.1
is a shift and 0.25 a large one (Siddiqi, Credit Risk Scorecards, 2006). The rule
forgets that small samples differ by chance: with no drift the index is about chi-square
distributed (Yurdakul and Naranjo, Journal of Risk Model Validation, 2020), so what
chance exceeds one time in twenty stands beside it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from ml.champions import Champions
from ml.valuation.boosted_model import XGBoostModel
from ml.valuation.described import read_described_sales
from warehouse.json_files import write_json

if TYPE_CHECKING:
    import duckdb

    from ml.valuation.boosted_model import BoostedModel
    from warehouse.settings import Settings

REPORT = "drift.json"
SHIFT, LARGE_SHIFT = 0.1, 0.25
CLASSES = 10
CHANCE = 0.95
"""How much of what chance does lies below the level that is stated."""
SMOOTHING = 0.5
"""Sales added to every class, so that an empty one is no infinite difference."""
CURRENT_MONTHS, REFERENCE_MONTHS = 3, 12
FEWEST_SALES = 50
"""In each of the periods; of fewer nothing is said."""
MOST_EXPLAINED = 400
"""Sales whose reasons are averaged to an importance: TreeSHAP takes a second for ten,
and more would change no rank that matters."""


def measure_drift(
    connection: duckdb.DuckDBPyConnection, settings: Settings
) -> dict[str, Any]:
    """Write the report on the XGBoost model that serves and the sales there are.

    Parameters
    ----------
    connection
        To the warehouse, or to a published snapshot.
    settings
        Where the model and the reports lie.

    Returns
    -------
    dict
        As :func:`drift_report`.

    Raises
    ------
    SlutprisError
        When no model is registered, or the marts are not built.
    """
    champions = Champions.of(settings)
    with TemporaryDirectory(prefix="slutpris-drift-") as scratch:
        served, folder = champions.fetch_served(XGBoostModel.name, Path(scratch))
        model = XGBoostModel.load(folder)
    sales = read_described_sales(connection, settings)
    report = drift_report(model, sales, model_title=f"xgboost {served.version.version}")
    write_json(settings.reports_dir / REPORT, report)
    return report


@dataclass(frozen=True)
class Stability:
    """How one feature's sample compares with its reference."""

    psi: float
    chance_psi: float
    """What chance alone exceeds one time in twenty, between samples of these sizes."""

    @property
    def is_shift(self) -> bool:
        """Whether it is a shift, and more than chance."""
        return self.psi >= SHIFT and self.psi > self.chance_psi


@dataclass(frozen=True)
class Periods:
    """The sales of the last quarter, and those of the year before it."""

    reference: pd.DataFrame
    current: pd.DataFrame

    @classmethod
    def of(cls, sales: pd.DataFrame) -> Periods:
        """Split sales by ``sold_date``, counted back from the newest."""
        sold = pd.to_datetime(sales["sold_date"])
        turn = sold.max() - pd.DateOffset(months=CURRENT_MONTHS)
        start = turn - pd.DateOffset(months=REFERENCE_MONTHS)
        return cls(sales[(sold > start) & (sold <= turn)], sales[sold > turn])

    @property
    def are_enough(self) -> bool:
        """Whether both hold sales enough to say something."""
        return min(len(self.reference), len(self.current)) >= FEWEST_SALES


def stability(reference: np.ndarray, current: np.ndarray) -> Stability:
    """Population stability index of a sample against its reference.

    Parameters
    ----------
    reference, current
        Values of one feature, NaN where missing.

    Returns
    -------
    Stability
        Not below 0, which is equal shares in every class.
    """
    edges = class_edges(reference)
    counts = np.array([class_counts(values, edges) for values in (reference, current)])
    counts = counts[:, counts.sum(axis=0) > 0]
    smoothed = counts + SMOOTHING
    shares = smoothed / smoothed.sum(axis=1, keepdims=True)
    psi = float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
    return Stability(psi, chance_psi(len(reference), len(current), counts.shape[1]))


def class_edges(reference: np.ndarray) -> np.ndarray:
    """Inner edges of the classes: tenths of the known values, each once."""
    known = reference[~np.isnan(reference)]
    if not known.size:
        return np.array([])
    return np.unique(np.quantile(known, np.arange(1, CLASSES) / CLASSES))


def class_counts(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Count values by class, the missing ones last; an edge belongs to the upper."""
    known = values[~np.isnan(values)]
    classes = np.searchsorted(edges, known, side="right")
    counts = np.bincount(classes, minlength=len(edges) + 1)
    return np.append(counts, len(values) - len(known)).astype(float)


def chance_psi(reference_count: int, current_count: int, class_count: int) -> float:
    """Give the index that chance alone exceeds one time in twenty."""
    quantile = stats.chi2.ppf(CHANCE, max(class_count - 1, 1))
    return float(quantile * (1 / reference_count + 1 / current_count))


def importances(model: BoostedModel, sales: pd.DataFrame) -> pd.Series:
    """Each feature's share of how far it moves values, on average, in percent.

    The mean of the absolute contributions to the log price (exact TreeSHAP, and what
    the hedonic features say before the trees), so that a feature counts by what it does
    to the values of these sales.
    """
    apart = -(-len(sales) // MOST_EXPLAINED)
    found = model.log_contributions(sales.iloc[::apart])
    moved = found[list(model.encoding.columns)].abs().mean()
    return 100 * moved / moved.sum()


def drift_report(
    model: BoostedModel, sales: pd.DataFrame, *, model_title: str
) -> dict[str, Any]:
    """Compare the last quarter of sales with the year before, feature by feature.

    Parameters
    ----------
    model
        Whose features they are, and who says what they matter.
    sales
        Described rows of ``marts.sale_features``.
    model_title
        The model as a reader knows it, with its version.

    Returns
    -------
    dict
        Plain values; ``features`` holds the most important one first, and is empty
        where a period has too few sales.
    """
    periods = Periods.of(sales)
    return {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": model_title,
        "reference": _span(periods.reference),
        "current": _span(periods.current),
        "shift_psi": SHIFT,
        "large_shift_psi": LARGE_SHIFT,
        "features": _features(model, periods) if periods.are_enough else [],
    }


def _features(model: BoostedModel, periods: Periods) -> list[dict[str, Any]]:
    reference = model.encoding.matrix(periods.reference)
    current = model.encoding.matrix(periods.current)
    ranked = importances(model, periods.current).sort_values(
        ascending=False, kind="stable"
    )
    return [
        {"feature": name, "importance_pct": float(importance)}
        | _compared(reference[name].to_numpy(), current[name].to_numpy())
        for name, importance in ranked.items()
    ]


def _compared(reference: np.ndarray, current: np.ndarray) -> dict[str, Any]:
    found = stability(reference, current)
    return asdict(found) | {
        "is_shift": found.is_shift,
        "reference_median": _median(reference),
        "current_median": _median(current),
        "reference_missing_pct": 100 * float(np.isnan(reference).mean()),
        "current_missing_pct": 100 * float(np.isnan(current).mean()),
    }


def _median(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else None


def _span(sales: pd.DataFrame) -> dict[str, Any]:
    sold = pd.to_datetime(sales["sold_date"])
    days = (sold.min(), sold.max()) if len(sales) else (None, None)
    first, last = (None if day is None else f"{day:%Y-%m-%d}" for day in days)
    return {"first_sold_date": first, "last_sold_date": last, "sale_count": len(sales)}

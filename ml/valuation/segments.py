"""Figures of valuations as a flat list: a record per model, protocol and segment.

What belongs here: how sales fall into segments, and one record's figures. What does
not: the formulas of the figures (``metrics``, ``assessment``), and how they are shown.

Figures are of the sales a model gave a value for; ``hit_rate_pct`` says how many that
were of those it was asked for. Segments overlap: each dimension divides all sales. A
decile of prices is chosen by the outcome, so cheap deciles look valued too high and
dear ones too low even where a model is right: compare models, not deciles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml.valuation.assessment import ratio_study
from ml.valuation.metrics import evaluate
from ml.valuation.valuing import is_answered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ALL = "all"
FIGURES = (
    "n",
    "hit_rate_pct",
    "mae_sek",
    "mape_pct",
    "mdape_pct",
    "within_5_pct",
    "within_10_pct",
    "within_20_pct",
    "bias_pct",
    "p95_ape_pct",
    "coverage_90_pct",
    "mean_width_pct",
    "plain_coverage_90_pct",
    "plain_mean_width_pct",
    "cod",
    "prd",
    "prb",
    "ki",
    "mki",
    "r2",
    "mape_seed_pct",
)

SIZES_M2 = {"<40": 40, "40-60": 60, "60-80": 80, "80+": np.inf}
AGES_YEARS = {"<10": 10, "10-39": 40, "40-79": 80, "80+": np.inf}
COMPARABLES = {"<0.5": 0.5, "0.5-2": 2, "2-4": 4, "4+": np.inf}
"""Upper ends, not included. Comparables are counted by their weights: one in the same
building, alike and sold today counts 1."""

DECILES = 10
FEWEST_IN_DISTRICT = 30
MONTHS_TOGETHER = 3


def summarise(predictions: pd.DataFrame) -> list[dict[str, Any]]:
    """Give one record per model, protocol and segment, the whole first.

    Parameters
    ----------
    predictions
        As ``valuing`` makes them: a row per sale, model and protocol.
    """
    records = []
    for _, of_protocol in predictions.groupby("protocol", sort=False):
        labels = segment_labels(of_protocol)
        for _, rows in of_protocol.groupby("model", sort=False):
            records += list(_records(rows, labels.loc[rows.index]))
    return records


def segment_labels(predictions: pd.DataFrame) -> pd.DataFrame:
    """Say for each row of one protocol where it falls, a column per dimension."""
    age = predictions["sold_date"].dt.year - _number(predictions, "construction_year")
    weight = _number(predictions, "comparables_weight")
    written = predictions["city_district"].fillna(predictions["district"])
    is_dated = predictions["protocol"].ne("random_80_20")
    month = predictions["sold_date"].dt.strftime("%Y-%m").where(is_dated)
    confidence = predictions["confidence_class"]
    return pd.DataFrame(
        {
            "month": month,
            "district": written.fillna("unknown"),
            "size": _binned(predictions["living_area_m2"], SIZES_M2),
            "price_decile": _price_decile(predictions),
            "building_age": _binned(age, AGES_YEARS, missing="unknown"),
            "comparables": _binned(weight, COMPARABLES, missing="none"),
            "confidence_class": confidence.map(_plain_name, na_action="ignore"),
        }
    )


def figures_of(rows: pd.DataFrame) -> dict[str, Any]:
    """Every figure of some valuations; null where there is nothing to tell it from."""
    answered = rows[is_answered(rows)]
    figures: dict[str, Any] = dict.fromkeys(FIGURES)
    figures |= {"n": len(answered), "hit_rate_pct": 100 * len(answered) / len(rows)}
    if len(answered):
        actual = answered["sold_price_sek"].to_numpy(dtype=float)
        value = answered["value_sek"].to_numpy(dtype=float)
        figures |= evaluate(actual, value) | ratio_study(actual, value)
        figures |= _range_figures(answered, actual, value)
    # JSON has no NaN: R² of one sale is null.
    return {k: None if v != v else v for k, v in figures.items()}


def totals_of(results: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Pick the records of all sales together."""
    return [record for record in results if record["segment"] == ALL]


def segments_of(
    results: Iterable[dict[str, Any]], protocol: str, model: str, dimension: str
) -> dict[str, dict[str, Any]]:
    """Pick a model's records of one dimension, by the segment's label."""
    prefix = f"{dimension}="
    return {
        record["segment"].removeprefix(prefix): record
        for record in results
        if record["protocol"] == protocol
        and record["model"] == model
        and record["segment"].startswith(prefix)
    }


def _range_figures(
    rows: pd.DataFrame, actual: np.ndarray, value: np.ndarray
) -> dict[str, float]:
    figures = {}
    for prefix in ("", "plain_"):
        low = rows[f"{prefix}low_sek"].to_numpy(dtype=float)
        high = rows[f"{prefix}high_sek"].to_numpy(dtype=float)
        is_ranged = np.isfinite(low) & np.isfinite(high)
        if is_ranged.any():
            is_covered = (low <= actual) & (actual <= high)
            width_pct = 100 * (high - low) / value
            figures[f"{prefix}coverage_90_pct"] = 100 * is_covered[is_ranged].mean()
            figures[f"{prefix}mean_width_pct"] = width_pct[is_ranged].mean()
    return {name: float(figure) for name, figure in figures.items()}


def _records(rows: pd.DataFrame, labels: pd.DataFrame) -> Iterator[dict[str, Any]]:
    first = rows.iloc[0]
    key = {name: first[name] for name in ("model", "mode", "protocol")}
    for segment, part in _segments(rows, labels):
        yield key | {"segment": segment} | figures_of(part)


def _segments(
    rows: pd.DataFrame, labels: pd.DataFrame
) -> Iterator[tuple[str, pd.DataFrame]]:
    yield ALL, rows
    for dimension in labels:
        for label, part in rows.groupby(labels[dimension], observed=True):
            if dimension != "district" or len(part) >= FEWEST_IN_DISTRICT:
                yield f"{dimension}={label}", part
        if dimension == "month":
            yield from _three_months(rows, labels["month"])


def _three_months(
    rows: pd.DataFrame, month: pd.Series
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the months three by three, each under the name of its last one."""
    months = sorted(month.dropna().unique())
    for last in range(MONTHS_TOGETHER - 1, len(months)):
        together = months[last + 1 - MONTHS_TOGETHER : last + 1]
        yield f"three_months={months[last]}", rows[month.isin(together)]


def _price_decile(predictions: pd.DataFrame) -> pd.Series:
    """Number the tenths of a protocol's sales by price, the same for every model."""
    sales = predictions.drop_duplicates(["platform", "source_id"])
    rank = sales["sold_price_sek"].rank(method="first", pct=True)
    decile = np.ceil(rank.to_numpy() * DECILES).astype(int)
    by_price = pd.Series(
        decile,
        index=pd.MultiIndex.from_frame(sales[["platform", "source_id"]]),
    )
    keys = pd.MultiIndex.from_frame(predictions[["platform", "source_id"]])
    return pd.Series(by_price.reindex(keys).to_numpy(), index=predictions.index)


def _binned(
    numbers: pd.Series, bins: dict[str, float], *, missing: str | None = None
) -> pd.Series:
    edges = [-np.inf, *bins.values()]
    binned = pd.cut(numbers.astype(float), edges, right=False, labels=list(bins))
    # In the order of the bins, not of the alphabet.
    if missing is None:
        return binned.cat.remove_unused_categories()
    return binned.cat.add_categories(missing).fillna(missing)


def _number(predictions: pd.DataFrame, name: str) -> pd.Series:
    return pd.to_numeric(predictions[name]).astype("float64")


def _plain_name(confidence_class: object) -> str:
    if isinstance(confidence_class, float) and confidence_class.is_integer():
        return str(int(confidence_class))
    return str(confidence_class)

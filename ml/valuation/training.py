"""Training a model for use: judged on the newest sales, then fitted on all of them.

What belongs here: the split in time and the figures a version is known by. What does
not: how a model learns (``models``), keeping it (``registration``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ml.valuation.metrics import evaluate
from ml.valuation.models import PriceModel, new_model
from ml.valuation.plots import plot_predicted_against_actual
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from ml.valuation.features import Mode
    from warehouse.settings import Settings

HOLDOUT_SHARE = 0.1
MIN_SALES = 200
RANGE_QUANTILES = {"residual_log_p05": 0.05, "residual_log_p95": 0.95}
"""Metric names of the log errors between which nine of ten held-out sales lie."""


@dataclass(frozen=True)
class TrainedModel:
    """A model fitted on every sale, and its figures on those it was judged by.

    ``metrics`` are of the last tenth of the sales by date, valued by the same model
    fitted on the earlier nine tenths.
    """

    model: PriceModel
    metrics: dict[str, float]
    plots: list[Path]


def train(
    name: str,
    sales: pd.DataFrame,
    settings: Settings,
    *,
    plots_dir: Path,
    mode: Mode = "before_listing",
) -> TrainedModel:
    """Judge a model on the newest sales, then fit it on all of them.

    Parameters
    ----------
    name
        A name of ``models.MODELS``.
    sales
        Described rows of ``marts.sale_features``.
    settings
        Threads and AutoGluon's time limit.
    plots_dir
        Where the plot of predictions against prices is written.
    mode
        For homes before listing, or with an asking price.

    Raises
    ------
    SlutprisError
        When there are too few sales, or no model of that name.
    """
    check_enough(sales)
    earlier, newest = split_in_time(sales)
    judged = new_model(name, settings, mode=mode).fit(earlier)
    value_sek = judged.predict(newest)
    predictions = newest[["sold_date", "sold_price_sek"]].assign(
        model=name, value_sek=value_sek
    )
    plot = plot_predicted_against_actual(
        predictions, plots_dir / "predicted_against_actual.png"
    )
    metrics = evaluate(newest["sold_price_sek"].to_numpy(), value_sek)
    return TrainedModel(
        model=new_model(name, settings, mode=mode).fit(sales),
        metrics=metrics | residual_range(predictions),
        plots=[plot],
    )


def check_enough(sales: pd.DataFrame) -> None:
    """Refuse to train on next to nothing."""
    if len(sales) < MIN_SALES:
        raise SlutprisError(
            f"{len(sales)} sales are too few to train on, {MIN_SALES} are needed; "
            "crawl a longer window or land a file of sales, then build the marts"
        )


def split_in_time(sales: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split off the newest tenth: whole days, so no day is on both sides."""
    first_held_out = sales["sold_date"].quantile(
        1 - HOLDOUT_SHARE, interpolation="higher"
    )
    is_held_out = sales["sold_date"] >= first_held_out
    return sales[~is_held_out], sales[is_held_out]


def residual_range(predictions: pd.DataFrame) -> dict[str, float]:
    """Quantiles of log(price / value): a plain 90 % range for later valuations."""
    ratio = predictions["sold_price_sek"] / predictions["value_sek"]
    errors = np.log(ratio.to_numpy(dtype=float))
    return {
        name: float(np.quantile(errors, quantile))
        for name, quantile in RANGE_QUANTILES.items()
    }

"""Training a model for use: judged on the newest sales, then fitted on all of them.

What belongs here: the split in time, the figures a version is known by, and what the
same recipe said of sales it had not seen. What does not: how a model learns
(``models``), keeping it (``registration``), whether it is good enough (``gate``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml.valuation.metrics import evaluate
from ml.valuation.models import PriceModel, new_model
from ml.valuation.plots import plot_predicted_against_actual
from ml.valuation.valuing import RangedModel
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from pathlib import Path

    from ml.valuation.features import Mode
    from warehouse.settings import Settings

HOLDOUT_SHARE = 0.1
HOLDOUT_MONTHS, HOLDOUT_SALES = 3, 200
MIN_SALES = 200
RANGE_QUANTILES = {"residual_log_p05": 0.05, "residual_log_p95": 0.95}
"""Metric names of the log errors between which nine of ten held-out sales lie."""
HELD_OUT = "held_out.parquet"
"""What the judged model said, beside the model's own files, which never read it."""
HELD_OUT_COLUMNS = ("value_sek", "low_sek", "high_sek", "refusal_reason")


@dataclass(frozen=True)
class TrainedModel:
    """A model fitted on every sale, and its figures on those it was judged by.

    ``metrics`` are of the newest sales, see ``split_in_time``, valued by the same model
    fitted on the earlier ones; ``held_out`` is what that said, a row per sale.
    """

    model: PriceModel
    metrics: dict[str, float]
    plots: list[Path]
    held_out: pd.DataFrame


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
    earlier, newest = split_in_time(
        sales, months=settings.gate_months, fewest=settings.gate_sales
    )
    judged = new_model(name, settings, mode=mode).fit(earlier)
    said = said_of(judged, newest)
    value_sek = said["value_sek"].to_numpy()
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
        held_out=said,
    )


def said_of(model: PriceModel | RangedModel, sales: pd.DataFrame) -> pd.DataFrame:
    """Ask a fitted model of sales: ``sale_id``, ``sold_date``, ``HELD_OUT_COLUMNS``.

    A model without ranges has none, and refuses nothing.
    """
    rows = sales[["sale_id", "sold_date"]].reset_index(drop=True)
    if isinstance(model, RangedModel):
        said = model.valuations(sales).reindex(columns=list(HELD_OUT_COLUMNS))
        return pd.concat([rows, said.reset_index(drop=True)], axis=1)
    value_sek = np.asarray(model.predict(sales), dtype=float)
    return rows.assign(
        value_sek=value_sek, low_sek=np.nan, high_sek=np.nan, refusal_reason=None
    )


def check_enough(sales: pd.DataFrame) -> None:
    """Refuse to train on next to nothing."""
    if len(sales) < MIN_SALES:
        raise SlutprisError(
            f"{len(sales)} sales are too few to train on, {MIN_SALES} are needed; "
            "crawl a longer window or land a file of sales, then build the marts"
        )


def split_in_time(
    sales: pd.DataFrame, *, months: int = HOLDOUT_MONTHS, fewest: int = HOLDOUT_SALES
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split off the newest sales: whole days, so no day is on both sides.

    They are those of the last months, or more where those are few; never more than a
    tenth of all. Judged on what is older, a model would be held against one that was
    fitted lately, and lose by its age alone.
    """
    sold = sales["sold_date"]
    tenth = sold.quantile(1 - HOLDOUT_SHARE, interpolation="higher")
    is_held_out = sold >= max(tenth, recent_since(sold, months, fewest))
    return sales[~is_held_out], sales[is_held_out]


def recent_since(sold: pd.Series, months: int, fewest: int) -> pd.Timestamp:
    """Give the first day of the last months, or of so many sales if that is earlier."""
    since = sold.max() - pd.DateOffset(months=months) + pd.Timedelta(days=1)
    return min(since, sold.nlargest(fewest).iloc[-1])


def residual_range(predictions: pd.DataFrame) -> dict[str, float]:
    """Quantiles of log(price / value): a plain 90 % range for later valuations."""
    ratio = predictions["sold_price_sek"] / predictions["value_sek"]
    errors = np.log(ratio.to_numpy(dtype=float))
    return {
        name: float(np.quantile(errors, quantile))
        for name, quantile in RANGE_QUANTILES.items()
    }

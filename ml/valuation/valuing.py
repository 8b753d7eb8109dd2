"""The valuations of a backtest: a row per sale and model, with its range.

What belongs here: fitting one model on one split and asking it. What does not: which
sales are in a split (``protocols``), figures (``segments``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, runtime_checkable
from typing import Protocol as StructuralType

import numpy as np
import pandas as pd

from ml.valuation.models import new_model

if TYPE_CHECKING:
    from ml.valuation.features import Mode
    from ml.valuation.hedonic.columns import Table
    from ml.valuation.models import PriceModel
    from ml.valuation.plan import Protocol
    from ml.valuation.protocols import Split
    from warehouse.settings import Settings

PREDICTION_COLUMNS = [
    "platform",
    "source_id",
    "address",
    "living_area_m2",
    "sold_date",
    "sold_price_sek",
    "model",
    "mode",
    "protocol",
    "value_sek",
    "low_sek",
    "high_sek",
    "confidence_class",
]

SALE_COLUMNS = PREDICTION_COLUMNS[:6]
RANGE_COLUMNS = ["low_sek", "high_sek", "confidence_class", "fsd_pct", "refusal_reason"]
PLAIN_COLUMNS = ["plain_low_sek", "plain_high_sek"]
CONTEXT_COLUMNS = [
    "sale_id",
    "url",
    "district",
    "city_district",
    "construction_year",
    "list_price_sek",
    "comparables_weight",
    "comparables_distance_m",
    "building_sale_count",
]
"""What a reader of the valuations may tell them apart by."""

INTERVAL_QUANTILES = (0.05, 0.95)


@runtime_checkable
class RangedModel(StructuralType):
    """A fitted model that says range, class and refusals itself."""

    def valuations(self, features: Table) -> pd.DataFrame:
        """Value homes: value_sek and the columns of a range, a row per home."""
        ...


def valued(split: Split, name: str, mode: Mode, settings: Settings) -> pd.DataFrame:
    """Fit a model on a split's training sales and value its tests.

    A model that has its own ranges is asked for them; others get plain ones later. As
    listed, a sale without an asking price gets no value: nobody can ask for one.
    """
    model = new_model(name, settings, mode=mode).fit(split.train)
    rows = pd.concat(
        [
            _rows(model, sales, protocol).assign(model=name, mode=mode)
            for protocol, sales in split.tests.items()
        ],
        ignore_index=True,
    ).reindex(columns=PREDICTION_COLUMNS + RANGE_COLUMNS[3:] + CONTEXT_COLUMNS)
    if mode == "listed":
        is_asked = rows["list_price_sek"].astype(float) > 0
        rows["value_sek"] = rows["value_sek"].where(is_asked)
    return rows


def _rows(
    model: PriceModel | RangedModel, sales: pd.DataFrame, protocol: Protocol
) -> pd.DataFrame:
    rows = sales.reindex(columns=SALE_COLUMNS + CONTEXT_COLUMNS)
    rows = rows.assign(protocol=protocol)
    if isinstance(model, RangedModel):
        said = model.valuations(sales).reindex(columns=["value_sek", *RANGE_COLUMNS])
        # By position: the rows are those of the sales, whatever they are indexed by.
        return rows.assign(**{str(name): said[name].to_numpy() for name in said})
    return rows.assign(value_sek=np.asarray(model.predict(sales), dtype=float))


def is_answered(predictions: pd.DataFrame) -> pd.Series:
    """Tell which sales a model gave a value for, without refusing."""
    is_value = np.isfinite(predictions["value_sek"].astype(float))
    return is_value & predictions["refusal_reason"].isna()


def with_intervals(predictions: pd.DataFrame) -> pd.DataFrame:
    """Add plain 90 % ranges; they stand in where a model says none itself.

    A plain range is made of the same model's errors in the earlier months of the same
    protocol, one width for all homes. The first month has no earlier errors and a
    random split no order: null there.
    """
    predictions = predictions.assign(**dict.fromkeys(PLAIN_COLUMNS, np.nan))
    is_ordered = predictions["protocol"] != "random_80_20"
    for _, rows in predictions[is_ordered].groupby(["protocol", "model"]):
        predictions.loc[rows.index, PLAIN_COLUMNS] = _plain_ranges(rows)
    for _, rows in predictions.groupby("model"):
        if rows["low_sek"].isna().all():
            plain = predictions.loc[rows.index, PLAIN_COLUMNS]
            predictions.loc[rows.index, ["low_sek", "high_sek"]] = plain.to_numpy()
    others = [name for name in predictions if name not in PREDICTION_COLUMNS]
    return predictions[PREDICTION_COLUMNS + others]


def _plain_ranges(rows: pd.DataFrame) -> np.ndarray:
    price = rows["sold_price_sek"].to_numpy(dtype=float)
    error = np.log(price / rows["value_sek"].to_numpy(dtype=float))
    month = rows["sold_date"].dt.to_period("M").to_numpy()
    bounds = np.full((len(rows), 2), np.nan)
    for current in sorted(set(month))[1:]:
        earlier = error[(month < current) & np.isfinite(error)]
        if earlier.size:
            bounds[month == current] = np.quantile(earlier, INTERVAL_QUANTILES)
    return rows["value_sek"].to_numpy(dtype=float)[:, None] * np.exp(bounds)

"""A registered model as it is served: verified, loaded, asked and explained.

What belongs here: what a model says of rows of features. What does not: requests,
places and features (``value``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from ml.valuation.boosted_model import BoostedModel
from ml.valuation.features import MARKET_LEVEL
from ml.valuation.reasons import MarketThen, Reasons
from ml.valuation.valuing import RANGE_COLUMNS, RangedModel

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from ml.registry import ModelVersion
    from ml.valuation.explain import Explanation
    from ml.valuation.hedonic.columns import Columns
    from ml.valuation.models import PriceModel
    from ml.valuation.words import Language


class Said(NamedTuple):
    """What a model says of one home; without a range where it gives none."""

    value_sek: float
    low_sek: float | None = None
    high_sek: float | None = None
    confidence_class: int | None = None
    fsd_pct: float | None = None
    refusal_reason: str | None = None

    def fields(self) -> dict[str, Any]:
        """Give value and range as the fields of a valuation."""
        return {
            "value_sek": round(self.value_sek),
            "low_sek": None if self.low_sek is None else round(self.low_sek),
            "high_sek": None if self.high_sek is None else round(self.high_sek),
            "confidence_class": self.confidence_class,
            "refusal_reason": self.refusal_reason,
        }


@dataclass(frozen=True)
class ServedModel:
    """A loaded model, the version it is, and how it explains itself."""

    version: ModelVersion
    model: PriceModel
    reasons: Reasons | None

    def says(self, features: Columns) -> list[Said]:
        """Value homes, with ranges where the model is calibrated."""
        if self._ranged is None:
            values = self.model.predict(features.frame())
            return [Said(float(value)) for value in values]
        return _said(self._ranged.valuations(features))

    def says_why(self, features: Columns) -> tuple[list[Said], Columns | None]:
        """Value homes, and give the logs that explain the first, in one prediction."""
        if self.reasons is None or not isinstance(self.model, BoostedModel):
            return self.says(features), None
        log_ratio, logs = self.reasons.with_log_ratios(features)
        return _said(self.model.valuations(features, log_ratio)), logs

    @cached_property
    def _ranged(self) -> RangedModel | None:
        # Kept: a protocol is asked for its members anew each time.
        return self.model if isinstance(self.model, RangedModel) else None

    def explanation(
        self,
        home: Columns,
        value_sek: int,
        then: Mapping[str, Any],
        day: dt.date,
        language: Language = "sv",
        logs: Columns | None = None,
    ) -> Explanation | None:
        """Say why, from the market of a former day; None of a model that cannot.

        Parameters
        ----------
        home
            The one row the value was predicted from.
        value_sek
            The value, as it is shown.
        then, day
            The same home's row on the former day, and that day.
        language
            Of labels and facts.
        logs
            Those of ``says_why``; predicted here where None.
        """
        if self.reasons is None:
            return None
        market = MarketThen(then["price_index_sek_per_m2"], day, then[MARKET_LEVEL])
        return self.reasons.explanation(home, value_sek, market, language, logs)


def _said(valuations: pd.DataFrame) -> list[Said]:
    columns = [
        [None if pd.isna(value) else value for value in valuations[name].tolist()]
        if name in valuations
        else [None] * len(valuations)
        for name in ("value_sek", *RANGE_COLUMNS)
    ]
    return [Said(*row) for row in zip(*columns, strict=True)]

"""The reasons for a loaded model's values, kept warm beside it.

What belongs here: choosing the usual home to start from, and between the two ways to a
model's contributions. What does not: the contributions themselves
(``log_contributions``), SEK and words (``explain``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from ml.valuation.boosted_model import BoostedModel
from ml.valuation.explain import Explanation, Reference, explained
from ml.valuation.features import MARKET_LEVEL, market_log_level
from ml.valuation.hedonic.columns import floats
from ml.valuation.log_contributions import (
    AREA,
    by_group,
    feature_log_contributions,
    first_by_group,
    typical_home,
)
from ml.valuation.reason_groups import PRICE_INDEX
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    import datetime as dt

    from ml.valuation.hedonic.columns import Columns, Table
    from ml.valuation.log_contributions import RatioModel
    from ml.valuation.words import Language

USUAL_DAYS = 365
"""The latest sales of so many days say what is usual."""


class MarketThen(NamedTuple):
    """The market of a former day: the index known then, and what sales went above it.

    Where that level is not given, it is taken to have been the usual one.
    """

    price_index_sek_per_m2: float
    date: dt.date
    market_log_level: float = float("nan")


class Reasons:
    """Explains the values of one model; made once, when the model is loaded.

    Parameters
    ----------
    model
        The model; any that learns log ratios.
    sales
        Described rows of ``marts.sale_features`` to learn from what is usual: those of
        the last year are enough.

    Raises
    ------
    SlutprisError
        When no sale has a price index.
    """

    def __init__(self, model: RatioModel, sales: pd.DataFrame) -> None:
        newest = sales["sold_date"].max()
        latest = sales[sales["sold_date"] > newest - pd.Timedelta(days=USUAL_DAYS)]
        known = latest[latest[PRICE_INDEX].notna()]
        if known.empty:
            raise SlutprisError(
                "no sale has a price index, so nothing is usual; land more sales"
            )
        self._model = model
        usual_home = typical_home(known, model.encoding)
        self._usual_home = model.encoding.matrix(usual_home).to_numpy()[0]
        self._usual_area_m2 = float(usual_home[AREA].iloc[0])
        self._reference = Reference.of_sales(known, float(known[PRICE_INDEX].iloc[-1]))
        facts = usual_home.select_dtypes("number").iloc[0].dropna()
        self._usual_facts = {str(name): float(fact) for name, fact in facts.items()}

    def with_log_ratios(self, homes: Columns) -> tuple[np.ndarray, Columns]:
        """Predict homes, and the logs that explain the first, at once."""
        return first_by_group(self._model, homes, self._usual_home)

    def explanation(
        self,
        features: Table,
        value_sek: int,
        then: MarketThen,
        language: Language = "sv",
        logs: Columns | None = None,
    ) -> Explanation:
        """Explain a value by groups, in the time of some 128 predictions.

        The base is then what the model makes of a home that was sold, one as usual as
        any, on the market of the former day.

        Parameters
        ----------
        features
            The one row the value was predicted from.
        value_sek
            The value, as it is shown.
        then
            What the market has done since then is told; nothing where no index was
            known.
        language
            Of labels and facts.
        logs
            Those of ``with_log_ratios``; predicted here where None.
        """
        if logs is None:
            logs = by_group(self._model, features, self._usual_home)
        reference = replace(
            self._since(features, then),
            living_area_m2=self._usual_area_m2,
            usual={**self._reference.usual, **self._usual_facts},
        )
        return explained(logs, features, [value_sek], reference, language)[0]

    def explanation_by_feature(
        self,
        features: pd.DataFrame,
        value_sek: int,
        then: MarketThen,
        language: Language = "sv",
    ) -> Explanation:
        """Explain a value by every feature, with TreeSHAP: some times slower.

        Raises
        ------
        SlutprisError
            When the model is not one of ours.
        """
        if not isinstance(self._model, BoostedModel):
            raise SlutprisError(
                "only XGBoost and the blend are explained by feature; ask for groups"
            )
        logs = feature_log_contributions(self._model, features)
        reference = self._since(features, then)
        return explained(logs, features, [value_sek], reference, language)[0]

    def _since(self, features: Table, then: MarketThen) -> Reference:
        index, date, level = then
        if pd.isna(index):
            return self._as_now(features)
        usual_level = self._reference.market_log_level
        return replace(
            self._reference,
            price_index_sek_per_m2=float(index),
            date=date,
            market_log_level=usual_level if pd.isna(level) else float(level),
        )

    def _as_now(self, features: Table) -> Reference:
        """Take the market of the home's own day, so that it has done nothing since."""
        own = floats(features, PRICE_INDEX)[0]
        index = self._reference.price_index_sek_per_m2 if np.isnan(own) else own
        level = market_log_level(features)[0] if MARKET_LEVEL in features else 0.0
        return replace(
            self._reference,
            price_index_sek_per_m2=float(index),
            market_log_level=float(level),
        )

"""The reasons for a loaded model's values, kept warm beside it.

What belongs here: choosing the usual home to start from and the way to a model's
contributions: by codes for boosted trees, by its own predictions for any other. What
does not: the contributions themselves (``log_contributions``), SEK and words
(``explain``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import pandas as pd

from ml.valuation.explain import Explanation, Reference, explained
from ml.valuation.features import LISTED_FEATURE
from ml.valuation.log_contributions import (
    AREA,
    BASE,
    GroupExplainer,
    group_log_contributions,
    recalibration_log,
    typical_home,
    xgboost_log_contributions,
)
from ml.valuation.models import XGBoostModel
from ml.valuation.reason_groups import PRICE_INDEX, RECALIBRATION, Language
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    import datetime as dt

    from ml.valuation.features import FeatureEncoding
    from ml.valuation.recalibration import Recalibration

USUAL_DAYS = 365
"""The latest sales of so many days say what is usual."""


class MarketThen(NamedTuple):
    """The price index that was known on a former day, and that day."""

    price_index_sek_per_m2: float
    date: dt.date


class RatioModel(Protocol):
    """A model that learns logs of price per m² over the index, as ours do."""

    encoding: FeatureEncoding
    recalibration: Recalibration

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        """Values in SEK, one per row."""
        ...


class Reasons:
    """Explains the values of one model; made once, when the model is loaded."""

    def __init__(self, model: RatioModel, sales: pd.DataFrame) -> None:
        """Take a model, and rows of ``marts.sale_features`` to learn what is usual."""
        newest = sales["sold_date"].max()
        latest = sales[sales["sold_date"] > newest - pd.Timedelta(days=USUAL_DAYS)]
        known = latest[latest[PRICE_INDEX].notna()]
        if known.empty:
            raise SlutprisError(
                "no sale has a price index, so nothing is usual; land more sales"
            )
        self._model = model
        self._usual_home = typical_home(known, self._columns_of_mart())
        index = float(known[PRICE_INDEX].iloc[-1])
        self._reference = Reference.of_sales(known, index)
        if isinstance(model, XGBoostModel):
            usual_home = self._usual_home
            self._trees = GroupExplainer([model.booster], model.encoding, usual_home)

    def explanation(
        self,
        features: pd.DataFrame,
        value_sek: int,
        then: MarketThen,
        language: Language = "sv",
    ) -> Explanation:
        """Explain a value by groups, in the time of some 64 predictions.

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
        """
        logs = self._group_logs(features)
        reference = replace(
            self._since(features, then),
            living_area_m2=float(self._usual_home[AREA].iloc[0]),
        )
        return explained(logs, features, [value_sek], reference, language)[0]

    def explanation_by_feature(
        self,
        features: pd.DataFrame,
        value_sek: int,
        then: MarketThen,
        language: Language = "sv",
    ) -> Explanation:
        """Explain a value by every feature, with TreeSHAP, in tenths of a second.

        Raises
        ------
        SlutprisError
            When the model is not made of trees of XGBoost.
        """
        if not isinstance(self._model, XGBoostModel):
            raise SlutprisError("only XGBoost is explained by feature; ask for groups")
        logs = xgboost_log_contributions(self._model, features)
        reference = self._since(features, then)
        return explained(logs, features, [value_sek], reference, language)[0]

    def _since(self, features: pd.DataFrame, then: MarketThen) -> Reference:
        index, date = then
        if pd.isna(index):
            own = features[PRICE_INDEX].iloc[0]
            index = self._reference.price_index_sek_per_m2 if pd.isna(own) else own
            return replace(self._reference, price_index_sek_per_m2=float(index))
        return replace(self._reference, price_index_sek_per_m2=float(index), date=date)

    def _group_logs(self, features: pd.DataFrame) -> pd.DataFrame:
        shift = recalibration_log(self._model.recalibration, features)
        if isinstance(self._model, XGBoostModel):
            logs = self._trees.log_contributions(features)
        else:
            logs = self._logs_by_predictions(features)
            logs[BASE] -= shift
        return logs.assign(**{RECALIBRATION: shift})

    def _logs_by_predictions(self, features: pd.DataFrame) -> pd.DataFrame:
        columns = list(self._model.encoding.columns)
        homes = self._rows(features)
        others = features.drop(columns=columns, errors="ignore")

        def predict_log(mixed: np.ndarray) -> np.ndarray:
            repeats = np.tile(np.arange(len(homes)), len(mixed) // len(homes))
            frame = others.iloc[repeats].reset_index(drop=True)
            frame = pd.concat([frame, pd.DataFrame(mixed, columns=columns)], axis=1)
            level_sek = self._level_sek(frame)
            if LISTED_FEATURE in columns:
                asked = np.exp(frame[LISTED_FEATURE].astype("float64"))
                frame["list_price_sek"] = asked * level_sek
            return np.log(self._model.predict(frame) / level_sek)

        usual_home = self._rows(self._usual_home)[0]
        return group_log_contributions(predict_log, homes, usual_home, columns)

    def _rows(self, features: pd.DataFrame) -> np.ndarray:
        columns = self._model.encoding.columns
        if LISTED_FEATURE in columns:
            ratio = self._model.encoding._number(features, LISTED_FEATURE)
            features = features.assign(**{LISTED_FEATURE: ratio})
        return features[list(columns)].astype("object").to_numpy()

    def _level_sek(self, features: pd.DataFrame) -> np.ndarray:
        """Index times area: what a model's log ratio of none would be worth."""
        return self._model.encoding.value_sek(np.zeros(len(features)), features)

    def _columns_of_mart(self) -> list[str]:
        asked = {LISTED_FEATURE: ["list_price_sek", PRICE_INDEX]}
        columns = self._model.encoding.columns
        return [part for name in columns for part in asked.get(name, [name])]

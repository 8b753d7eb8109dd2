"""How each reason moves a model's prediction, in logs.

What belongs here: contributions to the predicted log of the price per m² over the
index, from boosted trees by feature or from any model by group. What does not: turning
them into SEK and words (``explain``).

:func:`tree_log_contributions` is TreeSHAP, exact and by feature; its time grows with
the leaves and the square of the depth. :func:`group_log_contributions` is for an answer
in less time than that, and for models that are no trees: the Shapley values of whole
groups against a usual home, by the model's own predictions of mixtures of the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml.valuation.attribution import coalitions, shapley_values
from ml.valuation.features import LISTED_FEATURE
from ml.valuation.reason_groups import RECALIBRATION, group_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import xgboost as xgb

    from ml.valuation.features import FeatureEncoding
    from ml.valuation.models import XGBoostModel
    from ml.valuation.recalibration import Recalibration

BASE = "base"
AREA = "living_area_m2"
MIN_KNOWN = 0.5
"""The least share of sales that know a number for the usual home to be usual in it."""


def tree_log_contributions(
    boosters: Sequence[xgb.Booster], matrix: xgb.DMatrix
) -> pd.DataFrame:
    """Exact TreeSHAP contributions of boosted trees, or of the mean of several.

    A row adds up to the (mean) prediction; what a home without any known feature would
    be predicted is its ``base``.
    """
    names = boosters[0].feature_names or []
    total = np.zeros((matrix.num_row(), len(names) + 1))
    for booster in boosters:
        total += booster.predict(matrix, pred_contribs=True)
    return pd.DataFrame(total / len(boosters), columns=[*names, BASE])


def xgboost_log_contributions(
    model: XGBoostModel, features: pd.DataFrame
) -> pd.DataFrame:
    """Contributions of an XGBoost model by feature, with its recalibration."""
    contributions = tree_log_contributions([model.booster], model._matrix(features))
    contributions[RECALIBRATION] = recalibration_log(model.recalibration, features)
    return contributions.set_index(features.index)


def recalibration_log(
    recalibration: Recalibration, features: pd.DataFrame
) -> np.ndarray:
    """Give the log by which a recalibration shifts each home's value."""
    return np.log(recalibration.applied(np.ones(len(features)), features))


def group_log_contributions(
    predict_log: Callable[[np.ndarray], np.ndarray],
    homes: np.ndarray,
    usual_home: np.ndarray,
    columns: Sequence[str],
) -> pd.DataFrame:
    """Shapley values of groups of features against a usual home, for any model.

    Each subset of groups is taken from the home and the others from the usual home, and
    all such mixtures of all homes are predicted in one call: 64 a home for six groups.
    A group in which no home differs from the usual one is no player and adds nothing.

    Parameters
    ----------
    predict_log
        Predicted log of the price per m² over the index for rows of ``columns``.
    homes
        One row per home, as the model reads it: encoded, or of dtype object.
    usual_home
        One such row (see :func:`typical_home`): the contributions start from it.
    columns
        The features, in the order of the columns.

    Returns
    -------
    Columns: the groups and ``base``.
    """
    groups = np.array([group_of(name) for name in columns])
    differs = ~((homes == usual_home) | (pd.isna(homes) & pd.isna(usual_home)))
    players = list(dict.fromkeys(groups[differs.any(axis=0)]))
    members = np.array([groups == player for player in players])
    is_own = (coalitions(len(players))[:, :, None] & members).any(axis=1)
    mixed = np.where(is_own[:, None, :], homes, usual_home)
    outcomes = np.asarray(predict_log(mixed.reshape(-1, len(columns))), dtype="float64")
    outcomes = outcomes.reshape(len(is_own), len(homes))
    contributions = pd.DataFrame(
        0.0, index=range(len(homes)), columns=list(dict.fromkeys(groups))
    )
    contributions[players] = shapley_values(outcomes).T
    return contributions.assign(**{BASE: outcomes[0]})


class GroupExplainer:
    """Contributions of groups by boosted trees, kept warm: milliseconds for a home.

    It predicts from rows of codes; a typed frame of one home alone, with its thousands
    of streets, would take longer than all the mixtures.
    """

    def __init__(
        self,
        boosters: Sequence[xgb.Booster],
        encoding: FeatureEncoding,
        usual_home: pd.DataFrame,
    ) -> None:
        """Take the boosters whose mean is the model, and the home to start from."""
        self._boosters = boosters
        self._encoding = encoding
        self._codes = {
            name: {each: code for code, each in enumerate(categories)}
            for name, categories in encoding.categories.items()
        }
        self._usual_home = self.rows(usual_home)[0]

    def log_contributions(self, features: pd.DataFrame) -> pd.DataFrame:
        """Columns: the groups and ``base``; a row adds up to the predicted log."""
        columns = self._encoding.columns
        return group_log_contributions(
            self._predict_log, self.rows(features), self._usual_home, columns
        ).set_index(features.index)

    def rows(self, features: pd.DataFrame) -> np.ndarray:
        """Encode features as boosters read them: codes of categories, and numbers."""
        rows = np.empty((len(features), len(self._encoding.columns)), dtype="float32")
        for position, name in enumerate(self._encoding.columns):
            rows[:, position] = self._column(features, name)
        return rows

    def _column(self, features: pd.DataFrame, name: str) -> np.ndarray:
        if name in self._codes:
            codes = self._codes[name]
            return np.array([codes.get(each, np.nan) for each in features[name]])
        if name == LISTED_FEATURE:
            return self._encoding._number(features, name).to_numpy()
        return features[name].to_numpy(dtype="float64", na_value=np.nan)

    def _predict_log(self, rows: np.ndarray) -> np.ndarray:
        return np.mean(
            [
                booster.inplace_predict(rows, validate_features=False)
                for booster in self._boosters
            ],
            axis=0,
        )


def typical_home(sales: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Pick the sale that is most like the middle of all: one row, of ``columns``.

    A real home, so that its street, position and history belong together. It is one of
    the fortieth of all sales nearest to the median in both area and price per m² over
    the index, and among them the one whose other numbers rank nearest to the middle; a
    missing number counts as far from it. It has no agency: most requests name none.

    Parameters
    ----------
    sales
        Rows of ``marts.sale_features``, of the latest year, say.
    columns
        The features of the model to explain.
    """
    level = sales["price_per_m2_sek"] / sales["price_index_sek_per_m2"]
    off_usual = _off_middle(pd.DataFrame({"level": level, "area": sales[AREA]}))
    usual = off_usual.max(axis=1).nsmallest(max(1, len(sales) // 40)).index
    numbers = sales[list(columns)].select_dtypes("number")
    known = numbers.loc[:, numbers.notna().mean() > MIN_KNOWN]
    off_middle = _off_middle(known).loc[usual].pow(2).sum(axis=1)
    home = sales.loc[[off_middle.idxmin()], list(columns)]
    return home.assign(agency=None) if "agency" in home else home


def _off_middle(numbers: pd.DataFrame) -> pd.DataFrame:
    return (numbers.rank(pct=True) - 0.5).abs().fillna(0.5)

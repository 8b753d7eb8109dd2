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
from ml.valuation.reason_groups import RECALIBRATION, group_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import xgboost as xgb

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


def typical_home(sales: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Pick the sale that is most like the middle of all: one row, of ``columns``.

    A real home, so that its street, position and history belong together. The middle is
    that of the ranks of every number that most sales have, among the twentieth of them
    nearest to the median area; where a number is missing a home is taken to be farthest
    from the middle. It has no agency: most requests name none.
    """
    numbers = sales[list(columns)].select_dtypes("number")
    numbers = numbers.loc[:, numbers.notna().mean() > MIN_KNOWN]
    off_middle = (numbers.rank(pct=True) - 0.5).abs().fillna(0.5)
    of_usual_size = off_middle[AREA].nsmallest(max(1, len(sales) // 20)).index
    most_typical = off_middle.loc[of_usual_size].pow(2).sum(axis=1).idxmin()
    home = sales.loc[[most_typical], list(columns)]
    return home.assign(agency=None) if "agency" in home else home

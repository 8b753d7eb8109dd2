"""How each reason moves a model's prediction, in logs.

What belongs here: contributions to the predicted log of the price per m² over the
index, by feature or by whole groups. What does not: the trees' own contributions
(``learners``), and turning logs into SEK and words (``explain``).

Trees are explained by feature with TreeSHAP: exact, but its time grows with the leaves
and the square of the depth. :func:`group_log_contributions` is for an answer in less
time than that, and for models that are no trees: the Shapley values of whole groups
against a usual home, by the model's own predictions of mixtures of the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd

from ml.valuation.attribution import coalitions, shapley_values
from ml.valuation.features import MARKET_LEVEL, market_log_level
from ml.valuation.hedonic.columns import Columns
from ml.valuation.reason_groups import RECALIBRATION, group_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ml.valuation.boosted_model import BoostedModel
    from ml.valuation.features import FeatureEncoding
    from ml.valuation.hedonic.columns import Table
    from ml.valuation.recalibration import Recalibration

BASE = "base"
AREA = "living_area_m2"
MIN_KNOWN = 0.5
"""The least share of sales that know a number for the usual home to be usual in it."""


class RatioModel(Protocol):
    """A model that learns logs of price per m² over the price level, as ours do."""

    encoding: FeatureEncoding
    recalibration: Recalibration

    def log_ratio(self, matrix: pd.DataFrame) -> np.ndarray:
        """Predict the log ratio of rows of the encoding."""
        ...


def feature_log_contributions(
    model: BoostedModel, features: pd.DataFrame
) -> pd.DataFrame:
    """Exact contributions of our own models, by feature.

    Returns
    -------
    Columns: the features, ``base``, ``recalibration`` and, where the model reads it,
    ``market_log_level``; a row adds up to the log of the value per m² over the index.
    """
    logs = model.log_contributions(features)
    return logs.assign(**_market(model, features))


def by_group(model: RatioModel, features: Table, usual_home: np.ndarray) -> Columns:
    """Contributions of groups, of any model and in the time of some 128 predictions.

    Parameters
    ----------
    model
        The model, which predicts mixtures of the homes and the usual home.
    features
        The rows the values were predicted from.
    usual_home
        The row of the model's encoding to start from.

    Returns
    -------
    Columns: the groups and what :func:`feature_log_contributions` has beside features.
    """
    columns = list(model.encoding.columns)

    def predict_log(rows: np.ndarray) -> np.ndarray:
        return model.log_ratio(pd.DataFrame(rows, columns=columns))

    homes = model.encoding.matrix(features).to_numpy()
    groups = group_log_contributions(predict_log, homes, usual_home, columns)
    return _with_the_rest(groups, model, features)


def first_by_group(
    model: RatioModel, features: Columns, usual_home: np.ndarray
) -> tuple[np.ndarray, Columns]:
    """Log ratios of homes, and ``by_group`` of the first of them.

    In one prediction: another one costs as much again for the few rows of an answer.
    """
    columns = list(model.encoding.columns)
    homes = model.encoding.matrix(features).to_numpy()
    log_ratio = np.empty(len(homes))

    def predict_log(rows: np.ndarray) -> np.ndarray:
        asked = pd.DataFrame(np.concatenate([homes, rows]), columns=columns)
        found = model.log_ratio(asked)
        log_ratio[:] = found[: len(homes)]
        return found[len(homes) :]

    groups = group_log_contributions(predict_log, homes[:1], usual_home, columns)
    return log_ratio, _with_the_rest(groups, model, features.only(0))


def _with_the_rest(groups: Columns, model: RatioModel, features: Table) -> Columns:
    # The one feature of that group; what else is the market lies outside the trees.
    logs = {"size_log_drift" if g == "market" else g: groups[g] for g in groups}
    logs[RECALIBRATION] = model.recalibration.log_shifts(features)
    return Columns(logs | _market(model, features))


def _market(model: RatioModel, features: Table) -> dict[str, np.ndarray]:
    if not model.encoding.is_hedonic:
        return {}
    return {MARKET_LEVEL: market_log_level(features)}


def group_log_contributions(
    predict_log: Callable[[np.ndarray], np.ndarray],
    homes: np.ndarray,
    usual_home: np.ndarray,
    columns: Sequence[str],
) -> Columns:
    """Shapley values of groups of features against a usual home, for any model.

    Each subset of groups is taken from the home and the others from the usual home, and
    all such mixtures of all homes are predicted in one call: 128 a home for seven
    groups. A group in which no home differs from the usual one is no player and adds
    nothing.

    Parameters
    ----------
    predict_log
        Predicted log of the price per m² over the price level for rows of ``columns``.
    homes
        One row per home, as the model reads it.
    usual_home
        One such row (see :func:`typical_home`): the contributions start from it.
    columns
        The features, in the order of the columns.

    Returns
    -------
    Columns: the groups and ``base``.
    """
    groups = np.array([group_of(name) for name in columns])
    differs = ~((homes == usual_home) | (np.isnan(homes) & np.isnan(usual_home)))
    players = list(dict.fromkeys(groups[differs.any(axis=0)].tolist()))
    members = np.array([groups == player for player in players])
    is_own = (coalitions(len(players))[:, :, None] & members).any(axis=1)
    mixed = np.where(is_own[:, None, :], homes, usual_home)
    outcomes = np.asarray(predict_log(mixed.reshape(-1, len(columns))), dtype="float64")
    outcomes = outcomes.reshape(len(is_own), len(homes))
    nothing = dict.fromkeys(groups.tolist(), np.zeros(len(homes)))
    found = dict(zip(players, shapley_values(outcomes), strict=True))
    return Columns(nothing | found | {BASE: outcomes[0]})


def typical_home(sales: pd.DataFrame, encoding: FeatureEncoding) -> pd.DataFrame:
    """Pick the sale that is most like the middle of all: one row.

    A real home, so that its position, facts and history belong together. It is one of
    the fortieth of all sales nearest to the median in both area and price per m² over
    the index, and among them the one whose other numbers rank nearest to the middle; a
    missing number counts as far from it.

    Parameters
    ----------
    sales
        Described rows of ``marts.sale_features``, of the latest year, say.
    encoding
        Of the model to explain: it says which numbers count.
    """
    level = sales["price_per_m2_sek"] / sales["price_index_sek_per_m2"]
    off_usual = _off_middle(pd.DataFrame({"level": level, "area": sales[AREA]}))
    usual = off_usual.max(axis=1).nsmallest(max(1, len(sales) // 40)).index
    numbers = encoding.matrix(sales)
    known = numbers.loc[:, numbers.notna().mean() > MIN_KNOWN]
    off_middle = _off_middle(known).loc[usual].pow(2).sum(axis=1)
    return sales.loc[[off_middle.idxmin()]]


def _off_middle(numbers: pd.DataFrame) -> pd.DataFrame:
    return (numbers.rank(pct=True) - 0.5).abs().fillna(0.5)

"""What our models are made of: learners of log price ratios from a typed matrix.

What belongs here: XGBoost, LightGBM and the hedonic sum behind one protocol, saved in
their own formats, never as pickles. What does not: encoding, calibration and prices
(``boosted_model``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import lightgbm as lgb
import numpy as np
import xgboost as xgb

from ml.valuation.features import HEDONIC_SUM, LISTED_FEATURE

if TYPE_CHECKING:
    import pandas as pd

SEED = 7
ASKED = (LISTED_FEATURE, "asking_log_premium")
"""Their sum: the price if the home sells as much above its asking price as others."""
GPU = Path("/dev/nvidia0")


def training_device(asked: str) -> str:
    """Settle where XGBoost trains: ``auto`` is CUDA where there is a GPU for it."""
    if asked != "auto":
        return asked
    return "cuda" if GPU.exists() and xgb.build_info().get("USE_CUDA") else "cpu"


class Learner(Protocol):
    """Learns a number from a matrix; the same matrix gives the same bytes."""

    name: str

    def fit(self, matrix: pd.DataFrame, target: np.ndarray) -> Self:
        """Learn."""
        ...

    def predict(self, matrix: pd.DataFrame) -> np.ndarray:
        """Say the number of each row."""
        ...

    def contributions(self, matrix: pd.DataFrame) -> np.ndarray:
        """Split each number over the columns; the last column is the base."""
        ...

    def save(self, folder: Path) -> None:
        """Write what ``load`` reads."""
        ...

    def load(self, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        ...


class XGBoostLearner:
    """Trees by ``hist``, on the GPU where one is asked for."""

    name = "xgboost"

    def __init__(self, parameters: dict[str, Any], threads: int, device: str) -> None:
        self._rounds = parameters["num_boost_round"]
        self._threads = threads
        self._parameters = {
            **{k: v for k, v in parameters.items() if k != "num_boost_round"},
            "tree_method": "hist",
            "device": device,
            "nthread": threads,
            "seed": SEED,
        }

    def fit(self, matrix: pd.DataFrame, target: np.ndarray) -> Self:
        """Learn."""
        data = self._data(matrix, target)
        self.booster = xgb.train(self._parameters, data, num_boost_round=self._rounds)
        # Wherever it was trained, it answers on the CPU.
        self.booster.set_param({"device": "cpu", "nthread": self._threads})
        return self

    def predict(self, matrix: pd.DataFrame) -> np.ndarray:
        """Say the number of each row."""
        # Several times faster for one row: nothing is copied into a DMatrix.
        found = self.booster.inplace_predict(
            matrix.to_numpy(dtype=np.float32), validate_features=False
        )
        return found.astype(float)

    def contributions(self, matrix: pd.DataFrame) -> np.ndarray:
        """Exact TreeSHAP."""
        return self.booster.predict(self._data(matrix), pred_contribs=True)

    def save(self, folder: Path) -> None:
        """Write the booster in XGBoost's own format."""
        self.booster.save_model(folder / f"{self.name}.ubj")

    def load(self, folder: Path) -> Self:
        """Read it again."""
        self.booster = xgb.Booster(model_file=folder / f"{self.name}.ubj")
        self.booster.set_param({"device": "cpu", "nthread": self._threads})
        return self

    def _data(
        self, matrix: pd.DataFrame, target: np.ndarray | None = None
    ) -> xgb.DMatrix:
        return xgb.DMatrix(matrix, target, nthread=self._threads)


class AskingLearner(XGBoostLearner):
    """Learns how far above its asking price a home sells, beyond what others now do.

    The other learners find out for themselves how much an asking price says; with this
    one's other errors the mean is better. A home without one is left to the trees.
    """

    name = "asking"

    def fit(self, matrix: pd.DataFrame, target: np.ndarray) -> Self:
        """Learn."""
        return super().fit(matrix, target - _asked(matrix).sum(axis=1))

    def predict(self, matrix: pd.DataFrame) -> np.ndarray:
        """Say the number of each row."""
        return super().predict(matrix) + _asked(matrix).sum(axis=1)

    def contributions(self, matrix: pd.DataFrame) -> np.ndarray:
        """Add what the asking price says to exact TreeSHAP."""
        found = super().contributions(matrix).astype(float)
        is_asked = matrix.columns.isin(ASKED)
        found[:, np.flatnonzero(is_asked)] += _asked(matrix.loc[:, is_asked])
        return found


def _asked(matrix: pd.DataFrame) -> np.ndarray:
    asked = matrix.loc[:, matrix.columns.isin(ASKED)].to_numpy(dtype=float)
    return np.where(np.isnan(asked).any(axis=1, keepdims=True), 0.0, asked)


class LightGBMLearner:
    """Trees grown leaf by leaf: other errors than XGBoost's, hence a better mean."""

    name = "lightgbm"

    def __init__(self, parameters: dict[str, Any], threads: int) -> None:
        self._rounds = parameters["num_boost_round"]
        self._threads = threads
        self._parameters = {
            **{k: v for k, v in parameters.items() if k != "num_boost_round"},
            "num_threads": threads,
            "seed": SEED,
            "deterministic": True,
            "force_row_wise": True,
            "verbose": -1,
        }

    def fit(self, matrix: pd.DataFrame, target: np.ndarray) -> Self:
        """Learn."""
        data = lgb.Dataset(matrix, target)
        self.booster = lgb.train(self._parameters, data, num_boost_round=self._rounds)
        return self

    def predict(self, matrix: pd.DataFrame) -> np.ndarray:
        """Say the number of each row."""
        return np.asarray(
            self.booster.predict(matrix.to_numpy(), num_threads=self._threads)
        )

    def contributions(self, matrix: pd.DataFrame) -> np.ndarray:
        """Exact TreeSHAP."""
        found = self.booster.predict(
            matrix.to_numpy(), pred_contrib=True, num_threads=self._threads
        )
        return np.asarray(found)

    def save(self, folder: Path) -> None:
        """Write the booster as LightGBM's text."""
        self.booster.save_model(folder / f"{self.name}.txt")

    def load(self, folder: Path) -> Self:
        """Read it again."""
        self.booster = lgb.Booster(model_file=folder / f"{self.name}.txt")
        return self


class HedonicSum:
    """What the hedonic regression and the neighbours say, with nothing learnt."""

    name = "hedonic"

    def fit(self, matrix: pd.DataFrame, target: np.ndarray) -> Self:
        """Learn nothing."""
        del matrix, target
        return self

    def predict(self, matrix: pd.DataFrame) -> np.ndarray:
        """Say the sum of the parts; what is not known adds nothing."""
        return matrix[list(HEDONIC_SUM)].fillna(0).to_numpy().sum(axis=1)

    def contributions(self, matrix: pd.DataFrame) -> np.ndarray:
        """Give the parts themselves."""
        parts = matrix.fillna(0) * matrix.columns.isin(HEDONIC_SUM)
        return np.column_stack([parts.to_numpy(), np.zeros(len(matrix))])

    def save(self, folder: Path) -> None:
        """Write nothing."""

    def load(self, folder: Path) -> Self:
        """Read nothing."""
        del folder
        return self

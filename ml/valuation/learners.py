"""What our models are made of: learners of log price ratios from a typed matrix.

What belongs here: XGBoost, LightGBM, small networks and the hedonic sum behind one
protocol, saved in their own formats, never as pickles. What does not: encoding,
calibration and prices (``boosted_model``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import lightgbm as lgb
import numpy as np
import xgboost as xgb

from ml.valuation.features import HEDONIC_SUM, LISTED_FEATURE
from ml.valuation.neural import Networks

if TYPE_CHECKING:
    import pandas as pd

SEED = 7
ASKED = (LISTED_FEATURE, "asking_log_premium")
"""Their sum: the price if the home sells as much above its asking price as others."""
CERTAINTY = "neighbours_certainty"
TRUSTED_CERTAINTY = (0.05, 0.15)
"""Below the first, trees of the whole answer alone; from the second on, of the rest."""
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
    """Trees by ``hist``, on the GPU where one is asked for, of what is not known yet.

    They learn the difference to the hedonic sum. A year without sales shows why: trees
    of the whole that had not seen the new year were 3.6 % too high, these 1.2 %. Where
    next to nothing was sold around a home its sum says little, and what trees of the
    whole know of the places beyond is better: 9.3 % off, not 9.9.
    """

    name = "xgboost"
    falls_back = True
    """Whether there are trees of the whole for homes without neighbours."""

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
        data = self._data(matrix, target - self._known(matrix).sum(axis=1))
        self.booster = xgb.train(self._parameters, data, num_boost_round=self._rounds)
        self.whole = self._fallback(matrix, target)
        self._answer_on_the_cpu()
        return self

    def predict(self, matrix: pd.DataFrame) -> np.ndarray:
        """Say the number of each row."""
        rows = matrix.to_numpy(dtype=np.float32)
        found = _said(self.booster, rows) + self._known(matrix).sum(axis=1)
        trust = self._trust(matrix)
        strange = trust < 1
        if self.whole is not None and strange.any():
            whole = _said(self.whole, rows[strange])
            share = trust[strange]
            found[strange] = share * found[strange] + (1 - share) * whole
        return found

    def contributions(self, matrix: pd.DataFrame) -> np.ndarray:
        """Exact TreeSHAP, and what was known before."""
        data = self._data(matrix)
        found = self.booster.predict(data, pred_contribs=True)
        found = _with_known(found, self._known(matrix))
        if self.whole is None:
            return found
        trust = self._trust(matrix)[:, None]
        return trust * found + (1 - trust) * self.whole.predict(
            data, pred_contribs=True
        )

    def save(self, folder: Path) -> None:
        """Write the boosters in XGBoost's own format."""
        self.booster.save_model(folder / f"{self.name}.ubj")
        if self.whole is not None:
            self.whole.save_model(folder / f"{self.name}_whole.ubj")

    def load(self, folder: Path) -> Self:
        """Read them again."""
        self.booster = xgb.Booster(model_file=folder / f"{self.name}.ubj")
        whole = folder / f"{self.name}_whole.ubj"
        self.whole = xgb.Booster(model_file=whole) if whole.exists() else None
        self._answer_on_the_cpu()
        return self

    def _fallback(self, matrix: pd.DataFrame, target: np.ndarray) -> xgb.Booster | None:
        if not self.falls_back or CERTAINTY not in matrix:
            return None
        data = self._data(matrix, target)
        return xgb.train(self._parameters, data, num_boost_round=self._rounds)

    def _answer_on_the_cpu(self) -> None:
        """Wherever they were trained, they answer on the CPU."""
        for booster in (self.booster, self.whole):
            if booster is not None:
                booster.set_param({"device": "cpu", "nthread": self._threads})

    def _trust(self, matrix: pd.DataFrame) -> np.ndarray:
        """Share of the rest in each row's number: all of it where neighbours tell."""
        if self.whole is None:
            return np.ones(len(matrix))
        certainty = np.nan_to_num(matrix[CERTAINTY].to_numpy(dtype=float))
        least, enough = TRUSTED_CERTAINTY
        return ((certainty - least) / (enough - least)).clip(0, 1)

    def _known(self, matrix: pd.DataFrame) -> np.ndarray:
        """What the columns say without any learning."""
        return hedonic_parts(matrix)

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
    falls_back = False

    def _known(self, matrix: pd.DataFrame) -> np.ndarray:
        return _asked(matrix)


class NeuralLearner:
    """Small networks, of the difference to the hedonic sum."""

    name = "neural"

    def __init__(self, parameters: dict[str, Any], threads: int) -> None:
        self._networks = Networks(parameters, threads, SEED)

    def fit(self, matrix: pd.DataFrame, target: np.ndarray) -> Self:
        """Learn."""
        rest = target - hedonic_parts(matrix).sum(axis=1)
        self._networks.fit(matrix.to_numpy(dtype=float), rest)
        return self

    def predict(self, matrix: pd.DataFrame) -> np.ndarray:
        """Say the number of each row."""
        rest = self._networks.predict(matrix.to_numpy(dtype=float))
        return rest + hedonic_parts(matrix).sum(axis=1)

    def contributions(self, matrix: pd.DataFrame) -> np.ndarray:
        """Integrated gradients, and what was known before."""
        found = self._networks.contributions(matrix.to_numpy(dtype=float))
        return _with_known(found, hedonic_parts(matrix))

    def save(self, folder: Path) -> None:
        """Write the weights as plain arrays."""
        self._networks.save(folder / f"{self.name}.npz")

    def load(self, folder: Path) -> Self:
        """Read them again."""
        self._networks.load(folder / f"{self.name}.npz")
        return self


def _said(booster: xgb.Booster, rows: np.ndarray) -> np.ndarray:
    # Several times faster for one row: nothing is copied into a DMatrix.
    return booster.inplace_predict(rows, validate_features=False).astype(float)


def hedonic_parts(matrix: pd.DataFrame) -> np.ndarray:
    """What hedonic columns say by themselves, a column each; nothing of the others.

    Their sum is the hedonic sum; what is not known adds nothing.
    """
    return _only(matrix, matrix.columns.isin(HEDONIC_SUM))


def _asked(matrix: pd.DataFrame) -> np.ndarray:
    is_asked = matrix.columns.isin(ASKED)
    is_known = matrix.loc[:, is_asked].notna().all(axis=1).to_numpy()
    return np.where(is_known[:, None], _only(matrix, is_asked), 0.0)


def _only(matrix: pd.DataFrame, is_chosen: np.ndarray) -> np.ndarray:
    found = np.zeros(matrix.shape)
    found[:, is_chosen] = np.nan_to_num(matrix.to_numpy(dtype=float)[:, is_chosen])
    return found


def _with_known(contributions: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Add what columns say by themselves; the base, last, stays."""
    found = contributions.astype(float)
    found[:, :-1] += known
    return found


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
        return hedonic_parts(matrix).sum(axis=1)

    def contributions(self, matrix: pd.DataFrame) -> np.ndarray:
        """Give the parts themselves."""
        return np.column_stack([hedonic_parts(matrix), np.zeros(len(matrix))])

    def save(self, folder: Path) -> None:
        """Write nothing."""

    def load(self, folder: Path) -> Self:
        """Read nothing."""
        del folder
        return self

"""Our own models: learners of the log price ratio, made into values with ranges.

What belongs here: encoding, the holdout that recalibrates and calibrates, files. What
does not: how a learner learns (``learners``), the list of models (``models``).

A model is fitted twice: on all but the sales of the last three months, which then show
how far its values are off, and on all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd

from ml.valuation.features import FEATURES, PLAIN_FEATURES, FeatureEncoding, Mode
from ml.valuation.hedonic.masked import examples_of
from ml.valuation.hyperparameters import reviewed_parameters
from ml.valuation.intervals import Calibration
from ml.valuation.learners import (
    AskingLearner,
    HedonicSum,
    Learner,
    LightGBMLearner,
    NeuralLearner,
    XGBoostLearner,
    training_device,
)
from ml.valuation.model_files import read_description, write_description
from ml.valuation.recalibration import Recalibration, held_out

if TYPE_CHECKING:
    from pathlib import Path

    from ml.valuation.hedonic.columns import Table


class BoostedModel:
    """The mean of learners of the log of price per m² over the price level.

    Parameters
    ----------
    threads
        Of every learner.
    mode
        For homes before listing, or with an asking price.
    device
        Where XGBoost trains: ``auto``, ``cpu`` or ``cuda``.
    parameters
        Hyperparameters by learner; those reviewed last where None.
    """

    name: ClassVar[str]
    features: ClassVar[tuple[str, ...]] = FEATURES
    shares: ClassVar[dict[str, float]]
    """Of each learner in the mean, by its name, before listing."""
    listed_shares: ClassVar[dict[str, float]]
    """The same for homes with an asking price, which the hedonic sum does not know."""

    def __init__(
        self,
        *,
        threads: int = 1,
        mode: Mode = "before_listing",
        device: str = "cpu",
        parameters: dict[str, dict[str, Any]] | None = None,
    ) -> None:
        self.threads = threads
        self.mode: Mode = mode
        self.device = training_device(device)
        self.parameters = parameters or reviewed_parameters()

    def fit(self, sales: pd.DataFrame) -> Self:
        """Learn from past sales, and from how the latest differ from the earlier."""
        self.recalibration, self.calibration = Recalibration(), None
        split = held_out(sales)
        if split is not None:
            earlier, recent = split
            value_sek = self._trained(earlier)._values(recent)
            self.recalibration = Recalibration.measured(recent, value_sek)
            self.calibration = Calibration.fitted(
                recent,
                self.recalibration.applied(value_sek, recent),
                recent["sold_price_sek"].to_numpy(dtype=float),
            )
        return self._trained(sales)

    def predict(
        self, features: Table, log_ratio: np.ndarray | None = None
    ) -> np.ndarray:
        """Values in SEK."""
        return self.recalibration.applied(self._values(features, log_ratio), features)

    def valuations(
        self, features: Table, log_ratio: np.ndarray | None = None
    ) -> pd.DataFrame:
        """Values with range, confidence class and, where there is too little, why not.

        Parameters
        ----------
        features
            Described rows of ``marts.sale_features``.
        log_ratio
            What was predicted of them already; predicted here where None.

        Returns
        -------
        pandas.DataFrame
            ``value_sek`` and the columns of ``Calibration.ranges``; without ranges when
            the model was fitted on too few sales to calibrate any.
        """
        value_sek = self.predict(features, log_ratio)
        if self.calibration is None:
            return pd.DataFrame({"value_sek": value_sek}, index=features.index)
        ranges = self.calibration.ranges(features, value_sek)
        return ranges.assign(value_sek=value_sek)

    def log_ratio(self, matrix: pd.DataFrame) -> np.ndarray:
        """Log of the price per m² over the price level, of rows of the encoding."""
        return np.sum(
            [
                self._shares[learner.name] * learner.predict(matrix)
                for learner in self.learners
            ],
            axis=0,
        )

    def log_contributions(self, features: pd.DataFrame) -> pd.DataFrame:
        """How each column moves the log price ratio, row by row.

        Returns
        -------
        pandas.DataFrame
            A column a feature, ``base`` and ``recalibration``; rows sum to the log of
            the value over the price level and the area.
        """
        matrix = self.encoding.matrix(features)
        total = np.sum(
            [
                self._shares[learner.name] * learner.contributions(matrix)
                for learner in self.learners
            ],
            axis=0,
        )
        columns = [*self.encoding.columns, "base"]
        found = pd.DataFrame(total, index=features.index, columns=columns)
        return found.assign(recalibration=self.recalibration.log_shifts(features))

    def save(self, folder: Path) -> None:
        """Write the learners in their own formats, never a pickle."""
        write_description(
            folder,
            self.name,
            encoding=self.encoding.to_json(),
            recalibration=self.recalibration.to_json(),
            calibration=self.calibration.to_json() if self.calibration else None,
            parameters=self.parameters,
            threads=self.threads,
        )
        for learner in self.learners:
            learner.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a saved model."""
        description = read_description(folder)
        encoding = FeatureEncoding.from_json(description["encoding"])
        model = cls(
            threads=description["threads"],
            mode=encoding.mode,
            parameters=description["parameters"],
        )
        model.encoding = encoding
        model.recalibration = Recalibration(**description["recalibration"])
        calibration = description["calibration"]
        model.calibration = Calibration.from_json(calibration) if calibration else None
        model.learners = [learner.load(folder) for learner in model._new_learners()]
        return model

    def _trained(self, sales: pd.DataFrame) -> Self:
        self.encoding = FeatureEncoding.fitted_on(
            sales, mode=self.mode, features=self.features
        )
        examples = examples_of(sales) if self.encoding.is_hedonic else sales
        matrix = self.encoding.matrix(examples)
        target = self.encoding.log_price_ratio(examples)
        self.learners = [
            learner.fit(matrix, target) for learner in self._new_learners()
        ]
        return self

    def _new_learners(self) -> list[Learner]:
        made = {
            "xgboost": lambda: XGBoostLearner(
                self.parameters["xgboost"], self.threads, self.device
            ),
            "lightgbm": lambda: LightGBMLearner(
                self.parameters["lightgbm"], self.threads
            ),
            "hedonic": HedonicSum,
            "neural": lambda: NeuralLearner(self.parameters["neural"], self.threads),
            "asking": lambda: AskingLearner(
                self.parameters["xgboost"], self.threads, self.device
            ),
        }
        return [made[name]() for name in self._shares]

    @property
    def _shares(self) -> dict[str, float]:
        return self.listed_shares if self.mode == "listed" else self.shares

    def _values(
        self, features: Table, log_ratio: np.ndarray | None = None
    ) -> np.ndarray:
        if log_ratio is None:
            log_ratio = self.log_ratio(self.encoding.matrix(features))
        return self.encoding.value_sek(log_ratio, features)


class XGBoostModel(BoostedModel):
    """Gradient boosted trees on facts, place and the hedonic features."""

    name = "xgboost"
    shares = listed_shares = {"xgboost": 1.0}  # noqa: RUF012


class PlainXGBoostModel(BoostedModel):
    """The same on what plain SQL computes: what the hedonic features are worth."""

    name = "xgboost_plain"
    features = PLAIN_FEATURES
    shares = listed_shares = {"xgboost": 1.0}  # noqa: RUF012


class BlendModel(BoostedModel):
    """The mean of differently built learners."""

    name = "blend"
    shares: ClassVar = {"xgboost": 0.4, "lightgbm": 0.15, "neural": 0.45}
    listed_shares: ClassVar = {"asking": 0.3, "lightgbm": 0.3, "neural": 0.4}

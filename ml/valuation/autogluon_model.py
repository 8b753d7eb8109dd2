"""AutoGluon on the same rows, columns and target as our XGBoost.

What belongs here: fitting, shrinking and saving a TabularPredictor. It works offline
and without torch: gradient boosting and extra trees, blended on the latest sales.
"""

from __future__ import annotations

import logging
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from ml.valuation.features import FeatureEncoding, Mode
from ml.valuation.hedonic.masked import examples_of
from ml.valuation.intervals import Calibration
from ml.valuation.learners import hedonic_parts
from ml.valuation.model_files import read_description, write_description
from ml.valuation.recalibration import Recalibration, held_out
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from autogluon.tabular import TabularPredictor

    from ml.valuation.hedonic.columns import Table

TARGET = "log_beyond_hedonic_sum"
PREDICTOR = "predictor"

INFER_LIMIT_S = 0.02
"""Most seconds that one home may take to predict: models that would are left out."""

HYPERPARAMETERS: dict[str, Any] = {
    "GBM": [
        {"learning_rate": 0.03, "feature_fraction": 0.4, "num_leaves": 63},
        {"extra_trees": True, "ag_args": {"name_suffix": "XT"}},
    ],
    "CAT": {},
    "XGB": {"learning_rate": 0.03, "max_depth": 6, "colsample_bytree": 0.5},
}


class AutoGluonModel:
    """A TabularPredictor on the log of price per m² over the price level.

    Blended on the sales of the last months, since tomorrow's resemble those more than
    a random tenth, then refitted on all rows. Half of the time limit goes
    to the fit, since the refit takes about as long again.
    """

    name: ClassVar = "autogluon"

    def __init__(
        self,
        *,
        threads: int = 1,
        time_limit_s: int = 60,
        mode: Mode = "before_listing",
    ) -> None:
        self.threads = threads
        self.time_limit_s = time_limit_s
        self.mode: Mode = mode

    def fit(self, sales: pd.DataFrame) -> Self:
        """Learn from past sales."""
        from autogluon.tabular import TabularPredictor

        self.encoding = FeatureEncoding.fitted_on(sales, mode=self.mode)
        split = held_out(sales)
        if split is None:
            raise SlutprisError(
                f"{len(sales)} sales are too few for AutoGluon; land or crawl more"
            )
        earlier, recent = split
        # AutoGluon trains on disk; the folder lives as long as this object.
        self._workspace = TemporaryDirectory(prefix="slutpris-autogluon-")
        _be_quiet()
        self.predictor: TabularPredictor = TabularPredictor(
            label=TARGET,
            problem_type="regression",
            eval_metric="mean_absolute_error",
            path=f"{self._workspace.name}/fit",
            verbosity=0,
        ).fit(
            self._table(examples_of(earlier)),
            tuning_data=self._table(recent),
            hyperparameters=HYPERPARAMETERS,
            time_limit=self.time_limit_s / 2,
            infer_limit=INFER_LIMIT_S,
            infer_limit_batch_size=1,
            num_cpus=self.threads,
            num_gpus=0,
            refit_full="best",
            set_best_to_refit_full=True,
        )
        self._calibrate(recent)
        return self

    def predict(self, features: Table) -> np.ndarray:
        """Values in SEK."""
        return self.recalibration.applied(self._values(features), features)

    def valuations(self, features: Table) -> pd.DataFrame:
        """Values with range, confidence class and, where there is too little, why not.

        The columns are those of ``BoostedModel.valuations``.
        """
        value_sek = self.predict(features)
        ranges = self.calibration.ranges(features, value_sek)
        return ranges.assign(value_sek=value_sek)

    def log_ratio(self, matrix: pd.DataFrame, model: str | None = None) -> np.ndarray:
        """Log of the price per m² over the price level, of rows of the encoding."""
        rest = np.asarray(self.predictor.predict(matrix, model=model), dtype="float64")
        return rest + hedonic_parts(matrix).sum(axis=1)

    def save(self, folder: Path) -> None:
        """Write the folder of AutoGluon, only what prediction needs."""
        write_description(
            folder,
            self.name,
            encoding=self.encoding.to_json(),
            recalibration=self.recalibration.to_json(),
            calibration=self.calibration.to_json(),
            threads=self.threads,
            time_limit_s=self.time_limit_s,
        )
        self.predictor.clone_for_deployment(str(folder / PREDICTOR))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a saved model. It holds pickles: verify its manifest before."""
        from autogluon.tabular import TabularPredictor

        description = read_description(folder)
        encoding = FeatureEncoding.from_json(description["encoding"])
        model = cls(
            threads=description["threads"],
            time_limit_s=description["time_limit_s"],
            mode=encoding.mode,
        )
        model.encoding = encoding
        model.recalibration = Recalibration(**description["recalibration"])
        model.calibration = Calibration.from_json(description["calibration"])
        _be_quiet()
        model.predictor = TabularPredictor.load(str(folder / PREDICTOR), verbosity=0)
        model.predictor.persist()
        return model

    def _values(self, features: Table, model: str | None = None) -> np.ndarray:
        log_ratio = self.log_ratio(self.encoding.matrix(features), model)
        return self.encoding.value_sek(log_ratio, features)

    def _table(self, sales: pd.DataFrame) -> pd.DataFrame:
        matrix = self.encoding.matrix(sales)
        known = hedonic_parts(matrix).sum(axis=1)
        return matrix.assign(**{TARGET: self.encoding.log_price_ratio(sales) - known})

    def _calibrate(self, recent: pd.DataFrame) -> None:
        # The best model before its refit has not trained on the recent sales.
        refitted = self.predictor.model_refit_map(inverse=True)
        unrefitted = refitted[self.predictor.model_best]
        value_sek = self._values(recent, unrefitted)
        self.recalibration = Recalibration.measured(recent, value_sek)
        self.calibration = Calibration.fitted(
            recent,
            self.recalibration.applied(value_sek, recent),
            recent["sold_price_sek"].to_numpy(dtype=float),
        )


def _be_quiet() -> None:
    logging.getLogger("autogluon").setLevel(logging.ERROR)
    # It logs an error for every model that torch is missing, which no model here uses.
    torch_check = logging.getLogger("autogluon.common.utils.resource_utils")
    torch_check.setLevel(logging.CRITICAL)

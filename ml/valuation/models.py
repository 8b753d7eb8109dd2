"""Models that value homes, behind one protocol, and the list of them by name.

What belongs here: the protocol, our XGBoost models, loading any saved model. What does
not: AutoGluon and the seed's recipe (their own modules), and how good a model is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import xgboost as xgb

from ml.valuation.autogluon_model import AutoGluonModel
from ml.valuation.features import FeatureEncoding, Mode
from ml.valuation.model_files import read_description, write_description
from ml.valuation.recalibration import Recalibration
from ml.valuation.seed_recipe import SeedRecipeModel
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from warehouse.settings import Settings

HYPERPARAMETERS_PATH = Path(__file__).with_name("hyperparameters.json")
SEED = 7
BOOSTER = "booster.ubj"
NOT_OF_XGBOOST = {"num_boost_round", "min_category_sales"}
"""Hyperparameters that XGBoost takes elsewhere, or that are the encoding's."""


class PriceModel(Protocol):
    """Learns prices from past sales and values homes in SEK."""

    name: str

    def fit(self, sales: pd.DataFrame) -> Self:
        """Learn from rows of ``marts.sale_features``."""
        ...

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        """Values in SEK, one per row; needs no label column."""
        ...

    def save(self, folder: Path) -> None:
        """Write all that a later process needs to predict."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        ...


class ModelFactory(Protocol):
    """Makes an unfitted model."""

    def __call__(
        self, settings: Settings, *, mode: Mode = "before_listing"
    ) -> PriceModel:
        """Make the model for homes before listing, or with an asking price."""
        ...


class XGBoostModel:
    """Gradient boosted trees on the log of price per m² over the price index.

    Trains on the CPU with ``hist``, categories as they are; the same rows,
    parameters and threads give the same bytes. Deflating the target by the index of
    its month keeps a model of last month right in a moving market.
    """

    name = "xgboost"
    with_categories = True

    def __init__(
        self,
        *,
        threads: int = 1,
        mode: Mode = "before_listing",
        parameters: dict[str, Any] | None = None,
    ) -> None:
        """Take hyperparameters from the reviewed file unless they are given."""
        self.threads = threads
        self.mode: Mode = mode
        self.parameters = parameters or reviewed_parameters()

    def fit(self, sales: pd.DataFrame) -> Self:
        """Learn from past sales, and from how the latest differ from the earlier."""
        self.recalibration = Recalibration.measured(
            sales, lambda earlier, recent: self._trained(earlier)._values(recent)
        )
        return self._trained(sales)

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        """Values in SEK."""
        return self.recalibration.applied(self._values(features), features)

    def save(self, folder: Path) -> None:
        """Write the booster in XGBoost's own format, never a pickle."""
        write_description(
            folder,
            self.name,
            encoding=self.encoding.to_json(),
            recalibration=self.recalibration.to_json(),
            parameters=self.parameters,
            threads=self.threads,
        )
        self.booster.save_model(folder / BOOSTER)

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
        model.booster = xgb.Booster(model_file=folder / BOOSTER)
        return model

    def _trained(self, sales: pd.DataFrame) -> Self:
        self.encoding = FeatureEncoding.fitted_on(
            sales,
            mode=self.mode,
            with_categories=self.with_categories,
            min_category_sales=self.parameters.get("min_category_sales", 1),
        )
        parameters = {
            **{k: v for k, v in self.parameters.items() if k not in NOT_OF_XGBOOST},
            "tree_method": "hist",
            "device": "cpu",
            "nthread": self.threads,
            "seed": SEED,
        }
        self.booster = xgb.train(
            parameters,
            self._matrix(sales, self.encoding.log_price_ratio(sales)),
            num_boost_round=self.parameters["num_boost_round"],
        )
        return self

    def _values(self, features: pd.DataFrame) -> np.ndarray:
        log_ratio = self.booster.predict(self._matrix(features))
        return self.encoding.value_sek(log_ratio.astype("float64"), features)

    def _matrix(
        self, features: pd.DataFrame, target: np.ndarray | None = None
    ) -> xgb.DMatrix:
        return xgb.DMatrix(
            self.encoding.matrix(features),
            target,
            enable_categorical=True,
            nthread=self.threads,
        )


class PlainXGBoostModel(XGBoostModel):
    """The same without street, district and agency: what the categories are worth."""

    name = "xgboost_plain"
    with_categories = False


def reviewed_parameters() -> dict[str, Any]:
    """XGBoost's hyperparameters as last searched and reviewed (see ``search``)."""
    return json.loads(HYPERPARAMETERS_PATH.read_text(encoding="utf-8"))["xgboost"]


def _xgboost(settings: Settings, *, mode: Mode = "before_listing") -> PriceModel:
    return XGBoostModel(threads=settings.threads, mode=mode)


def _xgboost_plain(settings: Settings, *, mode: Mode = "before_listing") -> PriceModel:
    return PlainXGBoostModel(threads=settings.threads, mode=mode)


def _autogluon(settings: Settings, *, mode: Mode = "before_listing") -> PriceModel:
    return AutoGluonModel(
        threads=settings.threads,
        time_limit_s=settings.autogluon_time_limit_s,
        mode=mode,
    )


def _seed_recipe(settings: Settings, *, mode: Mode = "before_listing") -> PriceModel:
    # The seed dropped the asking price, so both modes are the same model.
    del mode
    return SeedRecipeModel(threads=settings.threads)


MODELS: dict[str, ModelFactory] = {
    "xgboost": _xgboost,
    "xgboost_plain": _xgboost_plain,
    "autogluon": _autogluon,
    "seed_recipe": _seed_recipe,
}

_CLASSES: dict[str, type[PriceModel]] = {
    "xgboost": XGBoostModel,
    "xgboost_plain": PlainXGBoostModel,
    "autogluon": AutoGluonModel,
    "seed_recipe": SeedRecipeModel,
}


def new_model(
    name: str, settings: Settings, *, mode: Mode = "before_listing"
) -> PriceModel:
    """Make an unfitted model by name.

    Raises
    ------
    SlutprisError
        When there is no model of that name.
    """
    if name not in MODELS:
        raise SlutprisError(
            f"there is no model {name!r}; choose among {', '.join(MODELS)}"
        )
    return MODELS[name](settings, mode=mode)


def load_model(folder: Path) -> PriceModel:
    """Load any saved model, of the kind its ``model.json`` names.

    An AutoGluon folder holds pickles: load only a folder whose manifest is verified.

    Raises
    ------
    SlutprisError
        When the folder holds no saved model, or one of a kind we do not know.
    """
    name = read_description(folder)["model"]
    if name not in _CLASSES:
        raise SlutprisError(
            f"{folder} holds a model {name!r}; known are {', '.join(_CLASSES)}"
        )
    return _CLASSES[name].load(folder)

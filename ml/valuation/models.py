"""Models that value homes, behind one protocol, and the list of them by name.

What belongs here: the protocol, making a model by its name, loading any saved one. What
does not: how each works (its own module), and how good it is (``backtest``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, Self

from ml.valuation.autogluon_model import AutoGluonModel
from ml.valuation.baselines import (
    DistrictMedianModel,
    IndexedComparablesModel,
    LastSaleModel,
)
from ml.valuation.boosted_model import (
    BlendModel,
    BoostedModel,
    PlainXGBoostModel,
    XGBoostModel,
)
from ml.valuation.model_files import read_description
from ml.valuation.seed_recipe import SeedRecipeModel, WholeSeedRecipeModel
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    import pandas as pd

    from ml.valuation.features import Mode
    from warehouse.settings import Settings

__all__ = ["MODELS", "PriceModel", "XGBoostModel", "load_model", "new_model"]


class PriceModel(Protocol):
    """Learns prices from past sales and values homes in SEK."""

    name: ClassVar[str]

    def fit(self, sales: pd.DataFrame) -> Self:
        """Learn from described rows of ``marts.sale_features``."""
        ...

    def predict(self, features: pd.DataFrame) -> np.ndarray:
        """Values in SEK, one per row, NaN where it has none; needs no label column."""
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


def _boosted(kind: type[BoostedModel]) -> ModelFactory:
    def make(settings: Settings, *, mode: Mode = "before_listing") -> PriceModel:
        return kind(threads=settings.threads, mode=mode, device=settings.device)

    return make


def _autogluon(settings: Settings, *, mode: Mode = "before_listing") -> PriceModel:
    return AutoGluonModel(
        threads=settings.threads,
        time_limit_s=settings.autogluon_time_limit_s,
        mode=mode,
    )


def _without_mode(make: Callable[[Settings], PriceModel]) -> ModelFactory:
    """Make a model that knows no asking price, so that both modes are the same."""

    def made(settings: Settings, *, mode: Mode = "before_listing") -> PriceModel:
        del mode
        return make(settings)

    return made


MODELS: dict[str, ModelFactory] = {
    "xgboost": _boosted(XGBoostModel),
    "xgboost_plain": _boosted(PlainXGBoostModel),
    "autogluon": _autogluon,
    "blend": _boosted(BlendModel),
    "seed_recipe": _without_mode(lambda s: SeedRecipeModel(threads=s.threads)),
    "seed_recipe_whole": _without_mode(
        lambda s: WholeSeedRecipeModel(threads=s.threads)
    ),
    "indexed_comparables": _without_mode(lambda _s: IndexedComparablesModel()),
    "last_sale_indexed": _without_mode(lambda _s: LastSaleModel()),
    "district_median": _without_mode(lambda _s: DistrictMedianModel()),
}

_CLASSES: dict[str, type[PriceModel]] = {
    "xgboost": XGBoostModel,
    "xgboost_plain": PlainXGBoostModel,
    "autogluon": AutoGluonModel,
    "blend": BlendModel,
    "seed_recipe": SeedRecipeModel,
    "seed_recipe_whole": WholeSeedRecipeModel,
    "indexed_comparables": IndexedComparablesModel,
    "last_sale_indexed": LastSaleModel,
    "district_median": DistrictMedianModel,
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

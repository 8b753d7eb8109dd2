from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from made_up_sales import made_up_sales, without_labels

from ml.valuation.models import load_model
from ml.valuation.seed_recipe import (
    SeedRecipeModel,
    WholeSeedRecipeModel,
    rows_kept,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def sales() -> pd.DataFrame:
    return made_up_sales(400)


def small() -> SeedRecipeModel:
    return SeedRecipeModel(n_estimators=30, learning_rate=0.2)


def test_ordinary_sales_are_kept(sales: pd.DataFrame) -> None:
    assert rows_kept(sales).all()


@pytest.mark.parametrize(
    "fact",
    [
        {"is_floor_imputed": True},
        {"is_construction_year_imputed": True},
        {"is_latitude_imputed": True},
        {"street_number": 301.0},
        {"floor": 37.0},
        {"construction_year": 1849.0},
        {"sold_date": pd.Timestamp(2011, 12, 31)},
    ],
    ids=lambda fact: next(iter(fact)),
)
def test_row_the_seed_dropped_is_not_trained_on(
    sales: pd.DataFrame, fact: dict[str, Any]
) -> None:
    odd = sales.head(100).assign(**fact, sold_price_norm=0.9)
    kept_alone, with_odd = small().fit(sales), small().fit(pd.concat([sales, odd]))

    assert not rows_kept(odd).any()
    assert np.array_equal(kept_alone.predict(sales), with_odd.predict(sales))


def test_the_whole_recipe_learns_from_every_row_and_is_known_again(
    sales: pd.DataFrame, tmp_path: Path
) -> None:
    odd = sales.head(100).assign(is_floor_imputed=True, sold_price_norm=0.9)
    both = pd.concat([sales, odd])
    whole = WholeSeedRecipeModel(n_estimators=30, learning_rate=0.2).fit(both)

    assert whole.predict(sales).mean() > small().fit(both).predict(sales).mean() * 1.2
    whole.save(tmp_path)
    assert type(load_model(tmp_path)) is WholeSeedRecipeModel


def test_a_home_the_seed_refused_is_still_valued(sales: pd.DataFrame) -> None:
    homes = without_labels(sales).assign(is_floor_imputed=True)

    assert np.isfinite(small().fit(sales).predict(homes)).all()


def test_missing_fee_counts_as_no_fee(sales: pd.DataFrame) -> None:
    model = small().fit(sales)
    imputed = sales.assign(is_fee_sek_per_month_imputed=True)
    free = sales.assign(fee_norm=0.0)

    assert np.array_equal(model.predict(imputed), model.predict(free))


def test_neither_categories_nor_the_index_are_looked_at(sales: pd.DataFrame) -> None:
    model = small().fit(sales)
    other = sales.assign(street=None, district=None, price_index_sek_per_m2=1.0)

    assert np.array_equal(model.predict(other), model.predict(sales))

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from ml.valuation.baselines import (
    FEWEST_SALES_FOR_MEDIAN,
    DistrictMedianModel,
    IndexedComparablesModel,
    LastSaleModel,
)
from ml.valuation.models import PriceModel, load_model

if TYPE_CHECKING:
    from pathlib import Path

RULES = [IndexedComparablesModel, LastSaleModel, DistrictMedianModel]


@pytest.fixture
def sales() -> pd.DataFrame:
    """Six sales of Vasastan around its index, one of Farsta, one of long ago."""
    ratios = [1.1, 1.2, 1.3, 1.2, 1.2, 9.0, 0.7, 5.0]
    day = pd.Timestamp(2016, 5, 1)
    return pd.DataFrame(
        {
            "district": ["Vasastan"] * 6 + ["Farsta", "Vasastan"],
            "sold_date": [day] * 7 + [day - pd.Timedelta(days=400)],
            "price_index_sek_per_m2": 50_000.0,
            "price_per_m2_sek": np.array(ratios) * 50_000,
        }
    )


@pytest.fixture
def homes() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "district": ["Vasastan", "Farsta", None],
            "price_index_sek_per_m2": [60_000.0, 60_000.0, np.nan],
            "living_area_m2": [50.0, 40.0, 30.0],
            "quality_log_premium": [np.log(1.1), np.nan, 0.0],
            "comparables_log_residual": [np.log(1.05), 0.1, 0.0],
            "previous_sale_log_ratio": [np.nan, np.log(0.9), 0.2],
        }
    )


def test_comparables_are_freed_of_quality_and_moved_by_the_index(
    sales: pd.DataFrame, homes: pd.DataFrame
) -> None:
    value = IndexedComparablesModel().fit(sales).predict(homes)

    assert value[0] == pytest.approx(1.1 * 1.05 * 60_000 * 50)
    assert np.isnan(value[1:]).all()


def test_the_last_sale_is_moved_by_the_index(
    sales: pd.DataFrame, homes: pd.DataFrame
) -> None:
    value = LastSaleModel().fit(sales).predict(homes)

    assert value[1] == pytest.approx(0.9 * 60_000 * 40)
    assert np.isnan(value[[0, 2]]).all()


def test_the_median_is_of_the_districts_last_year_and_of_sales_enough(
    sales: pd.DataFrame, homes: pd.DataFrame
) -> None:
    value = DistrictMedianModel().fit(sales).predict(homes)

    assert FEWEST_SALES_FOR_MEDIAN == 5
    assert value[0] == pytest.approx(1.2 * 60_000 * 50)
    assert np.isnan(value[1:]).all()


@pytest.mark.parametrize("rule", RULES)
def test_a_saved_rule_says_the_same(
    rule: type[PriceModel], sales: pd.DataFrame, homes: pd.DataFrame, tmp_path: Path
) -> None:
    model = rule().fit(sales)

    model.save(tmp_path)

    loaded = load_model(tmp_path)
    assert type(loaded) is rule
    assert np.array_equal(loaded.predict(homes), model.predict(homes), equal_nan=True)

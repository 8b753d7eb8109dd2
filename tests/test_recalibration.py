from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from made_up_sales import SMALL, described_made_up_sales, without_labels

from ml.valuation.models import PlainXGBoostModel
from ml.valuation.recalibration import RECENT_DAYS, SHRINKAGE, Recalibration

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def sales() -> pd.DataFrame:
    return described_made_up_sales()


def told(factor: float) -> Callable[[pd.DataFrame, pd.DataFrame], np.ndarray]:
    return lambda _earlier, recent: recent["sold_price_sek"].to_numpy() * factor


def test_part_of_the_median_error_of_the_last_days_is_the_shift(
    sales: pd.DataFrame,
) -> None:
    recalibration = Recalibration.measured(sales, told(1.1))

    assert recalibration.log_shift == pytest.approx(-SHRINKAGE * math.log(1.1))


def test_recent_sales_are_judged_by_the_earlier_ones_alone(
    sales: pd.DataFrame,
) -> None:
    def seen(earlier: pd.DataFrame, recent: pd.DataFrame) -> np.ndarray:
        assert earlier["sold_date"].max() < recent["sold_date"].min()
        assert len(earlier) + len(recent) == len(sales)
        days = recent["sold_date"].max() - recent["sold_date"].min()
        assert days < pd.Timedelta(days=RECENT_DAYS)
        return recent["sold_price_sek"].to_numpy()

    assert Recalibration.measured(sales, seen).log_shift == 0


def test_only_homes_valued_on_a_recent_day_are_shifted() -> None:
    homes = pd.DataFrame({"sold_date": pd.to_datetime(["2016-05-31", "2016-06-01"])})
    recalibration = Recalibration(log_shift=math.log(0.9), since="2016-06-01")

    value = recalibration.applied(np.array([1e6, 1e6]), homes)

    assert value == pytest.approx([1e6, 9e5])


def test_too_few_sales_give_no_shift(sales: pd.DataFrame) -> None:
    assert Recalibration.measured(sales.head(150), told(1.1)) == Recalibration()
    assert Recalibration().applied(np.array([1e6]), sales.head(1)) == [1e6]


def test_model_follows_a_fall_the_index_has_not_seen(sales: pd.DataFrame) -> None:
    has_fallen = sales["sold_date"] >= "2016-05-01"
    price_sek = sales["sold_price_sek"] * np.where(has_fallen, 0.9, 1)
    fallen = sales.assign(
        sold_price_sek=price_sek, price_per_m2_sek=price_sek / sales["living_area_m2"]
    )
    is_past = sales["sold_date"] < "2016-06-01"
    june = without_labels(sales[~is_past])

    def june_value(past: pd.DataFrame) -> float:
        model = PlainXGBoostModel(parameters=SMALL).fit(past)
        return float(np.median(model.predict(june)))

    ratio = june_value(fallen[is_past]) / june_value(sales[is_past])
    assert 0.9 <= ratio < 0.97

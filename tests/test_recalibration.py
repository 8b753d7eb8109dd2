from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from made_up_sales import (
    SMALL,
    described_made_up_sales,
    made_up_sales,
    repriced,
    without_labels,
)

from ml.valuation.boosted_model import PlainXGBoostModel, XGBoostModel
from ml.valuation.described import described_sales
from ml.valuation.hedonic.hedonics import Hedonics
from ml.valuation.recalibration import (
    MIN_EARLIER_SALES,
    MOST_SALES_ASKED_FOR,
    SHARE,
    Recalibration,
    held_out,
)


@pytest.fixture(scope="module")
def sales() -> pd.DataFrame:
    return described_made_up_sales()


def told(sales: pd.DataFrame, factor: float) -> np.ndarray:
    return sales["sold_price_sek"].to_numpy() * factor


def test_part_of_the_shift_of_the_middle_is_taken_over(sales: pd.DataFrame) -> None:
    recalibration = Recalibration.measured(sales, told(sales, 1.05))

    assert recalibration.log_shift == pytest.approx(-SHARE * math.log(1.05))
    assert recalibration.since == f"{sales['sold_date'].min():%Y-%m-%d}"


def test_values_are_right_on_average_and_not_in_the_middle(sales: pd.DataFrame) -> None:
    log_error = np.where(np.arange(len(sales)) % 2, 0.1, -0.1)

    recalibration = Recalibration.measured(sales, told(sales, np.exp(log_error)))

    mean_error = np.exp(log_error + recalibration.log_shift).mean() - 1
    assert np.expm1(log_error).mean() > 0.004
    assert mean_error == pytest.approx(0, abs=1e-3)


def test_a_few_values_far_off_hardly_move_the_rest(sales: pd.DataFrame) -> None:
    factor = np.where(np.arange(len(sales)) % 100 == 0, 50.0, 1.0)

    recalibration = Recalibration.measured(sales, told(sales, factor))

    assert abs(recalibration.log_shift) < 0.01


def test_the_latest_sales_are_held_out_by_whole_days(sales: pd.DataFrame) -> None:
    split = held_out(sales)

    assert split is not None
    earlier, recent = split
    assert earlier["sold_date"].max() < recent["sold_date"].min()
    assert len(earlier) + len(recent) == len(sales)
    assert MOST_SALES_ASKED_FOR * 0.95 <= len(recent) <= MOST_SALES_ASKED_FOR


def test_too_few_sales_are_not_split(sales: pd.DataFrame) -> None:
    assert held_out(sales.head(MIN_EARLIER_SALES)) is None
    assert held_out(sales.head(60)) is None
    assert Recalibration().applied(np.array([1e6]), sales.head(1)) == [1e6]


def test_only_homes_valued_on_a_recent_day_are_shifted() -> None:
    homes = pd.DataFrame({"sold_date": pd.to_datetime(["2016-05-31", "2016-06-01"])})
    recalibration = Recalibration(log_shift=math.log(0.9), since="2016-06-01")

    value = recalibration.applied(np.array([1e6, 1e6]), homes)

    assert value == pytest.approx([1e6, 9e5])


def test_a_model_learns_its_shift_from_sales_it_had_not_seen(
    sales: pd.DataFrame,
) -> None:
    split = held_out(sales)
    assert split is not None
    earlier, recent = split

    model = PlainXGBoostModel(parameters=SMALL).fit(sales)

    unseen = PlainXGBoostModel(parameters=SMALL)._trained(earlier)
    expected = Recalibration.measured(recent, unseen._values(recent))
    assert model.recalibration == expected != Recalibration()


def test_values_follow_a_fall_that_the_index_has_not_seen() -> None:
    sales = made_up_sales()
    has_fallen = sales["sold_date"] >= "2016-05-01"
    fallen = repriced(sales, sales["sold_price_sek"] * np.where(has_fallen, 0.9, 1))

    def june_value(sales: pd.DataFrame) -> float:
        known = described_sales(sales, Hedonics(sales))
        is_past = known["sold_date"] < "2016-06-01"
        model = XGBoostModel(parameters=SMALL).fit(known[is_past])
        return float(np.median(model.predict(without_labels(known[~is_past]))))

    ratio = june_value(fallen) / june_value(sales)
    assert ratio == pytest.approx(0.9, abs=0.025)

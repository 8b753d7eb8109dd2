from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from made_up_sales import described_made_up_sales

from ml.valuation.metrics import evaluate
from ml.valuation.models import new_model
from ml.valuation.training import (
    check_enough,
    residual_range,
    split_in_time,
    train,
)
from warehouse.errors import SlutprisError
from warehouse.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = Settings(SLUTPRIS_THREADS=2)


@pytest.fixture(scope="module")
def sales() -> pd.DataFrame:
    return described_made_up_sales(600)


def test_model_is_judged_on_the_newest_tenth_by_whole_days(sales: pd.DataFrame) -> None:
    earlier, newest = split_in_time(sales)

    assert len(earlier) + len(newest) == len(sales)
    assert earlier["sold_date"].max() < newest["sold_date"].min()
    assert 0.08 < len(newest) / len(sales) < 0.12


def test_figures_are_held_out_and_the_model_knows_every_sale(
    sales: pd.DataFrame, tmp_path: Path
) -> None:
    trained = train("xgboost_plain", sales, SETTINGS, plots_dir=tmp_path)

    earlier, newest = split_in_time(sales)
    value = new_model("xgboost_plain", SETTINGS).fit(earlier).predict(newest)
    expected = evaluate(newest["sold_price_sek"].to_numpy(), value)
    assert expected.items() <= trained.metrics.items()
    known = new_model("xgboost_plain", SETTINGS).fit(sales).predict(newest)
    assert np.array_equal(trained.model.predict(newest), known)
    assert [path.read_bytes()[1:4] for path in trained.plots] == [b"PNG"]


def test_nine_of_ten_held_out_prices_lie_in_the_range() -> None:
    log_errors = np.linspace(-0.2, 0.2, 101)
    predictions = pd.DataFrame(
        {"sold_price_sek": 3e6 * np.exp(log_errors), "value_sek": 3e6}
    )

    low, high = residual_range(predictions).values()

    assert (low, high) == (pytest.approx(-0.18), pytest.approx(0.18))


def test_too_few_sales_are_refused() -> None:
    with pytest.raises(SlutprisError, match="too few"):
        check_enough(described_made_up_sales(50))

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING

import pytest
from made_up_sales import SMALL, described_made_up_sales

from ml.valuation.models import XGBoostModel
from ml.valuation.search import report, search, time_ordered_folds
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    import pandas as pd

MARCH = date(2016, 3, 1)


@pytest.fixture(scope="module")
def sales() -> pd.DataFrame:
    return described_made_up_sales(300)


def test_folds_train_on_the_past_and_end_where_told(sales: pd.DataFrame) -> None:
    folds = time_ordered_folds(sales, MARCH, folds=3, months_per_fold=2)

    months = [sorted(set(fold.test["sold_date"].dt.strftime("%y%m"))) for fold in folds]
    assert months == [["1510", "1511"], ["1512", "1601"], ["1602", "1603"]]
    for fold in folds:
        assert fold.train["sold_date"].max() < fold.test["sold_date"].min()


def test_too_many_folds_are_refused(sales: pd.DataFrame) -> None:
    with pytest.raises(SlutprisError, match="choose fewer folds"):
        time_ordered_folds(sales, MARCH, folds=9, months_per_fold=2)


def test_search_keeps_what_was_best_and_says_on_what(sales: pd.DataFrame) -> None:
    folds = time_ordered_folds(sales, MARCH, folds=1, months_per_fold=2)
    bad = SMALL["xgboost"] | {
        "num_boost_round": 300,
        "learning_rate": 0.02,
        "min_child_weight": 50.0,
        "colsample_bytree": 0.3,
        "reg_lambda": 20.0,
    }

    study = search(folds, trials=3, threads=2, start_from=bad)
    written = json.loads(json.dumps(report(study, folds)))

    assert study.trials[0].params["min_child_weight"] == 50
    record = written["provenance"]
    assert record["mape_pct_of_best"] <= record["mape_pct_of_previous"]
    assert record["trials"] == 3
    assert record["folds"][0]["valued_rows"] == len(folds[0].test)
    XGBoostModel(parameters=written).fit(sales)

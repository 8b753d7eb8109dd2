from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_sales import SMALL, described_made_up_sales, without_labels

from ml.valuation.changes import CAUSES, Crossed, ValueChange, Valued, change_of_value
from ml.valuation.features import ECONOMY_FEATURES
from ml.valuation.models import XGBoostModel
from ml.valuation.reason_groups import PRICE_INDEX
from warehouse.errors import SlutprisError

THEN, NOW = pd.Timestamp(2015, 12, 1), pd.Timestamp(2016, 4, 1)


@pytest.fixture(scope="module")
def sales() -> pd.DataFrame:
    sales = described_made_up_sales()
    nearby = np.random.default_rng(5).normal(0, 0.1, len(sales)).round(5)
    price_sek = (sales["sold_price_sek"] * np.exp(nearby)).round()
    return sales.assign(
        neighbours_log_residual=nearby,
        sold_price_sek=price_sek,
        price_per_m2_sek=price_sek / sales["living_area_m2"],
    )


@pytest.fixture(scope="module")
def model_then(sales: pd.DataFrame) -> XGBoostModel:
    return fitted(sales, THEN)


@pytest.fixture(scope="module")
def model_now(sales: pd.DataFrame) -> XGBoostModel:
    return fitted(sales, NOW)


def fitted(sales: pd.DataFrame, day: pd.Timestamp) -> XGBoostModel:
    return XGBoostModel(parameters=SMALL).fit(sales[sales["sold_date"] < day])


@pytest.fixture
def home(sales: pd.DataFrame) -> pd.DataFrame:
    """A home of 60 m² on a day of 2015, below an index of 66 000."""
    return without_labels(sales.head(1)).assign(
        sold_date=THEN,
        price_index_sek_per_m2=66_000.0,
        living_area_m2=60.0,
        neighbours_log_residual=0.0,
    )


def valued(by: XGBoostModel, features: pd.DataFrame, **told: Any) -> Valued:
    return Valued(by.predict, features, round(by.predict(features).item()), **told)


def sek_of(change: ValueChange) -> dict[str, int]:
    return {each.cause: each.value_sek for each in change.causes}


def test_causes_add_up_to_the_change_when_everything_changed(
    model_then: XGBoostModel, model_now: XGBoostModel, home: pd.DataFrame
) -> None:
    later = {"sold_date": NOW, "price_index_sek_per_m2": 69_000.0}
    nearby = {"neighbours_log_residual": 0.08}
    grown = {"living_area_m2": 66.0}

    change = change_of_value(
        valued(model_then, home, model="xgboost 3"),
        valued(model_now, home.assign(**later, **nearby, **grown), model="xgboost 4"),
        crossed=Crossed(home.assign(**later, **nearby), home.assign(**grown)),
    )

    assert change.value_then_sek + sum(sek_of(change).values()) == change.value_now_sek
    assert change.change_sek == change.value_now_sek - change.value_then_sek
    assert set(sek_of(change)) == set(CAUSES)
    assert all(part != 0 for part in sek_of(change).values())
    sizes = [abs(each.value_sek) for each in change.causes]
    assert sizes == sorted(sizes, reverse=True)
    assert [fact.text for fact in change.changed_facts] == ["Boarea 60 m² → 66 m²"]
    texts = {each.cause: each.text for each in change.causes}
    assert texts["market"] == "Prisindex +4,5 % sedan 2015-12-01"
    assert texts["model"] == "xgboost 3 → xgboost 4"


def test_a_cause_that_did_not_change_has_no_part(
    model_now: XGBoostModel, home: pd.DataFrame
) -> None:
    nearby = home.assign(neighbours_log_residual=0.08)

    change = change_of_value(
        valued(model_now, home, comparables=frozenset({"booli:1", "booli:2"})),
        valued(model_now, nearby, comparables=frozenset({"booli:2", "booli:3"})),
    )

    assert change.change_sek > 0
    assert sek_of(change) == {
        "market": 0,
        "comparables": change.change_sek,
        "facts": 0,
        "model": 0,
    }
    assert change.causes[0].text == "1 ny jämförbar försäljning"


def test_a_rising_index_alone_is_the_market(
    model_now: XGBoostModel, home: pd.DataFrame
) -> None:
    later = home.assign(price_index_sek_per_m2=69_300.0)

    change = change_of_value(valued(model_now, home), valued(model_now, later))

    assert sek_of(change)["market"] == change.change_sek
    assert change.change_sek == pytest.approx(0.05 * change.value_then_sek, abs=2)


def test_recalibration_of_the_day_is_the_market(
    model_now: XGBoostModel, home: pd.DataFrame
) -> None:
    shift = model_now.recalibration.log_shift
    assert shift != 0

    long_ago = home.assign(sold_date=pd.Timestamp(2015, 3, 1))
    change = change_of_value(
        valued(model_now, long_ago), valued(model_now, home.assign(sold_date=NOW))
    )

    expected = change.value_then_sek * np.expm1(shift)
    assert sek_of(change)["market"] == pytest.approx(expected, abs=2)


def test_the_drift_of_a_size_is_the_markets() -> None:
    def drifting(features: pd.DataFrame) -> np.ndarray:
        return 3e6 * np.exp(features["size_log_drift"].to_numpy(dtype=float))

    drift_of_small, drift_of_large = 0.01, 0.05
    rows = [
        pd.DataFrame([{"sold_date": THEN, PRICE_INDEX: 5e4, "size_log_drift": drift}])
        for drift in (0.0, drift_of_large, drift_of_small, 0.0)
    ]

    change = change_of_value(
        Valued(drifting, rows[0], 3_000_000),
        Valued(drifting, rows[1], round(drifting(rows[1]).item())),
        crossed=Crossed(rows[2], rows[3]),
    )

    small, large = 3e6 * np.expm1(drift_of_small), 3e6 * np.expm1(drift_of_large)
    assert sek_of(change)["market"] == pytest.approx((small + large) / 2, abs=1)
    assert sek_of(change)["facts"] == pytest.approx((large - small) / 2, abs=1)


def test_a_feature_that_the_new_model_brings_counts_as_the_model(
    model_then: XGBoostModel, model_now: XGBoostModel, home: pd.DataFrame
) -> None:
    bare = home.drop(columns=["neighbours_log_residual"])

    def predict_without(features: pd.DataFrame) -> np.ndarray:
        return model_then.predict(features.assign(neighbours_log_residual=0.0))

    change = change_of_value(
        Valued(predict_without, bare, round(predict_without(bare).item())),
        valued(model_now, home.assign(neighbours_log_residual=0.1)),
    )

    assert sek_of(change)["comparables"] == 0
    assert sek_of(change)["model"] == change.change_sek


def made_up_price(features: pd.DataFrame, factor: float) -> np.ndarray:
    return (
        factor
        * features["price_index_sek_per_m2"]
        * features["living_area_m2"]
        * (1 + features["near"])
    ).to_numpy()


def test_parts_are_means_over_all_orders_of_the_causes() -> None:
    before = {"price_index_sek_per_m2": 50e3, "near": 0.0, "living_area_m2": 40.0}
    after = {"price_index_sek_per_m2": 60e3, "near": 0.2, "living_area_m2": 50.0}
    day = {"sold_date": THEN}
    mixed = [{**after, "living_area_m2": 40.0}, {**before, "living_area_m2": 50.0}]

    def now(features: pd.DataFrame) -> np.ndarray:
        return made_up_price(features, 1.1)

    def then(features: pd.DataFrame) -> np.ndarray:
        return made_up_price(features, 1.0)

    change = change_of_value(
        Valued(then, pd.DataFrame([day | before]), 2_000_000),
        Valued(now, pd.DataFrame([day | after]), 3_960_000),
        crossed=Crossed(*(pd.DataFrame([day | row]) for row in mixed)),
    )

    ratios = {"market": 1.2, "comparables": 1.2, "facts": 1.25, "model": 1.1}
    by_hand = dict.fromkeys(ratios, 0.0)
    for order in permutations(ratios):
        value = 2_000_000.0
        for cause in order:
            by_hand[cause] += value * (ratios[cause] - 1) / 24
            value *= ratios[cause]
    assert sek_of(change) == pytest.approx(by_hand, abs=1)


@given(st.floats(0.5, 2), st.floats(-0.5, 0.5), st.floats(0.5, 2), st.floats(0.5, 2))
def test_parts_add_up_whatever_changed(
    market: float, near: float, size: float, factor: float
) -> None:
    before = {"price_index_sek_per_m2": 50e3, "near": 0.0, "living_area_m2": 40.0}
    later = {"price_index_sek_per_m2": 50e3 * market, "near": near}
    grown = {"living_area_m2": 40 * size}
    day = {"sold_date": THEN}
    rows = [
        pd.DataFrame([day | before | changed])
        for changed in ({}, later | grown, later, grown)
    ]

    def now(features: pd.DataFrame) -> np.ndarray:
        return made_up_price(features, factor)

    def then(features: pd.DataFrame) -> np.ndarray:
        return made_up_price(features, 1.0)

    change = change_of_value(
        Valued(then, rows[0], 2_000_000),
        Valued(now, rows[1], round(now(rows[1]).item())),
        crossed=Crossed(rows[2], rows[3]),
    )

    assert 2_000_000 + sum(sek_of(change).values()) == change.value_now_sek


def test_a_model_that_did_not_make_the_value_is_refused(
    model_now: XGBoostModel, home: pd.DataFrame
) -> None:
    then = valued(model_now, home, model="xgboost 3")
    other = Valued(then.predict, home, then.value_sek + 50_000, "xgboost 3")
    with pytest.raises(SlutprisError, match="the model xgboost 3 gives"):
        change_of_value(other, then)


def test_a_change_is_explained_of_one_home(
    model_now: XGBoostModel, home: pd.DataFrame
) -> None:
    two = pd.concat([home, home])
    with pytest.raises(SlutprisError, match="2 rows"):
        change_of_value(Valued(model_now.predict, two, 1), valued(model_now, home))


def test_each_model_predicts_once(
    model_now: XGBoostModel, model_then: XGBoostModel, home: pd.DataFrame
) -> None:
    predicted_rows = []
    then, now = valued(model_then, home), valued(model_now, home)

    def counted(features: pd.DataFrame) -> np.ndarray:
        predicted_rows.append(len(features))
        return then.predict(features)

    change_of_value(Valued(counted, home, then.value_sek), now)

    assert predicted_rows == [8]


def test_the_economy_of_the_day_is_the_market(home: pd.DataFrame) -> None:
    def by_rate(features: pd.DataFrame) -> np.ndarray:
        return 3e6 - 1e5 * features["policy_rate_pct"].to_numpy()

    raised = home.assign(policy_rate_pct=home["policy_rate_pct"] + 1)
    values = [round(by_rate(rows).item()) for rows in (home, raised)]

    change = change_of_value(
        Valued(by_rate, home, values[0]), Valued(by_rate, raised, values[1])
    )

    assert "policy_rate_pct" in ECONOMY_FEATURES
    assert sek_of(change)["market"] == -100_000

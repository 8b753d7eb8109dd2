from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from made_up_sales import SMALL, described_made_up_sales, without_labels

from ml.valuation.features import MARKET_LEVEL, MODES, Mode
from ml.valuation.hedonic.columns import Columns
from ml.valuation.models import XGBoostModel
from ml.valuation.reasons import MarketThen, Reasons
from warehouse.errors import SlutprisError

NEWEST = pd.Timestamp(2016, 4, 1)
THEN = MarketThen(60_000.0, dt.date(2015, 4, 1))


class Opaque:
    """The same model, of which nothing but its predictions is to be had."""

    def __init__(self, model: XGBoostModel) -> None:
        self.encoding, self.recalibration = model.encoding, model.recalibration
        self._model = model

    def log_ratio(self, matrix: pd.DataFrame) -> np.ndarray:
        return self._model.log_ratio(matrix)


@pytest.fixture(scope="module")
def sales() -> pd.DataFrame:
    return described_made_up_sales()


@pytest.fixture(scope="module")
def past(sales: pd.DataFrame) -> pd.DataFrame:
    return sales[sales["sold_date"] < NEWEST]


@pytest.fixture(scope="module")
def homes(sales: pd.DataFrame) -> pd.DataFrame:
    return without_labels(sales[sales["sold_date"] >= NEWEST]).head(5)


@pytest.fixture(scope="module")
def models(past: pd.DataFrame) -> dict[Mode, XGBoostModel]:
    return {mode: XGBoostModel(parameters=SMALL, mode=mode).fit(past) for mode in MODES}


@pytest.mark.parametrize("mode", MODES)
def test_any_model_is_explained_by_groups_that_add_up(
    models: dict[Mode, XGBoostModel],
    past: pd.DataFrame,
    homes: pd.DataFrame,
    mode: Mode,
) -> None:
    model = models[mode]
    reasons = Reasons(Opaque(model), past)
    for position in range(len(homes)):
        home = homes.iloc[[position]]
        value_sek = round(model.predict(home).item())

        one = reasons.explanation(home, value_sek, THEN)

        steps = sum(each.value_sek for each in one.contributions)
        assert one.base_sek + steps == one.value_sek == value_sek
        groups = {each.group for each in one.contributions}
        assert ("asking_price" in groups) == (mode == "listed")


def test_features_and_groups_tell_the_same_market(
    models: dict[Mode, XGBoostModel], past: pd.DataFrame, homes: pd.DataFrame
) -> None:
    model, home = models["before_listing"], homes.head(1)
    value_sek = round(model.predict(home).item())
    reasons = Reasons(model, past)

    by_feature = reasons.explanation_by_feature(home, value_sek, THEN)
    by_group = reasons.explanation(home, value_sek, THEN)

    effects = [
        next(each.effect_pct for each in one.contributions if each.group == "market")
        for one in (by_feature, by_group)
    ]
    # two methods; trees split otherwise on another processor
    assert effects[0] == pytest.approx(effects[1], rel=0.2)
    assert {each.group for each in by_feature.contributions if each.parts} >= {
        "place",
        "size",
        "neighbours_sales",
    }


def test_an_index_that_was_not_known_then_tells_no_change_of_the_market(
    models: dict[Mode, XGBoostModel], past: pd.DataFrame, homes: pd.DataFrame
) -> None:
    model, home = models["before_listing"], homes.head(1)
    value_sek = round(model.predict(home).item())

    one = Reasons(model, past).explanation(
        home, value_sek, MarketThen(np.nan, dt.date(2012, 1, 1))
    )

    assert one.base_date is None
    market = next(each for each in one.contributions if each.group == "market")
    by_part = {part.feature: part.value_sek for part in market.parts}
    assert by_part[MARKET_LEVEL] == by_part["price_index_sek_per_m2"] == 0
    assert by_part["recalibration"] != 0


def test_the_base_is_the_value_of_a_usual_home_on_the_former_market(
    models: dict[Mode, XGBoostModel], past: pd.DataFrame, homes: pd.DataFrame
) -> None:
    model, home = models["before_listing"], homes.head(1)
    value_sek = round(model.predict(home).item())

    one = Reasons(model, past).explanation(home, value_sek, THEN)

    level = past.loc[past["sold_date"] > NEWEST - pd.Timedelta(days=366), MARKET_LEVEL]
    usual = past.assign(
        sold_date=pd.Timestamp(THEN.date),
        price_index_sek_per_m2=60_000.0,
        market_log_level=level.median(),
    )
    assert one.base_sek == pytest.approx(
        np.abs(model.predict(usual) - one.base_sek).min() + one.base_sek, abs=1
    )
    assert one.base_living_area_m2 in past["living_area_m2"].to_numpy()


def test_only_trees_are_explained_by_feature(
    models: dict[Mode, XGBoostModel], past: pd.DataFrame, homes: pd.DataFrame
) -> None:
    reasons = Reasons(Opaque(models["before_listing"]), past)
    with pytest.raises(SlutprisError, match="ask for groups"):
        reasons.explanation_by_feature(homes.head(1), 3_000_000, THEN)


def test_nothing_is_usual_where_no_index_is_known(
    models: dict[Mode, XGBoostModel], past: pd.DataFrame
) -> None:
    with pytest.raises(SlutprisError, match="no sale has a price index"):
        Reasons(models["before_listing"], past.assign(price_index_sek_per_m2=np.nan))


def test_one_prediction_values_all_homes_and_explains_the_first(
    models: dict[Mode, XGBoostModel], past: pd.DataFrame, homes: pd.DataFrame
) -> None:
    model, asked = models["before_listing"], Columns.of(homes)
    reasons, value_sek = Reasons(model, past), round(model.predict(homes)[0])

    log_ratio, logs = reasons.with_log_ratios(asked)

    pd.testing.assert_frame_equal(
        model.valuations(asked, log_ratio), model.valuations(asked)
    )
    told = reasons.explanation(asked.only(0), value_sek, THEN, logs=logs)
    assert told == reasons.explanation(homes.head(1), value_sek, THEN)

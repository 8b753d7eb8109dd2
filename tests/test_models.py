from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

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

from ml.valuation.autogluon_model import AutoGluonModel
from ml.valuation.boosted_model import BlendModel, PlainXGBoostModel, XGBoostModel
from ml.valuation.described import described, described_sales
from ml.valuation.features import MODES, Mode
from ml.valuation.hedonic.hedonics import Hedonics
from ml.valuation.hyperparameters import PATH, reviewed_parameters
from ml.valuation.metrics import evaluate
from ml.valuation.models import MODELS, PriceModel, load_model, new_model
from ml.valuation.seed_recipe import SeedRecipeModel
from warehouse.errors import SlutprisError
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NEWEST = pd.Timestamp(2016, 4, 1)


@pytest.fixture(scope="module")
def past() -> pd.DataFrame:
    sales = described_made_up_sales()
    return sales[sales["sold_date"] < NEWEST]


@pytest.fixture(scope="module")
def future() -> pd.DataFrame:
    sales = described_made_up_sales()
    return sales[sales["sold_date"] >= NEWEST]


def xgboost_model(**more: Any) -> XGBoostModel:
    return XGBoostModel(parameters=SMALL, **more)


def plain_model() -> PlainXGBoostModel:
    return PlainXGBoostModel(parameters=SMALL)


def blend_model(**more: Any) -> BlendModel:
    return BlendModel(parameters=SMALL, **more)


def seed_model() -> SeedRecipeModel:
    return SeedRecipeModel(n_estimators=80, learning_rate=0.1)


FAST_MODELS = [xgboost_model, plain_model, blend_model, seed_model]
FILES = {"model.json", "booster.ubj", "xgboost.ubj", "lightgbm.txt", "neural.npz"}
FILES |= {"xgboost_whole.ubj"}


def mape_pct(model: PriceModel, sales: pd.DataFrame) -> float:
    value = model.predict(without_labels(sales))
    return evaluate(sales["sold_price_sek"].to_numpy(), value)["mape_pct"]


def district_median_mape_pct(past: pd.DataFrame, future: pd.DataFrame) -> float:
    per_m2 = past.groupby("district")["price_per_m2_sek"].median()
    value = future["district"].map(per_m2) * future["living_area_m2"]
    price = future["sold_price_sek"].to_numpy()
    return evaluate(price, value.to_numpy())["mape_pct"]


@pytest.mark.parametrize("make", FAST_MODELS)
def test_model_beats_the_median_of_the_district(
    make: Callable[[], PriceModel], past: pd.DataFrame, future: pd.DataFrame
) -> None:
    model = make().fit(past)

    assert mape_pct(model, future) < district_median_mape_pct(past, future) * 0.75


@pytest.mark.parametrize("make", FAST_MODELS)
def test_every_home_gets_one_price(
    make: Callable[[], PriceModel], past: pd.DataFrame, future: pd.DataFrame
) -> None:
    value = make().fit(past).predict(without_labels(future))

    assert value.shape == (len(future),)
    assert value.dtype == np.float64
    assert (value > 100_000).all()


@pytest.mark.parametrize("make", FAST_MODELS)
def test_saved_model_predicts_the_same(
    make: Callable[[], PriceModel],
    past: pd.DataFrame,
    future: pd.DataFrame,
    tmp_path: Path,
) -> None:
    model = make().fit(past)

    model.save(tmp_path / "model")

    loaded = load_model(tmp_path / "model")
    assert type(loaded) is type(model)
    assert np.array_equal(loaded.predict(future), model.predict(future))


@pytest.mark.parametrize("make", FAST_MODELS)
def test_same_sales_give_the_same_bytes(
    make: Callable[[], PriceModel], past: pd.DataFrame, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        make().fit(past).save(tmp_path / name)

    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()


@pytest.mark.parametrize("make", FAST_MODELS)
def test_saved_model_holds_no_pickle(
    make: Callable[[], PriceModel], past: pd.DataFrame, tmp_path: Path
) -> None:
    make().fit(past).save(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} <= FILES


@pytest.fixture(scope="module")
def shuffled() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sales whose prices per m² were dealt out anew, and later homes described so."""
    sales = made_up_sales()
    is_past = sales["sold_date"] < NEWEST
    past, future = sales[is_past], sales[~is_past]
    order = np.random.default_rng(3).permutation(len(past))
    per_m2 = past["price_per_m2_sek"].to_numpy()[order]
    dealt_out = repriced(past, per_m2 * past["living_area_m2"])
    hedonics = Hedonics(dealt_out)
    return described_sales(dealt_out, hedonics), described(future, hedonics)


@pytest.mark.parametrize("make", FAST_MODELS)
def test_shuffled_prices_teach_nothing(
    make: Callable[[], PriceModel], shuffled: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    past, future = shuffled

    model = make().fit(past)

    true_past = made_up_sales()
    true_past = true_past[true_past["sold_date"] < NEWEST]
    assert mape_pct(model, future) > district_median_mape_pct(true_past, future) * 1.5


@pytest.mark.parametrize("make", FAST_MODELS)
def test_poisoned_future_changes_no_value(
    make: Callable[[], PriceModel], past: pd.DataFrame, future: pd.DataFrame
) -> None:
    sales = made_up_sales()
    day = future["sold_date"].min()
    is_poisoned = sales["sold_date"] >= day
    poison = np.random.default_rng(4).uniform(0.1, 10, len(sales))
    price_sek = sales["sold_price_sek"] * np.where(is_poisoned, poison, 1)
    poisoned = repriced(sales, price_sek)
    known = described_sales(poisoned, Hedonics(poisoned))

    value = make().fit(known[~is_poisoned]).predict(known[known["sold_date"] == day])

    clean = make().fit(past).predict(future[future["sold_date"] == day])
    assert np.array_equal(value, clean)


@pytest.mark.parametrize("make", FAST_MODELS)
def test_unknown_places_and_missing_facts_still_get_a_price(
    make: Callable[[], PriceModel], past: pd.DataFrame, future: pd.DataFrame
) -> None:
    unknown = without_labels(future).assign(
        street="Nygatan", district=None, agency=None, floor=None, floor_norm=None
    )

    value = make().fit(past).predict(unknown)

    assert np.isfinite(value).all()


def test_one_home_alone_gets_the_price_it_has_among_others(
    past: pd.DataFrame, future: pd.DataFrame
) -> None:
    model = xgboost_model().fit(past)
    among_others = model.predict(future)

    alone = [model.predict(future.iloc[[n]])[0] for n in range(10)]

    assert np.array_equal(alone, among_others[:10])


def test_plain_model_does_not_look_at_what_is_fitted_of_sales(
    past: pd.DataFrame, future: pd.DataFrame
) -> None:
    model = plain_model().fit(past)
    elsewhere = future.assign(hedonic_place_log_premium=0.0, market_log_level=0.5)

    assert np.array_equal(model.predict(elsewhere), model.predict(future))
    seeing = xgboost_model().fit(past)
    assert not np.array_equal(seeing.predict(elsewhere), seeing.predict(future))


@pytest.mark.parametrize("make", [xgboost_model, blend_model])
def test_asking_price_helps_where_it_is_known(
    make: Callable[..., PriceModel], past: pd.DataFrame, future: pd.DataFrame
) -> None:
    before_listing = make().fit(past)
    listed = make(mode="listed").fit(past)

    assert mape_pct(listed, future) < mape_pct(before_listing, future)


@pytest.mark.parametrize("mode", MODES)
def test_contributions_of_a_blend_add_up_over_learners_of_all_kinds(
    past: pd.DataFrame, future: pd.DataFrame, mode: Mode
) -> None:
    model = blend_model(mode=mode).fit(past)

    found = model.log_contributions(future)

    level_sek = model.encoding.price_level(future) * future["living_area_m2"]
    assert tuple(found) == (*model.encoding.columns, "base", "recalibration")
    assert found.sum(axis=1).to_numpy() == pytest.approx(
        np.log(model.predict(future) / level_sek), abs=1e-5
    )


@pytest.mark.parametrize("make", [xgboost_model, blend_model])
def test_values_come_with_ranges_that_hold_and_survive_a_save(
    make: Callable[[], BlendModel],
    past: pd.DataFrame,
    future: pd.DataFrame,
    tmp_path: Path,
) -> None:
    model = make().fit(past)

    said = model.valuations(future)

    price_sek = future["sold_price_sek"]
    is_inside = price_sek.between(said["low_sek"], said["high_sek"])
    assert 0.8 <= is_inside[said["refusal_reason"].isna()].mean() <= 1
    assert np.array_equal(said["value_sek"], model.predict(future))
    model.save(tmp_path)
    pd.testing.assert_frame_equal(load_model(tmp_path).valuations(future), said)


def test_a_model_of_few_sales_gives_values_without_ranges(past: pd.DataFrame) -> None:
    few = past.tail(90)

    said = plain_model().fit(few).valuations(few)

    assert list(said) == ["value_sek"]
    assert np.isfinite(said["value_sek"]).all()


def test_sales_without_hedonic_features_are_refused() -> None:
    with pytest.raises(SlutprisError, match="read_described_sales"):
        xgboost_model().fit(made_up_sales(50))


def test_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SlutprisError, match="xgboost_plain, autogluon, blend, seed_"):
        new_model("oracle", Settings())


def test_models_are_known_by_their_own_names() -> None:
    assert {name: new_model(name, Settings()).name for name in MODELS} == {
        name: name for name in MODELS
    }


def test_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SlutprisError, match=r"model\.json is missing"):
        load_model(tmp_path)


def test_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"model": "oracle"}')

    with pytest.raises(SlutprisError, match="'oracle'"):
        load_model(tmp_path)


def test_every_learner_has_hyperparameters_that_say_where_they_come_from() -> None:
    reviewed = reviewed_parameters()

    assert set(reviewed) == {"xgboost", "lightgbm", "neural"}
    trees = [each for name, each in reviewed.items() if name != "neural"]
    assert all(each["num_boost_round"] >= 100 for each in trees)
    assert reviewed["neural"]["networks"] >= 4
    assert json.loads(PATH.read_text(encoding="utf-8"))["provenance"]


def test_autogluon_learns_saves_and_loads_in_seconds(
    past: pd.DataFrame, future: pd.DataFrame, tmp_path: Path
) -> None:
    model = AutoGluonModel(threads=1, time_limit_s=12).fit(past)
    model.save(tmp_path)

    loaded = load_model(tmp_path)

    assert mape_pct(loaded, future) < district_median_mape_pct(past, future) * 0.75
    assert np.allclose(loaded.predict(future), model.predict(future))
    unknown = without_labels(future).assign(street="Nygatan", floor=None)
    assert np.isfinite(loaded.predict(unknown)).all()

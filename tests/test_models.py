from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from made_up_sales import SMALL, described_made_up_sales, without_labels

from ml.valuation.autogluon_model import AutoGluonModel
from ml.valuation.metrics import evaluate
from ml.valuation.models import (
    HYPERPARAMETERS_PATH,
    MODELS,
    PlainXGBoostModel,
    PriceModel,
    XGBoostModel,
    load_model,
    new_model,
)
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


def seed_model() -> SeedRecipeModel:
    return SeedRecipeModel(n_estimators=80, learning_rate=0.1)


FAST_MODELS = [xgboost_model, plain_model, seed_model]


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

    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"model.json", "booster.ubj"}


@pytest.mark.parametrize("make", FAST_MODELS)
def test_shuffled_prices_teach_nothing(
    make: Callable[[], PriceModel], past: pd.DataFrame, future: pd.DataFrame
) -> None:
    order = np.random.default_rng(3).permutation(len(past))
    per_m2 = past["price_per_m2_sek"].to_numpy()[order]
    price_sek = per_m2 * past["living_area_m2"]
    shuffled = past.assign(
        price_per_m2_sek=per_m2,
        sold_price_sek=price_sek,
        sold_price_norm=(price_sek - 150_000) / 69_850_000,
    )

    model = make().fit(shuffled)

    assert mape_pct(model, future) > district_median_mape_pct(past, future) * 1.5


@pytest.mark.parametrize("make", FAST_MODELS)
def test_unknown_places_and_missing_facts_still_get_a_price(
    make: Callable[[], PriceModel], past: pd.DataFrame, future: pd.DataFrame
) -> None:
    unknown = without_labels(future).assign(
        street="Nygatan", district=None, agency=None, floor=None, floor_norm=None
    )

    value = make().fit(past).predict(unknown)

    assert np.isfinite(value).all()


def test_sales_without_any_agency_can_be_learnt_from(
    past: pd.DataFrame, future: pd.DataFrame
) -> None:
    model = xgboost_model().fit(past.assign(agency=None))

    assert np.isfinite(model.predict(future)).all()


def test_one_home_alone_gets_the_price_it_has_among_others(
    past: pd.DataFrame, future: pd.DataFrame
) -> None:
    model = xgboost_model().fit(past)
    among_others = model.predict(future)

    alone = [model.predict(future.iloc[[n]])[0] for n in range(10)]

    assert np.array_equal(alone, among_others[:10])


def test_plain_model_does_not_look_at_categories(
    past: pd.DataFrame, future: pd.DataFrame
) -> None:
    model = plain_model().fit(past)
    moved = future.assign(street="Gata 1", district="Farsta", agency=None)

    assert np.array_equal(model.predict(moved), model.predict(future))
    seeing = xgboost_model().fit(past)
    assert not np.array_equal(seeing.predict(moved), seeing.predict(future))


def test_asking_price_helps_where_it_is_known(
    past: pd.DataFrame, future: pd.DataFrame
) -> None:
    before_listing = xgboost_model().fit(past)
    listed = xgboost_model(mode="listed").fit(past)

    assert mape_pct(listed, future) < mape_pct(before_listing, future)


def test_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SlutprisError, match="xgboost_plain, autogluon, seed_recipe"):
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


def test_hyperparameters_say_where_they_come_from() -> None:
    reviewed = json.loads(HYPERPARAMETERS_PATH.read_text())

    assert reviewed["provenance"]["rows"] > 10_000
    assert len(reviewed["provenance"]["folds"]) >= 2


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

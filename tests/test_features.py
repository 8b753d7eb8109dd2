from __future__ import annotations

import json
from datetime import date
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from made_up_sales import (
    described_made_up_sales,
    made_up_sales,
    without_labels,
    write_marts,
)

from ml.valuation.features import (
    ASKING_GAP,
    FEATURES,
    KNOWN_FACTS,
    LISTED_FEATURE,
    LISTED_FEATURES,
    MARKET_LEVEL,
    PLAIN_FEATURES,
    FeatureEncoding,
    hedonic_sum,
    read_sale_features,
)
from ml.valuation.hedonic.columns import Columns
from warehouse.errors import SlutprisError


@pytest.fixture(scope="module")
def sales() -> pd.DataFrame:
    return described_made_up_sales(400).tail(150)


def test_matrix_has_every_feature_typed_and_in_order(sales: pd.DataFrame) -> None:
    matrix = FeatureEncoding.fitted_on(sales).matrix(without_labels(sales))

    assert tuple(matrix.columns) == FEATURES
    assert (matrix.dtypes == "float64").all()
    pd.testing.assert_index_equal(matrix.index, sales.index)


def test_whole_numbers_and_missing_ones_are_encoded_too(sales: pd.DataFrame) -> None:
    floor = sales["floor"].astype("Int64").mask(sales["rooms"] > 2)

    matrix = FeatureEncoding.fitted_on(sales).matrix(sales.assign(floor=floor))

    assert matrix["floor"].isna().equals(sales["rooms"] > 2)
    assert (matrix["floor"].dropna() == sales["floor"][sales["rooms"] <= 2]).all()


def test_columns_of_a_few_homes_are_read_as_their_frame_is(
    sales: pd.DataFrame,
) -> None:
    encoding = FeatureEncoding.fitted_on(sales, mode="listed")
    floor = sales["floor"].astype("Int64").mask(sales["rooms"] > 2)
    homes = sales.assign(floor=floor, street=None).reset_index(drop=True)

    columns = Columns.of(homes)

    pd.testing.assert_frame_equal(columns.frame(), homes)
    pd.testing.assert_frame_equal(encoding.matrix(columns), encoding.matrix(homes))
    pd.testing.assert_frame_equal(
        encoding.matrix(columns.only(3)),
        encoding.matrix(homes.iloc[[3]]).reset_index(drop=True),
    )


def test_an_imputed_fact_is_known_as_a_guess_alone(sales: pd.DataFrame) -> None:
    imputed = sales.head(2).assign(
        is_floor_imputed=[True, False],
        is_fee_sek_per_month_imputed=[True, False],
        construction_year_source=["district", "own"],
    )

    matrix = FeatureEncoding.fitted_on(sales).matrix(imputed)

    assert matrix[list(KNOWN_FACTS)].isna().to_numpy().tolist() == [
        [True] * 3,
        [False] * 3,
    ]
    assert matrix[["floor", "construction_year"]].notna().to_numpy().all()
    known = matrix.iloc[1]
    assert known["fee_sek_per_m2_month"] == pytest.approx(50)
    assert known["floor_known"] == known["floor"]


@pytest.mark.parametrize("flags", [[None, False], pd.array([pd.NA, False])])
def test_a_flag_that_is_not_known_counts_as_imputed(
    sales: pd.DataFrame, flags: Any
) -> None:
    homes = sales.head(2).assign(is_floor_imputed=flags)

    matrix = FeatureEncoding.fitted_on(sales).matrix(homes)

    assert matrix["floor_known"].isna().tolist() == [True, False]


def test_the_level_of_the_day_moves_values_of_hedonic_models_alone(
    sales: pd.DataFrame,
) -> None:
    raised = sales.assign(**{MARKET_LEVEL: sales[MARKET_LEVEL] + np.log(1.1)})
    zero = np.zeros(len(sales))
    ratios = {}
    for features in (FEATURES, PLAIN_FEATURES):
        encoding = FeatureEncoding.fitted_on(sales, features=features)
        value = encoding.value_sek(zero, sales)
        ratios[encoding.is_hedonic] = encoding.value_sek(zero, raised) / value

    assert np.allclose(ratios[True], 1.1)
    assert np.allclose(ratios[False], 1)


def test_sales_that_are_not_described_are_refused(sales: pd.DataFrame) -> None:
    with pytest.raises(SlutprisError, match="have no hedonic_place_log_premium"):
        FeatureEncoding.fitted_on(sales.drop(columns=["hedonic_place_log_premium"]))


def test_target_turns_back_into_the_price(sales: pd.DataFrame) -> None:
    encoding = FeatureEncoding.fitted_on(sales)

    value = encoding.value_sek(encoding.log_price_ratio(sales), sales)

    assert np.allclose(value, sales["sold_price_sek"])


def test_value_follows_the_index(sales: pd.DataFrame) -> None:
    encoding = FeatureEncoding.fitted_on(sales)
    zero = np.zeros(len(sales))
    index = sales["price_index_sek_per_m2"]

    raised = encoding.value_sek(zero, sales.assign(price_index_sek_per_m2=index * 1.1))

    assert np.allclose(raised, encoding.value_sek(zero, sales) * 1.1)


def test_without_an_index_the_median_of_past_prices_stands_in(
    sales: pd.DataFrame,
) -> None:
    encoding = FeatureEncoding.fitted_on(sales)
    home = sales.head(1).assign(
        price_index_sek_per_m2=None, market_log_level=None, living_area_m2=10.0
    )

    value = encoding.value_sek(np.zeros(1), home)

    assert value[0] == pytest.approx(sales["price_per_m2_sek"].median() * 10)


def test_listed_mode_adds_the_asking_price_over_the_level(sales: pd.DataFrame) -> None:
    encoding = FeatureEncoding.fitted_on(sales, mode="listed")
    level_sek = sales["living_area_m2"] * encoding.price_level(sales)

    matrix = encoding.matrix(sales.assign(list_price_sek=level_sek))

    assert tuple(matrix) == (*FEATURES, *LISTED_FEATURES)
    assert np.allclose(matrix[LISTED_FEATURE], 0)
    assert np.allclose(matrix[ASKING_GAP], hedonic_sum(sales))


@pytest.mark.parametrize("unknown", [0, None])
def test_unknown_asking_price_is_missing(
    sales: pd.DataFrame, unknown: float | None
) -> None:
    encoding = FeatureEncoding.fitted_on(sales, mode="listed")

    matrix = encoding.matrix(sales.assign(list_price_sek=unknown))

    assert matrix[LISTED_FEATURE].isna().all()


def test_before_listing_never_sees_the_asking_price(sales: pd.DataFrame) -> None:
    encoding = FeatureEncoding.fitted_on(sales)
    doubled = sales.assign(list_price_sek=sales["list_price_sek"] * 2)

    pd.testing.assert_frame_equal(encoding.matrix(sales), encoding.matrix(doubled))


def test_encoding_survives_json(sales: pd.DataFrame) -> None:
    encoding = FeatureEncoding.fitted_on(sales, mode="listed")

    read = FeatureEncoding.from_json(json.loads(json.dumps(encoding.to_json())))

    assert read == encoding


def test_only_sales_before_the_day_are_read() -> None:
    sales, connection = made_up_sales(300), duckdb.connect()
    write_marts(connection, sales)

    read = read_sale_features(connection, before=date(2015, 7, 1))

    assert read["sold_date"].max() < pd.Timestamp(2015, 7, 1)
    assert len(read) == (sales["sold_date"] < "2015-07-01").sum()


def test_missing_mart_says_what_to_run() -> None:
    with pytest.raises(SlutprisError, match="dbt build"):
        read_sale_features(duckdb.connect())

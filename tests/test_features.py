from __future__ import annotations

import json
from datetime import date

import duckdb
import numpy as np
import pandas as pd
import pytest
from made_up_sales import made_up_sales, without_labels, write_marts

from ml.valuation.features import (
    CATEGORIES,
    FEATURES,
    LISTED_FEATURE,
    NUMBERS,
    FeatureEncoding,
    read_sale_features,
)
from warehouse.errors import SlutprisError


@pytest.fixture(scope="module")
def sales() -> pd.DataFrame:
    return made_up_sales(300)


def test_matrix_has_every_feature_typed_and_in_order(sales: pd.DataFrame) -> None:
    matrix = FeatureEncoding.fitted_on(sales).matrix(without_labels(sales))

    assert tuple(matrix.columns) == FEATURES
    assert all(isinstance(matrix[c].dtype, pd.CategoricalDtype) for c in CATEGORIES)
    assert all(matrix[c].dtype == "float64" for c in NUMBERS)


def test_category_not_seen_before_is_missing(sales: pd.DataFrame) -> None:
    home = sales.head(1).assign(street="Nygatan", district=None)

    matrix = FeatureEncoding.fitted_on(sales).matrix(home)

    assert matrix["street"].isna().all()
    assert matrix["district"].isna().all()
    assert matrix["agency"].tolist() == home["agency"].tolist()


def test_category_of_few_sales_is_missing(sales: pd.DataFrame) -> None:
    rare = pd.concat([sales, sales.head(2).assign(street="Gränden")])

    encoding = FeatureEncoding.fitted_on(rare, min_category_sales=3)

    assert "Gränden" not in encoding.categories["street"]
    assert sales["street"].value_counts().index[0] in encoding.categories["street"]


def test_codes_do_not_depend_on_the_rows_that_are_encoded(sales: pd.DataFrame) -> None:
    encoding = FeatureEncoding.fitted_on(sales)
    whole = encoding.matrix(sales)["street"].cat.codes

    alone = encoding.matrix(sales.iloc[[7]])["street"].cat.codes

    assert alone.iloc[0] == whole.iloc[7]


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
    home = sales.head(1).assign(price_index_sek_per_m2=None, living_area_m2=10.0)

    value = encoding.value_sek(np.zeros(1), home)

    assert value[0] == pytest.approx(sales["price_per_m2_sek"].median() * 10)


def test_listed_mode_adds_the_asking_price_over_the_index(sales: pd.DataFrame) -> None:
    area, index = sales["living_area_m2"], sales["price_index_sek_per_m2"]
    asked_as_index = sales.assign(list_price_sek=area * index)
    encoding = FeatureEncoding.fitted_on(sales, mode="listed")

    ratio = encoding.matrix(asked_as_index)[LISTED_FEATURE]

    assert np.allclose(ratio, 0)


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


def test_only_sales_before_the_day_are_read(sales: pd.DataFrame) -> None:
    connection = duckdb.connect()
    write_marts(connection, sales)

    read = read_sale_features(connection, before=date(2015, 7, 1))

    assert read["sold_date"].max() < pd.Timestamp(2015, 7, 1)
    assert len(read) == (sales["sold_date"] < "2015-07-01").sum()


def test_missing_mart_says_what_to_run() -> None:
    with pytest.raises(SlutprisError, match="dbt build"):
        read_sale_features(duckdb.connect())

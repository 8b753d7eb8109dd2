from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from ml.valuation.confidence import (
    CLASS_NAMES,
    FSD_BANDS_PCT,
    REFUSAL_REASONS,
    REFUSAL_WORDS,
    class_meaning,
    classes_of,
)
from ml.valuation.coverage import (
    coverage_table,
    read_valued,
    rolling_ranges,
    table_for_terminal,
)
from ml.valuation.error_scale import DIRECTIONS, NARROWS, WIDENS, ErrorScale, traits_of
from ml.valuation.intervals import MIN_SALES, Calibration, upper_quantile
from warehouse.errors import SlutprisError
from warehouse.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

VALUE_SEK = 4_000_000.0


def made_up_sales(count: int, *, seed: int, first_day: str = "2020-01-01") -> Any:
    """Sales whose log errors are three times as large in dark corners as in bright."""
    rng = np.random.default_rng(seed)
    evidence = rng.uniform(-1, 1, count)
    scale = 0.07 * np.exp(-0.55 * evidence)
    days = np.sort(rng.integers(0, 360, count))
    return pd.DataFrame(
        {
            "sold_date": pd.Timestamp(first_day) + pd.to_timedelta(days, unit="D"),
            "living_area_m2": rng.uniform(20, 120, count).round(),
            "price_index_sek_per_m2": 60_000.0,
            "latitude": 59.3,
            "district": "vasastan",
            "position_source": "own",
            "comparables_weight": 3 * np.exp(evidence),
            "comparables_distance_m": 120.0,
            "comparables_log_spread": 0.1,
            "building_sale_count": 3.0,
            "street_sale_count": 20.0,
            "is_floor_imputed": False,
            "value_sek": VALUE_SEK,
            "sold_price_sek": VALUE_SEK * np.exp(rng.laplace(0, scale)),
        }
    )


def calibrated(sales: pd.DataFrame) -> Calibration:
    return Calibration.fitted(
        sales, sales["value_sek"].to_numpy(), sales["sold_price_sek"].to_numpy()
    )


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return calibrated(made_up_sales(3000, seed=1))


@pytest.fixture
def home() -> pd.DataFrame:
    return made_up_sales(1, seed=2).drop(columns=["sold_price_sek", "value_sek"])


def one_range(calibration: Calibration, home: pd.DataFrame, **facts: Any) -> Any:
    return calibration.ranges(home.assign(**facts), np.array([VALUE_SEK])).iloc[0]


def test_ranges_hold_nine_unseen_sales_in_ten_in_every_class(
    calibration: Calibration,
) -> None:
    sales = made_up_sales(4000, seed=3)
    ranges = calibration.ranges(sales, sales["value_sek"].to_numpy())
    is_held = sales["sold_price_sek"].between(ranges["low_sek"], ranges["high_sek"])

    by_class = is_held.groupby(ranges["confidence_class"]).agg(["size", "mean"])

    assert is_held.mean() == pytest.approx(0.9, abs=0.02)
    assert len(by_class) >= 3
    assert by_class.loc[by_class["size"] >= 300, "mean"].between(0.87, 0.93).all()


def test_two_sales_in_three_lie_within_the_forecast_standard_deviation(
    calibration: Calibration,
) -> None:
    sales = made_up_sales(4000, seed=3)
    ranges = calibration.ranges(sales, sales["value_sek"].to_numpy())
    error = np.abs(np.log(sales["sold_price_sek"] / sales["value_sek"]))

    assert (error <= np.arcsinh(ranges["fsd_pct"] / 100)).mean() == pytest.approx(
        0.68, abs=0.03
    )


def test_less_around_a_home_means_a_wider_range_and_a_lower_class(
    calibration: Calibration, home: pd.DataFrame
) -> None:
    well_known = one_range(calibration, home, comparables_weight=6.0)
    little_known = one_range(calibration, home, comparables_weight=1.2)

    assert little_known["low_sek"] < well_known["low_sek"] < VALUE_SEK
    assert little_known["high_sek"] > well_known["high_sek"] > VALUE_SEK
    assert little_known["confidence_class"] < well_known["confidence_class"]


@pytest.mark.parametrize(
    "facts",
    [
        {"comparables_weight": np.nan, "comparables_distance_m": np.nan},
        {"comparables_weight": 0.01},
        {"comparables_distance_m": 900.0},
        {"position_source": "district"},
        {"building_sale_count": np.nan, "street_sale_count": np.nan},
    ],
)
def test_a_home_with_next_to_nothing_around_it_is_at_least_uncertain(
    calibration: Calibration, home: pd.DataFrame, facts: dict[str, Any]
) -> None:
    cold = one_range(calibration, home, **facts)

    assert cold["low_sek"] <= VALUE_SEK / 1.25 + 1
    assert cold["high_sek"] >= VALUE_SEK * 1.25 - 1
    assert cold["confidence_class"] <= 3


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"latitude": np.nan}, "no_position"),
        (
            {"comparables_weight": np.nan, "price_index_sek_per_m2": np.nan},
            "no_comparables_and_no_index",
        ),
        ({"living_area_m2": 900.0}, "area_outside_data"),
        ({"living_area_m2": 3.0}, "area_outside_data"),
        ({"living_area_m2": np.nan}, "area_outside_data"),
    ],
)
def test_a_home_is_refused_with_a_reason(
    calibration: Calibration, home: pd.DataFrame, facts: dict[str, Any], reason: str
) -> None:
    refused = one_range(calibration, home, **facts)

    assert refused["refusal_reason"] == reason
    assert refused["confidence_class"] == 0
    assert np.isnan(refused["low_sek"])
    assert np.isnan(refused["high_sek"])


def test_a_home_without_a_value_is_refused(
    calibration: Calibration, home: pd.DataFrame
) -> None:
    ranges = calibration.ranges(home, np.array([np.nan]))

    assert ranges["refusal_reason"].tolist() == ["no_value"]


def test_where_errors_are_too_large_a_value_is_refused(home: pd.DataFrame) -> None:
    sales = made_up_sales(300, seed=4)
    error = np.log(sales["sold_price_sek"] / VALUE_SEK)
    wild = sales.assign(sold_price_sek=VALUE_SEK * np.exp(5 * error))

    refused = one_range(calibrated(wild), home, comparables_weight=1.0)

    assert refused["refusal_reason"] == "too_uncertain"
    assert refused["fsd_pct"] > max(FSD_BANDS_PCT.values())


def test_a_given_range_has_no_reason_and_keeps_the_index(
    calibration: Calibration, home: pd.DataFrame
) -> None:
    ranges = calibration.ranges(home.set_axis(["a"]), np.array([VALUE_SEK]))

    assert ranges.index.tolist() == ["a"]
    assert ranges["refusal_reason"].tolist() == [None]
    assert ranges["confidence_class"].dtype == "Int64"


def test_a_calibration_survives_json(calibration: Calibration) -> None:
    sales = made_up_sales(50, seed=5)
    values = sales["value_sek"].to_numpy()

    again = Calibration.from_json(json.loads(json.dumps(calibration.to_json())))

    pd.testing.assert_frame_equal(
        again.ranges(sales, values), calibration.ranges(sales, values)
    )


def test_the_same_sales_give_the_same_calibration() -> None:
    first, second = (calibrated(made_up_sales(200, seed=6)) for _ in range(2))

    assert first.to_json() == second.to_json()


def test_a_price_among_the_features_is_not_read(calibration: Calibration) -> None:
    sales = made_up_sales(20, seed=5)
    values = sales["value_sek"].to_numpy()
    poisoned = sales.assign(sold_price_sek=1.0, price_per_m2_sek=1.0)

    pd.testing.assert_frame_equal(
        calibration.ranges(poisoned, values), calibration.ranges(sales, values)
    )


def test_columns_a_warehouse_lacks_count_as_missing() -> None:
    sales = made_up_sales(200, seed=6)
    bare = sales[["sold_date", "living_area_m2", "latitude", "price_index_sek_per_m2"]]
    values = sales["value_sek"].to_numpy()
    calibration = Calibration.fitted(bare, values, sales["sold_price_sek"].to_numpy())

    ranges = calibration.ranges(bare, values)

    assert ranges["low_sek"].notna().all()
    assert (ranges["high_sek"] >= 1.25 * VALUE_SEK - 1).all()


def test_nulls_of_any_type_count_as_missing(
    calibration: Calibration, home: pd.DataFrame
) -> None:
    nothing = {
        "comparables_weight": pd.Series([None], dtype=object),
        "building_sale_count": pd.Series([pd.NA], dtype="Int64"),
        "is_floor_imputed": pd.Series([pd.NA], dtype="boolean"),
    }

    assert one_range(calibration, home, **nothing)["refusal_reason"] is None


def test_too_few_sales_are_said_to_be_too_few() -> None:
    with pytest.raises(SlutprisError, match=f"ranges need {MIN_SALES}"):
        calibrated(made_up_sales(MIN_SALES - 1, seed=7))


def test_a_calibration_is_measured_on_sales_its_model_had_not_seen() -> None:
    sales = made_up_sales(2500, seed=13)
    asked = []

    def values_of_recent(earlier: pd.DataFrame, recent: pd.DataFrame) -> np.ndarray:
        asked.append((earlier["sold_date"].max(), recent["sold_date"].min()))
        return recent["value_sek"].to_numpy()

    calibration = Calibration.measured(sales, values_of_recent)

    ((last_earlier, first_recent),) = asked
    assert last_earlier < first_recent
    assert first_recent >= sales["sold_date"].max() - pd.Timedelta(days=92)
    recent = sales[sales["sold_date"] >= first_recent]
    assert calibration == calibrated(recent)


def test_in_a_thin_market_older_sales_are_measured_too() -> None:
    sales = made_up_sales(800, seed=13)

    def values_of_recent(earlier: pd.DataFrame, recent: pd.DataFrame) -> np.ndarray:
        assert len(earlier) < 400 <= len(recent)
        return recent["value_sek"].to_numpy()

    assert Calibration.measured(sales, values_of_recent) is not None
    assert Calibration.measured(sales.tail(240), values_of_recent) is None


def test_recent_sales_count_most() -> None:
    sales = made_up_sales(2000, seed=8)
    error = np.log(sales["sold_price_sek"] / VALUE_SEK)
    is_late = sales["sold_date"] > sales["sold_date"].median()
    rising, falling = (
        sales.assign(sold_price_sek=VALUE_SEK * np.exp(error * factor))
        for factor in (np.where(is_late, 2, 1), np.where(is_late, 1, 2))
    )
    values = sales["value_sek"].to_numpy()

    now_worse = calibrated(rising).ranges(sales, values)
    now_better = calibrated(falling).ranges(sales, values)

    assert now_worse["high_sek"].mean() > 1.03 * now_better["high_sek"].mean()


def test_the_bound_of_nineteen_scores_is_the_eighteenth() -> None:
    scores = np.arange(1.0, 20)

    # ceil(0.9 · (19 + 1)) = 18; of nine scores no bound holds nine in ten
    assert upper_quantile(scores, np.ones(19), 0.9) == 18
    assert upper_quantile(scores[:8], np.ones(8), 0.9) == 8


@pytest.mark.parametrize(
    ("fsd_pct", "confidence_class"),
    [(4.9, 7), (5.0, 7), (5.1, 6), (10.0, 5), (19.0, 2), (30.0, 1), (30.1, 0)],
)
def test_classes_are_bands_of_the_forecast_standard_deviation(
    fsd_pct: float, confidence_class: int
) -> None:
    assert classes_of(np.array([fsd_pct])).tolist() == [confidence_class]


def test_a_missing_standard_deviation_has_class_zero() -> None:
    assert classes_of(np.array([np.nan])).tolist() == [0]


def test_no_trait_moves_the_error_against_reason() -> None:
    sales = made_up_sales(500, seed=9)
    # Here the homes with the most around them were the hardest to value.
    error = 0.02 * sales["comparables_weight"].to_numpy()
    traits = traits_of(sales, sales["value_sek"].to_numpy())

    scale = ErrorScale.fitted(traits, error, np.ones(len(sales)))

    assert scale.coefficients["log_weight"] == 0
    for name, coefficient in scale.coefficients.items():
        if DIRECTIONS[name] in (WIDENS, NARROWS):
            assert coefficient * DIRECTIONS[name] >= 0


def test_every_class_and_reason_has_words_in_both_languages() -> None:
    assert set(CLASS_NAMES) == {*FSD_BANDS_PCT, 0}
    assert set(REFUSAL_WORDS) == set(REFUSAL_REASONS)
    assert class_meaning(6).sv == "Två av tre bostäder säljs inom 7,5 % av värdet."
    assert (
        class_meaning(6).en == "Two homes in three are sold within 7.5% of the value."
    )
    assert all(class_meaning(number).sv for number in CLASS_NAMES)


def test_a_month_is_not_calibrated_on_itself() -> None:
    sales = made_up_sales(800, seed=10).tail(260)
    last_month = sales["sold_date"].dt.to_period("M").max()
    is_last = sales["sold_date"].dt.to_period("M") == last_month
    doubled = sales.assign(
        sold_price_sek=sales["sold_price_sek"].where(~is_last, 2 * VALUE_SEK)
    )
    columns = ["low_sek", "high_sek", "confidence_class", "plain_half_width"]

    before, after = (
        rolling_ranges(x, months=2).loc[is_last, columns] for x in (sales, doubled)
    )

    pd.testing.assert_frame_equal(before, after)


def test_coverage_and_width_are_those_worked_out_by_hand() -> None:
    predictions = pd.DataFrame(
        {
            "sold_price_sek": [100.0, 130.0, 95.0, 50.0],
            "value_sek": [100.0, 100.0, 100.0, 100.0],
            "low_sek": [90.0, 90.0, 80.0, np.nan],
            "high_sek": [110.0, 110.0, 120.0, np.nan],
            "confidence_class": pd.array([5, 5, 2, 0], dtype="Int64"),
            "fsd_pct": [6.0, 6.0, 20.0, 40.0],
            "plain_half_width": [0.3, 0.3, 0.3, 0.3],
            "living_area_m2": [30.0, 30.0, 90.0, 90.0],
            "district": ["vasastan"] * 4,
            "sold_date": pd.to_datetime(["2020-01-05"] * 4),
        }
    )

    table = coverage_table(predictions).set_index(["by", "segment"])

    everything: Any = table.loc[("all", "all")]
    assert (everything["n"], everything["refused"]) == (3, 1)
    assert everything["coverage_90_pct"] == pytest.approx(200 / 3)
    assert everything["width_pct"] == pytest.approx(80 / 3)
    assert everything["plain_coverage_90_pct"] == pytest.approx(100)
    assert everything["within_fsd_pct"] == pytest.approx(200 / 3)
    assert table.loc[("confidence_class", "5"), "coverage_90_pct"] == 50
    assert table.loc[("confidence_class", "0"), "n"] == 0
    assert table.loc[("month", "2020-01"), "n"] == 3


def test_months_without_sales_before_them_are_said_to_be_too_few() -> None:
    with pytest.raises(SlutprisError, match="no month has"):
        rolling_ranges(made_up_sales(20, seed=12))


def test_every_row_of_a_coverage_table_is_laid_out() -> None:
    coverage = coverage_table(rolling_ranges(made_up_sales(400, seed=12), months=2))

    assert table_for_terminal(coverage).row_count == len(coverage)


def test_valuations_that_are_not_there_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "predictions.parquet"
    settings = Settings(SLUTPRIS_DATA=tmp_path)

    with pytest.raises(SlutprisError, match="there is no"):
        read_valued(path, settings, model="xgboost")

    rows = {"model": ["seed_recipe"], "protocol": ["rolling_monthly"]}
    pd.DataFrame(rows).to_parquet(path)
    with pytest.raises(SlutprisError, match="no rolling_monthly values of xgboost"):
        read_valued(path, settings, model="xgboost")

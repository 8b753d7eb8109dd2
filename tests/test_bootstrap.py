from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_segments import predictions

from ml.valuation.bootstrap import differences, mean_interval

MONTHS = [f"2016-{month:02d}-10" for month in range(1, 7)]


def two_models(rows: int = 300, *, months: list[str] = MONTHS[:1]) -> pd.DataFrame:
    """One model a point worse than the other, sale by sale, on noisy sales."""
    noise = np.random.default_rng(5).normal(0, 0.08, rows)
    sold_date = pd.to_datetime(np.resize(months, rows))
    good = predictions(rows, sold_date=sold_date)
    good["value_sek"] = good["sold_price_sek"] * (1 + noise)
    bad = good.assign(model="seed_recipe")
    bad["value_sek"] = good["sold_price_sek"] * (1 + noise + 0.01 * np.sign(noise))
    return pd.concat([bad, good], ignore_index=True)


def test_difference_on_the_same_sales_is_surer_than_either_error() -> None:
    found = {record["metric"]: record for record in differences(two_models())}

    mape = found["mape_pct"]
    assert (mape["model"], mape["other"]) == ("seed_recipe", "xgboost")
    assert mape["difference"] == pytest.approx(1)
    assert (mape["low"], mape["high"]) == pytest.approx((1, 1))
    assert found["mdape_pct"]["difference"] == pytest.approx(1)
    assert mape["n"] == 300
    assert mape["low_by_month"] is None


def test_same_seed_gives_the_same_intervals() -> None:
    rows = two_models(90)
    rows["value_sek"] *= np.random.default_rng(1).normal(1, 0.02, len(rows))

    first, second = (differences(rows, resamples=100) for _ in range(2))

    assert first == second
    assert first[0]["low"] < first[0]["difference"] < first[0]["high"]


def test_six_months_give_an_interval_of_whole_months() -> None:
    rows = two_models(120, months=MONTHS)
    rows["value_sek"] *= np.random.default_rng(1).normal(1, 0.02, len(rows))

    record = differences(rows, resamples=100)[0]

    assert record["low_by_month"] < record["difference"] < record["high_by_month"]


def test_models_are_compared_on_the_sales_both_answered() -> None:
    rows = two_models(100)
    is_hard = (rows["model"] == "seed_recipe") & (rows.index < 40)
    rows.loc[is_hard, "value_sek"] = np.nan

    record = differences(rows, resamples=20)[0]

    assert record["n"] == 60
    assert record["difference"] == pytest.approx(1)


def test_model_that_answers_only_easy_sales_is_not_the_best() -> None:
    rows = two_models(100)
    picky = rows[rows["model"] == "xgboost"].assign(model="last_sale_indexed")
    exact = picky["sold_price_sek"].where(picky["source_id"].astype(int) < 10)
    rows = pd.concat([rows, picky.assign(value_sek=exact)], ignore_index=True)

    others = {record["other"] for record in differences(rows, resamples=5)}

    assert others == {"xgboost"}


def test_one_model_has_nobody_to_differ_from() -> None:
    assert differences(predictions()) == []


def test_median_of_resampled_errors_is_that_of_the_repeated_numbers() -> None:
    rows = two_models(51)
    record = differences(rows, resamples=2000)[1]
    error = (rows["value_sek"] / rows["sold_price_sek"] - 1).abs() * 100
    bad, good = error.to_numpy().reshape(2, 51)

    generator = np.random.default_rng(7)
    drawn = (generator.integers(0, 51, 51) for _ in range(2000))
    medians = [np.median(bad[at]) - np.median(good[at]) for at in drawn]

    assert (record["low"], record["high"]) == pytest.approx((1, 1), abs=1e-9)
    assert np.quantile(medians, [0.025, 0.975]) == pytest.approx([1, 1])


def test_interval_of_a_mean_is_about_two_standard_errors() -> None:
    errors = np.random.default_rng(2).exponential(6, 400)

    low, high = mean_interval(errors)

    standard_error = errors.std() / 20
    assert low == pytest.approx(errors.mean() - 1.96 * standard_error, abs=0.1)
    assert high == pytest.approx(errors.mean() + 1.96 * standard_error, abs=0.1)

from __future__ import annotations

import numpy as np
import pytest

from ml.valuation.metrics import evaluate

PRICES = np.array([1_000_000, 2_000_000, 4_000_000, 5_000_000])
VALUES = np.array([1_050_000, 1_800_000, 4_000_000, 6_500_000])


def test_figures_are_those_worked_out_by_hand() -> None:
    figures = evaluate(PRICES, VALUES)

    assert figures["n"] == 4
    assert figures["mae_sek"] == pytest.approx(437_500)
    assert figures["mape_pct"] == pytest.approx((5 + 10 + 0 + 30) / 4)
    assert figures["mdape_pct"] == pytest.approx(7.5)
    assert figures["bias_pct"] == pytest.approx((5 - 10 + 0 + 30) / 4)
    assert figures["within_5_pct"] == 50
    assert figures["within_10_pct"] == 75
    assert figures["within_20_pct"] == 75
    # between the two largest errors, 10 and 30, at 0.95 · 3 - 2 of the way
    assert figures["p95_ape_pct"] == pytest.approx(10 + 0.85 * 20)


def test_seed_mape_is_taken_on_the_price_above_its_floor() -> None:
    figures = evaluate(np.array([1_150_000]), np.array([1_250_000]))

    assert figures["mape_seed_pct"] == pytest.approx(10)


def test_seed_mape_leaves_out_prices_at_its_floor() -> None:
    figures = evaluate(np.array([150_000, 1_150_000]), np.array([9e9, 1_250_000]))

    assert figures["mape_seed_pct"] == pytest.approx(10)


def test_r2_is_one_for_the_prices_themselves_and_zero_for_their_mean() -> None:
    mean = np.full(4, PRICES.mean())

    assert evaluate(PRICES, PRICES)["r2"] == 1
    assert evaluate(PRICES, mean)["r2"] == pytest.approx(0)


def test_exactly_ten_percent_off_is_within_ten_percent() -> None:
    prices = np.arange(1_000_000, 9_000_000, 10_000)

    assert evaluate(prices, prices * 11 / 10)["within_10_pct"] == 100


@pytest.mark.parametrize(
    ("prices", "values", "message"),
    [
        ([], [], "no valuations"),
        ([1e6], [1e6, 2e6], "1 prices but 2 values"),
        ([0.0], [1e6], "above zero"),
        ([1e6], [float("nan")], "finite"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(
    prices: list[float], values: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(np.array(prices), np.array(values))

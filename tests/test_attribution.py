from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.valuation.attribution import (
    coalitions,
    log_mean,
    sek_parts,
    shapley_values,
    whole_numbers,
)
from warehouse.errors import SlutprisError

logs = st.lists(st.floats(-0.6, 0.6), min_size=1, max_size=40)


def test_the_largest_remainders_are_rounded_up() -> None:
    parts = np.array([1.6, -2.3, 3.7])

    assert whole_numbers(parts, 3).tolist() == [1, -2, 4]


@given(logs, st.integers(200_000, 60_000_000))
def test_parts_add_up_to_the_krona(steps: list[float], base_sek: int) -> None:
    value_sek = round(base_sek * np.exp(sum(steps)))

    parts = sek_parts(np.array(steps), base_sek, value_sek)

    assert base_sek + parts.sum() == value_sek


@given(logs)
def test_a_part_has_the_sign_of_its_log_whatever_the_order(steps: list[float]) -> None:
    base_sek = 3_000_000
    value_sek = round(base_sek * np.exp(sum(steps)))

    parts = sek_parts(np.array(steps), base_sek, value_sek)
    turned = sek_parts(np.array(steps[::-1]), base_sek, value_sek)[::-1]

    assert (parts * np.sign(steps) >= -1).all()
    assert np.abs(parts - turned).max() <= 1


def test_what_single_precision_leaves_is_spread_by_size() -> None:
    parts = sek_parts(np.array([0.2, -0.1, 0.0]), 1_000_000, 1_105_200)

    assert parts.sum() == 105_200
    assert parts[2] == 0


def test_contributions_of_another_value_are_refused() -> None:
    with pytest.raises(SlutprisError, match="not to the value of 1200000 kr"):
        sek_parts(np.array([0.1]), 1_000_000, 1_200_000)


def test_the_mean_of_equal_prices_is_the_price() -> None:
    assert log_mean(5.0, 5.0) == 5.0
    assert log_mean(1.0, np.e) == pytest.approx(np.e - 1)


def test_shapley_values_are_means_over_all_orders() -> None:
    outcomes = np.random.default_rng(0).normal(size=16)
    by_hand = np.zeros(4)
    for order in permutations(range(4)):
        joined = 0
        for player in order:
            added = joined | (1 << player)
            by_hand[player] += (outcomes[added] - outcomes[joined]) / 24
            joined = added

    assert np.allclose(shapley_values(outcomes), by_hand)
    assert by_hand.sum() == pytest.approx(outcomes[15] - outcomes[0])


def test_coalitions_are_the_bits_of_their_number() -> None:
    assert coalitions(2).tolist() == [
        [False, False],
        [True, False],
        [False, True],
        [True, True],
    ]

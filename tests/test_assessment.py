from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ml.valuation.assessment import IAAO_BANDS, cod, ki, mki, prb, prd, ratio_study

if TYPE_CHECKING:
    from pathlib import Path

PRICES = np.array([1e6, 2e6, 4e6])


def test_figures_equal_those_of_the_published_implementation(
    real_data_dir: Path,
) -> None:
    path = real_data_dir.parent / "reference" / "assessment_metrics_reference.json"
    if not path.exists():
        pytest.skip(f"needs {path}, which is not here")
    reference = json.loads(path.read_text(encoding="utf-8"))
    expected = reference["assesspy_2_0_2"]

    figures = ratio_study(
        np.array(reference["sale_price"]), np.array(reference["estimate"])
    )

    assert len(reference["sale_price"]) == 60
    for name, figure in figures.items():
        assert figure == pytest.approx(expected[name], abs=5e-7), name


def test_dispersion_is_the_mean_distance_from_the_median_ratio() -> None:
    # ratios 0.9, 1, 1.2: distances 0.1, 0, 0.2 of a median of 1
    assert cod(PRICES, PRICES * [0.9, 1, 1.2]) == pytest.approx(10)


def test_level_alone_changes_no_figure() -> None:
    values = PRICES * [0.9, 1, 1.2]

    assert ratio_study(PRICES, values) == pytest.approx(
        ratio_study(PRICES, values * 1.5)
    )


def test_values_that_are_the_prices_are_fair() -> None:
    figures = ratio_study(PRICES, PRICES)

    assert figures == pytest.approx({"cod": 0, "prd": 1, "prb": 0, "ki": 0, "mki": 1})


def test_price_related_differential_worked_out_by_hand() -> None:
    # mean ratio (0.9 + 1 + 1.2) / 3; sums 7.7 to 7
    assert prd(PRICES, PRICES * [0.9, 1, 1.2]) == pytest.approx(3.1 / 3 / 1.1)


def test_price_related_bias_is_the_slope_per_doubling() -> None:
    ratios = np.array([1.1, 1.0, 0.9])
    # The worth of the homes: the mean of price and value, the median ratio being 1.
    x = np.log2(PRICES * (1 + ratios) / 2)

    slope = np.polyfit(x, ratios - 1, 1)[0]

    assert prb(PRICES, PRICES * ratios) == pytest.approx(slope)
    assert slope < 0


def test_kakwani_indices_worked_out_by_hand() -> None:
    # Gini of 1, 2, 4 is 2 · (1 + 4 + 12) / (3 · 7) - 4 / 3 = 2 / 7; of equal ones 0.
    equal = np.full(3, 2e6)

    assert ki(PRICES, equal) == pytest.approx(-2 / 7)
    assert mki(PRICES, equal) == pytest.approx(0)
    assert mki(PRICES, np.array([2e6, 2e6, 6e6])) == pytest.approx(
        (2 * (2 + 4 + 18) / (3 * 10) - 4 / 3) / (2 / 7)
    )


def test_one_sale_or_one_price_tells_no_slope() -> None:
    one = ratio_study(PRICES[:1], PRICES[:1])

    assert math.isnan(one["prb"])
    assert math.isnan(one["mki"])
    assert one["cod"] == 0


def test_bands_are_those_of_the_standard() -> None:
    assert IAAO_BANDS["cod"].holds(5)
    assert IAAO_BANDS["cod"].holds(15)
    assert not IAAO_BANDS["cod"].holds(15.1)
    assert IAAO_BANDS["prd"].holds(1.0)
    assert not IAAO_BANDS["prd"].holds(0.97)
    assert IAAO_BANDS["prb"].holds(-0.05)
    assert not IAAO_BANDS["mki"].holds(float("nan"))

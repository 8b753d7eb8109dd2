from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.valuation.comparables_estimate import (
    ComparablesEstimate,
    WeighedSale,
    comparables_estimate,
    usual_price_sek,
)
from warehouse.errors import SlutprisError

sales_of = st.lists(
    st.tuples(st.floats(1e-9, 1.0), st.floats(-0.5, 0.5)), min_size=1, max_size=25
)


def weighed(rows: list[tuple[float, float]]) -> list[WeighedSale]:
    return [WeighedSale(f"booli:{n}", *row) for n, row in enumerate(rows)]


def added_up_sek(estimate: ComparablesEstimate) -> float:
    """What a reader gets who multiplies and adds the weights shown."""
    return (
        sum(sale.weight * sale.adjusted_price_sek for sale in estimate.sales)
        + estimate.no_evidence_weight * estimate.usual_price_sek
    )


@given(sales_of, st.floats(0.001, 2), st.floats(300_000, 50_000_000))
def test_weights_reproduce_the_estimate_to_the_krona(
    rows: list[tuple[float, float]], shrinkage_weight: float, usual_sek: float
) -> None:
    sales = weighed(rows)

    estimate = comparables_estimate(
        sales, shrinkage_weight=shrinkage_weight, usual_sek=usual_sek
    )

    weights = [sale.weight for sale in estimate.sales]
    assert sum(weights) + estimate.no_evidence_weight == pytest.approx(1)
    assert abs(added_up_sek(estimate) - estimate.estimate_sek) <= 1
    assert abs(estimate.weighted_mean_sek - estimate.estimate_sek) <= 0.51
    steps = sum(sale.contribution_sek for sale in estimate.sales)
    assert estimate.usual_price_sek + steps == estimate.estimate_sek


def test_the_estimate_is_the_marts_shrunk_mean_of_logs() -> None:
    sales = weighed([(0.6, 0.10), (0.3, -0.20)])

    estimate = comparables_estimate(sales, shrinkage_weight=0.1, usual_sek=3_000_000.0)

    mean = (0.6 * 0.10 - 0.3 * 0.20) / (0.9 + 0.1)
    assert estimate.log_residual == pytest.approx(mean)
    assert estimate.estimate_sek == round(3_000_000 * np.exp(mean))
    assert estimate.no_evidence_weight == pytest.approx(0.1, abs=0.002)
    assert [sale.contribution_sek > 0 for sale in estimate.sales] == [True, False]


def test_a_home_without_comparables_gets_the_usual_price() -> None:
    estimate = comparables_estimate([], shrinkage_weight=0.0, usual_sek=2_500_000.4)

    assert estimate.estimate_sek == estimate.usual_price_sek == 2_500_000
    assert estimate.no_evidence_weight == 1
    assert estimate.sales == []


@pytest.mark.parametrize("weights", [(0.0, 0.0), (1.0, -0.5)])
def test_weights_that_are_no_shares_are_refused(weights: tuple[float, float]) -> None:
    sales = weighed([(weights[0], 0.1), (weights[1], 0.2)])
    with pytest.raises(SlutprisError, match="never negative"):
        comparables_estimate(sales, shrinkage_weight=0.0, usual_sek=1e6)


def test_the_usual_price_is_index_times_quality_times_area() -> None:
    home = {
        "price_index_sek_per_m2": 60_000.0,
        "quality_log_premium": np.log(1.1),
        "living_area_m2": 50.0,
    }
    assert usual_price_sek(home) == pytest.approx(3_300_000)

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml.valuation.segments import figures_of, segment_labels, summarise
from ml.valuation.valuing import (
    CONTEXT_COLUMNS,
    PREDICTION_COLUMNS,
    RANGE_COLUMNS,
    with_intervals,
)

COLUMNS = [*PREDICTION_COLUMNS, *RANGE_COLUMNS[3:], *CONTEXT_COLUMNS]


def predictions(rows: int = 10, **columns: Any) -> pd.DataFrame:
    """Valuations of one model, each 10 % above the price unless told otherwise."""
    price = np.linspace(1e6, 4e6, rows).round(-3)
    frame = pd.DataFrame(
        {
            "platform": "booli",
            "source_id": [str(n) for n in range(rows)],
            "living_area_m2": 50.0,
            "sold_date": pd.Timestamp(2016, 1, 10),
            "sold_price_sek": price,
            "model": "xgboost",
            "mode": "before_listing",
            "protocol": "rolling_monthly",
            "value_sek": price * 1.1,
            "district": "Vasastan",
        }
    )
    return with_intervals(frame.reindex(columns=COLUMNS).assign(**columns))


def segments(rows: pd.DataFrame) -> dict[str, int]:
    return {record["segment"]: record["n"] for record in summarise(rows)}


def test_sale_without_a_value_lowers_the_hit_rate_and_no_other_figure() -> None:
    values = predictions()["value_sek"].where(lambda value: value.index >= 2)

    figures = figures_of(predictions(value_sek=values))

    assert figures["n"] == 8
    assert figures["hit_rate_pct"] == 80
    assert figures["mape_pct"] == pytest.approx(10)


def test_refused_sale_keeps_its_value_but_does_not_count_as_answered() -> None:
    rows = predictions(
        value_sek=[9e9, *predictions()["value_sek"][1:]],
        refusal_reason=["too few comparables", *[None] * 9],
    )

    figures = figures_of(rows)

    assert rows["value_sek"].notna().all()
    assert figures["hit_rate_pct"] == 90
    assert figures["mape_pct"] == pytest.approx(10)


def test_model_that_answers_nothing_has_no_figures_but_its_hit_rate() -> None:
    figures = figures_of(predictions(value_sek=np.nan))

    assert (figures["n"], figures["hit_rate_pct"]) == (0, 0)
    assert {figures[name] for name in ("mape_pct", "cod", "coverage_90_pct")} == {None}


def test_coverage_counts_prices_on_the_ends_and_width_is_of_the_value() -> None:
    price = predictions()["sold_price_sek"]
    rows = predictions(
        low_sek=price.where(price < 2e6, price + 1), high_sek=price + 11_000
    )

    figures = figures_of(rows)

    assert figures["coverage_90_pct"] == 100 * (price < 2e6).mean()
    width = (rows["high_sek"] - rows["low_sek"]) / rows["value_sek"]
    assert figures["mean_width_pct"] == pytest.approx(100 * width.mean())


def test_segments_are_named_by_dimension_and_label() -> None:
    rows = predictions(
        living_area_m2=[39.9, 40, 59.9, 60, 79.9, 80, 80, 80, 80, 80],
        construction_year=[2010, 1990, 1950, 1900, *[np.nan] * 6],
        comparables_weight=[np.nan, 0.1, 0.5, 2.0, *[5.0] * 6],
        confidence_class=[7.0, 7.0, 3.0, *[None] * 7],
        sold_date=pd.to_datetime(["2016-01-10"] * 4 + ["2016-02-10"] * 6),
    )

    found = segments(rows)

    assert next(iter(found)) == "all"
    assert found["month=2016-01"] == 4
    assert found["month=2016-02"] == 6
    assert [found[f"size={s}"] for s in ("<40", "40-60", "60-80", "80+")] == [
        1,
        2,
        2,
        5,
    ]
    ages = ("<10", "10-39", "40-79", "80+", "unknown")
    assert [found[f"building_age={age}"] for age in ages] == [1, 1, 1, 1, 6]
    weights = ("none", "<0.5", "0.5-2", "2-4", "4+")
    assert [found[f"comparables={weight}"] for weight in weights] == [1, 1, 1, 1, 6]
    assert (found["confidence_class=7"], found["confidence_class=3"]) == (2, 1)
    assert [found[f"price_decile={n}"] for n in range(1, 11)] == [1] * 10


def test_three_months_in_a_row_are_named_by_the_last() -> None:
    months = (
        ["2016-01-10"] * 2 + ["2016-02-10"] * 3 + ["2016-03-10"] + ["2016-04-10"] * 4
    )
    found = segments(predictions(sold_date=pd.to_datetime(months)))

    assert found["three_months=2016-03"] == 6
    assert found["three_months=2016-04"] == 8


def test_district_with_few_sales_is_no_segment() -> None:
    lies_in = ["kungsholmen"] * 29 + [None] * 30
    found = segments(predictions(59, city_district=lies_in))

    assert found["district=Vasastan"] == 30
    assert "district=kungsholmen" not in found


def test_deciles_are_of_the_sales_and_the_same_for_every_model() -> None:
    few = predictions()
    both = pd.concat([few, few.assign(model="seed_recipe")], ignore_index=True)

    labels = segment_labels(both)["price_decile"]

    assert labels.tolist() == [*range(1, 11), *range(1, 11)]


def test_random_split_has_no_months() -> None:
    found = segments(predictions(protocol="random_80_20"))

    assert not [name for name in found if "month" in name]


def test_plain_range_comes_from_the_errors_of_earlier_months_only() -> None:
    rows = predictions(
        5,
        sold_date=pd.to_datetime(["2016-01-10"] * 3 + ["2016-02-10"] * 2),
        sold_price_sek=[900, 1000, 1100, 5000, 1],
        value_sek=[1000.0, 1000.0, 1000.0, 2000.0, 2000.0],
    )

    assert rows.loc[:2, ["low_sek", "high_sek"]].isna().all(axis=None)
    low, high = np.quantile(np.log([0.9, 1.0, 1.1]), [0.05, 0.95])
    assert np.allclose(rows.loc[3:, "low_sek"], 2000 * np.exp(low))
    assert np.allclose(rows.loc[3:, "high_sek"], 2000 * np.exp(high))


def test_range_of_the_model_itself_is_kept_beside_the_plain_one() -> None:
    rows = predictions(
        sold_date=pd.to_datetime(["2016-01-10"] * 5 + ["2016-02-10"] * 5),
        low_sek=1.0,
        high_sek=2.0,
    )

    assert (rows["high_sek"] == 2).all()
    assert rows["plain_high_sek"].notna().sum() == 5

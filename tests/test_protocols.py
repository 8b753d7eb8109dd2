from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from made_up_sales import made_up_sales

from ml.valuation.held_out_districts import district_of, held_out_districts
from ml.valuation.plan import PROTOCOLS, Plan, names_in
from ml.valuation.protocols import building_of, is_unseen_building, splits
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from ml.valuation.plan import Protocol
    from ml.valuation.protocols import Split

FROZEN: tuple[Protocol, ...] = (
    "frozen_0_months",
    "frozen_3_months",
    "frozen_6_months",
    "frozen_12_months",
)


@pytest.fixture(scope="module")
def sales() -> pd.DataFrame:
    made_up = made_up_sales(700)
    number = made_up["street_number"].astype(int).astype(str)
    return made_up.assign(address=made_up["street"] + " " + number)


def planned(*protocols: Protocol) -> Plan:
    return Plan(start=date(2016, 4, 1), end=date(2016, 6, 1), protocols=protocols)


def of(sales: pd.DataFrame, *protocols: Protocol) -> list[Split]:
    return list(splits(sales, planned(*protocols)))


def test_every_month_is_valued_by_what_was_sold_before_it(sales: pd.DataFrame) -> None:
    monthly = of(sales, "rolling_monthly")

    assert len(monthly) == 3
    for split, month in zip(monthly, planned("rolling_monthly").months, strict=True):
        test = split.tests["rolling_monthly"]
        before_next = sales["sold_date"] < month + pd.offsets.MonthBegin(1)
        assert split.train["sold_date"].max() < month
        assert test["sold_date"].min() >= month
        assert len(split.train) + len(test) == before_next.sum()


def test_frozen_model_learnt_so_many_months_before_the_month_it_values(
    sales: pd.DataFrame,
) -> None:
    ages = {protocol: int(protocol.split("_")[1]) for protocol in FROZEN}

    for split in of(sales, *FROZEN):
        for protocol, test in split.tests.items():
            month = test["sold_date"].min().to_period("M")
            newest = split.train["sold_date"].max().to_period("M")
            assert test["sold_date"].max().to_period("M") == month
            assert (month - newest).n == ages[protocol] + 1


def test_protocols_that_train_up_to_one_day_share_the_fit(sales: pd.DataFrame) -> None:
    shared = of(sales, "rolling_monthly", "frozen_0_months", "frozen_3_months")

    assert [split.label for split in shared] == [
        *("before 2016-01", "before 2016-02", "before 2016-03"),
        *("before 2016-04", "before 2016-05", "before 2016-06"),
    ]
    assert set(shared[-1].tests) == {"rolling_monthly", "frozen_0_months"}


def test_unseen_buildings_are_in_no_training_and_the_same_each_time(
    sales: pd.DataFrame,
) -> None:
    monthly = of(sales, "unseen_buildings")

    unseen = {
        name for s in monthly for name in building_of(s.tests["unseen_buildings"])
    }
    assert unseen
    for split in monthly:
        assert not unseen & set(building_of(split.train))
    picked = building_of(sales)[is_unseen_building(sales)]
    assert unseen <= set(picked)
    assert 0.12 < picked.nunique() / building_of(sales).nunique() < 0.28
    shuffled = sales.sample(frac=1, random_state=3)
    again = building_of(shuffled)[is_unseen_building(shuffled)]
    assert set(again) == set(picked)


def test_building_is_street_and_number_however_the_address_is_written() -> None:
    sales = pd.DataFrame(
        {
            "address": ["Sveavägen 98, 2 tr", "SVEAVÄGEN 98", "Villa Solhem"],
            "street": ["sveavagen", "sveavagen", "villa solhem"],
            "street_number": [98.0, 98.0, 12.0],
            "is_street_number_imputed": [False, False, True],
        }
    )

    assert building_of(sales).tolist() == [
        "sveavagen 98",
        "sveavagen 98",
        "villa solhem",
    ]


def test_last_tenth_is_the_newest_and_no_day_is_on_both_sides(
    sales: pd.DataFrame,
) -> None:
    (split,) = of(sales, "last_10_pct")

    test = split.tests["last_10_pct"]
    assert split.train["sold_date"].max() < test["sold_date"].min()
    assert len(split.train) + len(test) == len(sales)
    assert 70 <= len(test) <= 75


def test_random_split_holds_out_a_fifth_the_same_each_time(sales: pd.DataFrame) -> None:
    (first,), (second,) = (of(sales, "random_80_20") for _ in range(2))

    test = first.tests["random_80_20"]
    assert len(test) == 140
    assert test["sale_id"].equals(second.tests["random_80_20"]["sale_id"])
    assert not set(test["sale_id"]) & set(first.train["sale_id"])
    assert first.train["sold_date"].is_monotonic_increasing


def test_held_out_districts_are_whole_apart_and_few_enough() -> None:
    count = 4_000
    district = np.arange(count) % 40
    sales = pd.DataFrame(
        {
            "district": [f"D{n:02d}" for n in district],
            "city_district": [f"d{n:02d}" if n else None for n in district],
            "latitude": 59.0 + district * 0.015,
            "longitude": 18.0,
            "sold_date": pd.date_range("2015-01-01", "2016-06-30", periods=count),
        }
    )

    chosen = held_out_districts(sales, planned("unseen_districts"))

    share = district_of(sales).isin(chosen).mean()
    assert 0.07 <= share <= 0.1
    numbers = sorted(int(name[1:]) for name in chosen)
    assert (np.diff(numbers) >= 2).all()
    shuffled = sales.sample(frac=1, random_state=1)
    assert held_out_districts(shuffled, planned("unseen_districts")) == chosen


def test_in_a_market_of_few_districts_the_smallest_is_held_out(
    sales: pd.DataFrame,
) -> None:
    (chosen,) = held_out_districts(sales, planned("unseen_districts"))

    assert chosen == sales["district"].value_counts().idxmin()


def test_no_district_to_hold_out_says_what_to_do(sales: pd.DataFrame) -> None:
    with pytest.raises(SlutprisError, match="leave out the protocols of unseen"):
        held_out_districts(
            sales.assign(district="Vasastan"), planned("unseen_districts")
        )


def test_all_stands_for_every_protocol() -> None:
    assert names_in("all", PROTOCOLS, "protocol") == PROTOCOLS
    assert names_in("last_10_pct, rolling_monthly", PROTOCOLS, "protocol") == (
        "last_10_pct",
        "rolling_monthly",
    )

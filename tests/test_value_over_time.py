from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
from tiny_market import publish_market, register_model

from ml.valuation.request import ValuationRequest
from ml.valuation.value import Valuer
from ml.valuation.value_over_time import (
    days_back,
    differences_of,
    own_sales,
    value_over_time,
)

if TYPE_CHECKING:
    from warehouse.settings import Settings

HOME = ValuationRequest(
    address="Sveavägen 11", living_area_m2=50, rooms=2, date=date(2026, 10, 20)
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = publish_market(tmp_path_factory.mktemp("data"))
    register_model(settings, tmp_path_factory.mktemp("model"))
    return settings


@pytest.fixture(scope="module")
def valuer(settings: Settings) -> Valuer:
    return Valuer(settings)


def test_days_go_back_by_months_and_then_by_quarters() -> None:
    days = days_back(date(2026, 3, 31), 66)
    assert days[-3:] == [date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31)]
    assert days[:3] == [date(2020, 9, 30), date(2020, 12, 31), date(2021, 3, 31)]
    assert len(days) == 61 + 2


def test_the_curve_follows_the_market_and_ends_in_the_value(valuer: Valuer) -> None:
    curve = value_over_time(valuer, HOME, days_back(HOME.date, 24))
    assert len(curve) == 25
    assert round(curve["value_sek"].iloc[-1]) == valuer.value(HOME).value_sek
    assert curve["index_sek"].iloc[-1] == pytest.approx(curve["value_sek"].iloc[-1])
    # a square metre cost 100 SEK less in each month before
    then, now = curve["value_sek"].iloc[0], curve["value_sek"].iloc[-1]
    assert now - then == pytest.approx(50 * 24 * 100, rel=0.5)
    assert not curve["is_extrapolation"].any()


def test_each_day_is_valued_as_of_its_own(valuer: Valuer) -> None:
    day = date(2024, 5, 20)
    curve = value_over_time(valuer, HOME, [day])
    then = valuer.value(HOME.model_copy(update={"date": day}))
    assert round(curve["value_sek"].iloc[0]) == then.value_sek


def test_days_before_any_price_level_are_left_out(valuer: Valuer) -> None:
    curve = value_over_time(valuer, HOME, [date(2018, 1, 1), date(2021, 1, 1)])
    assert list(curve["date"]) == [date(2021, 1, 1)]


def test_the_curve_is_not_logged(settings: Settings) -> None:
    valuer = Valuer(settings)
    value_over_time(valuer, HOME.model_copy(update={"floor": 3}), [HOME.date])
    logged = "".join(
        path.read_text() for path in settings.forward_log_dir.rglob("*.jsonl")
    )
    assert '"floor":3.0' not in logged


def test_the_level_and_the_rest_add_up_to_every_difference(valuer: Valuer) -> None:
    valuation = valuer.value(HOME)
    found = differences_of(valuer, valuation)
    assert [each.when for each in found] == [
        "before_invasion",
        "three_years_ago",
        "one_year_ago",
        "in_one_year",
    ]
    for each in found:
        assert each.market_part_sek is not None
        assert each.rest_sek is not None
        assert each.market_part_sek + each.rest_sek == each.difference_sek
        assert each.difference_sek == each.value_sek - valuation.value_sek
    by_date = {each.when: each for each in valuation.at_other_dates}
    assert all(by_date[each.when].value_sek == each.value_sek for each in found)


def test_the_part_of_the_level_is_what_the_index_did(valuer: Valuer) -> None:
    valuation = valuer.value(HOME)
    found = {each.when: each for each in differences_of(valuer, valuation)}
    year_ago, ahead = found["one_year_ago"], found["in_one_year"]
    assert year_ago.market_part_sek is not None
    # twelve months at 100 SEK, of 58 000 SEK a square metre
    assert year_ago.market_part_sek == pytest.approx(
        -valuation.value_sek * 1200 / 58_000, rel=0.2
    )
    assert ahead.is_extrapolation
    assert not year_ago.is_extrapolation


def test_own_sales_are_those_of_the_address_and_size_up_to_the_day(
    valuer: Valuer,
) -> None:
    sold = valuer.connection().execute(
        "select address, living_area_m2, sold_date, sold_price_sek from marts.sales "
        "where street = 'Sveavägen' order by sold_date limit 1"
    )
    address, area_m2, day, price_sek = sold.fetchone() or ()
    home = ValuationRequest(address=address, living_area_m2=area_m2 + 1, date=day)
    found = own_sales(valuer, valuer.value(home))
    assert [(each.sold_date, each.sold_price_sek) for each in found] == [
        (day, price_sek)
    ]
    other = home.model_copy(update={"living_area_m2": area_m2 + 2.5})
    assert own_sales(valuer, valuer.value(other)) == []

"""Days pass on the replica: new and late sales, a level that turns, wrong prices."""

from __future__ import annotations

import math
from datetime import date, timedelta
from statistics import mean

import pytest
from running_replica import running

from scrapy_project.replica.nights import Night, Turn, fall
from scrapy_project.replica.synthetic import synthetic_market
from warehouse.errors import SlutprisError

START = date(2025, 6, 30)
TURN = Turn(first=START, days=60, pct=-15)


def test_a_turn_moves_the_level_evenly_and_then_leaves_it() -> None:
    days = (-10, 0, 30, 60, 100)
    factors = [TURN.factor(START + timedelta(days=day)) for day in days]
    assert factors == pytest.approx([1, 1, math.sqrt(0.85), 0.85, 0.85])


def test_nights_bring_new_and_late_sales_at_the_turned_level() -> None:
    market = synthetic_market(7, START, 12)
    known = set(market.by_booli_id)
    brought: list[int] = []
    for number in range(61, 91):
        day = START + timedelta(days=number)
        told = fall(market, Night(day=day, sales=6, late_sales=1, turn=TURN))
        late = [market.by_booli_id[each].sold_date for each in told["late_sales"]]
        assert {market.by_booli_id[each].sold_date for each in told["sales"]} == {day}
        assert all(day - timedelta(days=35) <= each < day for each in late)
        brought += told["sales"]
    assert not known & set(brought)
    levels = [
        sale.truth.index_sek_per_m2
        for each in brought
        if (sale := market.by_booli_id[each]).truth
    ]
    untouched = synthetic_market(7, START, 12)
    fall(untouched, Night(day=START + timedelta(days=75), sales=6))
    level = untouched.sales[0].truth
    assert level is not None
    assert mean(levels) / level.index_sek_per_m2 == pytest.approx(0.85, abs=0.01)


def test_the_same_night_falls_alike_twice() -> None:
    first, second = (synthetic_market(7, START, 12) for _ in range(2))
    night = Night(day=START + timedelta(days=1), sales=5, late_sales=2, turn=TURN)
    assert fall(first, night) == fall(second, night)
    assert first.sales == second.sales


def test_a_night_before_the_markets_day_is_refused() -> None:
    with pytest.raises(SlutprisError, match="only forwards"):
        fall(synthetic_market(7, START, 12), Night(day=START - timedelta(days=1)))


def test_the_site_is_told_of_a_night_and_of_wrong_prices() -> None:
    with running("--sales-per-month", "12") as site:
        wish = {"first": "2026-07-01", "days": 60, "pct": -15}
        told = site.control("night", day="2026-07-01", sales=4, turn=wish)
        before = {sale["booli_id"]: sale for sale in site.truth()}
        district = before[told["sales"][0]]["district"]
        wrong = site.control(
            "reprice", district=district, since="2026-07-01", factor=10
        )["sales"]
        after = {sale["booli_id"]: sale for sale in site.truth()}
        changed = [key for key in after if after[key] != before[key]]
        assert told["sales"][0] in wrong
        assert sorted(changed) == sorted(wrong)
        status, answer = site.ask("night", {"sales": 3})
    assert status == 400
    assert "expected day=YYYY-MM-DD" in answer["error"]

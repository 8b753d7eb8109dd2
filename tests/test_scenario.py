from __future__ import annotations

from datetime import date

import duckdb
import numpy as np
import pandas as pd
import pytest

from ml.valuation.scenario import (
    CAUSES,
    PERIODS_OF_YEAR,
    UNKNOWN_SD,
    Economy,
    ScenarioModel,
    economy_of,
    fitted_scenario,
    scenario_model,
)

NOW = Economy(
    {"policy_rate_pct": 2.0, "unemployment_pct": 8.0, "gdp_growth_yoy_pct": 2.0}
)


def made_up_history(
    years: int,
    *,
    trend: float = 0.04,
    rate: float = -0.05,
    unemployment: float = -0.03,
    growth: float = 0.01,
    noise: float = 0.0,
) -> pd.DataFrame:
    """Half-months whose every yearly change is what the effects say, give or take."""
    draw = np.random.default_rng(5)
    periods = years * PERIODS_OF_YEAR + PERIODS_OF_YEAR
    at = np.arange(periods)
    figures = pd.DataFrame(
        {
            "policy_rate_pct": 2 + 2 * np.sin(at / 31),
            "unemployment_pct": 7 + 1.5 * np.sin(at / 47 + 1),
            "gdp_growth_yoy_pct": 2 + 2 * np.sin(at / 19 + 2),
        }
    )
    half_month = (
        trend / PERIODS_OF_YEAR
        + growth / PERIODS_OF_YEAR * (figures["gdp_growth_yoy_pct"] - 2)
        + rate * figures["policy_rate_pct"].diff().fillna(0)
        + unemployment * figures["unemployment_pct"].diff().fillna(0)
        + draw.normal(0, noise / np.sqrt(PERIODS_OF_YEAR), periods)
    )
    level = 50_000 * np.exp(half_month.cumsum())
    return figures.assign(price_index_sek_per_m2=level)


@pytest.fixture(scope="module")
def model() -> ScenarioModel:
    return fitted_scenario(made_up_history(25, noise=0.01), NOW)


def test_effects_of_a_long_history_are_found(model: ScenarioModel) -> None:
    assert model.effects["trend"] == pytest.approx(0.04, abs=0.012)
    assert model.effects["policy_rate_pct"] == pytest.approx(-0.05, abs=0.015)
    assert model.effects["unemployment_pct"] == pytest.approx(-0.03, abs=0.015)
    assert not model.is_short


def test_an_effect_of_the_wrong_sign_is_none() -> None:
    strange = made_up_history(25, rate=0.05, unemployment=0.03, growth=-0.01)
    model = fitted_scenario(strange, NOW)
    assert model.effects["policy_rate_pct"] == pytest.approx(0)
    assert model.effects["unemployment_pct"] == pytest.approx(0)
    assert model.effects["gdp_growth_yoy_pct"] >= 0


def test_an_economy_that_stays_gives_the_trend_alone(model: ScenarioModel) -> None:
    usual = {"gdp_growth_yoy_pct": model.usual_growth_pct}
    path = model.path(usual, 24)
    assert path["log_change"].iloc[0] == 0
    assert path["log_change"].iloc[24] == pytest.approx(2 * model.effects["trend"])
    still = model.path(usual, 24, has_trend=False)
    assert still["log_change"].abs().max() == pytest.approx(0)


def test_a_higher_rate_lowers_prices_and_growth_raises_them(
    model: ScenarioModel,
) -> None:
    as_now = model.path({}, 12)["log_change"].iloc[-1]
    dearer = model.path({"policy_rate_pct": 4.0}, 12)["log_change"].iloc[-1]
    jobless = model.path({"unemployment_pct": 10.0}, 12)["log_change"].iloc[-1]
    richer = model.path({"gdp_growth_yoy_pct": 5.0}, 12)["log_change"].iloc[-1]
    assert dearer - as_now == pytest.approx(2 * model.effects["policy_rate_pct"])
    assert jobless < as_now < richer


def test_a_rate_is_reached_in_a_year_and_has_then_done_its_work(
    model: ScenarioModel,
) -> None:
    rate = model.path({"policy_rate_pct": 4.0}, 36)["policy_rate_pct"]
    assert rate[6] == pytest.approx(rate[12] / 2)
    assert rate[36] == rate[12]


def test_the_causes_add_up_to_the_change(model: ScenarioModel) -> None:
    path = model.path({"policy_rate_pct": 1.0, "unemployment_pct": 9.0}, 36)
    assert np.allclose(path[list(CAUSES)].sum(axis=1), path["log_change"])


def test_the_doubt_grows_with_the_horizon_and_with_the_step(
    model: ScenarioModel,
) -> None:
    sd = model.path({}, 36)["sd"]
    assert sd[0] == 0
    assert (sd.diff().iloc[1:] > 0).all()
    far = model.path({"policy_rate_pct": 8.0}, 36)["sd"]
    assert far[36] > sd[36]


def test_a_short_history_says_nothing_but_how_far_prices_move() -> None:
    model = fitted_scenario(made_up_history(2, noise=0.02), NOW)
    assert model.is_short
    assert set(model.effects.values()) == {0.0}
    assert model.sd >= UNKNOWN_SD
    assert model.path({"policy_rate_pct": 8.0}, 12)["log_change"].iloc[-1] == 0


@pytest.mark.parametrize("periods", [0, 1, 2, 30])
def test_hardly_any_history_breaks_nothing(periods: int) -> None:
    model = fitted_scenario(made_up_history(2).head(periods), Economy({}))
    assert model.is_short
    assert model.path({}, 12)["sd"].iloc[-1] >= UNKNOWN_SD


def test_a_figure_nobody_published_takes_no_year_from_the_others() -> None:
    history = made_up_history(25).assign(unemployment_pct=np.nan)
    model = fitted_scenario(history, Economy({"policy_rate_pct": 2.0}))
    assert model.years == 25
    assert model.effects["unemployment_pct"] == pytest.approx(0)
    assert model.effects["policy_rate_pct"] < -0.03


def marts(index_until: str) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("create schema marts")
    connection.execute(
        f"""
        create table marts.price_index as
        select
            day::date as known_from,
            50000 * exp(0.04 * date_diff('day', date '2010-01-01', day) / 365.25)
                as price_index_sek_per_m2
        from generate_series(
            date '2010-01-01', date '{index_until}', interval 15 day
        ) as days (day)
        """
    )
    return connection


def test_only_what_was_known_on_the_day_is_learnt_from() -> None:
    connection = marts("2026-01-01")
    connection.execute(
        """
        create table marts.economy (
            series varchar, value double, known_from date, valid_until date,
            is_scenario boolean
        );
        insert into marts.economy values
            ('policy_rate', 1.0, '2009-01-01', '2018-01-01', false),
            ('policy_rate', 3.0, '2018-01-01', '2020-01-01', false),
            ('policy_rate', 3.0, '2020-01-01', '9999-12-31', true),
            ('cpi_yoy', 2.0, '2009-01-01', '9999-12-31', false)
        """
    )
    assert economy_of(connection, date(2017, 6, 1)) == Economy({"policy_rate_pct": 1.0})
    assumed = economy_of(connection, date(2021, 6, 1))
    assert assumed.figures == {"policy_rate_pct": 3.0}
    assert assumed.assumed == {"policy_rate_pct"}
    early = scenario_model(connection, date(2015, 1, 1))
    assert early.years == pytest.approx(4, abs=0.2)
    assert early.effects["trend"] > 0.02


def test_a_snapshot_without_the_economy_has_a_trend_alone() -> None:
    model = scenario_model(marts("2026-01-01"), date(2026, 1, 1))
    assert model.effects["trend"] == pytest.approx(0.04, abs=0.005)
    assert model.economy.figures == {}
    assert model.path({}, 12)["log_change"].iloc[-1] == pytest.approx(0.04, abs=0.005)

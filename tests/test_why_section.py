"""The sections why, time and what if, as they are made: no browser needed."""

from __future__ import annotations

import math
import re
from datetime import date
from typing import TYPE_CHECKING

import pandas as pd
import panel as pn
import pytest
from tiny_market import publish_market, register_model

from ml.dashboards import theme
from ml.dashboards.other_days import questions_html
from ml.dashboards.over_time import Past, TimeChart, time_section
from ml.dashboards.scenario_outcome import scenario_sek
from ml.dashboards.what_if import WhatIfForm, answer_html, steps_html, what_if_section
from ml.dashboards.why import (
    comparables_table,
    reasons_html,
    sales_html,
    why_section,
)
from ml.valuation.request import ValuationRequest
from ml.valuation.scenario import FIGURES, Economy, fitted_scenario
from ml.valuation.value import Valuer
from ml.valuation.value_over_time import differences_of, value_over_time
from ml.valuation.what_if import WhatIf, ready_answers
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from ml.valuation.scenario import ScenarioModel
    from ml.valuation.valuation import Valuation
    from ml.valuation.words import Language
    from warehouse.settings import Settings

HOME = ValuationRequest(
    address="Sveavägen 11",
    living_area_m2=50,
    rooms=2,
    floor=2,
    fee_sek_per_month=2500,
    date=date(2026, 10, 20),
)
HOSTILE = "<img src=x onerror=Alert(1)>"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = publish_market(tmp_path_factory.mktemp("data"))
    register_model(settings, tmp_path_factory.mktemp("model"))
    return settings


@pytest.fixture(scope="module")
def valuer(settings: Settings) -> Valuer:
    return Valuer(settings)


@pytest.fixture(scope="module")
def valuation(valuer: Valuer) -> Valuation:
    return valuer.value(HOME)


@pytest.fixture(scope="module")
def scenario() -> ScenarioModel:
    rates = [2 + math.sin(n / 20) for n in range(200)]
    history = pd.DataFrame(
        {
            "price_index_sek_per_m2": [
                50_000 * 1.002**n * math.exp(-0.04 * rate)
                for n, rate in enumerate(rates)
            ],
            "policy_rate_pct": rates,
            "unemployment_pct": [7.0] * 200,
            "gdp_growth_yoy_pct": [2.0] * 200,
        }
    )
    return fitted_scenario(
        history,
        Economy(
            {
                "policy_rate_pct": 1.75,
                "unemployment_pct": 8.7,
                "gdp_growth_yoy_pct": 2.0,
            },
            frozenset({"policy_rate_pct"}),
        ),
    )


def amounts(html: str) -> list[int]:
    """Read every amount in SEK of a table, in order."""
    found = re.findall(r"([+\u2212]?[0-9\u00a0]+)\u00a0kr<", html)
    plain = (text.replace(theme.NBSP, "").replace(theme.MINUS, "-") for text in found)
    return [int(text) for text in plain]


def html_of(view: pn.viewable.Viewable) -> str:
    return " ".join(
        str(pane.object)
        for pane in view.select(pn.pane.HTML)
        if isinstance(pane, pn.pane.HTML)
    )


@pytest.mark.parametrize("language", ["sv", "en"])
def test_the_reasons_shown_add_up_to_the_value(
    valuer: Valuer, valuation: Valuation, language: Language
) -> None:
    explanation = valuer.explanation(valuation, language)
    assert explanation is not None
    base, *parts, total = amounts(reasons_html(explanation, valuation.place, language))
    assert base + sum(parts) == total == valuation.value_sek
    assert [abs(part) for part in parts] == sorted(map(abs, parts), reverse=True)


def test_reasons_are_told_in_the_language_asked_for(
    valuer: Valuer, valuation: Valuation
) -> None:
    swedish = html_of(why_section(valuation, valuer, "sv"))
    english = html_of(why_section(valuation, valuer, "en"))
    assert "Sveavägen, Vasastan" in swedish
    assert "Läge" in swedish
    assert "Place" in english
    assert "Läge" not in english


def test_weights_times_adjusted_prices_give_the_estimate(valuation: Valuation) -> None:
    assert valuation.comparables_estimate is not None
    table = comparables_table(valuation, "sv")
    assert table["Vikt"].sum() == pytest.approx(1)
    assert (table["Vikt"] * table["Omräknat pris"]).sum() == pytest.approx(
        valuation.comparables_estimate.estimate_sek, abs=1
    )


def test_the_rows_shown_and_the_rest_add_up_to_the_whole(valuation: Valuation) -> None:
    estimate = valuation.comparables_estimate
    assert estimate is not None
    html = sales_html(valuation, estimate, "sv")
    weights = re.findall(r"([0-9]+,[0-9])\u00a0%</td>", html)
    *parts, total = (float(each.replace(",", ".")) for each in weights)
    assert total == 100
    assert sum(parts) == pytest.approx(100, abs=0.05 * len(parts))
    assert f"blir {theme.sek(estimate.estimate_sek)}." in html


def test_what_was_scraped_is_never_markup(valuation: Valuation) -> None:
    sale = valuation.comparables[0].model_copy(
        update={"address": HOSTILE, "url": 'javascript:alert("x")'}
    )
    sales = [sale, *valuation.comparables[1:]]
    hostile = valuation.model_copy(update={"comparables": sales})
    assert hostile.comparables_estimate is not None
    html = sales_html(hostile, hostile.comparables_estimate, "sv")
    assert "<img" not in html
    assert "javascript:" not in html
    assert "&lt;img" in html


def test_a_home_without_comparables_says_so(
    valuer: Valuer, valuation: Valuation
) -> None:
    lonely = valuation.model_copy(
        update={"comparables": [], "comparables_estimate": None, "explanation": None}
    )
    html = html_of(why_section(lonely, valuer, "sv"))
    assert "Inga tidigare försäljningar" in html
    assert "kan inte dela upp sitt värde" in html


def test_the_map_needs_no_internet_until_it_is_asked_to(
    valuer: Valuer, valuation: Valuation
) -> None:
    section = why_section(valuation, valuer, "sv")
    (switch,) = section.select(lambda each: type(each).__name__ == "Switch")

    def tiles() -> list[str]:
        (pane,) = section.select(pn.pane.Bokeh)
        return [type(each).__name__ for each in pane.object.renderers]

    assert "TileRenderer" not in tiles()
    switch.value = True
    assert "TileRenderer" in tiles()


def test_the_questions_are_answered_in_parts_that_add_up(
    valuer: Valuer, valuation: Valuation
) -> None:
    html = questions_html(differences_of(valuer, valuation), "sv")
    found = amounts(html)
    assert len(found) == 4 * 6
    for value, difference, level, rest, *on_a_phone in zip(
        *[iter(found)] * 6, strict=True
    ):
        assert level + rest == difference == value - valuation.value_sek
        assert on_a_phone == [level, rest]
    assert "För tre år sedan" in html
    assert html.count("se scenariot") == 1


def test_the_time_section_is_drawn_when_its_months_are_found(
    valuer: Valuer, valuation: Valuation
) -> None:
    section = time_section(valuation, valuer, "en")
    html = html_of(section)
    assert "A scenario, not a forecast" in html
    assert "Three years ago" in html
    assert "Working out" not in html
    assert len(section.select(pn.pane.Bokeh)) == 1


def test_a_closed_valuer_is_told_in_the_parts_place(
    settings: Settings, valuation: Valuation
) -> None:
    closed = Valuer(settings)
    closed.served_model("xgboost")
    closed.close()
    html = html_of(time_section(valuation, closed, "sv"))
    assert html.count("newer data are published") == 2


@pytest.fixture
def chart(valuer: Valuer, valuation: Valuation, scenario: ScenarioModel) -> TimeChart:
    days = [date(2026, month, 20) for month in range(1, 11)]
    past = Past(value_over_time(valuer, HOME, days), [])
    return TimeChart(valuation, past, scenario, "sv")


def last_of_scenario(chart: TimeChart) -> float:
    return chart._chart.figure.renderers[-1].data_source.data["y"][-1]


def test_a_slider_moves_the_scenario_alone(chart: TimeChart) -> None:
    drawn = chart._chart.figure.renderers
    past = {n: dict(each.data_source.data) for n, each in enumerate(drawn[:-2])}
    before, text = last_of_scenario(chart), chart._outcome.object
    chart._sliders["policy_rate_pct"].value += 2
    assert last_of_scenario(chart) != before
    assert chart._outcome.object != text
    assert {n: dict(each.data_source.data) for n, each in enumerate(drawn[:-2])} == past
    chart._reset()
    assert last_of_scenario(chart) == pytest.approx(before)


def test_the_scenario_starts_in_the_value_and_reaches_as_far_as_asked(
    chart: TimeChart, valuation: Valuation
) -> None:
    chart._horizon.value = 36
    months = chart._ahead.months
    assert months["value_sek"].iloc[0] == valuation.value_sek
    assert months["date"].iloc[-1] == date(2029, 10, 20)
    assert months["low_sek"].iloc[0] == pytest.approx(valuation.low_sek)
    widths = months["high_sek"] / months["low_sek"]
    assert widths.is_monotonic_increasing


def test_the_causes_of_the_scenario_add_up_in_whole_thousands(chart: TimeChart) -> None:
    chart._sliders["policy_rate_pct"].value = 3.0
    *parts, total = amounts(chart._outcome.object)
    assert sum(parts) == total != 0
    assert all(part % 1000 == 0 for part in parts)


def test_sliders_start_where_the_economy_stands(chart: TimeChart) -> None:
    assert {name: each.value for name, each in chart._sliders.items()} == {
        "policy_rate_pct": 1.75,
        "unemployment_pct": 8.7,
        "gdp_growth_yoy_pct": 2.0,
    }
    said = " ".join(str(each.object) for each in chart._notices())
    assert "antas gälla ännu: styrräntan." in said
    assert "arbetslösheten" in said


def test_without_history_or_figures_the_scenario_still_shows(
    valuation: Valuation,
) -> None:
    columns = ["price_index_sek_per_m2", *FIGURES]
    model = fitted_scenario(pd.DataFrame(columns=columns), Economy({}))
    ahead = scenario_sek(valuation, model, {}, 12)
    assert ahead.months["value_sek"].iloc[-1] == valuation.value_sek
    past = Past(
        pd.DataFrame(
            {
                "date": [HOME.date],
                "value_sek": [float(valuation.value_sek)],
                "low_sek": [float("nan")],
                "high_sek": [float("nan")],
                "index_sek": [float(valuation.value_sek)],
                "is_extrapolation": [False],
            }
        ),
        [],
    )
    view = TimeChart(valuation, past, model, "sv").view()
    assert "För få års priser är kända" in html_of(view)


def test_the_changes_tried_unasked_stand_in_a_table(
    valuer: Valuer, valuation: Valuation
) -> None:
    html = steps_html(valuation, ready_answers(valuer, HOME), "sv")
    assert "Våning 5 i stället för 2" in html
    assert "Avgift 2\u00a0000 i stället för 2\u00a0500\u00a0kr/mån" in html
    assert html.count("<tr>") == 1 + 7
    assert "Boarea 55 i stället för 50\u00a0m²" in html_of(
        what_if_section(valuation, valuer, "sv")
    )


def test_a_changed_field_is_a_change_and_an_unchanged_one_is_not(
    valuer: Valuer, valuation: Valuation
) -> None:
    form = WhatIfForm(valuation, valuer, "sv")
    assert form.changes() == {}
    form.fields["living_area_m2"].value_input = "60,5"
    form.fields["fee_sek_per_month"].value_input = "3\u00a0100"
    assert form.changes() == {"living_area_m2": 60.5, "fee_sek_per_month": 3100}


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("99", "Våning ska vara \u22123–35."),
        ("hög", "Våning ska vara ett tal."),
        ("nan", "Våning ska vara"),
    ],
)
def test_a_bad_field_is_told_in_words(
    valuer: Valuer, valuation: Valuation, typed: str, said: str
) -> None:
    form = WhatIfForm(valuation, valuer, "sv")
    form.fields["floor"].value_input = typed
    with pytest.raises(SlutprisError, match=re.escape(said)):
        form.changes()


def test_the_answer_says_value_difference_and_percent() -> None:
    html = answer_html(WhatIf({"floor": 3}, 3_300_000, 50_000, 1.54), "sv")
    assert (
        "värd 3\u00a0300\u00a0000\u00a0kr: +50\u00a0000\u00a0kr (+1,5\u00a0%)" in html
    )
    english = answer_html(WhatIf({"floor": 3}, 3_300_000, -50_000, -1.54), "en")
    assert "\u221250\u00a0000\u00a0kr (\u22121.5%)" in english

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest
from tiny_market import PARAMETERS, publish_market, register_model

from ml.dashboards import theme
from ml.dashboards.answer import (
    ModelAnswer,
    answer_html,
    listed_html,
    models_html,
    no_listed_model_html,
)
from ml.dashboards.charts import nice_ticks
from ml.dashboards.city import City, read_city
from ml.dashboards.shared_link import read_link, write_link
from ml.dashboards.store import HomeForm, as_number, problem_texts
from ml.dashboards.written import fact_text, floor_text, titled
from ml.valuation.boosted_model import XGBoostModel
from ml.valuation.request import InvalidRequestError
from ml.valuation.value import Valuer

if TYPE_CHECKING:
    from ml.valuation.request import ModelName
    from ml.valuation.valuation import Valuation
    from ml.valuation.words import Language


@pytest.fixture(scope="module")
def valuer(tmp_path_factory: pytest.TempPathFactory) -> Valuer:
    settings = publish_market(tmp_path_factory.mktemp("data"))
    register_model(settings, tmp_path_factory.mktemp("model"))
    listed = XGBoostModel(parameters=PARAMETERS, mode="listed")
    register_model(settings, tmp_path_factory.mktemp("listed"), listed)
    return Valuer(settings)


@pytest.fixture(scope="module")
def facts(valuer: Valuer) -> City:
    return read_city(valuer.connection())


def filled_form(**fields: object) -> HomeForm:
    home = {
        "address": "Sveavägen 11",
        "living_area_m2": "50",
        "date": date(2024, 6, 15),
    }
    return HomeForm(**(home | fields))


def valued(valuer: Valuer, **fields: object) -> Valuation:
    return valuer.value(filled_form(**fields).asked().request)


# Numbers and facts in words


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (theme.sek(3_250_000), "3\u00a0250\u00a0000\u00a0kr"),
        (theme.sek(3_254_999, 10_000), "3\u00a0250\u00a0000\u00a0kr"),
        (theme.number(-1234.5, 1), "\u22121\u00a0234,5"),
        (theme.plain(52.50), "52,5"),
        (theme.plain(100), "100"),
        (theme.million_sek(5_060_000), "5,1\u00a0mkr"),
        (theme.signed(3.25, 1), "+3,2"),
        (theme.signed(-0.04, 1), "0,0"),
        (theme.month(date(2026, 10, 1)), "okt 2026"),
    ],
)
def test_numbers_are_written_as_swedish_does(written: str, expected: str) -> None:
    assert written == expected


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("52,5", "52.5"),
        (" 3 200 kr/mån", "3200"),
        ("3\u00a0200 kr", "3200"),
        ("52 m²", "52"),
        ("\u22121", "-1"),
        ("", ""),
        ("3 tr", "3"),
        ("bv", "0"),
        ("stor", "stor"),
    ],
)
def test_a_number_is_read_as_it_is_typed(typed: str, read: str) -> None:
    assert as_number(typed) == read


@pytest.mark.parametrize(
    ("language", "written"), [("sv", "3\u00a0tr"), ("en", "floor\u00a03")]
)
def test_a_floor_is_written_in_both_languages(language: Language, written: str) -> None:
    assert floor_text(3, language) == written


def test_facts_are_written_with_their_units() -> None:
    assert fact_text("living_area_m2", 52.5, "sv") == "52,5\u00a0m²"
    assert fact_text("fee_sek_per_month", 3120, "sv") == "3\u00a0120\u00a0kr/mån"
    assert fact_text("fee_sek_per_month", 3120, "en") == "3\u00a0120\u00a0kr/month"
    assert fact_text("construction_year", 1929, "en") == "1929"
    assert fact_text("rooms", 1, "en") == "1\u00a0room"


def test_a_name_without_capitals_gets_them() -> None:
    assert titled("anders reimers väg 4") == "Anders Reimers Väg 4"
    assert titled("Gamla stan") == "Gamla stan"
    assert titled(None, "en") == "unknown area"


# The form


def test_a_filled_form_asks_for_the_home_before_listing() -> None:
    asked = filled_form(rooms="2,5", floor="BV").asked()
    assert (asked.request.rooms, asked.request.floor) == (2.5, 0)
    assert asked.listed is None


def test_an_asking_price_asks_for_the_home_as_listed_too() -> None:
    asked = filled_form(list_price_sek="2 995 000 kr").asked()
    assert asked.request.mode == "before_listing"
    assert asked.request.list_price_sek is None
    assert asked.listed is not None
    assert asked.listed.mode == "listed"
    assert asked.listed.list_price_sek == 2_995_000


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("living_area_m2", "5", "Boarea ska vara 10–800\u00a0m², du skrev 5."),
        ("living_area_m2", "", "Boarea saknas."),
        ("living_area_m2", "stor", "Boarea ska vara ett tal, du skrev ”stor”."),
        ("rooms", "25", "Antal rum ska vara 1–20, du skrev 25."),
        ("floor", "-4", "Våning ska vara \u22123–35, du skrev \u22124."),
        (
            "fee_sek_per_month",
            "70 000",
            "Avgift ska vara 0–60\u00a0000\u00a0kr/mån, du skrev 70\u00a0000.",
        ),
        (
            "list_price_sek",
            "9",
            "Utgångspris ska vara 150\u00a0000–150\u00a0000\u00a0000\u00a0kr, "
            "du skrev 9.",
        ),
        ("address", "", "Adress saknas."),
        ("address", "Sveavägen 999", "Gatunumret ska vara 0–500, du skrev 999."),
    ],
)
def test_a_bad_field_is_refused_in_plain_swedish(
    field: str, typed: str, said: str
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        filled_form(**{field: typed}).asked()
    assert list(problem_texts(refused.value, "sv").values()) == [said]


def test_a_bad_field_is_refused_in_plain_english() -> None:
    with pytest.raises(InvalidRequestError) as refused:
        filled_form(living_area_m2="5", rooms="many").asked()
    assert problem_texts(refused.value, "en") == {
        "living_area_m2": "Living area must be 10–800\u00a0m², you wrote 5.",
        "rooms": "Rooms must be a number, you wrote “many”.",
    }


def test_ten_thousand_characters_are_refused_in_a_short_message() -> None:
    with pytest.raises(InvalidRequestError) as refused:
        filled_form(rooms="x" * 10_000).asked()
    assert len(problem_texts(refused.value, "sv")["rooms"]) < 300


# Links


def opened(link: str) -> HomeForm:
    arguments = {
        name: [text.encode() for text in texts]
        for name, texts in parse_qs(link.removeprefix("?")).items()
    }
    form = HomeForm()
    form.fill_from_link(read_link(arguments))
    return form


def test_a_link_holds_the_whole_form() -> None:
    form = filled_form(
        rooms="2,5", list_price_sek="2 995 000", agency="Notar & Co", model="blend"
    )
    again = opened(write_link(form.link_fields(), "en"))
    assert again.asked() == form.asked()


def test_what_a_link_says_wrongly_is_refused_like_what_is_typed() -> None:
    form = opened(
        "?address=Sveavägen+11&living_area_m2=stor&date=2024-99-99&model=oracle&x=1"
    )
    with pytest.raises(InvalidRequestError) as refused:
        form.asked()
    said = problem_texts(refused.value, "sv")
    assert said["living_area_m2"] == "Boarea ska vara ett tal, du skrev ”stor”."
    assert said["date"] == "Värderingsdatum ska vara ett datum, du skrev ”2024-99-99”."
    assert said["model"] == (
        "Modellen ”oracle” finns inte. Välj en av XGBoost, AutoGluon, Blandning."
    )


def test_a_link_that_is_no_text_is_read_all_the_same() -> None:
    assert read_link({"address": [b"\xff\xfe"], "other": [b"1"]}) == {
        "address": "\ufffd\ufffd"
    }


# The answer


def test_the_answer_shows_value_range_class_and_date(
    valuer: Valuer, facts: City
) -> None:
    valuation = valued(valuer)
    html = answer_html(valuation, facts, "sv")
    assert theme.number(round(valuation.value_sek, -4)) in html
    assert theme.number(round(valuation.low_sek or 0, -4)) in html
    assert "Värde 2024-06-15" in html
    assert "Något osäker" in html
    assert "klass 3 av 7" in html
    assert html.count('<i class="on">') == 3
    assert "Två av tre bostäder säljs inom 15 % av värdet." in html


def test_the_value_per_m2_follows_from_the_value_as_it_is_written(
    valuer: Valuer, facts: City
) -> None:
    valuation = valued(valuer)
    off = valuation.model_copy(update={"value_sek": 3_004_999})
    written_sek = 3_000_000 / valuation.request.living_area_m2
    assert theme.sek(written_sek, 100) in answer_html(off, facts, "sv")


def test_the_value_of_a_listed_home_says_that_it_is_without_the_price(
    valuer: Valuer, facts: City
) -> None:
    html = answer_html(valued(valuer), facts, "sv", is_listed=True)
    assert "Värde 2024-06-15 före annons; med utgångspriset" in html


def test_the_answer_is_given_in_english_with_swedish_amounts(
    valuer: Valuer, facts: City
) -> None:
    valuation = valued(valuer, floor="3")
    html = answer_html(valuation, facts, "en")
    assert "Somewhat uncertain" in html
    assert "floor\u00a03" in html
    assert theme.number(round(valuation.value_sek, -4)) in html


def test_a_refused_value_is_not_shown_big_but_its_reason_is(
    valuer: Valuer, facts: City
) -> None:
    html = answer_html(valued(valuer, living_area_m2="700"), facts, "sv")
    assert "Ingen värdering" in html
    assert "Ingen såld bostad som vi känner till är så stor" in html
    assert 'class="value' not in html
    assert "Nio av tio" not in html


def test_an_address_that_is_not_known_says_where_it_was_placed(
    valuer: Valuer, facts: City
) -> None:
    html = answer_html(valued(valuer, address="Sveavägen 400"), facts, "en")
    assert "Placed at the middle of the street, ± 500 m." in html


def test_a_date_beyond_the_index_is_told(valuer: Valuer, facts: City) -> None:
    html = answer_html(valued(valuer, date=date(2027, 6, 1)), facts, "sv")
    assert "Prisnivån är känd till och med okt 2026." in html


def test_what_a_visitor_types_is_escaped(valuer: Valuer, facts: City) -> None:
    valuation = valued(valuer, address="Sveavägen 11 <img src=x>")
    place = {"address": None, "district": "<script>"}
    spoilt = valuation.model_copy(update={"place": replace(valuation.place, **place)})
    html = answer_html(spoilt, facts, "sv")
    assert "<img" not in html
    assert "<script" not in html


def test_models_stand_side_by_side_whether_ready_or_not(valuer: Valuer) -> None:
    valuation = valued(valuer)
    html = models_html(
        [
            ModelAnswer("xgboost", valuation),
            ModelAnswer("autogluon"),
            ModelAnswer("blend", problem="its files are <not> what was registered"),
        ],
        "xgboost",
        "sv",
    )
    assert html.count("<li") == 3
    assert theme.number(valuation.latency_ms / 1000, 2) in html
    assert html.count("räknar …") == 1
    assert "&lt;not&gt;" in html


def test_a_reason_to_refuse_is_told_once_unless_models_differ(valuer: Valuer) -> None:
    answered, refused = valued(valuer), valued(valuer, living_area_m2="700")
    reason = "Ingen såld bostad"

    def side_by_side(*valuations: Valuation) -> str:
        names: tuple[ModelName, ...] = ("xgboost", "autogluon")
        answers = map(ModelAnswer, names, valuations)
        return models_html(list(answers), "xgboost", "sv")

    assert side_by_side(refused, refused).count("Ingen värdering") == 2
    assert reason not in side_by_side(refused, refused)
    assert reason in side_by_side(answered, refused)


def test_an_asking_price_shows_both_values_and_their_gaps(valuer: Valuer) -> None:
    asked = filled_form(list_price_sek="2 500 000").asked()
    assert asked.listed is not None
    before, once_listed = valuer.value(asked.request), valuer.value(asked.listed)
    html = listed_html(before, once_listed, 2_500_000, "sv")
    assert "Före annons" in html
    assert "När den är annonserad" in html
    assert html.count("över utgångspriset") == 2
    assert html.count('class="asked"') == 2


def test_without_a_model_of_listed_homes_that_is_said() -> None:
    html = no_listed_model_html("blend_listed", 2_500_000, "en")
    assert "not registered (blend_listed)" in html


def test_ticks_are_round_and_enclose_the_values() -> None:
    assert nice_ticks(4.4, 6.9) == [4, 4.5, 5, 5.5, 6, 6.5, 7]
    assert nice_ticks(0, 1830) == [0, 500, 1000, 1500, 2000]
    assert len(nice_ticks(5.0, 5.0)) >= 2

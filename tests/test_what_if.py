from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
from tiny_market import publish_market, register_model

from ml.valuation.places import AddressNotFoundError
from ml.valuation.request import ValuationRequest
from ml.valuation.value import Valuer
from ml.valuation.what_if import differences, ready_answers

if TYPE_CHECKING:
    from warehouse.settings import Settings

HOME = ValuationRequest(
    address="Sveavägen 11",
    living_area_m2=50,
    rooms=2,
    floor=2,
    fee_sek_per_month=2500,
    date=date(2024, 6, 15),
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = publish_market(tmp_path_factory.mktemp("data"))
    register_model(settings, tmp_path_factory.mktemp("model"))
    return settings


@pytest.fixture(scope="module")
def valuer(settings: Settings) -> Valuer:
    return Valuer(settings)


def test_a_larger_home_is_worth_what_it_is_valued_at(valuer: Valuer) -> None:
    (larger,) = differences(valuer, HOME, [{"living_area_m2": 60}])
    wanted = valuer.value(HOME.model_copy(update={"living_area_m2": 60})).value_sek
    now = valuer.value(HOME).value_sek
    assert larger.value_sek == wanted
    assert larger.difference_sek == wanted - now
    assert larger.difference_pct == pytest.approx(100 * (wanted / now - 1), abs=0.01)
    # a fifth more of it, at 55 300 SEK a square metre
    assert larger.difference_sek == pytest.approx(10 * 55_300, rel=0.15)


def test_no_change_makes_no_difference(valuer: Valuer) -> None:
    (same,) = differences(valuer, HOME, [{"floor": 2}])
    assert same.difference_sek == 0


def test_what_is_out_of_range_has_no_answer_and_spoils_no_other(
    valuer: Valuer,
) -> None:
    high, larger = differences(valuer, HOME, [{"floor": 99}, {"living_area_m2": 60}])
    assert high.value_sek is None
    assert high.difference_sek is None
    assert larger.difference_sek is not None
    assert larger.difference_sek > 0


def test_what_is_only_wondered_about_is_not_logged(settings: Settings) -> None:
    # a valuer of its own, for the log's folder is made at the first record
    valuer = Valuer(settings)
    before = sorted(settings.forward_log_dir.rglob("*.jsonl"))
    lengths = [path.stat().st_size for path in before]
    differences(valuer, HOME, [{"floor": 3}])
    ready_answers(valuer, HOME)
    after = sorted(settings.forward_log_dir.rglob("*.jsonl"))
    assert [path.stat().st_size for path in after] == lengths
    valuer.value(HOME)
    assert sum(
        path.stat().st_size for path in settings.forward_log_dir.rglob("*.jsonl")
    ) > sum(lengths)


def test_floor_fee_and_area_are_tried_unasked(valuer: Valuer) -> None:
    answers = ready_answers(valuer, HOME)
    assert [each.changes for each in answers.what_ifs] == [
        {"floor": 1},
        {"floor": 3},
        {"floor": 5},
        {"fee_sek_per_month": 2000},
        {"fee_sek_per_month": 3000},
        {"living_area_m2": 45},
        {"living_area_m2": 55},
    ]
    assert answers.assumed == {}
    smaller, larger = answers.what_ifs[-2:]
    assert smaller.difference_sek is not None
    assert larger.difference_sek is not None
    assert smaller.difference_sek < 0 < larger.difference_sek


def test_a_step_starts_from_what_was_assumed(valuer: Valuer) -> None:
    bare = ValuationRequest(
        address="Sveavägen 11", living_area_m2=50, fee_sek_per_month=200, date=HOME.date
    )
    answers = ready_answers(valuer, bare)
    assert answers.assumed == {"rooms": 2}
    # no fee below nothing, and no floor where none is known nor assumed
    assert [each.changes for each in answers.what_ifs] == [
        {"fee_sek_per_month": 700},
        {"living_area_m2": 45},
        {"living_area_m2": 55},
    ]


def test_an_unknown_address_is_an_error(valuer: Valuer) -> None:
    nowhere = HOME.model_copy(update={"address": "Ingenstansgatan 1"})
    with pytest.raises(AddressNotFoundError):
        differences(valuer, nowhere, [{"floor": 3}])

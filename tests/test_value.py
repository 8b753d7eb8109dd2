from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from typing import TYPE_CHECKING

import duckdb
import pandas as pd
import pytest
from tiny_market import PARAMETERS, publish_market, register_model

from ml.valuation.boosted_model import BlendModel, XGBoostModel
from ml.valuation.forward_log import read_log
from ml.valuation.places import AddressNotFoundError, build_gazetteer
from ml.valuation.price_levels import other_dates
from ml.valuation.request import InvalidRequestError, ValuationRequest
from ml.valuation.serving_path import HomeAtDate, ServingPath
from ml.valuation.value import Valuer
from ml.valuation.value_command import main
from warehouse.errors import SlutprisError
from warehouse.serving import open_snapshot
from warehouse.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = publish_market(tmp_path_factory.mktemp("data"))
    register_model(settings, tmp_path_factory.mktemp("first"), mdape_pct=9.0)
    register_model(settings, tmp_path_factory.mktemp("second"), mdape_pct=1.0)
    register_model(settings, tmp_path_factory.mktemp("third"))
    blend = BlendModel(parameters=PARAMETERS)
    register_model(settings, tmp_path_factory.mktemp("blend"), blend)
    listed = XGBoostModel(parameters=PARAMETERS, mode="listed")
    register_model(settings, tmp_path_factory.mktemp("listed"), listed)
    return settings


@pytest.fixture(scope="module")
def valuer(settings: Settings) -> Valuer:
    return Valuer(settings)


def request(**fields: object) -> ValuationRequest:
    home = {"address": "Sveavägen 11", "living_area_m2": 50, "date": "2024-06-15"}
    return ValuationRequest.of(**(home | fields))


def test_a_home_is_worth_its_area_at_the_level_of_its_street(valuer: Valuer) -> None:
    # the index of May 2024, 52 months after January 2020, is known on 2024-06-15
    valuation = valuer.value(request())
    assert valuation.value_sek == pytest.approx(50 * 55_200, rel=0.03)
    assert valuation.value_sek_per_m2 == round(valuation.value_sek / 50)
    assert valuation.price_index_period_start == date(2024, 5, 1)
    assert not valuation.is_extrapolation
    half = valuer.value(request(address="Hornsgatan 11"))
    assert half.value_sek == pytest.approx(valuation.value_sek / 2, rel=0.02)


def test_values_at_other_dates_follow_the_index(valuer: Valuer) -> None:
    valuation = valuer.value(request())
    others = {value.when: value for value in valuation.at_other_dates}
    assert {when: value.date for when, value in others.items()} == {
        "three_years_ago": date(2021, 6, 15),
        "before_invasion": date(2022, 2, 23),
        "one_year_ago": date(2023, 6, 15),
        "in_one_year": date(2025, 6, 15),
    }
    year_ago = others["one_year_ago"]
    assert year_ago.value_sek == pytest.approx(50 * 54_000, rel=0.03)
    assert year_ago.difference_sek == pytest.approx(-50 * 1_200, rel=0.1)
    assert year_ago.difference_pct == pytest.approx(-2.2, abs=0.15)


def test_dates_beyond_the_known_index_are_marked(valuer: Valuer) -> None:
    # the index of October 2026 serves November; December's own is not known
    valuation = valuer.value(request(date="2026-11-30"))
    assert not valuation.is_extrapolation
    others = {value.when: value for value in valuation.at_other_dates}
    assert others["in_one_year"].is_extrapolation
    assert not others["one_year_ago"].is_extrapolation
    assert valuer.value(request(date="2026-12-01")).is_extrapolation
    assert valuer.value(request(date="2020-01-31")).is_extrapolation


def test_what_is_assumed_of_the_economy_is_named(valuer: Valuer) -> None:
    assert valuer.value(request(date="2026-10-31")).assumed_economy == []
    assert valuer.value(request(date="2026-11-01")).assumed_economy == ["cpi_yoy_pct"]


def test_the_newest_version_is_served_and_not_the_least_error(valuer: Valuer) -> None:
    assert valuer.value(request()).model_version == 3


def test_the_value_has_a_range_and_says_how_sure_it_is(valuer: Valuer) -> None:
    valuation = valuer.value(request())
    assert valuation.low_sek is not None
    assert valuation.high_sek is not None
    assert valuation.low_sek < valuation.value_sek < valuation.high_sek
    assert valuation.refusal_reason is None
    # no street has a history in this market: the evidence is thin, and so is the class
    assert valuation.confidence_class == 3
    assert valuation.fsd_pct == pytest.approx(13.6, abs=0.1)


def test_a_model_of_few_sales_gives_no_range(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    settings = publish_market(tmp_path / "data")
    register_model(settings, tmp_path, sale_count=80)
    valuation = Valuer(settings).value(request())
    assert valuation.value_sek > 0
    assert valuation.low_sek is None
    assert valuation.high_sek is None
    assert valuation.confidence_class is None


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"living_area_m2": 700}, "area_outside_data"),
        ({"date": "2015-01-01"}, "no_comparables_and_no_index"),
    ],
)
def test_a_refused_home_says_why(
    valuer: Valuer, fields: dict[str, object], reason: str
) -> None:
    refused = valuer.value(request(**fields))
    assert refused.refusal_reason == reason
    assert refused.confidence_class == 0
    assert refused.low_sek is None
    assert refused.high_sek is None


def test_the_comparables_are_earlier_and_heaviest_first(valuer: Valuer) -> None:
    valuation = valuer.value(request())
    sales = valuation.comparables
    assert 0 < len(sales) <= 50
    assert all(sale.sold_date < date(2024, 6, 15) for sale in sales)
    assert sales[0].district == "Vasastan"
    shares = [sale.weight_share_pct for sale in sales]
    assert shares == sorted(shares, reverse=True)
    # prices are index x area x street, so freed of all that each sale is the value,
    # but for effects that are held back as far as sales are few
    heavy = [sale.adjusted_price_sek for sale in sales if sale.weight_share_pct > 1]
    assert heavy == pytest.approx([valuation.value_sek] * len(heavy), rel=0.08)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"model": "blend", "rooms": 2, "floor": 3, "fee_sek_per_month": 2500},
        {"mode": "listed", "list_price_sek": 2_500_000},
        {"address": "Södermalm", "living_area_m2": 31},
        {"date": "2020-01-15"},
    ],
)
def test_what_a_value_rests_on_adds_up_to_the_krona(
    valuer: Valuer, fields: dict[str, object]
) -> None:
    valuation = valuer.value(request(**fields))
    explanation, estimate = valuation.explanation, valuation.comparables_estimate
    assert explanation is not None
    parts = sum(each.value_sek for each in explanation.contributions)
    assert explanation.base_sek + parts == pytest.approx(valuation.value_sek, abs=1)
    if estimate is None:
        return
    shown = {sale.sale_id: sale.weight_share_pct for sale in valuation.comparables}
    weighed = {sale.sale_id: 100 * sale.weight for sale in estimate.sales}
    assert shown == pytest.approx(weighed, abs=0.05)
    mean = sum(sale.weight * sale.adjusted_price_sek for sale in estimate.sales)
    mean += estimate.no_evidence_weight * estimate.usual_price_sek
    assert mean == pytest.approx(estimate.estimate_sek, abs=1)
    moved = sum(sale.contribution_sek for sale in estimate.sales)
    assert estimate.usual_price_sek + moved == estimate.estimate_sek


def test_before_there_were_sales_enough_a_home_is_valued_all_the_same(
    valuer: Valuer,
) -> None:
    # fewer than 200 sales: no hedonic features, no comparables, but an index
    valuation = valuer.value(request(date="2020-06-15"))
    assert valuation.comparables == []
    assert valuation.value_sek == pytest.approx(50 * 50_400, rel=0.5)


def test_a_listed_home_leans_on_its_asking_price(valuer: Valuer) -> None:
    def value(list_price_sek: int) -> int:
        asked = request(mode="listed", list_price_sek=list_price_sek)
        return valuer.value(asked).value_sek

    # homes here are asked for at nine tenths of what they fetch
    assert value(2_484_000) == pytest.approx(2_760_000, rel=0.02)
    assert value(2_000_000) < value(2_484_000) < value(3_000_000)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"mode": "listed"}, "mode listed needs the asking price, list_price_sek"),
        ({"list_price_sek": 3_000_000}, "list_price_sek was given, but the mode is"),
        ({"mode": "sold"}, "mode was 'sold'"),
    ],
)
def test_the_modes_are_never_mixed_by_accident(
    fields: dict[str, object], said: str
) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        request(**fields)


def test_each_valuation_is_logged_once(settings: Settings, valuer: Valuer) -> None:
    before = len(read_log(settings.forward_log_dir).records)
    valuation = valuer.value(request())
    valuer.value_many([request(), request(address="Okändgatan 1")])
    records = read_log(settings.forward_log_dir).records[before:]
    assert [each["value_sek"] for each in records] == [valuation.value_sek] * 2
    assert records[0]["snapshot_id"] == valuation.snapshot_id
    assert records[0]["model_version"] == 3
    assert records[0]["confidence_class"] == valuation.confidence_class


def test_a_home_with_nothing_sold_before_has_no_comparables(valuer: Valuer) -> None:
    assert valuer.value(request(date="2019-06-15")).comparables == []


@pytest.mark.parametrize(
    ("written", "level", "district"),
    [
        ("Sveavägen 11", "address", "Vasastan"),
        ("sveavagen 11", "address", "Vasastan"),
        ("  SVEAVÄGEN   11 B, 3 tr", "address", "Vasastan"),
        ("Sveavägen 200", "street", "Vasastan"),
        ("Sveavägen", "street", "Vasastan"),
        ("södermalm", "district", "Södermalm"),
    ],
)
def test_an_address_is_found_however_it_is_written(
    valuer: Valuer, written: str, level: str, district: str
) -> None:
    place = valuer.value(request(address=written)).place
    assert (place.level, place.district) == (level, district)


def test_an_unknown_address_gets_the_nearest_spellings(valuer: Valuer) -> None:
    with pytest.raises(AddressNotFoundError) as caught:
        valuer.value(request(address="Sveagn"))
    assert caught.value.suggestions[0] == "Sveavägen"


@pytest.mark.parametrize(
    ("field", "given", "said"),
    [
        ("living_area_m2", 5, "living_area_m2 must be 10 to 800, it was 5"),
        ("living_area_m2", "stor", "living_area_m2 was 'stor': input should be"),
        ("living_area_m2", float("nan"), "10 to 800, it was nan"),
        ("rooms", 21, "rooms must be 1 to 20, it was 21"),
        ("floor", -4, "floor must be -3 to 35, it was -4"),
        ("fee_sek_per_month", 60_001, "fee_sek_per_month must be 0 to 60000, it"),
        ("operating_cost_sek_per_month", -1, "must be 0 to 20000, it was -1"),
        ("construction_year", 1849, "construction_year must be 1850 to 20"),
        ("address", "Sveavägen 501", "street_number must be 0 to 500, it was 501"),
        ("date", "2009-12-31", "date must be 2010-01-01 to"),
        ("date", "imorgon", "date was 'imorgon'"),
        ("model", "linear", "model was 'linear'"),
        ("colour", "red", "there is no field 'colour'; fields are address"),
    ],
)
def test_a_field_out_of_range_is_named_with_what_is_allowed(
    field: str, given: object, said: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        request(**{field: given})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_problem_of_a_request_is_reported_at_once() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        ValuationRequest.of(address="Sveavägen 11", rooms=0, floor=99)
    fields = {problem.field for problem in caught.value.problems}
    assert fields == {"living_area_m2", "rooms", "floor"}


def test_a_leap_day_has_its_other_dates() -> None:
    assert other_dates(date(2024, 2, 29))["one_year_ago"] == date(2023, 2, 28)


def test_a_model_that_is_not_registered_says_so(valuer: Valuer) -> None:
    with pytest.raises(SlutprisError, match=r"no model 'autogluon'.*: .*xgboost"):
        valuer.value(request(model="autogluon"))
    listed = request(model="blend", mode="listed", list_price_sek=3_000_000)
    with pytest.raises(SlutprisError, match=r"no model 'blend_listed'.*: blend, xgb"):
        valuer.value(listed)


def test_a_tampered_model_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    settings = publish_market(tmp_path / "data")
    register_model(settings, tmp_path)
    booster = settings.registry_dir / "xgboost" / "1" / "model" / "xgboost.ubj"
    booster.write_bytes(booster.read_bytes() + b" ")
    with pytest.raises(SlutprisError, match=r"xgboost\.ubj was changed"):
        Valuer(settings).value(request())


def run(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "ml.valuation.value", *arguments],
        env={
            "SLUTPRIS_DATA": str(settings.data),
            "SLUTPRIS_THREADS": "1",
            "PATH": "/usr/bin:/bin",
            "PYTHONIOENCODING": "ascii",
        }
        # another kernel of the same product ends in another digit
        | {name: os.environ[name] for name in os.environ if "BLAS" in name},
        capture_output=True,
        check=False,
    )


def test_the_command_prints_the_valuation_as_utf8_json(
    settings: Settings, valuer: Valuer
) -> None:
    done = run(
        settings,
        *("--address", "Sveavägen 11", "--living-area", "50", "--date", "2024-06-15"),
    )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout.decode("utf-8"))
    assert printed["place"]["street"] == "Sveavägen"
    expected = json.loads(valuer.value(request()).model_dump_json())
    for either in (printed, expected):
        del either["latency_ms"]
    assert printed == expected


def test_a_wrong_command_fails_with_one_line(settings: Settings) -> None:
    done = run(settings, "--address", "Sveavägen 11", "--living-area", "5")
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.decode().splitlines() == [
        "error: living_area_m2 must be 10 to 800, it was 5"
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rum", "2"], "unrecognized arguments"),
        (["--address", "Sveavägen 1"], "living_area_m2 is missing"),
        (["--batch", "homes.csv"], "--batch needs --out"),
        (["--batch", "a.csv", "--out", "b.csv", "--rooms", "2"], "rooms come from"),
        (["--out", "b.csv"], "--out goes with --batch"),
        (
            ["--address", "A 1", "--living-area", "50", "--mode", "listed"],
            "mode listed needs the asking price",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments: list[str], said: str) -> None:
    with pytest.raises(SlutprisError, match=said):
        main(arguments)


def test_without_a_snapshot_the_command_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(SlutprisError, match="make demo"):
        Valuer(Settings(data_dir=tmp_path))


def test_a_warm_valuer_says_the_same(settings: Settings, valuer: Valuer) -> None:
    warm = Valuer(settings)
    warm.warm(["xgboost"])
    for asked in (
        request(),
        request(address="hornsg. 11", rooms=3, date="2026-11-20"),
        request(address="Sveavägen 11", date="2010-01-01", floor=2.0),
    ):
        either = [each.value(asked).model_dump() for each in (valuer, warm)]
        for valuation in either:
            del valuation["latency_ms"]
        assert either[0] == either[1]
    with pytest.raises(AddressNotFoundError):
        warm.value(request(address="Okändgatan 1"))


def test_a_warm_path_gives_duckdb_s_frame(settings: Settings) -> None:
    with open_snapshot(settings.serving_dir) as snapshot:
        build_gazetteer(snapshot.connection)
        cold, warm = ServingPath(snapshot), ServingPath(snapshot)
        warm.warm()
        warm.warm()
        asked = request(date="2026-11-20")
        place = cold.places(snapshot.connection, [asked.address])[0]
        assert place is not None
        days = (asked.date, date(2021, 1, 1), date(2010, 1, 1))
        homes = [HomeAtDate(asked, place, day) for day in days]
        expected = cold.features(snapshot.connection, homes).frame()
        frame = warm.features(snapshot.connection, homes).frame()
        pd.testing.assert_frame_equal(frame, expected)


BATCH = """\
id,address,living_area_m2,rooms,date,mode,list_price_sek
a,Sveavägen 11,50,,2024-06-15,,
b,Sveavägen 11,5,2,2024-06-15,,
c,Okändgatan 1,50,2,2024-06-15,,
d,Hornsgatan 11,50,2,2024-06-15,listed,1240000
e,Hornsgatan 11,50,2,2024-06-15,,1240000
f,Hornsgatan 11,700,2,2024-06-15,before_listing,
"""


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_file_is_valued_row_by_row_and_bad_rows_are_named(
    settings: Settings,
    valuer: Valuer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    suffix: str,
) -> None:
    monkeypatch.setenv("SLUTPRIS_DATA", str(settings.data))
    (tmp_path / "homes.csv").write_text(BATCH, encoding="utf-8")
    batch, out = tmp_path / f"homes{suffix}", tmp_path / f"valued{suffix}"
    if suffix == ".parquet":
        duckdb.execute(f"copy (from '{tmp_path}/homes.csv') to '{batch}'")
    assert main(["--batch", str(batch), "--out", str(out)]) == 0
    rows = duckdb.execute(
        "select id, value_sek, error, confidence_class, refusal_reason, valued_by "
        f"from '{out}'"
    ).fetchall()
    assert "".join(row[0] for row in rows) == "abcdef"
    assert rows[0][1] == valuer.value(request()).value_sek
    assert "living_area_m2 must be 10 to 800" in rows[1][2]
    assert "'Okändgatan 1' was not found" in rows[2][2]
    assert rows[3][1] == pytest.approx(1_240_000 / 0.9, rel=0.03)
    assert rows[3][5] == "xgboost listed 1"
    assert "list_price_sek was given, but the mode is before_listing" in rows[4][2]
    assert [row[3] for row in rows] == [3, None, None, 3, None, 0]
    assert rows[5][4] == "area_outside_data"
    said = capsys.readouterr().err
    assert "row 2: living_area_m2 must be" in said
    assert "row 3: address" in said
    assert "valued 3 of 6 rows" in said


def test_a_batch_file_that_cannot_be_read_is_named(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUTPRIS_DATA", str(settings.data))
    page = tmp_path / "page.parquet"
    page.write_text("<html></html>")
    out = str(tmp_path / "out.csv")
    with pytest.raises(SlutprisError, match=r"cannot read .*page\.parquet"):
        main(["--batch", str(page), "--out", out])
    with pytest.raises(SlutprisError, match="there is no file"):
        main(["--batch", str(tmp_path / "none.csv"), "--out", out])
    lacking = tmp_path / "lacking.csv"
    lacking.write_text("address\nSveavägen 1\n", encoding="utf-8")
    with pytest.raises(SlutprisError, match="no column living_area_m2"):
        main(["--batch", str(lacking), "--out", out])

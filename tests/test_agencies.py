from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from ml.valuation.agencies import AgencyReport, agency_report, main, read_valued
from ml.valuation.agency_names import agency_key, brand_of, one_name_each
from warehouse.errors import SlutprisError
from warehouse.store import connect

if TYPE_CHECKING:
    from pathlib import Path

    from warehouse.settings import Settings

NOISE = 0.08
EFFECTS = dict(
    zip(
        [f"Mäklare {letter}" for letter in "ABCDEFGHIJKLMNOPQRST"],
        np.linspace(-0.05, 0.05, 20).tolist(),
        strict=True,
    )
)
DISTRICTS = [f"Område {n}" for n in range(8)]


def valued_sales(rows: int = 3000, seed: int = 1) -> pd.DataFrame:
    """Sales whose price is their value times what their agency adds, and noise."""
    rng = np.random.default_rng(seed)
    agency = rng.choice(list(EFFECTS), rows)
    value_sek = rng.uniform(2e6, 8e6, rows).round(-3)
    added = np.array([EFFECTS[name] for name in agency])
    price_sek = value_sek * np.exp(added + rng.normal(0, NOISE, rows))
    return pd.DataFrame(
        {
            "platform": "booli",
            "source_id": [str(n) for n in range(rows)],
            "agency": agency,
            "district": rng.choice(DISTRICTS, rows),
            "sold_date": pd.Timestamp(2015, 1, 1)
            + pd.to_timedelta(rng.integers(0, 365, rows), unit="D"),
            "living_area_m2": rng.uniform(20, 120, rows).round(),
            "sold_price_sek": price_sek,
            "value_sek": value_sek,
            "model": "xgboost_plain",
            "mode": "before_listing",
            "protocol": "rolling_monthly",
        }
    )


@pytest.fixture(scope="module")
def sales() -> pd.DataFrame:
    return valued_sales()


@pytest.fixture(scope="module")
def report(sales: pd.DataFrame) -> AgencyReport:
    return agency_report(sales, shuffles=24)


def test_effects_and_their_spread_are_found(report: AgencyReport) -> None:
    effects = {each["agency"]: each["effect_pct"] for each in report.agencies}
    assert next(iter(effects)) in ("Mäklare S", "Mäklare T")
    found = [effects[name] for name in EFFECTS]
    assert np.corrcoef(found, list(EFFECTS.values()))[0, 1] > 0.95
    true_sd_pct = 100 * np.std(list(EFFECTS.values()), ddof=1)
    content = report.content
    assert content["between_agency_sd_pct"] == pytest.approx(true_sd_pct, rel=0.3)
    assert content["between_district_sd_pct"] < 1
    assert content["residual_sd_pct"] == pytest.approx(100 * NOISE, rel=0.05)
    assert content["is_distinguishable_from_chance"]
    assert content["later_half_slope"] == pytest.approx(1, abs=0.3)


def test_nine_of_ten_intervals_hold_the_true_effect() -> None:
    held = []
    for seed in range(2):
        report = agency_report(valued_sales(seed=10 + seed), shuffles=0)
        held += [
            each["low_pct"]
            <= 100 * np.expm1(EFFECTS[each["agency"]])
            <= each["high_pct"]
            for each in report.agencies
        ]
    assert 0.8 <= np.mean(held) <= 1


def test_shuffled_names_have_no_effect(sales: pd.DataFrame) -> None:
    rng = np.random.default_rng(3)
    shuffled = sales.assign(agency=rng.permutation(sales["agency"]))
    report = agency_report(shuffled, shuffles=24)
    assert report.content["between_agency_sd_pct"] < 0.7
    assert max(abs(each["effect_pct"]) for each in report.agencies) < 1
    assert not report.content["is_distinguishable_from_chance"]


def test_a_rising_market_or_a_dear_district_is_no_merit(sales: pd.DataFrame) -> None:
    rng = np.random.default_rng(4)
    plain = sales["value_sek"] * np.exp(rng.normal(0, NOISE, len(sales)))
    month = sales["sold_date"].dt.month
    is_favourite = sales["district"] == DISTRICTS[0]
    # one agency sells late in the year and where values are too low
    late = np.where((month > 9) | is_favourite, "Mäklare T", sales["agency"])
    risen = plain * np.exp(0.02 * month + 0.2 * is_favourite)
    report = agency_report(sales.assign(agency=late, sold_price_sek=risen), shuffles=0)
    effects = {each["agency"]: each["effect_pct"] for each in report.agencies}
    assert abs(effects["Mäklare T"]) < 1


def test_an_agency_of_few_sales_is_pulled_to_the_mean(sales: pd.DataFrame) -> None:
    few = sales.index[:4]
    lucky = sales.copy()
    lucky.loc[few, "agency"] = "Nystartad"
    lucky.loc[few, "sold_price_sek"] = 1.2 * lucky.loc[few, "value_sek"]
    report = agency_report(lucky, shuffles=0)
    each = next(each for each in report.agencies if each["agency"] == "Nystartad")
    assert each["sales"] == 4
    assert each["median_over_value_pct"] == pytest.approx(20)
    assert 0 < each["effect_pct"] < 12
    widths = [other["high_pct"] - other["low_pct"] for other in report.agencies]
    assert each["high_pct"] - each["low_pct"] == max(widths)


def test_a_local_office_has_an_effect_of_its_own(sales: pd.DataFrame) -> None:
    is_local = (sales["agency"] == "Mäklare J") & (sales["district"] == DISTRICTS[1])
    price = sales["sold_price_sek"] * np.where(is_local, 1.25, 1)
    report = agency_report(sales.assign(sold_price_sek=price), shuffles=0)
    best = report.in_district(DISTRICTS[1].upper())[0]
    assert best["agency"] == "Mäklare J"
    assert best["sales"] == is_local.sum()
    with pytest.raises(SlutprisError, match="districts are Område 0"):
        report.in_district("Atlantis")


def test_spellings_of_one_agency_are_one() -> None:
    assert agency_key("Hans Göthe Fastighetsbyrå AB") == agency_key(
        "HANS GÖTHE FASTIGHETSBYRÅ"
    )
    assert agency_key("Mäklarhuset") != agency_key("Svenska Mäklarhuset")
    names = one_name_each(["Notar AB", "Notar", "notar", "Notar"])
    assert set(names.values()) == {"Notar"}


@pytest.mark.parametrize(
    ("name", "brand"),
    [
        ("Fastighetsbyrån Vasastan", "Fastighetsbyrån"),
        ("ERA Kungsholmen", "ERA"),
        ("Eramo Mäkleri", "Eramo Mäkleri"),
        ("RE/MAX Sverige", "RE/MAX"),
        ("Vasastansmäklarna", "Vasastansmäklarna"),
    ],
)
def test_offices_belong_to_their_chain(name: str, brand: str) -> None:
    assert brand_of(name) == brand


def test_offices_can_stand_alone(sales: pd.DataFrame) -> None:
    office = "Notar " + sales["district"]
    by_office = agency_report(sales.assign(agency=office), level="office", shuffles=0)
    assert len(by_office.agencies) == len(DISTRICTS)
    with_others = office.where(sales.index % 2 == 0, sales["agency"])
    by_brand = agency_report(sales.assign(agency=with_others), shuffles=0)
    notar = next(each for each in by_brand.agencies if each["agency"] == "Notar")
    assert notar["sales"] == len(sales) / 2


def test_too_few_sales_with_an_agency_are_refused(sales: pd.DataFrame) -> None:
    with pytest.raises(SlutprisError, match="only 40 valued sales"):
        agency_report(sales.head(40))


@pytest.fixture
def predictions(settings: Settings, sales: pd.DataFrame, tmp_path: Path) -> Path:
    """A file of valuations, and a warehouse that knows the agencies."""
    with connect(settings.warehouse_path) as connection:
        connection.register("valued", sales)
        connection.execute("create schema marts")
        connection.execute(
            "create table marts.sales as "
            "select platform, source_id, agency, district from valued"
        )
    path = tmp_path / "predictions.parquet"
    asked = sales.drop(columns=["agency", "district"])
    others = [
        asked.assign(model="xgboost"),
        asked.assign(protocol="random_80_20"),
        asked.assign(mode="listed"),
    ]
    pd.concat([*others, asked]).to_parquet(path)
    return path


def test_command_prints_the_table_and_the_caveat(
    predictions: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "agencies.json"
    options = ["--predictions", str(predictions), "--shuffles", "20"]
    assert main([*options, "--json", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "Agencies differ by more than chance" in printed
    assert "Inget bevis" in printed
    assert "Mäklare T" in printed
    content = json.loads(out.read_text(encoding="utf-8"))
    assert content["sales"] == 3000
    assert content["caveat_en"].startswith("Not proof")

    assert main([*options, "--district", DISTRICTS[2]]) == 0
    assert DISTRICTS[2] in capsys.readouterr().out


def test_values_of_a_model_that_sees_no_agency_are_preferred(
    predictions: Path, settings: Settings
) -> None:
    with connect(settings.warehouse_path, read_only=True) as connection:
        valued = read_valued(connection, predictions)
    assert set(valued["model"]) == {"xgboost_plain"}
    assert set(valued["protocol"]) == {"rolling_monthly"}
    assert len(valued) == 3000


def test_a_file_without_valuations_is_named(settings: Settings, tmp_path: Path) -> None:
    with connect(settings.warehouse_path) as connection:
        with pytest.raises(SlutprisError, match="there is no file"):
            read_valued(connection, tmp_path / "none.parquet")
        (tmp_path / "text.parquet").write_text("no parquet")
        connection.execute("create schema marts")
        connection.execute(
            "create table marts.sales "
            "(platform varchar, source_id varchar, agency varchar, district varchar)"
        )
        with pytest.raises(SlutprisError, match=r"cannot read .*text\.parquet"):
            read_valued(connection, tmp_path / "text.parquet")

"""Refreshing the economy from files: formats, vintages, refusals."""

from __future__ import annotations

import datetime as dt
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from economy_files import dimension, json_stat, periods, unemployment_file, write

from warehouse.economy.__main__ import main
from warehouse.economy.land import land_economy_file
from warehouse.economy.series import parse_period
from warehouse.errors import SlutprisError, exit_with
from warehouse.settings import Settings
from warehouse.store import connect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import duckdb

TODAY = dt.datetime.now(dt.UTC).date()


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def refresh(
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Outcome]:
    """The command `python -m warehouse.economy`, run in this process."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["economy", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            exit_with(main)
        captured = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return Outcome(caught.value.code, captured.out, captured.err)

    return run


def landed(*columns: str) -> list[tuple[Any, ...]]:
    names = ", ".join(columns or ("series", "period", "value"))
    with connect(Settings().warehouse_path, read_only=True) as connection:
        return connection.execute(
            f"select {names} from raw.economy_observations"
            " order by series, period, vintage_on, loaded_at"
        ).fetchall()


def test_riksbankens_json_is_the_rate_of_each_day(
    refresh: Callable[..., Outcome], tmp_path: Path
) -> None:
    text = '[{"date":"2024-01-02","value":4.0},{"date":"2024-05-15","value":3.75}]'
    outcome = refresh(write(tmp_path, "SECBREPOEFF-2024.json", text))

    assert outcome.code == 0
    assert "policy_rate: 2 figures to 2024-05-15; 2 new, 0 revised" in outcome.out
    assert landed("series", "period", "value", "known_from", "vintage_on") == [
        ("policy_rate", "2024-01-02", 4.0, dt.date(2024, 1, 2), TODAY),
        ("policy_rate", "2024-05-15", 3.75, dt.date(2024, 5, 15), TODAY),
    ]


def test_riksbankens_csv_is_read_with_decimal_commas_without_other_rates(
    refresh: Callable[..., Outcome], tmp_path: Path
) -> None:
    text = (
        "Datum;Grupp;Serie;Värde;\n"
        "2024-01-01;Riksbankens styrräntor;Styrränta;n/a;\n"
        "2024-01-02;Riksbankens styrräntor;Styrränta;4,0000;\n"
        "2024-01-02;Riksbankens styrräntor;Inlåningsränta;3,9000;\n"
        "2014-10-29;Riksbankens styrräntor;Reporänta;-0,25;\n"
    )
    outcome = refresh(write(tmp_path, "export.csv", text, encoding="latin-1"))

    assert outcome.code == 0
    assert landed() == [
        ("policy_rate", "2014-10-29", -0.25),
        ("policy_rate", "2024-01-02", 4.0),
    ]


def test_json_stat_of_unemployment_takes_the_adjusted_rate_alone(
    refresh: Callable[..., Outcome], tmp_path: Path
) -> None:
    outcome = refresh(unemployment_file(tmp_path, "a.json", "2025-03-14", 9.0, 8.8))

    assert outcome.code == 0
    assert landed("period", "value", "known_from", "vintage_on", "source") == [
        # February came within the usual 30 days: known when the file was published.
        (
            "2025-01",
            9.0,
            dt.date(2025, 3, 2),
            dt.date(2025, 3, 14),
            "Befolkningen 15-74 år (AKU), as of 2025-03-14",
        ),
        (
            "2025-02",
            8.8,
            dt.date(2025, 3, 14),
            dt.date(2025, 3, 14),
            "Befolkningen 15-74 år (AKU), as of 2025-03-14",
        ),
    ]


def test_pxweb_csv_with_periods_across(
    refresh: Callable[..., Outcome], tmp_path: Path
) -> None:
    text = (
        '"arbetskraftstillhörighet","typ av data","kön","ålder",'
        '"Procent 2024M01","Procent 2024M02"\n'
        '"arbetslöshetstal","Säsongrensade data","totalt","15-74 år",8.2,..\n'
        '"arbetslöshetstal","Säsongrensade data","män","15-74 år",8.4,8.5\n'
        '"arbetslöshetstal","Säsongrensade data","totalt","20-64 år",7.4,7.5\n'
        '"arbetslöshetstal","Trend","totalt","15-74 år",8.3,8.3\n'
        '"arbetskraftstal","Säsongrensade data","totalt","15-74 år",75.1,75.2\n'
    )
    outcome = refresh(write(tmp_path, "AKURLBefM.csv", text))

    assert outcome.code == 0
    assert landed() == [("unemployment", "2024-01", 8.2)]


def test_gdp_growth_is_computed_within_the_file(
    refresh: Callable[..., Outcome], tmp_path: Path
) -> None:
    contents = "Fasta priser, referensår 2023, säsongrensad, mnkr"
    text = (
        f'"användning";"kvartal";"{contents}"\n'
        '"BNP till marknadspris";"2023K4";1500\n'
        '"BNP till marknadspris";"2024K4";1530\n'
        '"Export";"2024K4";800\n'
    )
    outcome = refresh(write(tmp_path, "bnp.csv", text))

    assert outcome.code == 0
    assert landed("series", "period", "value", "known_from") == [
        ("gdp_growth_yoy", "2024-Q4", 2.0, dt.date(2025, 3, 1))
    ]


@pytest.mark.parametrize("is_by_index", [True, False])
def test_kpi_as_an_index_or_as_its_yearly_change(
    refresh: Callable[..., Outcome], tmp_path: Path, is_by_index: bool
) -> None:
    contents = {"000004VU": "Index", "000004VV": "Årsförändring"}
    code = "000004VU" if is_by_index else "000004VV"
    text = json_stat(
        {
            "ContentsCode": dimension(**{code: contents[code]}),
            "Tid": periods("2021M11", "2022M11"),
        },
        {"0": 348.03, "1": 387.93} if is_by_index else {"1": 11.5},
        "Konsumentprisindex (KPI) efter tabellinnehåll och månad",
        "2022-12-14T07:00:00Z",
    )
    outcome = refresh(write(tmp_path, "kpi.json", text))

    assert outcome.code == 0
    # Published on 14 December: a week before the usual lag would say so.
    assert landed("series", "period", "value", "known_from") == [
        ("cpi_yoy", "2022-11", 11.46 if is_by_index else 11.5, dt.date(2022, 12, 14))
    ]


def test_prices_of_food_are_no_consumer_price_index(
    refresh: Callable[..., Outcome], tmp_path: Path
) -> None:
    text = json_stat(
        {
            "Grupp": dimension(**{"01": "Livsmedel"}),
            "ContentsCode": dimension(**{"000004VV": "Årsförändring"}),
            "Tid": periods("2022M11"),
        },
        [18.0],
        "Konsumentprisindex (KPI) efter produktgrupp, tabellinnehåll och månad",
    )
    outcome = refresh(write(tmp_path, "food.json", text))

    assert outcome.code == 1
    assert "none of the series was recognised" in outcome.err


def test_the_same_file_again_changes_nothing_and_a_revision_is_a_new_vintage(
    refresh: Callable[..., Outcome], tmp_path: Path
) -> None:
    first = unemployment_file(tmp_path, "first.json", "2025-03-14", 9.0, 8.8)
    second = unemployment_file(tmp_path, "second.json", "2025-04-14", 9.1, 8.8, 8.5)

    assert "2 new, 0 revised, 0 known" in refresh(first).out
    assert "0 new, 0 revised, 2 known" in refresh(first).out
    assert "1 new, 1 revised, 1 known" in refresh(second).out
    assert "0 new, 0 revised, 3 known" in refresh(second).out
    assert "0 new, 0 revised, 2 known" in refresh(first).out
    assert landed("period", "vintage_on", "value") == [
        ("2025-01", dt.date(2025, 3, 14), 9.0),
        ("2025-01", dt.date(2025, 4, 14), 9.1),
        ("2025-02", dt.date(2025, 3, 14), 8.8),
        ("2025-03", dt.date(2025, 4, 14), 8.5),
    ]


def test_an_older_download_lands_with_its_own_day(
    refresh: Callable[..., Outcome], tmp_path: Path
) -> None:
    path = write(tmp_path, "rate.json", '{"date":"2024-01-02","value":4}')
    outcome = refresh(path, "--series", "policy_rate", "--published-on", "2024-01-03")

    assert outcome.code == 0
    assert landed("value", "vintage_on") == [(4.0, dt.date(2024, 1, 3))]


KPI_CSV = '"tabellinnehåll","KPI 1980=100 2024M01"\n'


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("x.json", '[{"date":"2024-01-02","value":4}]', "--series"),
        ("x.json", '[{"date":"2024-01-02"', "not valid JSON"),
        ("x.json", '{"a": 1}', "neither JSON-stat 2"),
        ("x.json", '{"dimension": {}, "id": ["Tid"]}', "not whole JSON-stat 2"),
        ("x.json", '{"dimension": {}, "id": [], "value": 5}', "not whole JSON-stat 2"),
        ("x.json", "[]", "it holds no figures"),
        (
            "secbrepoeff.json",
            '[{"date":"2024-01-02","value":"four"}]',
            "row 1: value is 'four', expected a number",
        ),
        (
            "secbrepoeff.json",
            '[{"date":"2024-01-02","value":4},{"day":"2024-01-03"}]',
            "row 2: expected date and value",
        ),
        (
            "secbrepoeff.json",
            '[{"date":"2024-02-30","value":4}]',
            "row 1: period is '2024-02-30', expected a day",
        ),
        (
            "secbrepoeff.json",
            '[{"date":"2024-01-02","value":400}]',
            "row 1: policy_rate of 2024-01-02 is 400, expected -2 to 20",
        ),
        (
            "secbrepoeff.json",
            '[{"date":"2024-01-02","value":4},{"date":"2024-01-02","value":3}]',
            "row 2: two figures of policy_rate for 2024-01-02",
        ),
        (
            "secbrepoeff.json",
            '[{"date":"2999-01-02","value":4}]',
            "a forecast is no observation",
        ),
        ("x.csv", "", "no rows below a header"),
        ("x.csv", "a,b\n1,2\n", "row 1: no column of periods"),
        ("x.csv", "Datum;Serie;Värde\n2024-01-02;Styrränta;4;5\n", "row 1: 4 columns"),
        (
            "x.csv",
            "Datum;Serie;Värde\n2024-01-02;Styrränta;fyra\n",
            "row 1: Värde is 'fyra', expected a number",
        ),
        ("x.csv", KPI_CSV + '"",412.74\n', "the same period of the year before"),
        ("x.csv", '"region","2024M01"\n"Stockholm",3\n', "none of the series"),
    ],
)
def test_a_bad_file_lands_nothing_and_says_where_and_what(
    refresh: Callable[..., Outcome],
    tmp_path: Path,
    name: str,
    text: str,
    expected: str,
) -> None:
    good = write(tmp_path, "SECBREPOEFF.json", '[{"date":"2024-01-02","value":4}]')
    assert refresh(good).code == 0

    outcome = refresh(write(tmp_path, name.replace("x.", "bad."), text))

    assert outcome.code == 1
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    assert str(tmp_path) in outcome.err
    assert expected in outcome.err
    assert len(landed()) == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--published-on", "2999-01-01"], "which is yet to come"),
        (["--published-on", "yesterday"], "expected a day such as 2024-03-14"),
        (["--published-on", "2024-01-01"], "was not over on 2024-01-01"),
    ],
)
def test_a_wrong_day_of_publication_is_refused(
    refresh: Callable[..., Outcome],
    tmp_path: Path,
    arguments: list[str],
    expected: str,
) -> None:
    path = write(tmp_path, "SECBREPOEFF.json", '[{"date":"2024-01-02","value":4}]')

    outcome = refresh(path, *arguments)

    assert outcome.code == 1
    assert expected in outcome.err


def test_a_missing_file_is_named(
    warehouse: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    with pytest.raises(SlutprisError, match=r"cannot read .*absent\.csv"):
        land_economy_file(warehouse, tmp_path / "absent.csv")


@pytest.mark.parametrize(
    ("text", "period", "last_day"),
    [
        ("2024M02", "2024-02", dt.date(2024, 2, 29)),
        ("2024K1", "2024-Q1", dt.date(2024, 3, 31)),
        ("2024-Q4", "2024-Q4", dt.date(2024, 12, 31)),
        ("2024-01-02", "2024-01-02", dt.date(2024, 1, 2)),
    ],
)
def test_periods_are_read_as_each_office_writes_them(
    text: str, period: str, last_day: dt.date
) -> None:
    read = parse_period(text)

    assert read is not None
    assert (read.text, read.end) == (period, last_day)


@pytest.mark.parametrize("text", ["2024", "2024M13", "2024K5", "2024-02-30", "Q1", ""])
def test_what_is_no_period_is_none(text: str) -> None:
    assert parse_period(text) is None


def test_english_labels_are_known_too(
    refresh: Callable[..., Outcome], tmp_path: Path
) -> None:
    text = (
        "labour status,type of data,sex,age,quarter,Percent\n"
        "unemployment rate,Seasonally adjusted,total,total 15-74 years,2024K1,8.3\n"
        "unemployment rate,Seasonally adjusted,women,total 15-74 years,2024K1,8.1\n"
        "unemployment rate,Seasonally adjusted and smoothed,total,total 15-74 years,"
        "2024K1,8.4\n"
        "unemployment rate,Non-seasonally adjusted,total,total 15-74 years,2024K1,8.8\n"
    )
    outcome = refresh(write(tmp_path, "AKURLBefK.csv", text))

    assert outcome.code == 0
    assert landed("period", "value", "known_from") == [
        ("2024-Q1", 8.3, dt.date(2024, 5, 30))
    ]

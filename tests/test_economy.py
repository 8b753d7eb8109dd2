"""The economy: known on a day, gaps, the scenario, and refreshing it from files."""

from __future__ import annotations

import datetime as dt
import json
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from test_dbt_project import WITHOUT_UNIT_TESTS, run_dbt

from warehouse.economy.__main__ import main
from warehouse.economy.land import land_economy_file
from warehouse.economy.series import parse_period
from warehouse.errors import SlutprisError, exit_with
from warehouse.settings import Settings
from warehouse.store import connect, create_raw_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import duckdb

TODAY = dt.datetime.now(dt.UTC).date()
AKU_TITLE = "Befolkningen 15-74 år (AKU) efter arbetskraftstillhörighet och månad"


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


def write(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_text(text, encoding=encoding)
    return path


def dimension(**labels: str) -> dict[str, Any]:
    """A dimension of JSON-stat, its categories in order."""
    index = {code: place for place, code in enumerate(labels)}
    return {"category": {"index": index, "label": labels}}


def json_stat(
    dimensions: dict[str, dict[str, Any]],
    value: object,
    label: str = "",
    updated: str | None = None,
) -> str:
    document = {
        "version": "2.0",
        "class": "dataset",
        "label": label,
        "source": "SCB",
        "id": list(dimensions),
        "size": [len(d["category"]["label"]) for d in dimensions.values()],
        "dimension": dimensions,
        "value": value,
    }
    return json.dumps(document | ({"updated": updated} if updated else {}))


def periods(*codes: str) -> dict[str, Any]:
    return dimension(**{code: code for code in codes})


def unemployment_file(folder: Path, name: str, updated: str, *values: float) -> Path:
    """Unemployment of the first months of 2025, of both adjustments and all ages."""
    adjusted = dimension(O_DATA="Icke säsongrensade data", SR_DATA="Säsongrensade data")
    months = periods(*(f"2025M{n + 1:02}" for n in range(len(values))))
    text = json_stat(
        {
            "Arbetskraftstillh": dimension(ALÖSP="arbetslöshetstal"),
            "TypData": adjusted,
            "Kon": {"category": {"index": ["1+2"], "label": {"1+2": "totalt"}}},
            "Alder": {
                "category": {"index": {"tot15-74": 0}, "label": {"tot15-74": "15-74"}}
            },
            "ContentsCode": {"category": {"label": {"000007L9": "Procent"}}},
            "Tid": months,
        },
        [value + 1 for value in values] + list(values),
        AKU_TITLE,
        updated,
    )
    return write(folder, name, text)


# --- What was known on a day ----------------------------------------------------------


@pytest.fixture(scope="module")
def built_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose warehouse holds the bundled figures and no sale."""
    folder = tmp_path_factory.mktemp("economy")
    with connect(folder / "warehouse.duckdb") as connection:
        create_raw_tables(connection)
    build(folder)
    return folder


def build(folder: Path) -> None:
    run_dbt("build", "--select", "+economy", *WITHOUT_UNIT_TESTS, data_dir=folder)


@pytest.fixture
def economy(built_dir: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A reader of the warehouse with the bundled figures."""
    with connect(built_dir / "warehouse.duckdb", read_only=True) as connection:
        yield connection


def known(
    connection: duckdb.DuckDBPyConnection, series: str, day: str
) -> list[tuple[float, bool]]:
    return connection.execute(
        "select value, is_scenario from marts.economy"
        " where series = ? and ?::date >= known_from and ?::date < valid_until",
        [series, day, day],
    ).fetchall()


@pytest.mark.parametrize(
    ("series", "day", "value"),
    [
        # January's unemployment came out within 30 days of its end.
        ("unemployment", "2010-03-01", None),
        ("unemployment", "2010-03-02", 9.3),
        # The rate of 30 November was announced on the 24th.
        ("policy_rate", "2022-11-23", 1.75),
        ("policy_rate", "2022-11-24", 2.5),
        # The fourth quarter was published on 29 February, 4.5; the third was 4.53.
        ("gdp_growth_yoy", "2016-02-28", 4.53),
        ("gdp_growth_yoy", "2016-02-29", 4.5),
        # As known on 1 March 2013, not the -1.64 of a level revised later.
        ("gdp_growth_yoy", "2012-12-24", 0.7),
        # 384.04 / 346.44 of October, 387.93 / 348.03 of November, 21 days after it.
        ("cpi_yoy", "2022-12-20", 10.85),
        ("cpi_yoy", "2022-12-21", 11.46),
        # No month of 2023 after February is known: its figure holds to the end of May.
        ("unemployment", "2023-05-30", 7.6),
        ("unemployment", "2023-05-31", None),
        ("unemployment", "2023-11-28", None),
        # No growth is known of the first half of 2021, nor of 2022.
        ("gdp_growth_yoy", "2021-06-04", None),
        ("gdp_growth_yoy", "2022-12-31", None),
        ("cpi_yoy", "2010-12-31", None),
    ],
)
def test_a_day_sees_what_was_published_by_then_and_gaps_stay_gaps(
    economy: duckdb.DuckDBPyConnection, series: str, day: str, value: float | None
) -> None:
    expected = [] if value is None else [(value, False)]
    assert known(economy, series, day) == expected


@pytest.mark.parametrize(
    ("series", "last_day", "value"),
    [
        ("policy_rate", "2026-07-06", 1.75),
        ("gdp_growth_yoy", "2026-09-28", 2.0),
        ("unemployment", "2025-12-19", 8.7),
        ("cpi_yoy", "2025-02-20", 1.56),
    ],
)
def test_after_the_last_figure_the_scenario_stands_in_and_says_so(
    economy: duckdb.DuckDBPyConnection, series: str, last_day: str, value: float
) -> None:
    day_after = dt.date.fromisoformat(last_day) + dt.timedelta(days=1)

    assert known(economy, series, last_day) == [(value, False)]
    assert known(economy, series, str(day_after)) == [(value, True)]
    assert known(economy, series, "2099-12-31") == [(value, True)]


def test_a_scenario_may_be_a_number_or_none(built_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "warehouse.duckdb"
    target.write_bytes((built_dir / "warehouse.duckdb").read_bytes())
    scenario = {"economy_scenario": {"policy_rate": 3.25, "cpi_yoy": "none"}}
    run_dbt(
        "run",
        "--select",
        "economy",
        "--vars",
        json.dumps(scenario),
        data_dir=tmp_path,
    )

    with connect(target, read_only=True) as connection:
        assert known(connection, "policy_rate", "2026-11-24") == [(3.25, True)]
        assert known(connection, "cpi_yoy", "2026-11-24") == []
        assert known(connection, "unemployment", "2026-11-24") == []


def test_a_refresh_moves_nothing_that_was_known_before_it(
    built_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "warehouse.duckdb"
    target.write_bytes((built_dir / "warehouse.duckdb").read_bytes())
    monkeypatch.setenv("SLUTPRIS_DATA", str(tmp_path))
    first = unemployment_file(tmp_path, "march.json", "2025-04-25T06:00:00Z", 9.0, 8.8)
    second = unemployment_file(tmp_path, "april.json", "2025-05-16", 9.4, 9.3, 9.2)
    with connect(target) as connection:
        for path in (first, second):
            land_economy_file(connection, path)
        # Written as it would be landed then: a clock may be behind these days.
        connection.execute(
            """
            insert into raw.economy_observations
            select
                'policy_rate', strftime(day, '%Y-%m-%d'), day, 2.0, 'percent', day,
                'Riksbanken', 'SECBREPOEFF.json', '', 1, day
            from generate_series(
                date '2026-11-18', date '2026-11-20', interval 1 day
            ) as days (day)
            """
        )
    build(tmp_path)

    with connect(target, read_only=True) as connection:
        connection.execute(f"attach '{built_dir / 'warehouse.duckdb'}' as before")
        moved = connection.execute(
            """
            select series, known_from, valid_until
            from marts.economy
            where known_from < '2025-03-30'
            except
            select series, known_from, valid_until
            from before.marts.economy
            """
        ).fetchall()
        # January was 8.9 as published, and is no newer than February when revised.
        assert known(connection, "unemployment", "2025-03-29") == [(8.9, False)]
        assert known(connection, "unemployment", "2025-03-30") == [(8.8, False)]
        assert known(connection, "unemployment", "2025-04-29") == [(8.8, False)]
        assert known(connection, "unemployment", "2025-04-30") == [(9.2, False)]
        assert known(connection, "unemployment", "2025-08-19") == [(8.7, False)]
        # A day's rate bridges a holiday, no more; between July and November is a gap.
        assert known(connection, "policy_rate", "2026-07-07") == []
        assert known(connection, "policy_rate", "2026-11-26") == [(2.0, False)]
        assert known(connection, "policy_rate", "2026-11-27") == [(2.0, True)]
    # All that ends sooner is the January figure, replaced by February's.
    assert moved == [("unemployment", dt.date(2025, 2, 17), dt.date(2025, 3, 30))]


# --- The files ------------------------------------------------------------------------


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


def test_seeded_prices_are_the_yearly_change_of_the_published_index(
    real_data_dir: Path, economy: duckdb.DuckDBPyConnection
) -> None:
    path = real_data_dir / "macro" / "cpi_kpi_1980_monthly.csv"
    differing = economy.execute(
        """
        with index as (select * from read_csv($1, types = {'period': 'varchar'})),

        changes as (
            select
                current.period,
                100 * (current.value / before.value - 1) as value
            from index as current
            inner join index as before
                on (current.period || '-01')::date
                = (before.period || '-01')::date + interval 1 year
        )

        select coalesce(changes.period, seeded.period)
        from changes
        full join (from staging.stg_economy where series = 'cpi_yoy') as seeded
            on changes.period = seeded.period
        where abs(changes.value - seeded.value) < 0.00501 is distinct from true
        """,
        [str(path)],
    ).fetchall()

    assert differing == []

"""The tab of data health: what it says of a flow that is well, ill, old or empty."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import panel as pn
import pytest
from tiny_market import publish_market, register_model

from ml.dashboards import shell
from ml.dashboards.data_health import BAD, GOOD, data_health_section, summary
from ml.dashboards.flow_drift import drift_sentence
from ml.dashboards.flow_now import (
    LATE,
    NOT_KNOWN,
    ON_TIME,
    crawl_sentence,
    dbt_sentence,
    freshness,
    freshness_card,
    last_night,
    now_utc,
    runs_sentence,
)
from ml.dashboards.flow_rows import (
    add_up,
    missing_values_card,
    monthly_counts,
    shown_year,
)
from ml.dashboards.flow_state import Flow, read_flow
from ml.dashboards.flow_words import COLUMNS, RULE_MEANINGS, RULES, STAGES, ending
from warehouse.errors import SlutprisError
from warehouse.serving import publish
from warehouse.settings import PROJECT_ROOT, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOSTILE = "<img src=x onerror=alert(1)>"

MONITORING_MARTS = f"""
    alter table marts.sales add column observed_at timestamp;
    update marts.sales set observed_at = timestamp '2026-11-24 01:00';
    drop table marts.rejected_sales;
    create table marts.rejected_sales as
    select
        'floor_out_of_range' as rule, 'Floor {HOSTILE}' as reason,
        timestamp '2026-11-24 01:10' as observed_at;
    create table marts.crawl_runs as
    select
        'one' as run_id, 'booli' as spider, 'www.booli.se' as site,
        'daily' as crawl_mode, 'challenged' as finish_reason, 512::bigint as page_count,
        20::bigint as search_page_count, 700::bigint as card_count,
        4310::bigint as new_sale_count, 12::bigint as changed_sale_count,
        1::bigint as quarantined_count, 35.0 as cards_per_page, false as is_finished,
        timestamp '2026-11-24 01:10' as started_at,
        timestamp '2026-11-24 01:20' as finished_at;
    create table marts.stage_counts as
    select * from (
        values
            ('pages', 1, 20), ('landed', 2, 0), ('quarantined', 3, 1),
            ('observations', 4, 1000), ('deduplicated', 5, 990), ('flagged', 6, 5),
            ('rejected', 7, 15), ('accepted', 8, 985), ('features', 9, 985)
    ) as stages (stage, stage_number, row_count);
    create table marts.rejections_by_month as
    select * from (
        values
            ('floor_out_of_range', 5, 100, 5.0, false, date '2026-09-01'),
            ('duplicate_sale', 10, 100, 10.0, true, date '2026-11-01')
    ) as counts (
        rule, rejected_count, observation_count, rejected_pct, is_repeated, sold_month
    );
    create table marts.missing_values as
    select * from (
        values
            ('floor', 2026, 100, 7, 7, 7.0, 7.0), ('url', 2026, 100, 0, null, 0.0, null)
    ) as gaps (
        column_name, sold_year, sale_count, missing_count, imputed_count, missing_pct,
        imputed_pct
    );
    create table marts.geocoding_precision as
    select * from (
        values
            ('source', 900, 90.0, null, null, false),
            ('interpolated', 100, 10.0, 48.0, 120.0, true)
    ) as places (
        placed_by, sale_count, sale_pct, median_uncertainty_m, highest_uncertainty_m,
        is_geocoded
    )
"""
RUNS: list[dict[str, Any]] = [
    {
        "run_id": "2",
        "schedule": "nightly",
        "status": "FAILURE",
        "started_at": "2026-11-24T02:00:00+00:00",
        "finished_at": "2026-11-24T03:00:00+00:00",
        "steps_succeeded": 3,
        "failed_steps": [
            {"step": "models/autogluon", "kind": "KeyError", "message": HOSTILE}
        ],
        "failed_checks": [],
        "message": None,
    }
]
TESTS: dict[str, Any] = {
    "finished_at": "2026-11-24T02:10:00Z",
    "elapsed_s": 3.0,
    "results": [
        {
            "name": f"not_null_sales_{status}",
            "kind": "test",
            "model": "sales",
            "status": status,
            "failures": 3,
            "message": HOSTILE,
        }
        for status in ("pass", "pass", "fail", "warn", "skipped")
    ],
}
DRIFT: dict[str, Any] = {
    "created_at": "2026-11-24T02:10:00+00:00",
    "model": "xgboost 1",
    "reference": {"first_sold_date": "2025-08-01", "last_sold_date": "2026-07-31"}
    | {"sale_count": 400},
    "current": {"first_sold_date": "2026-08-01", "last_sold_date": "2026-10-31"}
    | {"sale_count": 120},
    "shift_psi": 0.1,
    "large_shift_psi": 0.25,
    "features": [
        {
            "feature": name,
            "importance_pct": importance,
            "psi": psi,
            "chance_psi": 0.18,
            "is_shift": psi > 0.18,
            "reference_median": 1.0,
            "current_median": None,
            "reference_missing_pct": 0.0,
            "current_missing_pct": 100.0,
        }
        for name, importance, psi in (("living_area_m2", 60.0, 0.3), ("floor", 40.0, 0))
    ],
}


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A snapshot from before there were marts of monitoring, and no reports."""
    settings = publish_market(tmp_path_factory.mktemp("older"))
    register_model(settings, tmp_path_factory.mktemp("model"))
    return settings


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A data folder whose last night went badly."""
    settings = publish_market(tmp_path_factory.mktemp("data"))
    with duckdb.connect(str(settings.warehouse_path)) as connection:
        connection.execute(MONITORING_MARTS)
        publish(connection, settings.serving_dir)
    settings.reports_dir.mkdir()
    for name, content in (
        ("runs", {"runs": RUNS}),
        ("dbt_tests", TESTS),
        ("drift", DRIFT),
    ):
        (settings.reports_dir / f"{name}.json").write_text(json.dumps(content))
    return settings


@pytest.fixture(scope="module")
def flow(settings: Settings) -> Flow:
    return read_flow(settings)


def html(section: pn.viewable.Viewable) -> str:
    """All the markup of a section, one after the other."""
    panes = section.select(pn.pane.HTML)
    return "\n".join(pane.object for pane in panes)


def test_a_crawl_is_told_in_a_sentence(flow: Flow) -> None:
    crawl = {str(k): v for k, v in flow.tables["crawl_runs"].iloc[0].to_dict().items()}
    assert crawl_sentence(crawl, "sv") == (
        "Senaste crawlen: 2026-11-24 02:10, 512 sidor, 4\u00a0310 nya försäljningar, "
        "stoppad av en robotkontroll."
    )


def test_a_crawl_without_an_end_is_no_mystery() -> None:
    assert ending(None, "sv").startswith("pågår")
    assert ending("closespider_timeout", "sv") == "closespider_timeout"


def test_the_whole_tab_is_shown_in_both_languages(settings: Settings) -> None:
    swedish = html(data_health_section(settings, "sv"))
    english = html(data_health_section(settings, "en"))
    for text in (
        "Vad hände i de senaste körningarna?",
        "Hur färska är data?",
        "Rader, steg för steg",
    ):
        assert text in swedish
        assert text not in english
    assert "What did the latest runs do?" in english
    assert "1\u00a0000 observationer = 985 godkända + 15 bortvalda" in swedish
    assert "Saknas aldrig: webbadress." in swedish
    assert "90,0\u00a0% av försäljningarna har en position ur källan" in swedish


def test_nothing_from_outside_is_markup(settings: Settings) -> None:
    shown = html(data_health_section(settings, "sv"))
    assert HOSTILE not in shown
    assert shown.count("&lt;img src=x onerror=alert(1)&gt;") >= 3


def test_what_failed_last_night_comes_with_what_to_do(settings: Settings) -> None:
    shown = html(data_health_section(settings, "sv"))
    when = '<span class="number">2026-11-24 03:00</span>'
    assert f"Nattkörningen {when} misslyckades." in shown
    assert "Steget models/autogluon misslyckades." in shown
    assert "Öppna körningen i Dagster" in shown


def test_the_summary_marks_what_needs_a_look(flow: Flow) -> None:
    marks = {sentence: mark for mark, sentence in summary(flow, "sv")}
    assert marks["Nattkörningen 2026-11-24 03:00 misslyckades."] == BAD
    (drifted,) = (line for line in marks if "av 2 egenskaper i XGBoost" in line)
    assert "kan förklara: ”boarea”. Högst 1 av 20" in drifted
    assert drifted.endswith(
        "60,0\u00a0% av modellens utslag; från 5\u00a0% är det värt en titt."
    )
    assert marks[drifted] == BAD
    assert set(marks.values()) <= {GOOD, BAD}


def test_a_version_that_was_refused_is_in_the_summary_by_its_name(flow: Flow) -> None:
    refused = {"check": "gate", "asset": "champions/xgboost_listed"}
    newest, *others = flow.runs or []
    runs = [{**newest, "failed_checks": [refused]}, *others]
    marks = {line: mark for mark, line in summary(replace(flow, runs=runs), "sv")}
    (said,) = (line for line in marks if "slutprovet" in line)
    assert said.startswith("XGBoost, med utgångspris: den nya versionen")
    assert marks[said] == BAD


def test_drift_of_what_hardly_matters_is_no_alarm(flow: Flow) -> None:
    light, heavy = (dict(each) for each in DRIFT["features"])
    light["importance_pct"], heavy["importance_pct"] = 1.0, 99.0
    quiet = replace(flow, drift=DRIFT | {"features": [heavy, light]})
    ((mark, said),) = (each for each in summary(quiet, "sv") if "boarea" in each[1])
    assert mark == GOOD
    assert "under 5\u00a0% räknas som lugnt" in said


def test_too_few_sales_to_compare_is_said(flow: Flow) -> None:
    said = drift_sentence(DRIFT | {"features": []}, "sv")
    assert "120 i det senaste kvartalet" in said
    quiet = [each | {"is_shift": False} for each in DRIFT["features"]]
    assert "Inget av det modellen ser" in drift_sentence(
        DRIFT | {"features": quiet}, "sv"
    )


def test_dbt_s_tests_are_counted_by_how_they_went() -> None:
    assert dbt_sentence(TESTS, "sv") == (
        "Senaste bygget 2026-11-24 03:10: av 5 tester godkändes 2, 1 varnade, 1 föll "
        "och 1 kördes inte."
    )
    well = TESTS | {"results": TESTS["results"][:2]}
    assert "alla 2 tester av 1 tabeller godkändes" in dbt_sentence(well, "sv")


def test_each_age_is_held_against_its_stated_limit(flow: Flow) -> None:
    now = now_utc()
    fresh = replace(
        flow,
        newest_sale=(now - dt.timedelta(days=13)).date(),
        newest_observation=now - dt.timedelta(days=4),
    )
    states = [each.state(now) for each in freshness(fresh)]
    assert states == [ON_TIME, LATE, ON_TIME]
    young = replace(flow, newest_observation=now - dt.timedelta(minutes=50))
    assert "50\u00a0min" in html(freshness_card(young, "sv"))
    unknown = replace(flow, newest_observation=None)
    assert freshness(unknown)[1].state(now) is NOT_KNOWN


def test_an_older_snapshot_says_what_comes_with_the_next_run(older: Settings) -> None:
    shown = html(data_health_section(older, "sv"))
    for mart in ("crawl_runs", "stage_counts", "rejections_by_month", "missing_values"):
        assert f"Tabellen marts.{mart} byggs och publiceras vid nästa körning" in shown
    assert "Ingen historik över körningar är skriven ännu" in shown
    assert "Inget resultat av dbt-testerna är skrivet ännu" in shown
    assert "Driften är inte räknad ännu" in shown
    assert "abc1234" in shown  # the commit of the registered model


def test_a_folder_filled_from_files_has_no_crawl_and_says_so(flow: Flow) -> None:
    none = flow.tables["crawl_runs"].head(0)
    filled = replace(flow, tables={**flow.tables, "crawl_runs": none})
    assert summary(filled, "sv")[0][1].startswith("Ingen crawl har gått")


def test_a_damaged_report_counts_as_none(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "serving").symlink_to(settings.serving_dir)
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "runs.json").write_text('{"runs": [')
    (tmp_path / "reports" / "drift.json").write_text("[1, 2]")
    found = read_flow(Settings(data_dir=tmp_path))
    assert (found.runs, found.drift, found.dbt_tests) == (None, None, None)


def test_without_a_snapshot_the_section_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SlutprisError, match="nothing is published"):
        data_health_section(Settings(data_dir=tmp_path), "sv")


def test_all_kept_snapshots_are_listed_newest_first(flow: Flow) -> None:
    times = [manifest.created_at for manifest in flow.kept]
    assert len(times) == 2
    assert times == sorted(times, reverse=True)
    assert flow.kept[0].snapshot_id == flow.manifest.snapshot_id


def test_the_versions_in_use_are_those_installed(flow: Flow) -> None:
    assert flow.packages["duckdb"] == duckdb.__version__
    assert {"dbt-core", "xgboost", "dagster", "Python"} <= set(flow.packages)


def test_stages_that_do_not_add_up_are_seen(flow: Flow) -> None:
    stages = flow.tables["stage_counts"]
    counts = dict(zip(stages["stage"], stages["row_count"], strict=True))
    assert add_up(counts)
    assert not add_up(counts | {"features": 984})
    assert not add_up(counts | {"rejected": 14})


def test_rules_beyond_the_commonest_share_a_colour() -> None:
    rules = [f"rule_{number}" for number in range(6)]
    wrong = pd.DataFrame(
        {
            "rule": rules,
            "rejected_count": [60, 50, 40, 30, 20, 10],
            "sold_month": pd.to_datetime(["2026-01-01"] * 5 + ["2026-03-01"]),
        }
    )
    counts = monthly_counts(wrong)
    assert list(counts) == [*rules[:4], ""]
    assert counts[""].tolist() == [20, 0, 10]
    assert counts.index.tolist()[1] == dt.date(2026, 2, 1)


def test_a_year_with_few_sales_is_not_the_one_drawn() -> None:
    years = pd.DataFrame({"sold_year": [2025, 2026], "sale_count": [400, 3]})
    assert shown_year(years) == 2025
    assert shown_year(years.tail(1)) == 2026


def test_the_latest_run_and_the_failures_of_its_night_are_told() -> None:
    well = RUNS[0] | {"status": "SUCCESS", "failed_steps": []}
    earlier = RUNS[0] | {"run_id": "1", "started_at": "2026-11-23T20:00:00+00:00"}
    long_ago = RUNS[0] | {"run_id": "0", "started_at": "2026-11-20T20:00:00+00:00"}
    running = well | {"finished_at": None, "status": "STARTED"}
    told = last_night([running, well, earlier, long_ago])
    assert [run["run_id"] for run in told] == ["2", "1"]
    assert last_night([running]) == [running]


def test_the_runs_of_a_day_are_summed_up() -> None:
    longest = RUNS[0] | {"status": "SUCCESS", "failed_steps": []}
    short = longest | {"finished_at": "2026-11-24T02:02:14+00:00"}
    assert runs_sentence([short, longest], "sv") == (
        "Dygnet fram till 2026-11-24 04:00: 2 körningar, 6 steg, inget misslyckades; "
        "den längsta 1\u00a0tim\u00a00\u00a0min."
    )
    assert "7 steps, 1 failed" in runs_sentence([longest, RUNS[0]], "en")


def test_what_is_missing_is_told_with_what_is_imputed(flow: Flow) -> None:
    shown = missing_values_card(flow, "sv").select(pn.pane.Bokeh)
    labels = [
        text
        for pane in shown
        for axis in pane.object.right
        for text in axis.major_label_overrides.values()
    ]
    assert labels == ["7,0\u00a0%\nallt imputerat"]


def words_of_rules() -> Iterator[str]:
    """The rules of the warehouse, as the contract of the mart lists them."""
    text = (PROJECT_ROOT / "dbt_project/models/marts/_marts__models.yml").read_text()
    listed = text.split("- superseded_observation", 1)[1].split("- name:", 1)[0]
    yield "superseded_observation"
    yield from (line.strip(" -") for line in listed.splitlines() if " - " in line)


def test_every_rule_of_the_warehouse_has_words() -> None:
    rules = set(words_of_rules())
    assert len(rules) == 16
    assert rules == set(RULES) == set(RULE_MEANINGS)


def test_what_a_rule_means_is_shown_whole() -> None:
    for words in RULE_MEANINGS.values():
        assert max(len(words.sv), len(words.en)) <= shell.LONGEST_CELL


def test_every_stage_and_column_of_the_marts_has_words() -> None:
    folder = PROJECT_ROOT / "dbt_project/models/marts"
    stages = (folder / "stage_counts.sql").read_text()
    assert all(f"'{stage}' as stage" in stages for stage in STAGES)
    columns = (folder / "missing_values.sql").read_text()
    assert all(f"'{column}'" in columns for column in COLUMNS)
    assert columns.split("{%- set", 1)[1].split("%}\n\n", 1)[0].count("'") == 2 * len(
        COLUMNS
    )

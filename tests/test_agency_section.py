from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from bokeh.models import ColumnDataSource
from tiny_market import publish_market

from ml.dashboards.agency_section import (
    SHOWN_AGENCIES,
    TITLE_CITY,
    agency_section,
    area_of,
    shown_agencies,
)
from ml.dashboards.charts import interval_rows
from ml.valuation.agency_report import (
    REPORT,
    ensure_agency_report,
    out_of_sample,
    read_agency_report,
)
from ml.valuation.described import read_described_sales
from ml.valuation.places import Place
from ml.valuation.valuation import Valuation
from warehouse.settings import Settings
from warehouse.store import connect

if TYPE_CHECKING:
    from pathlib import Path

    from bokeh.plotting import figure

    from ml.valuation.words import Language


def record(agency: str, sales: int, effect_pct: float, **more: Any) -> dict[str, Any]:
    return {
        "agency": agency,
        "sales": sales,
        "effect_pct": effect_pct,
        "low_pct": effect_pct - 1,
        "high_pct": effect_pct + 1,
        "probability_above_mean": 0.5,
        "median_over_value_pct": 2 * effect_pct,
        **more,
    }


def report() -> dict[str, Any]:
    city = [record(f"Mäklare {n}", 20 + n, n / 10) for n in range(16)]
    local = [
        record("Mäklare 1", 9, 0.4, district="Vasastan"),
        record("Mäklare 2", 5, -0.4, district="Vasastan"),
        record("Mäklare 3", 1, 0.1, district="Vasastan"),
        record("Mäklare 3", 1, 0.1, district="Kista"),
    ]
    return {
        "made_of": {"version": 1},
        "is_enough": True,
        "sales": 500,
        "agency_count": 16,
        "first_sold_date": "2020-01-01",
        "last_sold_date": "2025-12-31",
        "agency_p_value": 0.4,
        "district_p_value": 0.5,
        "between_agency_sd_pct": 0.5,
        "between_district_sd_pct": 0.1,
        "residual_sd_pct": 8.0,
        "is_distinguishable_from_chance": False,
        "later_half_slope": None,
        "agencies": city,
        "agencies_by_district": local,
    }


def kept(folder: Path, content: dict[str, Any]) -> Settings:
    settings = Settings(data_dir=folder, threads=1)
    settings.reports_dir.mkdir(parents=True)
    path = settings.reports_dir / REPORT
    path.write_text(json.dumps(content), encoding="utf-8")
    return settings


def shown(settings: Settings, language: Language, district: str | None = None) -> str:
    """All the text and markup of the section."""
    section = agency_section(valued_in(district), settings, language)
    return " ".join(str(pane.object) for pane in section.select(has_text))


def has_text(part: Any) -> bool:
    return isinstance(getattr(part, "object", None), str)


def valued_in(district: str | None) -> Valuation | None:
    if district is None:
        return None
    place = Place(
        address=None,
        street=None,
        street_number=None,
        district=district,
        municipality="Stockholm",
        level="district",
        latitude=59.3,
        longitude=18.0,
        sale_count=1,
    )
    return Valuation.model_construct(place=place)


def test_a_district_s_own_agencies_are_shown_the_highest_first() -> None:
    area = area_of(report(), "VASASTAN")
    assert area.note is None
    assert [each["agency"] for each in shown_agencies(area)] == [
        "Mäklare 1",
        "Mäklare 2",
    ]


@pytest.mark.parametrize(
    ("district", "said"), [("Kista", "Too few valued"), ("Atlantis", "No valued sale")]
)
def test_where_a_district_cannot_be_compared_the_city_is(
    district: str, said: str
) -> None:
    area = area_of(report(), district)
    assert area.title is TITLE_CITY
    assert area.note is not None
    assert area.note.en.startswith(said)


def test_the_agencies_of_most_sales_are_shown() -> None:
    agencies = shown_agencies(area_of(report(), None))
    assert len(agencies) == SHOWN_AGENCIES
    assert {each["sales"] for each in agencies} == set(range(24, 36))
    effects = [each["effect_pct"] for each in agencies]
    assert effects == sorted(effects, reverse=True)


def test_agencies_that_may_differ_by_chance_are_not_ranked() -> None:
    agencies = shown_agencies(area_of(report(), None), is_ranked=False)
    sales = [each["sales"] for each in agencies]
    assert sales == sorted(sales, reverse=True)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("sv", ["mellan stadens mäklare kan vara slump (p = 0,40)", "Inget bevis för"]),
        ("en", ["may be chance", "(p = 0.40)", "Not proof that"]),
    ],
)
def test_the_section_says_whether_they_differ_and_what_it_does_not_prove(
    tmp_path: Path, language: Language, said: list[str]
) -> None:
    text = shown(kept(tmp_path, report()), language)
    assert all(each in text for each in said)


def test_without_a_report_the_section_says_what_to_run(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, threads=1)
    assert "reports/agencies i Dagster" in shown(settings, "sv")
    damaged = kept(tmp_path / "other", {"made_of": {"version": 0}})
    assert "have not been compared yet" in shown(damaged, "en")


def test_too_few_sales_are_said_with_how_many_are_needed(tmp_path: Path) -> None:
    few = {
        "made_of": {"version": 1},
        "is_enough": False,
        "sales": 7,
        "needed_sales": 200,
    }
    text = shown(kept(tmp_path, few), "sv")
    assert "Bara 7 värderade försäljningar har en känd mäklare; 200 behövs" in text


def test_the_report_is_made_of_values_out_of_sample_and_kept(tmp_path: Path) -> None:
    settings = publish_market(tmp_path)
    with connect(settings.warehouse_path) as connection:
        connection.execute("alter table marts.sales add column source_id varchar")
        connection.execute("update marts.sales set source_id = sale_id")
    with connect(settings.warehouse_path, read_only=True) as connection:
        content = ensure_agency_report(connection, settings)
        sales = read_described_sales(connection, settings)
        made_at = (settings.reports_dir / REPORT).stat().st_mtime_ns
        again = ensure_agency_report(connection, settings)
    assert content["is_enough"]
    assert {each["agency"] for each in content["agencies"]} == {"Mäklarringen", "Notar"}
    assert again == read_agency_report(settings)
    assert (settings.reports_dir / REPORT).stat().st_mtime_ns == made_at
    none_before = sales[sales["sold_date"] >= "2024-06-01"]
    assert out_of_sample(none_before, settings).empty


def test_few_sales_with_an_agency_make_a_report_that_says_so(tmp_path: Path) -> None:
    settings = publish_market(tmp_path)
    with connect(settings.warehouse_path) as connection:
        connection.execute("alter table marts.sales add column source_id varchar")
        connection.execute("update marts.sales set agency = null where rowid > 50")
        content = ensure_agency_report(connection, settings)
    assert content["is_enough"] is False
    assert content["sales"] == 51


def test_a_market_too_young_to_be_valued_by_its_past_is_too_few(
    tmp_path: Path,
) -> None:
    settings = publish_market(tmp_path)
    with connect(settings.warehouse_path) as connection:
        connection.execute("alter table marts.sales add column source_id varchar")
        connection.execute("delete from marts.sales where sold_date < '2024-10-01'")
        content = ensure_agency_report(connection, settings)
    assert content["is_enough"] is False
    assert content["sales"] == 0


def test_a_name_of_two_lines_keeps_its_count_and_gets_a_higher_row() -> None:
    def drawn(*names: str) -> figure:
        ones = [1.0] * len(names)
        return interval_rows(
            names, ones, ones, ones, names, write=str, title="mäklare"
        ).figure

    short, long = "Tegel Mäkleri\xa0(14)", "Årsringen Fastighetsförmedling\xa0(12)"
    labels = drawn(short, long).yaxis[0].major_label_overrides
    assert labels == {1: short, 0: "Årsringen\nFastighetsförmedling\xa0(12)"}
    assert drawn(short, long).height > drawn(short, short).height


def test_a_long_or_hostile_name_is_data_and_cut() -> None:
    name = "<img src=x onerror=alert(1)>" * 400
    chart = interval_rows(
        [name], [1.0], [0.0], [2.0], [name[:60]], write=str, title="mäklare"
    )
    (label,) = chart.figure.yaxis[0].major_label_overrides.values()
    lines = label.split("\n")
    assert len(lines) == 2
    assert max(map(len, lines)) <= 26
    assert label.endswith("…")
    sources = list(chart.figure.select({"type": ColumnDataSource}))
    assert sources[0].data["label"] == [name[:60]]
    hover = [tool for tool in chart.figure.tools if hasattr(tool, "tooltips")]
    assert all("safe" not in str(tool.tooltips) for tool in hover)

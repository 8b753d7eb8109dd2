from __future__ import annotations

import math
from datetime import date

import pytest
from bokeh.models import HoverTool

from ml.dashboards import charts, theme
from ml.dashboards.charts import (
    Band,
    Chart,
    Line,
    Points,
    against,
    date_ticks,
    interval_rows,
    month_bars,
    name_bars,
    nice_ticks,
    time_chart,
)

YEARS = [date(2018, 1, 1), date(2020, 1, 1), date(2022, 1, 1)]
MONTHS = [date(2024, month, 1) for month in (1, 2, 3)]


def labels(chart: Chart) -> list[str]:
    """Every text the chart shows where it is pointed at."""
    return [
        text
        for renderer in chart.figure.renderers
        for text in renderer.data_source.data.get("label", [])
    ]


def axis_texts(axis: object) -> set[str]:
    return set(axis.major_label_overrides.values())  # type: ignore[attr-defined]


def test_ticks_are_round_and_enclose_the_values() -> None:
    assert nice_ticks(4.4, 6.9) == [4, 4.5, 5, 5.5, 6, 6.5, 7]
    assert nice_ticks(0, 1830) == [0, 500, 1000, 1500, 2000]
    assert len(nice_ticks(5.0, 5.0)) >= 2


def test_a_long_time_is_marked_by_years_and_a_short_one_by_months() -> None:
    assert list(date_ticks(YEARS, "sv").values()) == ["2019", "2020", "2021", "2022"]
    assert set(date_ticks(MONTHS, "sv").values()) == {
        "jan 2024",
        "feb 2024",
        "mars 2024",
    }
    assert "Jan 2024" in date_ticks(MONTHS, "en").values()


def test_no_dates_have_no_marks() -> None:
    assert date_ticks([], "sv") == {}


def test_each_value_of_a_line_is_told_in_words() -> None:
    chart = time_chart(
        Line("Värdet", YEARS, [3e6, 4e6, 5.25e6]), title="värde", language="sv"
    )
    assert labels(chart)[-1] == "Värdet, 2022-01-01: 5,2\u00a0mkr"
    assert {"3,0\u00a0mkr", "5,5\u00a0mkr"} <= axis_texts(chart.figure.yaxis[0])


def test_the_frame_holds_a_whole_range() -> None:
    chart = time_chart(
        Band("90 %", YEARS, [1e6] * 3, [9e6] * 3),
        Line("Värdet", YEARS, [4e6] * 3),
        title="värde",
        language="sv",
    )
    assert chart.figure.y_range.start <= 1e6
    assert chart.figure.y_range.end >= 9e6


def test_a_part_without_values_is_neither_drawn_nor_explained() -> None:
    chart = time_chart(
        Line("Värdet", YEARS, [1.0, 2.0, 3.0]),
        Points("Sålda", [], [], []),
        title="värde",
        language="sv",
        write=theme.number,
    )
    assert [entry.name for entry in chart.legend] == ["Värdet"]


def test_a_chart_of_nothing_is_still_a_chart() -> None:
    assert time_chart(title="tomt", language="sv").legend == ()


def test_a_missing_value_does_not_stretch_the_axis() -> None:
    chart = time_chart(
        Line("Fel", YEARS, [5.0, math.nan, 6.0]),
        title="fel",
        language="sv",
        write=theme.number,
    )
    assert chart.figure.y_range.end == pytest.approx(6.0)


def test_a_bar_says_its_month_and_its_number() -> None:
    chart = month_bars(
        MONTHS, [1200, 0, 3], title="sålda", language="sv", write=theme.number
    )
    assert labels(chart) == ["jan 2024: 1\u00a0200", "feb 2024: 0", "mars 2024: 3"]


def test_rows_are_drawn_from_the_top_down() -> None:
    chart = name_bars(
        ["först", "sist"], [2, 1], ["a", "b"], write=theme.number, title="rader"
    )
    bars = chart.figure.renderers[0].data_source.data
    assert bars["row"] == [1, 0]
    assert chart.figure.yaxis[0].major_label_overrides == {1: "först", 0: "sist"}


def test_a_long_name_is_cut_where_the_axis_has_no_room() -> None:
    chart = interval_rows(
        ["x" * 10_000], [1], [0], [2], ["hela"], write=theme.number, title="rader"
    )
    (shown,) = axis_texts(chart.figure.yaxis[0])
    assert shown.endswith("…")
    assert [len(line) for line in shown.split("\n")] == [charts.LONGEST_LINE] * 2


def test_value_against_price_has_equal_axes() -> None:
    chart = against(
        [3e6, 4e6], [3.2e6, 3.9e6], ["a", "b"], title="mot", names=("Värde", "Pris")
    )
    made = chart.figure
    assert (made.x_range.start, made.x_range.end) == (
        made.y_range.start,
        made.y_range.end,
    )


def test_labels_are_never_read_as_html() -> None:
    chart = time_chart(
        Points("Sålda", YEARS[:1], [1.0], ["<img src=x>"]),
        title="hot",
        language="sv",
        write=theme.number,
    )
    hovers = [tool for tool in chart.figure.tools if isinstance(tool, HoverTool)]
    assert [hover.tooltips for hover in hovers] == [[("", "@label")]]

"""Charts of the data flow that no other page draws: numbered bars, stacked months.

What belongs here: geometry, on top of ``charts``. What does not: where numbers come
from, and words.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, LinearAxis, Span

from ml.dashboards.charts import (
    DAY_MS,
    LABEL,
    Chart,
    LegendEntry,
    date_ticks,
    mark_axis,
    name_bars,
    nice_ticks,
    plain_figure,
    rows_height,
)
from ml.dashboards.theme import AMBER, month

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bokeh.plotting import figure

    from ml.dashboards.charts import Write
    from ml.valuation.words import Language

BAR_DAYS = 26


@dataclass(frozen=True)
class NumberedBar:
    """A bar with its number beside it, and more where it is pointed at."""

    name: str
    value: float
    number: str
    label: str
    is_marked: bool = False
    """Drawn in the colour of what needs attention."""


def numbered_bars(
    bars: Sequence[NumberedBar],
    *,
    write: Write,
    title: str,
    limits: Sequence[tuple[float, str]] = (),
) -> Chart:
    """Draw a horizontal bar for each name, the first on top, its number beside it.

    Parameters
    ----------
    bars
        From the top down.
    write
        How a value is written on the axis.
    title
        Of the picture when it is saved.
    limits
        Values at which a line stands, with its colour.
    """
    chart = name_bars(
        [bar.name for bar in bars],
        [bar.value for bar in bars],
        [bar.label for bar in bars],
        write=write,
        title=title,
    )
    frame = chart.figure
    _mark(frame, bars)
    _number(frame, bars)
    if any("\n" in bar.number for bar in bars):
        frame.height = rows_height(len(bars), lines=2)
    _fit(frame, [*(bar.value for bar in bars), *(limit for limit, _ in limits)])
    for limit, colour in limits:
        frame.add_layout(
            Span(
                location=limit,
                dimension="height",
                line_color=colour,
                line_dash="dashed",
                line_width=1.5,
                level="underlay",
            )
        )
    return chart


@dataclass(frozen=True)
class Layer:
    """One kind of what is stacked: its values, a month each."""

    name: str
    values: Sequence[float]
    colour: str


def stacked_months(
    months: Sequence[dt.date],
    layers: Sequence[Layer],
    *,
    title: str,
    language: Language,
    write: Write,
    height: int = 260,
) -> Chart:
    """Draw a bar of counts for each month, its kinds on top of each other."""
    totals = [sum(values) for values in zip(*(e.values for e in layers), strict=True)]
    ticks = nice_ticks(0, max([*totals, 1]))
    made = plain_figure(title, height, y_range=(0, ticks[-1]))
    whole = [tick for tick in ticks if float(tick).is_integer()]
    mark_axis(made.yaxis[0], {tick: write(tick) for tick in whole})
    made.ygrid.ticker = FixedTicker(ticks=whole)
    made.xgrid.visible = False
    mark_axis(made.xaxis[0], date_ticks(months, language))
    below = [0.0] * len(months)
    for layer in layers:
        above = [low + value for low, value in zip(below, layer.values, strict=True)]
        source = ColumnDataSource(
            {
                "x": [_middle_ms(each) for each in months],
                "low": below,
                "high": above,
                "label": [
                    f"{layer.name}, {month(each, language)}: {write(value)}"
                    for each, value in zip(months, layer.values, strict=True)
                ],
            }
        )
        drawn = made.vbar(
            x="x",
            bottom="low",
            top="high",
            source=source,
            width=BAR_DAYS * DAY_MS,
            color=layer.colour,
            line_width=0,
        )
        made.add_tools(HoverTool(renderers=[drawn], tooltips=LABEL))
        below = above
    legend = (LegendEntry(layer.name, layer.colour, "dot") for layer in layers)
    return Chart(made, tuple(legend))


def _mark(frame: figure, bars: Sequence[NumberedBar]) -> None:
    marked = [(row, bar) for row, bar in _rows(bars) if bar.is_marked]
    source = ColumnDataSource(
        {
            "row": [row for row, _ in marked],
            "value": [bar.value for _, bar in marked],
            "label": [bar.label for _, bar in marked],
        }
    )
    frame.hbar(y="row", right="value", source=source, height=0.62, color=AMBER)


def _number(frame: figure, bars: Sequence[NumberedBar]) -> None:
    """Write the numbers in a column of their own, where no bar or line crosses them."""
    column = LinearAxis(axis_line_color=None, major_tick_line_color=None)
    mark_axis(column, {float(row): bar.number for row, bar in _rows(bars)})
    frame.add_layout(column, "right")


def _fit(frame: figure, values: Sequence[float]) -> None:
    """End the axis just past the largest value: its next mark may lie far beyond."""
    largest = max(values, default=0.0)
    if largest > 0:
        frame.x_range.update(end=1.02 * largest)


def _rows(bars: Sequence[NumberedBar]) -> list[tuple[int, NumberedBar]]:
    return [(len(bars) - 1 - place, bar) for place, bar in enumerate(bars)]


def _middle_ms(first_day: dt.date) -> float:
    days = (first_day - dt.date(1970, 1, 1)).days + 15
    return days * float(DAY_MS)

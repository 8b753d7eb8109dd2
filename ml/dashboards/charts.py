"""Charts, drawn by Bokeh: lines with ranges, bars, intervals, value against price.

What belongs here: geometry and how a number is shown when it is pointed at. What does
not: where the numbers come from, and the card around a chart (``shell``). Colours are
mid-tones that read on light and dark alike; panel-material-ui recolours axes and grids
when the theme is switched. Labels are columns of data, which Bokeh shows as text.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import panel as pn
from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, SaveTool, Span
from bokeh.plotting import figure

from ml.dashboards.theme import AMBER, MUTED, TEAL, million_sek, month, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.valuation.words import Language

Write = Callable[[float], str]
"""How a value is written on an axis, and where it is pointed at."""

DAY_MS = 86_400_000
ROW_HEIGHT, TWO_LINES_HEIGHT = 30, 38
"""Of a row in a chart of names, in CSS pixels."""
LONGEST_LINE = 26
YEARS_APART_FROM_DAYS = 900
"""A longer span of time is marked by years, a shorter one by months."""


@dataclass(frozen=True)
class LegendEntry:
    """What one colour of a chart means; ``look`` is line, dashed, band, dot or ring."""

    name: str
    colour: str
    look: str


@dataclass(frozen=True)
class Chart:
    """A figure, and what its colours mean."""

    figure: figure
    legend: tuple[LegendEntry, ...] = ()

    def pane(self) -> pn.pane.Bokeh:
        """Make a pane as wide as there is room."""
        return pn.pane.Bokeh(self.figure, sizing_mode="stretch_width", margin=0)


@dataclass(frozen=True)
class Line:
    """A line through dated values."""

    name: str
    dates: Sequence[dt.date]
    values: Sequence[float]
    colour: str = TEAL
    is_dashed: bool = False

    def extent(self) -> Sequence[float]:
        """Give every value that must fit in the frame."""
        return self.values

    def legend(self) -> LegendEntry:
        """Tell what the colour means."""
        return LegendEntry(
            self.name, self.colour, "dashed" if self.is_dashed else "line"
        )

    def draw(self, on: figure, write: Write) -> None:
        """Draw it, with each value shown where it is pointed at."""
        source = _source(self.dates, self.values, self.name, write)
        dash = "dashed" if self.is_dashed else "solid"
        line = on.line("x", "y", source=source, color=self.colour, width=2.2, dash=dash)
        on.add_tools(HoverTool(renderers=[line], tooltips=LABEL, mode="vline"))


@dataclass(frozen=True)
class Band:
    """A range over time."""

    name: str
    dates: Sequence[dt.date]
    lows: Sequence[float]
    highs: Sequence[float]
    colour: str = TEAL

    @property
    def values(self) -> Sequence[float]:
        """Both ends."""
        return [*self.lows, *self.highs]

    def extent(self) -> Sequence[float]:
        """Give every value that must fit in the frame."""
        return self.values

    def legend(self) -> LegendEntry:
        """Tell what the colour means."""
        return LegendEntry(self.name, self.colour, "band")

    def draw(self, on: figure, write: Write) -> None:
        """Draw it, unlabelled: the line inside it is pointed at."""
        del write
        on.varea(
            x=[_ms(date) for date in self.dates],
            y1=list(self.lows),
            y2=list(self.highs),
            fill_color=self.colour,
            fill_alpha=0.24,
        )


@dataclass(frozen=True)
class Points:
    """Dated values that stand by themselves, each with its own label."""

    name: str
    dates: Sequence[dt.date]
    values: Sequence[float]
    labels: Sequence[str]
    colour: str = AMBER
    size: int = 9
    is_hollow: bool = False

    def extent(self) -> Sequence[float]:
        """Give every value that must fit in the frame."""
        return self.values

    def legend(self) -> LegendEntry:
        """Tell what the colour means."""
        return LegendEntry(self.name, self.colour, "dot")

    def draw(self, on: figure, write: Write) -> None:
        """Draw them, each with its label where it is pointed at."""
        del write
        source = ColumnDataSource(
            {
                "x": [_ms(date) for date in self.dates],
                "y": list(self.values),
                "label": list(self.labels),
            }
        )
        dots = on.scatter(
            "x",
            "y",
            source=source,
            size=self.size,
            line_color=self.colour,
            line_width=2,
            fill_color=self.colour,
            fill_alpha=0 if self.is_hollow else 0.75,
        )
        on.add_tools(HoverTool(renderers=[dots], tooltips=LABEL))


Part = Line | Band | Points
LABEL = [("", "@label")]


@dataclass(frozen=True)
class _Frame:
    """A figure with round numbers on its value axis."""

    write: Write
    title: str
    height: int
    lowest: float
    highest: float
    options: dict[str, Any] = field(default_factory=dict)

    def drawn(self) -> figure:
        ticks = nice_ticks(self.lowest, self.highest)
        made = plain_figure(
            self.title, self.height, y_range=(ticks[0], ticks[-1]), **self.options
        )
        mark_axis(made.yaxis[0], {tick: self.write(tick) for tick in ticks})
        made.ygrid.ticker = FixedTicker(ticks=ticks)
        made.xgrid.visible = False
        return made


def plain_figure(title: str, height: int, **options: Any) -> figure:  # noqa: ANN401
    """Make an empty figure as wide as there is room, that can be saved as a picture."""
    made = figure(
        height=height,
        sizing_mode="stretch_width",
        toolbar_location="above",
        tools=[SaveTool(filename=title)],
        min_border=4,
        **options,
    )
    made.toolbar.logo = None
    made.toolbar.autohide = True
    made.outline_line_color = None
    return made


def mark_axis(axis: Any, labels: Mapping[float, str]) -> None:  # noqa: ANN401 - Bokeh's
    """Mark an axis at the given values alone, with the given texts."""
    axis.ticker = FixedTicker(ticks=list(labels))
    axis.major_label_overrides = {
        int(value) if float(value).is_integer() else value: text
        for value, text in labels.items()
    }
    axis.minor_tick_line_color = None


def time_chart(
    *parts: Part,
    title: str,
    language: Language,
    write: Write = million_sek,
    height: int = 300,
    from_zero: bool = False,
) -> Chart:
    """Draw dated values; parts without any values are left out.

    Parameters
    ----------
    parts
        From the bottom up.
    title
        Of the picture when it is saved.
    language
        Of the months.
    write
        How a value is written, on the axis and where it is pointed at.
    height
        In CSS pixels.
    from_zero
        Whether the axis begins at zero.
    """
    shown = [part for part in parts if len(part.dates)]
    values = [float(v) for part in shown for v in part.extent() if math.isfinite(v)]
    values = [*values, 0.0] if from_zero or not values else values
    dates = [date for part in shown for date in part.dates]
    frame = _Frame(write, title, height, min(values), max(values)).drawn()
    mark_axis(frame.xaxis[0], date_ticks(dates, language))
    for part in shown:
        part.draw(frame, write)
    return Chart(frame, tuple(part.legend() for part in shown))


def month_bars(
    dates: Sequence[dt.date],
    values: Sequence[float],
    *,
    title: str,
    language: Language,
    write: Write,
    height: int = 220,
    colour: str = TEAL,
) -> Chart:
    """Draw a bar for each month."""
    frame = _Frame(write, title, height, 0, max([*values, 1])).drawn()
    mark_axis(frame.xaxis[0], date_ticks(dates, language))
    source = ColumnDataSource(
        {
            "x": [_ms(date) for date in dates],
            "y": list(values),
            "label": [
                f"{month(date, language)}: {write(value)}"
                for date, value in zip(dates, values, strict=True)
            ],
        }
    )
    bars = frame.vbar(
        x="x", top="y", source=source, width=24 * DAY_MS, color=colour, alpha=0.85
    )
    frame.add_tools(HoverTool(renderers=[bars], tooltips=LABEL))
    return Chart(frame)


def interval_rows(
    names: Sequence[str],
    values: Sequence[float],
    lows: Sequence[float],
    highs: Sequence[float],
    labels: Sequence[str],
    *,
    write: Write,
    title: str,
    zero_line: bool = True,
    colour: str = TEAL,
) -> Chart:
    """Draw a row for each name, the first on top: a dot with its interval."""
    made, rows = _rows_figure(names, [*lows, *highs], write, title, zero_line)
    source = ColumnDataSource(
        {
            "row": rows,
            "value": list(values),
            "low": list(lows),
            "high": list(highs),
            "label": list(labels),
        }
    )
    made.segment(
        "low", "row", "high", "row", source=source, color=colour, width=5, alpha=0.85
    )
    dots = made.scatter("value", "row", source=source, size=10, color=colour)
    made.add_tools(HoverTool(renderers=[dots], tooltips=LABEL))
    return Chart(made)


def in_lines(name: str) -> str:
    """Write a name in two lines at most, as it stands beside its row."""
    lines = wrap(name, LONGEST_LINE)
    if len(lines) > 2:
        lines = [lines[0], f"{lines[1][: LONGEST_LINE - 1]}…"]
    return "\n".join(lines)


def name_bars(
    names: Sequence[str],
    values: Sequence[float],
    labels: Sequence[str],
    *,
    write: Write,
    title: str,
    colour: str = TEAL,
) -> Chart:
    """Draw a horizontal bar for each name, the first on top."""
    # Few marks: on a phone, names and numbers leave the bars little room.
    made, rows = _rows_figure(
        names, [0, *values], write, title, zero_line=True, tick_count=2
    )
    source = ColumnDataSource(
        {"row": rows, "value": list(values), "label": list(labels)}
    )
    bars = made.hbar(
        y="row", right="value", source=source, height=0.62, color=colour, alpha=0.85
    )
    made.add_tools(HoverTool(renderers=[bars], tooltips=LABEL))
    return Chart(made)


def against(
    values: Sequence[float],
    prices: Sequence[float],
    labels: Sequence[str],
    *,
    title: str,
    names: tuple[str, str],
    height: int = 380,
    write: Write = million_sek,
    language: Language = "sv",
) -> Chart:
    """Draw values (across) against the prices fetched (up), both in SEK.

    Parameters
    ----------
    values, prices, labels
        A dot each.
    title
        Of the picture when it is saved.
    names
        What lies across and what up.
    height
        In CSS pixels.
    write
        How an amount is written on the axes.
    language
        Of the legend.

    The line is where both are equal, the band within 10 % of it.
    """
    ends = [*values, *prices] or [0.0, 1.0]
    ticks = nice_ticks(min(ends), max(ends))
    first, last = ticks[0], ticks[-1]
    frame = _Frame(write, title, height, first, last, {"x_range": (first, last)})
    made = frame.drawn()
    mark_axis(made.xaxis[0], {tick: write(tick) for tick in ticks})
    made.xaxis.axis_label, made.yaxis.axis_label = names
    made.varea(
        x=[first, last],
        y1=[0.9 * first, 0.9 * last],
        y2=[1.1 * first, 1.1 * last],
        fill_color=MUTED,
        fill_alpha=0.14,
    )
    made.line([first, last], [first, last], color=MUTED, width=1.5)
    source = ColumnDataSource(
        {"value": list(values), "price": list(prices), "label": list(labels)}
    )
    dots = made.scatter(
        "value", "price", source=source, size=7, color=TEAL, fill_alpha=0.55
    )
    made.add_tools(HoverTool(renderers=[dots], tooltips=LABEL))
    return Chart(made, (LegendEntry(f"±{percent(10, 0, language)}", MUTED, "band"),))


def nice_ticks(lowest: float, highest: float, count: int = 4) -> list[float]:
    """Give round values that enclose both ends: steps of 1, 2 or 5 times a ten."""
    span = max(highest - lowest, abs(highest) * 0.02, 1e-9)
    magnitude = 10 ** math.floor(math.log10(span / count))
    step = min(
        (factor * magnitude for factor in (1, 2, 5, 10)),
        key=lambda step: abs(span / step - count),
    )
    start = math.floor(lowest / step)
    stop = max(math.ceil(highest / step), start + 1)
    return [step * position for position in range(start, stop + 1)]


def date_ticks(
    dates: Sequence[dt.date], language: Language, count: int = 7
) -> dict[float, str]:
    """Mark years, or months where the dates span less than three years."""
    if not dates:
        return {}
    first, last = min(dates), max(dates)
    if (last - first).days > YEARS_APART_FROM_DAYS:
        years = range(first.year + 1, last.year + 1)
        step = max(1, math.ceil(len(years) / count))
        return {
            _ms(dt.date(year, 1, 1)): str(year)
            for year in years
            if (last.year - year) % step == 0
        }
    months = [
        dt.date(
            first.year + (first.month - 1 + n) // 12, (first.month - 1 + n) % 12 + 1, 1
        )
        for n in range((last.year - first.year) * 12 + last.month - first.month + 1)
    ]
    step = max(1, math.ceil(len(months) / count))
    return {_ms(each): month(each, language) for each in months[::-step]}


def rows_height(count: int, lines: int) -> int:
    """Give the height of a chart of so many rows, whose texts have so many lines."""
    return (TWO_LINES_HEIGHT if lines > 1 else ROW_HEIGHT) * count + 60


def _rows_figure(
    names: Sequence[str],
    ends: Sequence[float],
    write: Write,
    title: str,
    zero_line: bool,
    tick_count: int = 4,
) -> tuple[figure, list[int]]:
    rows = list(range(len(names) - 1, -1, -1))
    finite = [float(end) for end in ends if math.isfinite(end)]
    span = [*finite, 0.0] if zero_line or not finite else finite
    ticks = nice_ticks(min(span), max(span), tick_count)
    shown = [in_lines(name) for name in names]
    lines = 2 if any("\n" in name for name in shown) else 1
    made = plain_figure(
        title,
        rows_height(len(names), lines),
        x_range=(ticks[0], ticks[-1]),
        y_range=(-0.6, len(names) - 0.4),
    )
    mark_axis(made.xaxis[0], {tick: write(tick) for tick in ticks})
    made.xgrid.ticker = FixedTicker(ticks=ticks)
    mark_axis(made.yaxis[0], dict(zip(map(float, rows), shown, strict=True)))
    made.ygrid.visible = False
    if zero_line:
        made.add_layout(Span(location=0, dimension="height", line_color=MUTED))
    return made, rows


def _source(
    dates: Sequence[dt.date], values: Sequence[float], name: str, write: Write
) -> ColumnDataSource:
    return ColumnDataSource(
        {
            "x": [_ms(date) for date in dates],
            "y": list(values),
            "label": [
                f"{name}, {date:%Y-%m-%d}: {write(value)}"
                for date, value in zip(dates, values, strict=True)
            ],
        }
    )


def _ms(date: dt.date) -> float:
    """Give a day as Bokeh counts: milliseconds since 1970."""
    return (date - dt.date(1970, 1, 1)).days * float(DAY_MS)

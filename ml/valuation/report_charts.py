"""Charts of a report as SVG, coloured by its style sheet.

What belongs here: drawing points with intervals. What does not: computing them, or
pictures as files (``plots``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ml.valuation.markup import Markup, element
from ml.valuation.swedish import swedish_number

WIDTH, HEIGHT = 760, 250
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 12, 46
STEPS = (1, 2, 2.5, 5, 10)
MOST_LABELS = 14
SPREAD, POINT_ROOM = 0.6, 14
"""How much of a label's room its points take at most, and how much each needs."""


@dataclass(frozen=True)
class Point:
    """A figure and its interval, which may be missing."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Series:
    """A named row of points, one per label, None where there is none."""

    name: str
    points: list[Point | None]


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    step: float

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    @property
    def ticks(self) -> list[float]:
        count = round((self.high - self.low) / self.step)
        return [self.low + n * self.step for n in range(count + 1)]


def interval_chart(
    labels: list[str],
    series: list[Series],
    *,
    title: str,
    good: tuple[float, float] | None = None,
    lines: bool = True,
) -> Markup:
    """Draw rows of points with their intervals over common labels.

    Parameters
    ----------
    labels
        Below the points, from left to right.
    series
        Rows of points in the order of the legend.
    title
        What the chart shows, for those who do not see it.
    good
        A band that is shaded.
    lines
        Whether the points of a row are joined.
    """
    scale = _scale(series, good)
    drawn = [*_band(scale, good), *_grid(scale), *_labels(labels)]
    for number, row in enumerate(series):
        drawn += _row(row, number, len(series), len(labels), scale, lines=lines)
    return element(
        "figure",
        _legend(series),
        element(
            "svg",
            *drawn,
            viewBox=f"0 0 {WIDTH} {HEIGHT}",
            role="img",
            aria_label=title,
        ),
        class_="chart",
    )


def _scale(series: list[Series], good: tuple[float, float] | None) -> _Scale:
    points = [point for row in series for point in row.points if point]
    values = [
        value
        for point in points
        for value in (point.value, point.low, point.high)
        if value is not None
    ]
    values += list(good or ())
    span = max(values) - min(values) or 1
    power = 10 ** math.floor(math.log10(span / 5))
    step = next(power * s for s in STEPS if span / (power * s) <= 6)
    low = math.floor(min(values) / step) * step
    high = math.ceil(max(values) / step) * step
    return _Scale(low, high if high > low else low + step, step)


def _band(scale: _Scale, good: tuple[float, float] | None) -> list[Markup]:
    if good is None:
        return []
    top, bottom = scale.y(good[1]), scale.y(good[0])
    return [
        element(
            "rect",
            x=LEFT,
            y=top,
            width=WIDTH - LEFT - RIGHT,
            height=round(bottom - top, 1),
            class_="band",
        )
    ]


def _grid(scale: _Scale) -> list[Markup]:
    decimals = 0 if scale.step >= 1 else 1 if scale.step >= 0.1 else 2
    drawn = []
    for tick in scale.ticks:
        y = scale.y(tick)
        drawn.append(
            element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid")
        )
        text = swedish_number(tick, decimals)
        drawn.append(
            element("text", text, x=LEFT - 8, y=y + 4, text_anchor="end", class_="tick")
        )
    return drawn


def _labels(labels: list[str]) -> list[Markup]:
    every = math.ceil(len(labels) / MOST_LABELS)
    return [
        element(
            "text",
            label,
            x=_x(position, len(labels)),
            y=HEIGHT - BOTTOM + 22,
            text_anchor="middle",
            class_="tick",
        )
        for position, label in enumerate(labels)
        if position % every == 0
    ]


def _row(
    row: Series, number: int, rows: int, labels: int, scale: _Scale, *, lines: bool
) -> list[Markup]:
    room = min((WIDTH - LEFT - RIGHT) / labels * SPREAD, POINT_ROOM * (rows - 1))
    # Side by side, so that no interval hides another.
    aside = 0.0 if rows == 1 or lines else room * (number / (rows - 1) - 0.5)
    placed = [
        (round(_x(position, labels) + aside, 1), point)
        for position, point in enumerate(row.points)
        if point is not None
    ]
    drawn = [
        element("line", x1=x, x2=x, y1=scale.y(point.low), y2=scale.y(point.high))
        for x, point in placed
        if point.low is not None and point.high is not None
    ]
    if lines and len(placed) > 1:
        path = " ".join(f"{x},{scale.y(point.value)}" for x, point in placed)
        drawn.append(element("polyline", points=path))
    drawn += [
        element("circle", _tip(row.name, point), cx=x, cy=scale.y(point.value), r=3.5)
        for x, point in placed
    ]
    return [element("g", *drawn, class_=f"series s{number % 8}")]


def _tip(name: str, point: Point) -> Markup:
    text = f"{name}: {swedish_number(point.value, 2)}"
    if point.low is not None and point.high is not None:
        text += (
            f" ({swedish_number(point.low, 2)} till {swedish_number(point.high, 2)})"
        )
    return element("title", text)


def _legend(series: list[Series]) -> Markup:
    return element(
        "figcaption",
        *[
            element("span", element("i", class_=f"key s{number % 8}"), row.name)
            for number, row in enumerate(series)
        ],
    )


def _x(position: int, labels: int) -> float:
    return round(LEFT + (position + 0.5) * (WIDTH - LEFT - RIGHT) / labels, 1)

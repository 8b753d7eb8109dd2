"""Charts as SVG text: they follow the page's colours, light and dark, by CSS.

What belongs here: geometry. What does not: where the numbers come from. Everything a
chart is given in words is escaped.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from ml.dashboards.theme import million_sek, number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Point = tuple[dt.date, float]

WIDE, NARROW = 760, 340
"""Widths charts are drawn at; the page shows the one that fits, at its real size."""


@dataclass(frozen=True)
class Mark:
    """A point to tell about: a filled dot, hollow where it is an extrapolation."""

    date: dt.date
    value: float
    label: str
    is_extrapolation: bool = False
    is_main: bool = False


@dataclass(frozen=True)
class TimeChart:
    """A line over time, with marks on it and faint dots around it."""

    line: Sequence[Point]
    marks: Sequence[Mark] = ()
    dots: Sequence[tuple[dt.date, float, str]] = ()
    dashed: Sequence[Point] = ()
    write: Callable[[float], str] = million_sek
    title: str = ""
    is_filled: bool = True
    extra: Sequence[float] = field(default_factory=tuple)

    def svg(self, width: int = WIDE, height: int = 300) -> str:
        """Draw it ``width`` wide, in CSS pixels."""
        frame = _Frame(self, width, height)
        parts = [
            *frame.gridlines(),
            self._area(frame) if self.is_filled else "",
            f'<path d="{frame.path(self.line)}" fill="none" stroke="var(--accent)" '
            'stroke-width="2" stroke-linejoin="round"/>',
            f'<path d="{frame.path(self.dashed)}" fill="none" stroke="var(--amber)" '
            'stroke-width="2" stroke-dasharray="2 5" stroke-linecap="round"/>',
            *(frame.dot(*dot) for dot in self.dots),
            *(frame.mark(mark) for mark in self.marks),
        ]
        return _svg(width, height, self.title, parts)

    def _area(self, frame: _Frame) -> str:
        if not self.line:
            return ""
        right, left = frame.x(self.line[-1][0]), frame.x(self.line[0][0])
        return (
            f'<path d="{frame.path(self.line)}L{right:.1f} {frame.bottom}'
            f'L{left:.1f} {frame.bottom}Z" fill="var(--accent)" opacity="0.08"/>'
        )

    def values(self) -> list[float]:
        """Give every value that must fit in the frame."""
        return [
            *(value for _, value in (*self.line, *self.dashed)),
            *(mark.value for mark in self.marks),
            *(value for _, value, _ in self.dots),
            *self.extra,
        ]

    def dates(self) -> list[dt.date]:
        """Give every date that must fit in the frame."""
        return [
            *(date for date, _ in (*self.line, *self.dashed)),
            *(mark.date for mark in self.marks),
            *(date for date, _, _ in self.dots),
        ]


class _Frame:
    """Where a date and a value lie on the paper."""

    def __init__(self, chart: TimeChart, width: int, height: int) -> None:
        self.write = chart.write
        dates = chart.dates()
        self.first, self.last = min(dates), max(dates)
        self.ticks = nice_ticks(min(chart.values()), max(chart.values()))
        longest = max(len(self.write(tick)) for tick in self.ticks)
        self.left, self.right = 7 * longest + 8, width - 10
        self.top, self.bottom = 14, height - 26

    def x(self, date: dt.date) -> float:
        share = (date - self.first).days / max(1, (self.last - self.first).days)
        return self.left + share * (self.right - self.left)

    def y(self, value: float) -> float:
        lowest, highest = self.ticks[0], self.ticks[-1]
        share = (value - lowest) / (highest - lowest)
        return self.bottom - share * (self.bottom - self.top)

    def path(self, points: Sequence[Point]) -> str:
        places = [f"{self.x(date):.1f} {self.y(value):.1f}" for date, value in points]
        return "M" + "L".join(places) if places else ""

    def gridlines(self) -> list[str]:
        rows = [
            f'<line x1="{self.left}" x2="{self.right}" y1="{self.y(tick):.1f}" '
            f'y2="{self.y(tick):.1f}" stroke="var(--line)"/>'
            f'<text x="{self.left - 8}" y="{self.y(tick) + 4:.1f}" '
            f'text-anchor="end">{self.write(tick)}</text>'
            for tick in self.ticks
        ]
        return rows + [
            f'<text x="{self.x(date):.1f}" y="{self.bottom + 20}" '
            f'text-anchor="middle">{date.year}</text>'
            for date in self._years()
        ]

    def _years(self) -> list[dt.date]:
        room = max(1, int((self.right - self.left) / 52))
        years = range(self.first.year + 1, self.last.year + 1)
        step = max(1, math.ceil(len(years) / room))
        return [
            dt.date(year, 1, 1) for year in years if (self.last.year - year) % step == 0
        ]

    def dot(self, date: dt.date, value: float, label: str) -> str:
        return (
            f'<circle cx="{self.x(date):.1f}" cy="{self.y(value):.1f}" r="4" '
            'fill="var(--muted)" opacity="0.55">'
            f"<title>{escape(label)}</title></circle>"
        )

    def mark(self, mark: Mark) -> str:
        x, y = self.x(mark.date), self.y(mark.value)
        colour = "var(--amber)" if mark.is_extrapolation else "var(--accent)"
        fill = "var(--panel-surface-color)" if mark.is_extrapolation else colour
        radius = 8 if mark.is_main else 6
        return (
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y:.1f}" y2="{self.bottom}" '
            f'stroke="{colour}" opacity="0.35"/>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{fill}" '
            f'stroke="{colour}" stroke-width="2.5">'
            f"<title>{escape(mark.label)}</title></circle>"
        )


def bars(
    values: Sequence[Point], title: str, width: int = WIDE, height: int = 200
) -> str:
    """Draw one bar a month."""
    chart = TimeChart(line=values, write=number, extra=(0,))
    frame = _Frame(chart, width, height)
    thickness = max(1.0, (frame.right - frame.left) / max(1, len(values)) - 1)
    parts = frame.gridlines() + [
        f'<rect x="{frame.x(date) - thickness / 2:.1f}" y="{frame.y(value):.1f}" '
        f'width="{thickness:.1f}" height="{frame.bottom - frame.y(value):.1f}" '
        f'fill="var(--accent)" opacity="0.8"><title>{date:%Y-%m}: {number(value)}'
        "</title></rect>"
        for date, value in values
    ]
    return _svg(width, height, title, parts)


@dataclass(frozen=True)
class Spot:
    """A place on the map; ``label`` shows when it is pointed at."""

    latitude: float
    longitude: float
    label: str = ""


def dot_map(
    centre: Spot, houses: Sequence[Spot], sales: Sequence[Spot], radius_m: float
) -> str:
    """Draw the neighbourhood from its addresses alone: their dots are the streets."""
    size = 300

    def place(spot: Spot) -> tuple[float, float]:
        metres = 111_320
        east = (spot.longitude - centre.longitude) * metres
        east *= math.cos(math.radians(centre.latitude))
        north = (spot.latitude - centre.latitude) * metres
        scale = size / 2 / radius_m
        return size / 2 + east * scale, size / 2 - north * scale

    def circle(spot: Spot, radius: float, look: str) -> str:
        x, y = place(spot)
        title = f"<title>{escape(spot.label)}</title>" if spot.label else ""
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" {look}>{title}</circle>'

    step_m = 500 if radius_m > 1000 else 200 if radius_m > 350 else 100
    step = step_m * size / 2 / radius_m
    sale_look = 'fill="var(--accent)" stroke="var(--panel-surface-color)"'
    centre_look = 'fill="var(--amber)" stroke="var(--panel-surface-color)"'
    parts = [
        '<clipPath id="edge"><rect width="300" height="300" rx="10"/></clipPath>',
        '<g clip-path="url(#edge)">',
        f'<rect width="{size}" height="{size}" rx="10" fill="var(--wash)"/>',
        *(circle(house, 1.7, 'fill="var(--muted)" opacity="0.45"') for house in houses),
        *(circle(sale, 6, f'{sale_look} stroke-width="1.5"') for sale in sales),
        circle(centre, 8, f'{centre_look} stroke-width="2.5"'),
        "</g>",
        f'<path d="M14 {size - 14}h{step:.1f}" stroke="var(--ink)" stroke-width="2"/>'
        f'<text x="14" y="{size - 21}">{step_m} m</text>',
    ]
    return _svg(size, size, "Karta över försäljningarna", parts)


def both_widths(draw: Callable[[int], str], wide: int = WIDE) -> str:
    """Draw a chart for wide and narrow columns; CSS shows the one that fits."""
    return (
        f'<div class="wide-only">{draw(wide)}</div>'
        f'<div class="narrow-only">{draw(NARROW)}</div>'
    )


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


def _svg(width: int, height: int, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )

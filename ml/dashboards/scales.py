"""Scales of rows whose chart must also hold a mark of its own: a promise, a price.

What belongs here: moving the ends of a value axis. What does not: drawing rows, see
``charts.interval_rows``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bokeh.models import FixedTicker, Range1d, Span

from ml.dashboards.charts import mark_axis, nice_ticks
from ml.dashboards.theme import AMBER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.dashboards.charts import Chart, Write

MARGIN = 0.03
"""Of the span, so that a dot at an end is whole."""
TICKS = 3
"""So few that amounts in SEK do not overlap on a phone."""


def mark_value(
    chart: Chart,
    at: float,
    ends: Sequence[float],
    write: Write,
    last: float | None = None,
) -> None:
    """Mark a value with an upright line, and make room for it beside the rows.

    Parameters
    ----------
    chart
        Of rows, changed in place.
    at
        The value to mark.
    ends
        The ends of the rows.
    write
        How a value is written on the axis.
    last
        The largest value that has a meaning, such as 100 %; no tick lies above it.
    """
    ticks = nice_ticks(min(at, *ends), max(at, *ends), TICKS)
    ticks = [tick for tick in ticks if last is None or tick <= last]
    margin = MARGIN * (ticks[-1] - ticks[0])
    chart.figure.x_range = Range1d(start=ticks[0] - margin, end=ticks[-1] + margin)
    chart.figure.xgrid.ticker = FixedTicker(ticks=ticks)
    mark_axis(chart.figure.xaxis[0], {tick: write(tick) for tick in ticks})
    line = Span(location=at, dimension="height", line_color=AMBER, line_width=2.5)
    chart.figure.add_layout(line)

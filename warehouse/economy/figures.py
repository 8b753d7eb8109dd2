"""Which of a file's figures are the economy's series, as they are landed.

What belongs here: choosing by the words about a figure, yearly changes within a file,
bounds. What does not: formats (``csv_files``, ``json_files``), and storing (``land``).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from warehouse.economy.series import SERIES, Period, Series, parse_period

if TYPE_CHECKING:
    import datetime as dt

    from warehouse.economy.cells import Cell, StatisticsFile

Kind = Literal["change", "level"]
Chosen = tuple[Series, Kind]


@dataclass(frozen=True)
class Figure:
    """One figure of a series, in its unit."""

    series: Series
    period: Period
    value: float
    row: int


def figures_of(
    file: StatisticsFile, vintage_on: dt.date, series_name: str | None = None
) -> list[Figure]:
    """Find the series' figures among those of a file; what is missing is left out.

    Parameters
    ----------
    file
        A file, read.
    vintage_on
        The day by which the file was public.
    series_name
        What the file holds, where it does not say so itself.

    Raises
    ------
    SlutprisError
        When no series is found, two figures stand for one period, or a figure is out of
        bounds or of a period that was not over.
    """
    if not file.cells:
        raise file.error("it holds no figures")
    chosen: dict[Chosen, list[Cell]] = defaultdict(list)
    choose = lru_cache(maxsize=None)(
        lambda facets: _choice(facets, file.title, series_name)
    )
    for cell in file.cells:
        if choice := choose(cell.facets):
            chosen[choice].append(cell)
    # A change as published goes before one computed from a level.
    for series, kind in list(chosen):
        if kind == "level" and (series, "change") in chosen:
            del chosen[series, kind]
    figures = [
        figure
        for (series, kind), cells in chosen.items()
        for figure in _figures(file, series, kind, cells, vintage_on)
    ]
    if not figures:
        raise file.error(_nothing_found(bool(chosen), series_name))
    return figures


def _choice(
    facets: tuple[str, ...], title: str, series_name: str | None
) -> Chosen | None:
    candidates = [SERIES[series_name]] if series_name else list(SERIES.values())
    for series in candidates:
        if series.is_barred_by(facets):
            continue
        if series_name or series.is_in(facets, title):
            kind = series.kind(facets) or series.kind((title,))
            return (series, kind) if kind else None
    return None


def _figures(
    file: StatisticsFile,
    series: Series,
    kind: Kind,
    cells: list[Cell],
    vintage_on: dt.date,
) -> list[Figure]:
    published = _by_period(file, series, cells, vintage_on)
    if kind == "level":
        published = _yearly_changes(published)
    for figure in published.values():
        if not series.lowest <= figure.value <= series.highest:
            raise file.error(
                f"{series.name} of {figure.period.text} is {figure.value:g}, expected "
                f"{series.lowest:g} to {series.highest:g} ({series.unit})",
                figure.row,
            )
    return list(published.values())


def _by_period(
    file: StatisticsFile, series: Series, cells: list[Cell], vintage_on: dt.date
) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}
    for cell in cells:
        if cell.value is None:
            continue
        period = _checked_period(file, series, cell, vintage_on)
        if period.text in figures:
            raise file.error(
                f"two figures of {series.name} for {period.text}; choose one: "
                f"{series.wanted}",
                cell.row,
            )
        figures[period.text] = Figure(series, period, cell.value, cell.row)
    return figures


def _checked_period(
    file: StatisticsFile, series: Series, cell: Cell, vintage_on: dt.date
) -> Period:
    period = parse_period(cell.period)
    if period is None or period.frequency not in series.lag_days:
        raise file.error(
            f"period is {cell.period!r}, expected a {' or '.join(series.lag_days)} "
            f"of {series.name}",
            cell.row,
        )
    is_over = period.end < vintage_on or period.frequency == "day"
    if period.end > vintage_on or not is_over:
        raise file.error(
            f"period {cell.period} was not over on {vintage_on}, the day the file was "
            "published: a forecast is no observation",
            cell.row,
        )
    return period


def _yearly_changes(levels: dict[str, Figure]) -> dict[str, Figure]:
    """Changes within one file alone: two files' levels may be of two base years."""
    changes = {}
    for text, level in levels.items():
        before = levels.get(level.period.year_before())
        if before and before.value > 0:
            change = round(100 * (level.value / before.value - 1), 2)
            changes[text] = Figure(level.series, level.period, change, level.row)
    return changes


def _nothing_found(is_recognised: bool, series_name: str | None) -> str:
    if is_recognised:
        return (
            "a series was recognised, but without figures; of a level the same period "
            "of the year before is needed too"
        )
    wanted = [SERIES[series_name]] if series_name else list(SERIES.values())
    choices = "; ".join(f"{series.name}: {series.wanted}" for series in wanted)
    hint = "" if series_name else ", or say what it is with --series"
    return f"none of the series was recognised{hint}. Choose in the table {choices}"

"""Figures of a backtest as tables for a terminal.

What belongs here: which figures the short tables show, their headings and decimals.
What does not: the whole report, see ``report``.
"""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from ml.valuation.segments import totals_of
from ml.valuation.swedish import swedish_number

TABLE_COLUMNS = {
    "n": ("n", 0),
    "mape_pct": ("MAPE %", 2),
    "mdape_pct": ("MdAPE %", 2),
    "within_5_pct": ("±5 %", 1),
    "within_10_pct": ("±10 %", 1),
    "within_20_pct": ("±20 %", 1),
    "bias_pct": ("bias %", 2),
    "mae_sek": ("MAE kr", 0),
    "r2": ("R²", 3),
    "mape_seed_pct": ("seed %", 2),
}
"""Heading and decimals of each figure; the printed table is 80 characters wide."""


def results_tables(results: list[dict[str, Any]]) -> list[Table]:
    """Lay out the figures over all months: a table per protocol, a row per model."""
    whole = totals_of(results)
    protocols = dict.fromkeys(record["protocol"] for record in whole)
    return [
        _table([record for record in whole if record["protocol"] == protocol])
        for protocol in protocols
    ]


def written(figure: float | None, decimals: int) -> str:
    """Write a figure as Swedes do; a dash where there is none."""
    return "–" if figure is None else swedish_number(figure, decimals)


def _table(records: list[dict[str, Any]]) -> Table:
    title = f"{records[0]['protocol']}, {records[0]['mode']}"
    table = Table(
        title=title, title_justify="left", box=SIMPLE, show_edge=False, padding=0
    )
    table.add_column("modell", no_wrap=True)
    for heading, _ in TABLE_COLUMNS.values():
        table.add_column(heading, justify="right", no_wrap=True)
    for record in records:
        figures = (
            written(record[key], decimals)
            for key, (_, decimals) in TABLE_COLUMNS.items()
        )
        table.add_row(record["model"], *figures)
    return table

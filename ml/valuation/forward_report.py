"""The forward log's figures as a person reads them in a terminal.

What belongs here: words and tables. What does not: the figures (``forward_score``).
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TextIO

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from ml.valuation.plots import MODEL_TITLES, swedish_number

if TYPE_CHECKING:
    from warehouse.settings import Settings

COUNTS = {
    "valuations": "valuations logged",
    "matched": "  sold since",
    "waiting": "  waiting for a sale",
    "expired": "  not sold in time",
    "without_number": "  without a street number",
    "counted_forward": "counted below as forward",
}
FIGURES = {
    "n": ("n", 0),
    "mdape_pct": ("MdAPE", 1),
    "mape_pct": ("MAPE", 1),
    "within_10_pct": ("±10 %", 0),
    "bias_pct": ("bias", 1),
    "mape_pct_index_carried": ("MAPE*", 1),
    "bias_pct_index_carried": ("bias*", 1),
    "coverage_90_pct": ("in range", 0),
}
CARRIED_NOTE = (
    "* after moving the value to the day of the sale by the city's price index"
)
SHOWN_DAMAGED_LINES = 5


def print_summary(summary: dict[str, Any], settings: Settings, out: TextIO) -> None:
    """Print counts and figures, or what makes a record where there is none yet."""
    console = Console(file=out, highlight=False)
    if not summary["counts"]["valuations"]:
        console.print(_nothing_yet(settings))
    else:
        console.print(_counts_table(summary))
        for protocol in ("forward", "retrospective"):
            _print_results(console, summary, protocol)
        if summary["results"]:
            console.print(CARRIED_NOTE)
    _print_damage(console, summary)


def _nothing_yet(settings: Settings) -> str:
    if not settings.forward_log:
        return "No valuation is logged: SLUTPRIS_FORWARD_LOG is off."
    return (
        f"No valuation is logged yet in {settings.forward_log_dir}. Each one that the "
        "valuation page,\n`python -m ml.valuation.value` or its --batch makes is kept "
        f"there; it is scored when the\nhome is sold within "
        f"{settings.forward_log_match_days} days and the sale has landed."
    )


def _counts_table(summary: dict[str, Any]) -> Table:
    table = Table(box=SIMPLE, show_header=False, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    for key, label in COUNTS.items():
        table.add_row(label, swedish_number(summary["counts"][key]))
    table.add_row("sales known until", summary["market_known_until"] or "never")
    return table


def _print_results(console: Console, summary: dict[str, Any], protocol: str) -> None:
    records = [each for each in summary["results"] if each["protocol"] == protocol]
    if not records and protocol == "forward":
        console.print("No forward valuation has met its sale yet.")
    if records and protocol == "retrospective":
        console.print("Made in hindsight (the sale was known, or the day was past):")
    for (model, mode), rows in groupby(records, key=itemgetter("model", "mode")):
        title = MODEL_TITLES.get(model, model)
        console.print(f"{title}, {mode.replace('_', ' ')}")
        console.print(_results_table(list(rows)))


def _results_table(records: list[dict[str, Any]]) -> Table:
    table = Table(box=SIMPLE, padding=(0, 1))
    table.add_column("of", no_wrap=True)
    for heading, _ in FIGURES.values():
        table.add_column(heading, justify="right")
    for record in records:
        segment = record["segment"].replace("model_version:", "version ")
        segment = segment.replace("confidence_class:", "class ")
        table.add_row(segment, *(_figure(record, key) for key in FIGURES))
    return table


def _figure(record: dict[str, Any], key: str) -> str:
    value = record[key]
    return "–" if value is None else swedish_number(value, FIGURES[key][1])


def _print_damage(console: Console, summary: dict[str, Any]) -> None:
    damaged = summary["damaged"]
    if not damaged:
        return
    console.print(f"{len(damaged)} lines could not be read; they are left as they are:")
    for line in damaged[:SHOWN_DAMAGED_LINES]:
        console.print(f"  {line['file']}:{line['line_number']}: {line['reason']}")

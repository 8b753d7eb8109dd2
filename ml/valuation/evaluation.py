"""The standing comparison of models: a backtest over the last months of sales.

What belongs here: which months, keeping the report, and not running it again when
nothing it rests on has changed. What does not: protocols and figures (``backtest``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from ml.valuation.backtest import (
    Plan,
    fingerprint,
    read_backtest_sales,
    run_with_progress,
    write_report,
)
from ml.valuation.checkpoints import remove_checkpoints
from ml.valuation.plots import MODEL_TITLES
from ml.valuation.registration import code_fingerprint
from ml.valuation.segments import totals_of
from ml.valuation.tables import TABLE_COLUMNS, written
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from warehouse.settings import Settings

COMPARED = (
    "xgboost",
    "blend",
    "autogluon",
    "seed_recipe",
    "indexed_comparables",
)
"""The models of the standing comparison: those served, and two marks to beat."""
REPORT = "backtest.json"
PREDICTIONS = "backtest_predictions.parquet"
WHOLE_MONTH_FROM_DAY = 28
"""A last month with sales on or after this day counts as whole."""


@dataclass(frozen=True)
class Report:
    """A kept backtest: its JSON content, and its plots as files."""

    content: dict[str, Any]
    plots: list[Path]

    @property
    def totals(self) -> list[dict[str, Any]]:
        """Figures per model over all months."""
        return totals_of(self.content["results"])

    @property
    def markdown(self) -> str:
        """The same as a Markdown table, a row per model."""
        headings = ["model", *(heading for heading, _ in TABLE_COLUMNS.values())]
        lines = [headings, ["---"] * len(headings)]
        for record in self.totals:
            figures = [
                written(record[key], decimals)
                for key, (_, decimals) in TABLE_COLUMNS.items()
            ]
            lines.append([MODEL_TITLES.get(record["model"], record["model"]), *figures])
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def ensure_backtest(
    connection: duckdb.DuckDBPyConnection, months: int, settings: Settings
) -> Report:
    """Backtest models over the last whole months, unless that is done already.

    Raises
    ------
    SlutprisError
        When the marts are not built, or hold too few sales.
    """
    plan = last_months(connection, months)
    inputs = {
        "code_fingerprint": code_fingerprint(),
        "data_fingerprint": fingerprint(
            read_backtest_sales(connection, plan, settings)
        ),
        "autogluon_time_limit_s": settings.autogluon_time_limit_s,
        "start": f"{plan.start:%Y-%m}",
        "end": f"{plan.end:%Y-%m}",
        "compared": list(plan.models),
    }
    path = settings.reports_dir / REPORT
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if any(kept.get(key) != value for key, value in inputs.items()):
        kept = _run(connection, plan, settings, inputs)
    return Report(kept, sorted(settings.reports_dir.glob("*.png")))


def last_months(connection: duckdb.DuckDBPyConnection, months: int) -> Plan:
    """Plan a backtest over the last ``months`` whole months of sales."""
    newest = connection.execute("select max(sold_date) from marts.sales").fetchall()
    last_sold = newest[0][0]
    if last_sold is None:
        raise SlutprisError(
            "marts.sales is empty: crawl or land sales, "
            "then `dbt build --project-dir dbt_project`"
        )
    last = pd.Timestamp(last_sold).to_period("M")
    if last_sold.day < WHOLE_MONTH_FROM_DAY:
        last -= 1
    first = last - (months - 1)
    return Plan(first.start_time.date(), last.start_time.date(), models=COMPARED)


def _run(
    connection: duckdb.DuckDBPyConnection,
    plan: Plan,
    settings: Settings,
    inputs: dict[str, Any],
) -> dict[str, Any]:
    folder = settings.reports_dir
    folder.mkdir(parents=True, exist_ok=True)
    checkpoints_dir = folder / ".backtest.partial"
    backtest = run_with_progress(
        connection, plan, settings, checkpoints_dir=checkpoints_dir
    )
    backtest.predictions.to_parquet(folder / PREDICTIONS, index=False)
    write_report(backtest, folder)
    content = json.loads(backtest.to_json()) | inputs
    # Last, and by one rename: a report that is there is whole.
    partial = folder / f".{REPORT}.partial"
    partial.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    partial.replace(folder / REPORT)
    remove_checkpoints(checkpoints_dir)
    return content

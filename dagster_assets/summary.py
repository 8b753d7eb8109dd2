"""What a run of the pipeline came to, for a person: counts, models, places."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.table import Table

from ml.folder_registry import FolderRegistry
from ml.valuation.backtest import results_tables
from warehouse.serving import open_snapshot
from warehouse.store import connect

if TYPE_CHECKING:
    from rich.console import Console

    from warehouse.settings import Settings

COUNTS = {
    "pages kept": "select count(*) from raw.pages",
    "listing pages read": "select count(*) from raw.homes",
    "sales observed": """
        select (select count(*) from raw.sale_cards)
        + (select count(*) from raw.landed_sales)
    """,
    "  in marts.sales": "select count(*) from marts.sales",
    "  in marts.rejected_sales": "select count(*) from marts.rejected_sales",
    "rows in quarantine": "select count(*) from raw.quarantine",
}
REJECTED_BY_RULE = """
    select rule, count(*) from marts.rejected_sales group by rule order by 2 desc, 1
"""


def show(settings: Settings, console: Console) -> None:
    """Print what was crawled, kept, rejected and trained, and where it all lies."""
    console.rule("Result", align="left", style="dim")
    _show_counts(settings, console)
    _show_models(settings, console)
    _show_places(settings, console)


def _show_counts(settings: Settings, console: Console) -> None:
    table = Table(box=SIMPLE, show_header=False, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    with connect(settings.warehouse_path, read_only=True) as connection:
        for label, query in COUNTS.items():
            table.add_row(label, _number(connection.execute(query).fetchall()[0][0]))
            if label.endswith("rejected_sales"):
                for rule, count in connection.execute(REJECTED_BY_RULE).fetchall():
                    table.add_row(f"    {rule}", _number(count))
    console.print(table)


def _show_models(settings: Settings, console: Console) -> None:
    report = json.loads((settings.reports_dir / "backtest.json").read_text())
    console.print(
        f"Backtest, {report['start']} to {report['end']}: each month valued by models "
        "trained on what was sold before it"
    )
    for table in results_tables(report["results"]):
        console.print(table)
    registry = FolderRegistry(settings.registry_dir)
    versions = [f"{name} v{registry.get(name).version}" for name in registry.names()]
    console.print(f"Registered: {', '.join(versions)}")


def _show_places(settings: Settings, console: Console) -> None:
    with open_snapshot(settings.serving_dir) as snapshot:
        snapshot_id = snapshot.snapshot_id
    table = Table(box=SIMPLE, show_header=False, padding=(0, 2, 0, 0))
    table.add_row("warehouse", str(settings.warehouse_path))
    table.add_row("snapshot", f"{settings.serving_dir / 'current'} ({snapshot_id})")
    table.add_row("models", str(settings.registry_dir))
    table.add_row("features", str(settings.feature_store_path))
    table.add_row("reports and plots", str(settings.reports_dir))
    console.print(table)


def _number(count: int) -> str:
    return f"{count:,}".replace(",", "\u00a0")

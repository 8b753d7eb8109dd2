"""The monitoring page: what is published, what was rejected, how good the models are.

Run it with ``panel serve ml/dashboards/monitoring.py``.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import panel as pn

from ml.dashboards import shell, theme
from ml.dashboards.store import SystemState, system_state
from ml.dashboards.svg_charts import TimeChart, bars, both_widths
from warehouse.errors import SlutprisError
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    import panel_material_ui as pmui

    from ml.registry import ModelVersion

FULL_WIDTH = 1140

METRICS = {
    "n": ("Prövad på", 0),
    "mdape_pct": ("MdAPE %", 1),
    "mape_pct": ("MAPE %", 1),
    "within_ten_pct": ("Inom 10 %", 0),
    "within_twenty_pct": ("Inom 20 %", 0),
    "bias_pct": ("Bias %", 1),
    "r2": ("R²", 2),
    "mae_sek": ("MAE kr", 0),
    "mape_seed_pct": ("MAPE % seed", 1),
}
"""Columns of the models' table: the registry's metric, its heading and decimals."""


def state_html(state: SystemState) -> str:
    """Show the whole state of the system."""
    return (
        _snapshot_html(state)
        + _models_html(state.models)
        + _market_html(state)
        + _rejected_html(state)
    )


def _snapshot_html(state: SystemState) -> str:
    manifest = state.manifest
    tables = "".join(
        f'<div><b class="number">{theme.number(table.row_count)}</b>'
        f'<span class="muted small">{escape(table.name)}</span></div>'
        for table in manifest.tables
    )
    return (
        '<section class="card"><h2>Publicerade data</h2>'
        f'<p class="lede">{manifest.created_at:%Y-%m-%d %H:%M} UTC, rader i tabellerna:'
        "</p>"
        f'<div class="facts">{tables}</div>'
        '<p class="small muted" style="margin-top: 18px; overflow-wrap: anywhere">'
        f"Ögonblicksbild {escape(manifest.snapshot_id)}</p></section>"
    )


def _models_html(models: list[ModelVersion]) -> str:
    if not models:
        return (
            '<section class="card"><h2>Modeller</h2><p class="lede">Ingen modell är '
            "registrerad ännu. Kör <code>make demo</code>.</p></section>"
        )
    shown = {
        key: metric
        for key, metric in METRICS.items()
        if any(key in model.metrics for model in models)
    }
    heads = "".join(f'<th class="right">{name}</th>' for name, _ in shown.values())
    rows = "".join(_model_html(model, list(shown)) for model in models)
    return (
        '<section class="card"><h2>Modeller</h2><p class="lede">Senaste versionen av '
        "varje modell, med måtten från när den registrerades.</p>"
        '<div class="scroll" style="margin-top: 16px"><table class="figures"><thead>'
        f"<tr><th>Modell</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
        "</section>"
    )


def _model_html(model: ModelVersion, metrics: list[str]) -> str:
    cells = "".join(
        f'<td class="right number">{_metric_text(model, metric)}</td>'
        for metric in metrics
    )
    return (
        f"<tr><td>{escape(model.name)}"
        f'<br><span class="muted small number">version {model.version}, '
        f"{model.created_at[:10]}</span></td>{cells}</tr>"
    )


def _metric_text(model: ModelVersion, metric: str) -> str:
    value = model.metrics.get(metric)
    return "–" if value is None else theme.number(value, METRICS[metric][1])


def _market_html(state: SystemState) -> str:
    index = TimeChart(
        line=state.index,
        write=lambda value: f"{theme.number(value / 1000)}{theme.NBSP}tkr",
        title="Prisindex, kronor per kvadratmeter",
        extra=(0,),
    )

    return _chart_html(
        "Försäljningar per månad",
        lambda width: bars(state.sales_per_month, "Försäljningar per månad", width),
    ) + _chart_html(index.title, lambda width: index.svg(width, 240))


def _chart_html(title: str, draw: Callable[[int], str]) -> str:
    return (
        f'<section class="card"><h2>{escape(title)}</h2>'
        f'<div style="margin-top: 16px">{both_widths(draw, FULL_WIDTH)}</div></section>'
    )


def _rejected_html(state: SystemState) -> str:
    total = sum(count for _, count, _ in state.rejected)
    rows = "".join(
        f"<tr><td><code>{escape(rule)}</code>"
        f'<p class="muted small">{escape(example or "")}</p></td>'
        f'<td class="right number">{theme.number(count)}</td></tr>'
        for rule, count, example in state.rejected
    )
    table = (
        '<table class="figures" style="margin-top: 16px"><thead><tr>'
        '<th>Regel, och ett exempel</th><th class="right">Rader</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
        if rows
        else ""
    )
    return (
        '<section class="card"><h2>Bortvalda observationer</h2>'
        f'<p class="lede">{theme.number(total)} observationer nådde inte '
        f"försäljningarna, var och en med en regel.</p>{table}</section>"
    )


def monitoring_page() -> pmui.Page:
    """Make the page, or say what to run when there is nothing to show yet."""
    try:
        main = shell.content(state_html(system_state(Settings())))
    except SlutprisError as error:
        main = shell.nothing_yet(str(error))
    return shell.page("monitoring", main)


if pn.state.served:
    monitoring_page().servable()

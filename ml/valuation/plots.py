"""Pictures of how well models value homes, as files.

What belongs here: drawing predictions that were made elsewhere. What does not:
predicting, or any interactive chart (see ``ml.dashboards``).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ml.valuation.metrics import evaluate
from ml.valuation.swedish import NBSP, swedish_number

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes

BAND = 0.10
TICKS_SEK = [
    mantissa * 10**power for power in range(5, 9) for mantissa in (1, 2, 3, 5, 7)
]
INK, GRID, POINT, LINE = "#1d2b3a", "#e3e8ee", "#1f6f8b", "#c8553d"

MODEL_TITLES = {
    "xgboost": "XGBoost",
    "xgboost_plain": "XGBoost utan hedonik",
    "autogluon": "AutoGluon",
    "blend": "Blandning",
    "indexed_comparables": "Indexerade jämförelser",
    "last_sale_indexed": "Senaste köp, indexerat",
    "district_median": "Områdets median",
    "asking_price": "Utgångspris",
    "seed_recipe": "Föregångarens recept",
    "seed_recipe_whole": "Föregångarens recept, alla rader",
}


def plot_predicted_against_actual(
    predictions: pd.DataFrame, path: Path, *, title: str = "Värde mot slutpris"
) -> Path:
    """Draw every valuation against its price, one panel per model, into a PNG.

    Parameters
    ----------
    predictions
        Columns model, sold_price_sek and value_sek.
    path
        Where to write; its folder is created.
    title
        Heading of the whole picture.
    """
    names = list(dict.fromkeys(predictions["model"]))
    limits = _limits(predictions)
    figure, panels = _canvas(len(names))
    for panel, name in zip(panels, names, strict=False):
        rows = predictions[predictions["model"] == name]
        _draw_panel(panel, rows, MODEL_TITLES.get(name, name), limits)
    for panel in panels[len(names) :]:
        panel.remove()
    figure.suptitle(title, x=0.02, ha="left", color=INK, fontsize=16, weight="bold")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, facecolor="white")
    return path


def _canvas(panel_count: int) -> tuple[Figure, list[Axes]]:
    columns = min(panel_count, 2)
    rows = math.ceil(panel_count / columns)
    figure = Figure(
        figsize=(5.4 * columns, 5.4 * rows + 0.6),
        # Room below the heading, and a margin around it all.
        layout=ConstrainedLayoutEngine(rect=(0.01, 0.01, 0.98, 0.97), hspace=0.06),
    )
    # The Agg canvas needs no display and no global state of pyplot.
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def _limits(predictions: pd.DataFrame) -> tuple[float, float]:
    both = predictions[["sold_price_sek", "value_sek"]].to_numpy(dtype=float)
    return float(both.min()) * 0.9, float(both.max()) * 1.1


def _draw_panel(
    panel: Axes, rows: pd.DataFrame, title: str, limits: tuple[float, float]
) -> None:
    actual = rows["sold_price_sek"].to_numpy(dtype=float)
    value = rows["value_sek"].to_numpy(dtype=float)
    line = np.array(limits)
    panel.fill_between(
        line,
        line * (1 - BAND),
        line * (1 + BAND),
        color=LINE,
        alpha=0.12,
        linewidth=0,
        label=f"±10{NBSP}%",
    )
    panel.plot(line, line, color=LINE, linewidth=1.2, label="värde = slutpris")
    alpha = float(np.clip(300 / max(len(rows), 1), 0.12, 0.8))
    panel.scatter(
        actual, value, s=7, color=POINT, alpha=alpha, linewidths=0, rasterized=True
    )
    _annotate(panel, actual, value)
    _style(panel, title, limits)


def _annotate(panel: Axes, actual: np.ndarray, value: np.ndarray) -> None:
    figures = evaluate(actual, value)
    text = "\n".join(
        [
            f"{swedish_number(figures['n'])} försäljningar",
            f"medianfel {swedish_number(figures['mdape_pct'], 1)}{NBSP}%",
            f"inom ±10{NBSP}%: {swedish_number(figures['within_10_pct'])}{NBSP}%",
        ]
    )
    panel.text(
        0.04, 0.96, text, transform=panel.transAxes, va="top", color=INK, fontsize=10
    )


def _style(panel: Axes, title: str, limits: tuple[float, float]) -> None:
    panel.set(xscale="log", yscale="log", xlim=limits, ylim=limits)
    panel.set_box_aspect(1)
    ticks = [t for t in TICKS_SEK if limits[0] <= t <= limits[1]]
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(_million_kr))
    panel.set_title(title, loc="left", color=INK, fontsize=12)
    panel.set_xlabel("Slutpris, miljoner kr", color=INK)
    panel.set_ylabel("Värde, miljoner kr", color=INK)
    panel.tick_params(colors=INK, length=0)
    panel.grid(color=GRID, linewidth=0.8)
    panel.set_axisbelow(True)
    panel.spines[:].set_visible(False)
    panel.legend(loc="lower right", frameon=False, labelcolor=INK, fontsize=9)


def _million_kr(sek: float, _position: int | None = None) -> str:
    return f"{sek / 1e6:g}".replace(".", ",")

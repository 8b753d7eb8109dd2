"""What the health of models is called on the pages, and how its figures are written.

What belongs here: names of models, sources of figures, small formats that the tabs
share. What does not: any layout.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ml.dashboards import theme
from ml.valuation.confidence import CLASS_NAMES
from ml.valuation.health import sale_count
from ml.valuation.words import Words

if TYPE_CHECKING:
    import datetime as dt

    import pandas as pd

    from ml.valuation.health import Estimate
    from ml.valuation.kept_reports import Backtested
    from ml.valuation.words import Language

MODEL_NAMES = {
    "xgboost": Words("XGBoost", "XGBoost"),
    "autogluon": Words("AutoGluon", "AutoGluon"),
    "blend": Words("Blandning", "Blend"),
    "seed_recipe": Words("Föregångarens recept", "The predecessor's recipe"),
    "indexed_comparables": Words("Indexerade jämförelser", "Indexed comparables"),
}
BACKTEST_SOURCE = Words(
    "prövning månad för månad, {first}–{last}, {n} försäljningar; gjord {made}",
    "backtest month by month, {first}–{last}, {n} sales; made {made}",
)
LISTED = Words("med utgångspris", "with asking price")
LISTED_SUFFIX = "_listed"
CLASS = Words("Klass", "Class")
NONE = "–"


def model_name(model: str, language: Language) -> str:
    """Name a model for a reader; one we have no name for by its own."""
    words = MODEL_NAMES.get(model)
    return words.to(language) if words else model


def served_name(model: str, language: Language) -> str:
    """Name a registered model: ``XGBoost, med utgångspris``."""
    title = model_name(model.removesuffix(LISTED_SUFFIX), language)
    is_listed = model.endswith(LISTED_SUFFIX)
    return f"{title}, {LISTED.to(language)}" if is_listed else title


def class_name(label: str, language: Language) -> str:
    """Name a confidence class: ``5 · Ganska säker``."""
    words = CLASS_NAMES.get(int(label)) if label.isdecimal() else None
    return f"{label} · {words.to(language)}" if words else label


def source_of(
    backtested: Backtested, language: Language, rows: pd.DataFrame | None = None
) -> str:
    """Say where the figures come from: of all sales, or of one model's given rows."""
    count = sale_count(backtested) if rows is None else len(rows)
    rows = backtested.predictions if rows is None else rows
    return BACKTEST_SOURCE.to(language).format(
        first=theme.month(rows["sold_date"].min(), language),
        last=theme.month(rows["sold_date"].max(), language),
        n=theme.number(count, 0, language),
        made=str(backtested.provenance.get("created_at", NONE))[:10],
    )


def figure_text(value: float | None, decimals: int, language: Language) -> str:
    """Write a figure, or a dash where there is none."""
    if value is None or not math.isfinite(value):
        return NONE
    return theme.number(value, decimals, language)


def percent_text(value: float | None, decimals: int, language: Language) -> str:
    """Write a percentage, or a dash where there is none."""
    if value is None or not math.isfinite(value):
        return NONE
    return theme.percent(value, decimals, language)


def signed_percent(value: float | None, language: Language, decimals: int = 1) -> str:
    """Write a percentage with its sign, or a dash where there is none."""
    if value is None or not math.isfinite(value):
        return NONE
    gap = theme.NBSP if language == "sv" else ""
    return f"{theme.signed(value, decimals, language)}{gap}%"


def round_million_sek(value: float, language: Language) -> str:
    """Write an amount in millions, without decimals where it has none: ``10 mkr``."""
    return f"{round_millions(value, language)}{theme.NBSP}{theme.MILLION_SEK[language]}"


def round_millions(value: float, language: Language) -> str:
    """Write an amount in millions alone, for an axis that names the unit: ``10``."""
    text = theme.number(value / 1_000_000, 1, language)
    return text.removesuffix(",0").removesuffix(".0")


def interval_text(estimate: Estimate, language: Language) -> str:
    """Write both ends of an interval, or a dash where there is none."""
    if not math.isfinite(estimate.low):
        return NONE
    ends = (theme.number(end, 1, language) for end in estimate[1:])
    return "–".join(ends) if estimate.low >= 0 else " / ".join(ends)


def rounded(value: float | None, decimals: int = 2) -> float | None:
    """Round a figure for a file; None where there is none."""
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), decimals)


def day(date: dt.date) -> str:
    """Write a day: ``2026-11-27``."""
    return f"{date:%Y-%m-%d}"

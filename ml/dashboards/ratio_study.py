"""The card of a ratio study: COD, PRD, PRB and MKI, each against its band.

What belongs here: how the four are drawn and put in words. What does not: their
formulas and bands (``ml.valuation.assessment``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from ml.dashboards import shell, theme
from ml.dashboards.health_words import NONE, model_name, rounded
from ml.dashboards.tables import source_line
from ml.valuation.assessment import IAAO_BANDS
from ml.valuation.markup import element
from ml.valuation.words import Words

if TYPE_CHECKING:
    from collections.abc import Mapping

    import panel as pn

    from ml.valuation.assessment import Band
    from ml.valuation.markup import Markup
    from ml.valuation.words import Language

STUDY_TITLE = Words("Lika rätt för alla bostäder?", "Equally accurate for all homes?")
STUDY_LEDE = Words(
    "{model}: en kvotstudie med fastighetstaxeringens mått. Det gröna fältet är bandet "
    "där måttet är bra (IAAO 2013; MKI: Quintos 2021).",
    "{model}: a ratio study with the measures of assessors. The green field is the "
    "band in which a measure is good (IAAO 2013; MKI: Quintos 2021).",
)
STUDIES: dict[str, tuple[str, int, Words, tuple[float, float]]] = {
    "cod": (
        "COD",
        1,
        Words("hur ojämna värdena är, i procent", "how uneven values are, in percent"),
        (0, 20),
    ),
    "prd": (
        "PRD",
        3,
        Words(
            "över 1: dyra bostäder undervärderas jämfört med billiga",
            "above 1: expensive homes are undervalued against cheap ones",
        ),
        (0.93, 1.08),
    ),
    "prb": (
        "PRB",
        3,
        Words(
            "hur kvoten ändras när priset fördubblas",
            "how the ratio changes when the price doubles",
        ),
        (-0.15, 0.15),
    ),
    "mki": (
        "MKI",
        3,
        Words(
            "under 1: dyra bostäder undervärderas",
            "below 1: expensive homes are undervalued",
        ),
        (0.85, 1.15),
    ),
}
"""Heading, decimals, meaning, and what the scale shows."""
INSIDE = Words("inom bandet {low} till {high}", "inside the band {low} to {high}")
OUTSIDE = Words("utanför bandet {low} till {high}", "outside the band {low} to {high}")
NO_FIGURE = Words("för få försäljningar", "too few sales")
LOW_COD = Words(
    "under bandet {low} till {high}: ovanligt jämna värden",
    "below the band {low} to {high}: unusually even values",
)

STUDY_CSS = """
<style>
.gauges { display: grid; gap: 20px 36px; margin-top: 4px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 240px), 1fr)); }
.gauge .top { display: flex; justify-content: space-between; gap: 12px;
  align-items: baseline; }
.gauge .top b { font-size: 22px; font-weight: 650; letter-spacing: -0.02em; }
.gauge .scale { position: relative; height: 12px; border-radius: 6px; margin: 8px 0 6px;
  background: color-mix(in srgb, var(--ink) 9%, transparent); }
.gauge .scale .band { position: absolute; top: 0; bottom: 0;
  background: color-mix(in srgb, var(--accent) 42%, transparent); }
.gauge .scale .mark { position: absolute; top: -4px; width: 4px; height: 20px;
  margin-left: -2px; border-radius: 2px; background: var(--ink); }
.gauge .is-out { color: var(--amber); font-weight: 600; }
</style>
"""


def study_card(
    figures: Mapping[str, dict[str, Any]],
    model: str,
    source: str,
    language: Language,
) -> pn.viewable.Viewable:
    """Show the ratio study of a model, each figure against its band."""
    gauges = [_gauge(key, figures[model].get(key), language) for key in STUDIES]
    table = _study_table(figures, language)
    written = _written_table(figures, language)
    numbers = [str(name) for name in written][1:]
    below = source_line(source, language) + (
        f"<details><summary>{shell.SHOW_TABLE.to(language)}</summary>"
        f"{shell.table_html(written, right=numbers, language=language)}"
        "</details>" + shell.csv_link(table, "ratio-study", shell.DOWNLOAD.to(language))
    )
    html = STUDY_CSS + element("div", *gauges, class_="gauges") + below
    lede = STUDY_LEDE.to(language).format(model=model_name(model, language))
    return shell.card(STUDY_TITLE.to(language), shell.content(html), lede=lede)


def _gauge(key: str, figure: float | None, language: Language) -> Markup:
    heading, decimals, meaning, (first, last) = STUDIES[key]
    band = IAAO_BANDS[key]

    def place(value: float) -> float:
        share = 100 * (value - first) / (last - first)
        return round(min(100.0, max(0.0, share)), 1)

    left, width = place(band.low), place(band.high) - place(band.low)
    shaded = f"left:{left}%;width:{width:.1f}%"
    parts = [element("span", class_="band", style=shaded)]
    if figure is not None:
        parts.append(element("span", class_="mark", style=f"left:{place(figure)}%"))
    is_out = figure is not None and not band.holds(figure)
    look = "is-out" if is_out else None
    said = element("span", _in_words(key, figure, language), class_=look)
    return element(
        "div",
        element(
            "div",
            element("span", heading),
            element("b", _study_text(figure, decimals, language), class_="number"),
            class_="top",
        ),
        element("div", *parts, class_="scale", aria_hidden="true"),
        element("p", said, class_="small"),
        element("p", meaning.to(language), class_="small muted"),
        class_="gauge",
    )


def _in_words(key: str, figure: float | None, language: Language) -> str:
    band = IAAO_BANDS[key]
    if figure is None:
        return NO_FIGURE.to(language)
    words = INSIDE if band.holds(figure) else OUTSIDE
    if key == "cod" and figure < band.low:
        words = LOW_COD
    return words.to(language).format(**_ends(band, language))


def _ends(band: Band, language: Language) -> dict[str, str]:
    return {
        "low": theme.plain(band.low, language),
        "high": theme.plain(band.high, language),
    }


def _study_text(figure: float | None, decimals: int, language: Language) -> str:
    return NONE if figure is None else theme.number(figure, decimals, language)


def _study_table(
    figures: Mapping[str, dict[str, Any]], language: Language
) -> pd.DataFrame:
    rows = [
        {
            "": model_name(model, language),
            **{
                heading: rounded(each.get(key), decimals)
                for key, (heading, decimals, *_) in STUDIES.items()
            },
            "n": each["n"],
        }
        for model, each in figures.items()
    ]
    return pd.DataFrame(rows)


def _written_table(
    figures: Mapping[str, dict[str, Any]], language: Language
) -> pd.DataFrame:
    """Write the table for the page: each measure with its own decimals."""
    rows = [
        {
            "": model_name(model, language),
            **{
                heading: _study_text(each.get(key), decimals, language)
                for key, (heading, decimals, *_) in STUDIES.items()
            },
            "n": theme.number(each["n"], 0, language),
        }
        for model, each in figures.items()
    ]
    return pd.DataFrame(rows)

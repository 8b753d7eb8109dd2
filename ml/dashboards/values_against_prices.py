"""Values against prices of many sales: a dot each, and how the errors are spread.

What belongs here: the two pictures, over the last month or quarter of the backtest.
What does not: the sales one by one (``latest_sale``) and figures (``model_health``).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource, HoverTool, Span

from ml.dashboards import shell, theme
from ml.dashboards.charts import (
    LABEL,
    Chart,
    against,
    mark_axis,
    nice_ticks,
    plain_figure,
)
from ml.dashboards.health_words import (
    day,
    model_name,
    round_millions,
    signed_percent,
    source_of,
)
from ml.valuation import health
from ml.valuation.words import Language, Words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml.valuation.kept_reports import Backtested

PICTURE_TITLE = Words("Värde mot slutpris", "Value against price")
PICTURE_LEDE = Words(
    "Prövningen av {model}, {span}: en punkt per försäljning. På linjen är värdet lika "
    "med slutpriset.",
    "The backtest of {model}, {span}: a dot per sale. On the line the value equals the "
    "price.",
)
SPANS = (1, 3)
"""Months that can be chosen, the last of the backtest."""
SPAN_LABEL = Words("Prövade månader", "Tested months")
VALUE_ACROSS = Words("Värde", "Value")
PRICE_UP = Words("Slutpris", "Sold price")
HISTOGRAM_TITLE = Words("Felens fördelning", "Distribution of errors")
HISTOGRAM_LEDE = Words(
    "Antal försäljningar efter värdets fel i procent av slutpriset, i steg om 5; "
    "ytterst allt bortom ±30 %.",
    "Sales by the value's error in percent of the price, in steps of 5; at the ends "
    "all beyond ±30%.",
)
ERROR_FROM = Words("Fel från %", "Error from %")
ERROR_TO = Words("Fel till %", "Error to %")
SALES_COUNT = Words("Försäljningar", "Sales")
NO_BACKTEST = Words("Ingen prövning att visa.", "There is no backtest to show.")
COLUMNS = (
    Words("Adress", "Address"),
    Words("Såld", "Sold"),
    Words("m²", "m²"),
    Words("Slutpris, kr", "Price, kr"),
    Words("Värde, kr", "Value, kr"),
    Words("Fel, %", "Error, %"),
)
STEP_PCT, LAST_PCT = 5, 30
GAP_PCT = 0.12
"""Between a bar and its edge."""


def values_against_prices(
    backtested: Backtested | None, model: str, language: Language
) -> pn.viewable.Viewable:
    """Show the pictures of a backtest, or say that there is none."""
    if backtested is None:
        title = PICTURE_TITLE.to(language)
        return shell.card(title, lede=NO_BACKTEST.to(language))
    return ValuesAgainstPrices(backtested, model, language).__panel__()


class ValuesAgainstPrices(pn.viewable.Viewer):
    """Values against prices of the last month or quarter of the backtest."""

    def __init__(self, backtested: Backtested, model: str, language: Language) -> None:
        super().__init__()
        self._backtested = backtested
        self._model = model
        self._language: Language = language
        self._span = pmui.RadioButtonGroup(
            label=SPAN_LABEL.to(language),
            options={self._span_text(span): span for span in SPANS},
            value=3,
            size="small",
            width=300,
            sx=theme.NO_WRAP_SX,
            margin=(0, 0, 12, 0),
        )
        self._cards = pn.Column(sizing_mode="stretch_width", margin=0)
        self._span.param.watch(self._show, "value")
        self._show()

    def __panel__(self) -> pn.viewable.Viewable:
        """Lay it out."""
        return pn.Column(self._span, self._cards, sizing_mode="stretch_width", margin=0)

    def _show(self, *_: object) -> None:
        months = int(self._span.value)
        rows = health.last_months(self._backtested, self._model, months)
        self._cards.objects = [
            pmui.Grid(
                pmui.Grid(self._picture(rows, months), size={"xs": 12, "lg": 7}),
                pmui.Grid(self._histogram(rows), size={"xs": 12, "lg": 5}),
                container=True,
                # A card keeps its own distance to the one below.
                column_spacing=2.5,
                row_spacing=0,
                sizing_mode="stretch_width",
            )
        ]

    def _span_text(self, months: int) -> str:
        """Name the months: ``aug–okt 2026``, or one alone."""
        last = self._backtested.predictions["sold_date"].max().to_period("M")
        first = max(
            last - months + 1,
            self._backtested.predictions["sold_date"].min().to_period("M"),
        )
        end = theme.month(last, self._language)
        if first == last:
            return end
        start = theme.month(first, self._language)
        if first.year == last.year:
            start = start.removesuffix(f" {first.year}")
        return f"{start}–{end}"

    def _picture(self, rows: pd.DataFrame, months: int) -> pn.viewable.Viewable:
        language = self._language
        across, up = VALUE_ACROSS.to(language), PRICE_UP.to(language)
        unit = theme.MILLION_SEK[language]
        return shell.chart_card(
            PICTURE_TITLE.to(language),
            against(
                rows["value_sek"].tolist(),
                rows["sold_price_sek"].tolist(),
                [_dot_label(row, language) for row in rows.to_dict("records")],
                title=PICTURE_TITLE.to(language),
                names=(f"{across}, {unit}", f"{up}, {unit}"),
                write=partial(round_millions, language=language),
                language=language,
            ),
            language=language,
            lede=PICTURE_LEDE.to(language).format(
                span=self._span_text(months), model=model_name(self._model, language)
            ),
            source=source_of(self._backtested, language, rows),
            table=_picture_table(rows, language),
            file_name=f"value-against-price-{self._model}",
        )

    def _histogram(self, rows: pd.DataFrame) -> pn.viewable.Viewable:
        language = self._language
        table = _histogram_table(rows["error_pct"], language)
        return shell.chart_card(
            HISTOGRAM_TITLE.to(language),
            _histogram_chart(table, HISTOGRAM_TITLE.to(language), language),
            language=language,
            lede=HISTOGRAM_LEDE.to(language),
            source=source_of(self._backtested, language, rows),
            table=table,
            file_name=f"errors-{self._model}",
        )


def _dot_label(row: Mapping[Any, Any], language: Language) -> str:
    return (
        f"{row['address']}, {day(row['sold_date'])}: "
        f"{theme.sek(row['value_sek'], 1000)} → {theme.sek(row['sold_price_sek'])} "
        f"({signed_percent(row['error_pct'], language)})"
    )


def _picture_table(rows: pd.DataFrame, language: Language) -> pd.DataFrame:
    columns = (
        rows["address"],
        rows["sold_date"].dt.strftime("%Y-%m-%d"),
        rows["living_area_m2"],
        rows["sold_price_sek"].round(),
        rows["value_sek"].round(),
        rows["error_pct"].round(2),
    )
    names = (words.to(language) for words in COLUMNS)
    return pd.DataFrame(dict(zip(names, columns, strict=True)))


def _histogram_table(error_pct: pd.Series, language: Language) -> pd.DataFrame:
    edges = np.arange(-LAST_PCT, LAST_PCT + STEP_PCT, STEP_PCT)
    last = LAST_PCT - 1e-9
    counts, _ = np.histogram(error_pct.clip(-last, last), bins=edges)
    return pd.DataFrame(
        {
            ERROR_FROM.to(language): edges[:-1],
            ERROR_TO.to(language): edges[1:],
            SALES_COUNT.to(language): counts,
        }
    )


def _histogram_chart(table: pd.DataFrame, title: str, language: Language) -> Chart:
    first, last, count = table.columns
    ticks = nice_ticks(0, max(int(table[count].max()), 1))
    made = plain_figure(title, 380, y_range=(0, ticks[-1]))
    mark_axis(made.yaxis[0], {tick: theme.number(tick, 0, language) for tick in ticks})
    marks = range(-LAST_PCT, LAST_PCT + 1, 10)
    mark_axis(made.xaxis[0], {float(at): _edge_text(at, language) for at in marks})
    made.xgrid.visible = False
    source = ColumnDataSource(
        {
            "left": (table[first] + GAP_PCT).tolist(),
            "right": (table[last] - GAP_PCT).tolist(),
            "top": table[count].tolist(),
            "label": [
                f"{_edge_text(row[first], language)} – "
                f"{_edge_text(row[last], language)}: {row[count]}"
                for row in table.to_dict("records")
            ],
        }
    )
    bars = made.quad(
        left="left",
        right="right",
        bottom=0,
        top="top",
        source=source,
        color=theme.TEAL,
        line_color=None,
        alpha=0.85,
    )
    made.add_tools(HoverTool(renderers=[bars], tooltips=LABEL))
    made.add_layout(Span(location=0, dimension="height", line_color=theme.MUTED))
    return Chart(made)


def _edge_text(value: float, language: Language) -> str:
    return signed_percent(float(value), language, 0)

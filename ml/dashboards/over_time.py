"""A home's value through the years, and where an economy of one's choice would lead it.

What belongs here: the section's chart, sliders and tables, in words. What does not: the
values of former days (``ml.valuation.value_over_time``) and what the economy does to
prices (``ml.valuation.scenario``).
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd
import panel as pn
import panel_material_ui as pmui
from bokeh.models import (
    ColumnDataSource,
    CustomJSTickFormatter,
    FixedTicker,
    GlyphRenderer,
)

from ml.dashboards import shell, theme
from ml.dashboards.charts import (
    Band,
    Chart,
    Line,
    Points,
    date_ticks,
    mark_axis,
    nice_ticks,
    time_chart,
)
from ml.dashboards.later import Later
from ml.dashboards.other_days import questions_html
from ml.dashboards.scenario_outcome import (
    Ahead,
    outcome_html,
    scenario_sek,
    signed_percent,
)
from ml.valuation.scenario import (
    FIGURES,
    Figure,
    ScenarioModel,
    scenario_model,
)
from ml.valuation.value_over_time import (
    MONTHS_BACK,
    MOST_MONTHS_BACK,
    days_back,
    differences_of,
    own_sales,
    value_over_time,
)
from ml.valuation.words import Language, Words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from panel.viewable import Viewable

    from ml.valuation.known_home import PastSale
    from ml.valuation.valuation import Valuation
    from ml.valuation.value import Valuer

HORIZONS = (12, 24, 36)
CHOICE_WIDTH = 92
"""Of a button among others, in CSS pixels."""
SLIDER_WIDTH = 200
"""At least, in CSS pixels: three share a wide card, and one has a phone's width."""
PER_CENT: dict[Language, str] = {
    "sv": "return String(Math.round(100 * tick) / 100).replace('.', ',') + '\\u00a0%'",
    "en": "return String(Math.round(100 * tick) / 100) + '%'",
}
"""How a slider writes its figure; the browser has no Swedish numbers of its own."""
TITLE = Words("Värdet i tiden", "The value over time")
LEDE = Words(
    "Bostaden värderad månad för månad med det som var känt då, utan något som hände "
    "senare, och framåt det scenario du väljer nedanför.",
    "The home valued month by month from what was known then, with nothing that came "
    "later, and beyond today the scenario you choose below.",
)
LOADING = Words(
    "Räknar ut värdet månad för månad …", "Working out the value month by month …"
)
YEARS_BACK = Words("Så långt tillbaka", "How far back")
YEARS = Words("{years} år", "{years} years")
VALUE = Words("Värdet", "The value")
RANGE = Words("Spann, nio av tio", "Range, nine in ten")
AFTER_INDEX = Words("Efter senast kända prisnivå", "After the last known price level")
LEVEL_ALONE = Words("Bara prisnivån", "The price level alone")
OWN_SALES = Words("Såld på adressen, samma storlek", "Sold here, of this size")
SCENARIO_LINE = Words("Scenario", "Scenario")
SCENARIO_RANGE = Words("Scenariots spann", "The scenario's range")
SOURCE = Words(
    "modellens värde den dagen, av de försäljningar som var kända då; prisnivån är "
    "stadens prisindex med de senaste veckornas försäljningar",
    "the model's value on the day, from the sales known then; the price level is the "
    "city's index with the sales of the latest weeks",
)
COLUMNS = {
    "date": Words("Dag", "Day"),
    "value_sek": VALUE,
    "low_sek": Words("Lägst", "Low"),
    "high_sek": Words("Högst", "High"),
    "index_sek": LEVEL_ALONE,
    "is_extrapolation": AFTER_INDEX,
}
NO_HISTORY = Words(
    "Det finns ingen känd prisnivå före värderingsdagen, så det finns ingen kurva att "
    "rita.",
    "No price level is known before the day of the valuation, so there is no curve to "
    "draw.",
)

QUESTIONS = Words("Om den hade sålts en annan dag", "Had it been sold on another day")
QUESTIONS_LEDE = Words(
    "Skillnaden mot värdet på värderingsdagen, delad i vad stadens prisnivå ensam gör "
    "och resten: området, hur bostäder av den storleken säljs, avgiften mot andras. "
    "Tillsammans blir delarna skillnaden.",
    "The difference from the value, divided into what the city's price level does by "
    "itself and the rest: the area, how homes of this size sell, the fee against "
    "others'. The parts add up.",
)
SCENARIO = Words("Scenario, inte prognos", "A scenario, not a forecast")
SCENARIO_LEDE = Words(
    "Ingen vet vart priserna tar vägen. Flytta räntan, arbetslösheten och tillväxten "
    "och se vad de brukar göra med prisnivån, och hur lite av det som är säkert.",
    "Nobody knows where prices will go. Move the interest rate, unemployment and "
    "growth, and see what they usually do to the price level, and how little of it is "
    "certain.",
)
TOO_SHORT = Words(
    "För få års priser är kända för att säga vad ekonomin betyder. Strecket går därför "
    "rakt fram, och spannet visar bara hur långt ett år brukar föra priserna.",
    "Too few years of prices are known to say what the economy means. The line "
    "therefore goes straight on, and the range only shows how far a year takes prices.",
)
NO_RELATION = Words(
    "I den här historiken syns inget samband mellan prisnivån och {figures}; de "
    "reglagen ändrar därför bara spannet.",
    "In this history the price level shows no relation to {figures}; those sliders "
    "therefore only change the range.",
)
HOLD = Words(
    "Senast kända siffror, som antas gälla ännu: {figures}.",
    "Last known figures, assumed to still hold: {figures}.",
)
FIGURE_NAMES: dict[Figure, Words] = {
    "policy_rate_pct": Words("styrräntan", "the policy rate"),
    "unemployment_pct": Words("arbetslösheten", "unemployment"),
    "gdp_growth_yoy_pct": Words("tillväxten", "growth"),
}
SLIDERS: dict[Figure, tuple[Words, float, float, float]] = {
    "policy_rate_pct": (
        Words("Styrränta om ett år", "Policy rate in a year"), -1, 8, 0.25
    ),
    "unemployment_pct": (
        Words("Arbetslöshet om ett år", "Unemployment in a year"), 3, 14, 0.1
    ),
    "gdp_growth_yoy_pct": (
        Words("BNP-tillväxt per år", "GDP growth a year"), -6, 8, 0.1
    ),
}  # fmt: skip
"""Each figure's slider: its name, lowest, highest and step, in per cent."""
HORIZON = Words("Så långt fram", "How far ahead")
MONTHS_AHEAD = Words("{months} mån", "{months} months")
TREND_GOES_ON = Words(
    "Låt den långsiktiga trenden fortsätta ({percent} per år)",
    "Let the long-term trend go on ({percent} a year)",
)
AS_NOW = Words("Återställ till dagens siffror", "Back to today's figures")
SKELETON_CSS = """
.skeleton { border-radius: 10px; background: var(--wash); height: 300px;
  display: grid; place-items: center; color: var(--muted); margin: 4px 0 12px; }
.skeleton.low { height: 140px; }
@media (prefers-reduced-motion: no-preference) {
  .skeleton { animation: breathe 1.4s ease-in-out infinite alternate; }
  @keyframes breathe { from { opacity: 1; } to { opacity: 0.55; } }
}
.moments th[scope=row] { font-size: 15px; color: var(--ink); font-weight: 550;
  border-top: 1px solid var(--line); padding: 9px 0; white-space: normal; }
.moments th[scope=row] small { display: block; font-size: 13px; font-weight: 400;
  color: var(--muted); }
.moments tr.narrow { display: none; }
.moments tr.narrow td { border: 0; padding: 0 0 9px; }
.moments tr.narrow small { display: block; font-size: 13px; color: var(--muted); }
.moments tr.total th, .moments tr.total td { border-top: 2px solid var(--line);
  font-weight: 650; }
.outcome { font-size: 17px; margin-bottom: 14px; }
@media (max-width: 520px) {
  .moments td + td, .moments th + th, .moments th + td { padding-left: 10px; }
  .moments .wide { display: none; }
  .moments tr.narrow { display: table-row; }
}
"""


@dataclass(frozen=True)
class Past:
    """What the chart shows of the past."""

    curve: pd.DataFrame
    sales: Sequence[PastSale]


def time_section(
    valuation: Valuation, valuer: Valuer, language: Language = "sv"
) -> Viewable:
    """Show the value through the years, the other days, and the scenario ahead."""
    years_back = _choice(
        YEARS_BACK,
        {
            YEARS.to(language).format(years=months // 12): months
            for months in (MONTHS_BACK, MOST_MONTHS_BACK)
        },
        language,
    )
    chart = Later(
        lambda: _known(valuation, valuer, years_back.value),
        lambda known: _chart_view(valuation, *known, language),
        _skeleton(language),
    )
    years_back.param.watch(chart.load, "value")
    questions = Later(
        lambda: differences_of(valuer, valuation),
        lambda found: questions_html(found, language),
        _skeleton(language, "low"),
    )
    return pmui.Column(
        shell.card(TITLE.to(language), years_back, chart.view, lede=LEDE.to(language)),
        shell.card(
            QUESTIONS.to(language), questions.view, lede=QUESTIONS_LEDE.to(language)
        ),
        sizing_mode="stretch_width",
        margin=0,
    )


def _known(
    valuation: Valuation, valuer: Valuer, months_back: int
) -> tuple[Past, ScenarioModel]:
    request = valuation.request
    curve = value_over_time(valuer, request, days_back(request.date, months_back))
    first = curve["date"].min() if len(curve) else request.date
    sales = [s for s in own_sales(valuer, valuation) if s.sold_date >= first]
    return Past(curve, sales), scenario_model(valuer.connection(), request.date)


def _chart_view(
    valuation: Valuation, past: Past, model: ScenarioModel, language: Language
) -> Viewable:
    if past.curve.empty:
        return shell.notice(NO_HISTORY.to(language))
    return TimeChart(valuation, past, model, language).view()


class TimeChart:
    """Past and scenario in one chart; the sliders move the scenario alone."""

    def __init__(
        self, valuation: Valuation, past: Past, model: ScenarioModel, language: Language
    ) -> None:
        self.valuation, self.past, self.language = valuation, past, language
        self.model = model
        self._sliders = _sliders(model, language)
        self._trend = pmui.Switch(
            label=TREND_GOES_ON.to(language).format(
                percent=signed_percent(model.effects["trend"], language)
            ),
            value=True,
            visible=not model.is_short,
            margin=(10, 0),
        )
        months = {
            MONTHS_AHEAD.to(language).format(months=each): each for each in HORIZONS
        }
        self._horizon = _choice(HORIZON, months, language)
        self._outcome = _styled("")
        self._ahead = self._scenario()
        self._chart = self._drawn()
        for widget in (*self._sliders.values(), self._trend, self._horizon):
            widget.param.watch(self._redraw, "value")
        self._say_outcome()

    def view(self) -> Viewable:
        """Lay out the chart, and below it the scenario."""
        language = self.language
        chart = shell.chart_parts(
            self._chart,
            language=language,
            source=SOURCE.to(language),
            table=self._table(),
            file_name="slutpris-varde-i-tiden",
        )
        reset = pmui.Button(
            label=AS_NOW.to(language), variant="outlined", size="small", margin=(10, 0)
        )
        reset.on_click(self._reset)
        heading = (
            f'<div class="head" style="margin-top: 26px"><h2>{SCENARIO.to(language)}'
            f'</h2><p class="lede">{SCENARIO_LEDE.to(language)}</p></div>'
        )
        return pmui.Column(
            *chart,
            shell.content(heading),
            *self._notices(),
            pmui.FlexBox(*self._sliders.values(), gap="6px 16px", margin=0),
            pmui.FlexBox(
                self._horizon,
                self._trend,
                reset,
                gap="6px 20px",
                align_items="flex-end",
            ),
            self._outcome,
            sizing_mode="stretch_width",
            margin=0,
        )

    def _notices(self) -> list[Viewable]:
        language, model = self.language, self.model
        if model.is_short:
            return [shell.notice(TOO_SHORT.to(language))]
        silent = [each for each in self._sliders if abs(model.effects[each]) < 0.0005]
        said = []
        if silent:
            figures = _listed([FIGURE_NAMES[each] for each in silent], OR, language)
            said.append(NO_RELATION.to(language).format(figures=figures))
        held = [each for each in self._sliders if each in model.economy.assumed]
        if held:
            figures = _listed([FIGURE_NAMES[each] for each in held], AND, language)
            said.append(HOLD.to(language).format(figures=figures))
        return [
            shell.content(f'<p class="small muted">{escape(each)}</p>') for each in said
        ]

    def _scenario(self) -> Ahead:
        chosen = {name: slider.value for name, slider in self._sliders.items()}
        return scenario_sek(
            self.valuation,
            self.model,
            chosen,
            self._horizon.value,
            has_trend=self._trend.value,
        )

    def _drawn(self) -> Chart:
        language, curve = self.language, self.past.curve
        ahead = self._ahead.months
        ranged = curve.dropna(subset=["low_sek", "high_sek"])
        known, later = _known_and_later(curve)
        # The scenario comes last, so that it is found again by its place.
        return time_chart(
            Band(
                RANGE.to(language),
                list(ranged["date"]),
                list(ranged["low_sek"]),
                list(ranged["high_sek"]),
            ),
            Line(
                LEVEL_ALONE.to(language),
                list(curve["date"]),
                list(curve["index_sek"]),
                theme.MUTED,
            ),
            Line(VALUE.to(language), list(known["date"]), list(known["value_sek"])),
            Line(
                AFTER_INDEX.to(language),
                list(later["date"]),
                list(later["value_sek"]),
                is_dashed=True,
            ),
            Points(
                OWN_SALES.to(language),
                [sale.sold_date for sale in self.past.sales],
                [float(sale.sold_price_sek) for sale in self.past.sales],
                [
                    f"{sale.sold_date}: {theme.sek(sale.sold_price_sek)}"
                    for sale in self.past.sales
                ],
                theme.BLUE,
            ),
            Band(
                SCENARIO_RANGE.to(language),
                list(ahead["date"]),
                list(ahead["low_sek"]),
                list(ahead["high_sek"]),
                theme.AMBER,
            ),
            Line(
                SCENARIO_LINE.to(language),
                list(ahead["date"]),
                list(ahead["value_sek"]),
                theme.AMBER,
                is_dashed=True,
            ),
            title=TITLE.to(language),
            language=language,
            write=self._write,
            height=360,
        )

    def _write(self, value: float) -> str:
        return theme.million_sek(value, self.language)

    def _redraw(self, *_: object) -> None:
        """Move the scenario's line, band and axes; the past stays where it is."""
        # In one message: each by itself, the browser would draw it all several times.
        with pn.io.hold():
            self._move()
            self._fit_axes()
            self._say_outcome()

    def _move(self) -> None:
        self._ahead = self._scenario()
        months, figure = self._ahead.months, self._chart.figure
        drawn = [each for each in figure.renderers if isinstance(each, GlyphRenderer)]
        band, line = drawn[-2:]
        x = [_ms(date) for date in months["date"]]
        _source(band).data = {
            "x": x,
            "y1": list(months["low_sek"]),
            "y2": list(months["high_sek"]),
        }
        name = SCENARIO_LINE.to(self.language)
        _source(line).data = {
            "x": x,
            "y": list(months["value_sek"]),
            "label": [
                f"{name}, {date:%Y-%m-%d}: {self._write(value)}"
                for date, value in zip(months["date"], months["value_sek"], strict=True)
            ],
        }

    def _fit_axes(self) -> None:
        figure, curve, months = self._chart.figure, self.past.curve, self._ahead.months
        values = [
            float(value)
            for frame in (curve, months)
            for name in ("value_sek", "low_sek", "high_sek")
            for value in frame[name]
            if math.isfinite(value)
        ]
        values += [*curve["index_sek"], *(s.sold_price_sek for s in self.past.sales)]
        ticks = nice_ticks(min(values), max(values))
        figure.y_range.update(start=ticks[0], end=ticks[-1])
        mark_axis(figure.yaxis[0], {tick: self._write(tick) for tick in ticks})
        figure.ygrid.ticker = FixedTicker(ticks=ticks)
        dates = [*curve["date"], *months["date"]]
        mark_axis(figure.xaxis[0], date_ticks(dates, self.language))

    def _say_outcome(self) -> None:
        self._outcome.object = outcome_html(self.valuation, self._ahead, self.language)

    def _reset(self, *_: object) -> None:
        for name, slider in self._sliders.items():
            slider.value = _start(self.model, name)

    def _table(self) -> pd.DataFrame:
        table = self.past.curve.iloc[::-1].copy()
        for name in ("value_sek", "low_sek", "high_sek", "index_sek"):
            table[name] = [
                round(value) if math.isfinite(value) else None for value in table[name]
            ]
            table[name] = table[name].astype("object")
        return table.rename(
            columns={name: words.to(self.language) for name, words in COLUMNS.items()}
        )


def _known_and_later(curve: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part the curve where the price level ends; both share the last known day."""
    is_later = curve["is_extrapolation"].to_numpy(dtype=bool)
    known = curve[~is_later]
    if not is_later.any():
        return known, curve.iloc[:0]
    return known, pd.concat([known.tail(1), curve[is_later]])


def _sliders(
    model: ScenarioModel, language: Language
) -> dict[Figure, pmui.FloatSlider]:
    """Make a slider for each figure that is known, starting where it stands."""
    sliders = {}
    for figure in FIGURES:
        if figure not in model.economy.figures:
            continue
        words, lowest, highest, step = SLIDERS[figure]
        start = _start(model, figure)
        sliders[figure] = pmui.FloatSlider(
            label=words.to(language),
            value=start,
            # On the steps of where it stands, so that it can be put back there.
            start=round(start - step * max(0, (start - lowest) // step), 4),
            end=round(start + step * max(0, (highest - start) // step), 4),
            step=step,
            format=CustomJSTickFormatter(code=PER_CENT[language]),
            size="small",
            width=None,
            sizing_mode="stretch_width",
            styles={"flex": f"1 1 {SLIDER_WIDTH}px"},
            disabled=model.is_short,
            margin=(10, 8, 10, 0),
        )
    return sliders


def _start(model: ScenarioModel, figure: Figure) -> float:
    return round(model.economy.figures[figure], 2)


def _choice(words: Words, options: dict[str, int], language: Language) -> Any:  # noqa: ANN401 - pmui's
    return pmui.RadioButtonGroup(
        label=words.to(language),
        options=options,
        value=next(iter(options.values())),
        size="small",
        sx={"& .MuiToggleButton-root": {"whiteSpace": "nowrap"}},
        width=CHOICE_WIDTH * len(options),
        margin=(4, 0, 12, 0),
    )


AND, OR = Words("och", "and"), Words("eller", "or")


def _listed(words: Sequence[Words], last: Words, language: Language) -> str:
    names = [each.to(language) for each in words]
    joined = [", ".join(names[:-1]), names[-1]]
    return f" {last.to(language)} ".join(filter(None, joined))


def _skeleton(language: Language, look: str = "") -> pn.pane.HTML:
    words = LOADING.to(language)
    return _styled(f'<div class="skeleton {look}" role="status">{words}</div>')


def _styled(html: str) -> pn.pane.HTML:
    pane = shell.content(html)
    pane.stylesheets = [*pane.stylesheets, SKELETON_CSS]
    return pane


def _source(drawn: GlyphRenderer) -> ColumnDataSource:
    source = drawn.data_source
    if not isinstance(source, ColumnDataSource):
        raise TypeError(f"a chart draws columns of data, not {type(source).__name__}")
    return source


def _ms(date: dt.date) -> float:
    return (date - dt.date(1970, 1, 1)).total_seconds() * 1000

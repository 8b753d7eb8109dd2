"""The tab of the latest sale: what was predicted, what it fetched, and those before it.

What belongs here: the sale, the recent sales as a table. What does not: what was said
of a sale and when (``ml.valuation.latest_sales``), and the pictures of many sales
(``values_against_prices``).
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, get_args

import pandas as pd
import panel as pn

from ml.dashboards import shell, theme
from ml.dashboards.charts import Chart, interval_rows
from ml.dashboards.health_words import (
    MODEL_NAMES,
    NONE,
    day,
    model_name,
    round_million_sek,
    rounded,
    signed_percent,
)
from ml.dashboards.scales import mark_value
from ml.dashboards.tables import facts, marked_table, sale_link, source_line
from ml.dashboards.values_against_prices import values_against_prices
from ml.dashboards.written import rooms_text
from ml.serving_models import ServingRegistry
from ml.valuation import health
from ml.valuation.kept_reports import NoReportError, ReportError, read_backtest
from ml.valuation.latest_sales import (
    LatestSales,
    Origin,
    SaidOfSale,
    Sale,
    latest_sales,
)
from ml.valuation.markup import element, joined
from ml.valuation.request import ModelName
from ml.valuation.words import Language, Words
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ml.valuation.kept_reports import Backtested
    from ml.valuation.markup import Markup
    from warehouse.settings import Settings

SALE_TITLE = Words("Senaste försäljningen", "The latest sale")
FETCHED = Words("slutpris", "sold price")
ASKED = Words("utgångspris", "asking price")
FACTS = {
    "living_area_m2": Words("{value} m²", "{value} m²"),
    "rooms": Words("{value}", "{value}"),
    "floor": Words("våning {value}", "floor {value}"),
    "construction_year": Words("byggår {value}", "built {value}"),
    "fee_sek_per_month": Words("avgift {value} kr/mån", "fee {value} kr a month"),
}
YEARS = {"construction_year"}
ORIGINS: dict[Origin, Words] = {
    "forward": Words("före försäljningen", "before the sale"),
    "backtest": Words("prövning", "backtest"),
    "afterwards": Words("i efterhand", "afterwards"),
}
ORIGIN_NOTES: dict[Origin, Words] = {
    "forward": Words(
        "Före försäljningen: värdet gavs och sparades innan försäljningen var känd.",
        "Before the sale: the value was given and kept before the sale was known.",
    ),
    "backtest": Words(
        "Prövning: modellen var tränad på försäljningar före månaden och hade inte "
        "sett den här.",
        "Backtest: the model was trained on sales before the month and had not seen "
        "this one.",
    ),
    "afterwards": Words(
        "I efterhand: värdet räknades ut nu, med det som var känt på "
        "försäljningsdagen, men modellen kan ha tränats på just den här "
        "försäljningen. Det är inget prov på modellen.",
        "Afterwards: the value was computed now, from what was known on the day of "
        "the sale, but the model may have been trained on this very sale. It is no "
        "test of the model.",
    ),
}
TRAINED_ON = Words(
    "I efterhand: värdet räknades ut nu, med det som var känt på försäljningsdagen, av "
    "en modell som har tränats på själva försäljningen. Felen är därför mindre än när "
    "modellen prövas.",
    "Afterwards: the value was computed now, from what was known on the day of the "
    "sale, by a model that has been trained on the very sale. The errors are therefore "
    "smaller than when the model is tested.",
)
NOBODY_SAID = Words(
    "Ingen modell gav något värde för bostaden: adressen är okänd, uppgifter saknas "
    "eller ingen modell är registrerad.",
    "No model gave the home a value: the address is unknown, facts are missing or no "
    "model is registered.",
)
SAID_COLUMNS = (
    Words("Modell", "Model"),
    Words("Värde", "Value"),
    Words("Fel", "Error"),
    Words("Skillnad", "Difference"),
    Words("90\u00a0%-intervall", "90% range"),
    Words("Värderad", "Valued"),
)
RANGE_CHART = Words(
    "Värde och 90\u00a0%-intervall; linjen är slutpriset",
    "Value and 90% range; the line is the sold price",
)
SALES_SOURCE = Words(
    "publicerade försäljningar (marts.sales)", "published sales (marts.sales)"
)
ORIGIN_SOURCES: dict[Origin, Words] = {
    "forward": Words("loggen över värderingar", "the log of valuations"),
    "backtest": Words("prövningen månad för månad", "the backtest month by month"),
    "afterwards": Words("modellerna som svarar nu", "the models that answer now"),
}
RECENT_TITLE = Words("De senaste försäljningarna", "The latest sales")
RECENT_LEDE = Words(
    "De {count} senaste, med det värde som {model} gav: {origins}.",
    "The latest {count}, with the value that {model} gave: {origins}.",
)
COUNTED: dict[Origin | None, Words] = {
    "forward": Words("{n} före försäljningen", "{n} before the sale"),
    "backtest": Words("{n} i prövningen", "{n} in the backtest"),
    "afterwards": Words("{n} i efterhand", "{n} afterwards"),
    None: Words("{n} utan värde", "{n} without a value"),
}
ALL = Words("alla", "all")
# On a phone only the first columns are seen: value and error are what one comes for.
RECENT_COLUMNS = (
    Words("Adress", "Address"),
    Words("Värde", "Value"),
    Words("Fel", "Error"),
    Words("Slutpris", "Price"),
    Words("Såld", "Sold"),
    Words("Värderad", "Valued"),
    Words("m²", "m²"),
    Words("Stadsdel", "District"),
)
RECENT_NUMBERS = {1, 2, 3, 6}
NO_SALES = Words(
    "De publicerade data har inga försäljningar. Kör make demo, eller crawla och bygg.",
    "The published data has no sales. Run make demo, or crawl and build.",
)


def latest_sale_section(settings: Settings, language: Language) -> pn.viewable.Viewable:
    """Show the latest sale of a data folder, and those before it.

    Raises
    ------
    SlutprisError
        When nothing is published.
    """
    latest = latest_sales(settings)
    if not latest.sales:
        return shell.card(SALE_TITLE.to(language), lede=NO_SALES.to(language))
    parts: list[pn.viewable.Viewable] = [
        shell.notice(words.to(language)) for words in latest.problems
    ]
    backtested, model = _backtest(settings, latest)
    parts.append(sale_card(latest.sales[0], language))
    parts.append(recent_card(latest.sales, model, language))
    parts.append(values_against_prices(backtested, model, language))
    return pn.Column(*parts, sizing_mode="stretch_width", margin=0)


def sale_card(sale: Sale, language: Language) -> pn.viewable.Viewable:
    """Show one sale: the home, what it fetched, and what each model said."""
    top = shell.content(_sale_html(sale, language))
    if not sale.said:
        said = shell.notice(NOBODY_SAID.to(language))
        return shell.card(SALE_TITLE.to(language), top, said)
    notes = _notes_html(sale.said.values(), language)
    chart = shell.chart_parts(
        _range_chart(sale, language),
        language=language,
        source=_source_text(sale.said.values(), language),
        table=_said_table(sale, language),
        file_name="latest-sale",
    )
    return shell.card(
        SALE_TITLE.to(language),
        top,
        shell.content(_said_html(sale, language) + notes),
        shell.content(
            element(
                "p",
                RANGE_CHART.to(language),
                class_="small muted",
                style="margin-top: 20px",
            )
        ),
        *chart,
    )


def recent_card(
    sales: Sequence[Sale], model: str, language: Language
) -> pn.viewable.Viewable:
    """Show the latest sales as a table, with one model's value of each."""
    rows = [_recent_row(sale, sale.said.get(model), language) for sale in sales]
    html = marked_table(RECENT_COLUMNS, rows, language, right=RECENT_NUMBERS)
    shown = [sale.said[model] for sale in sales if model in sale.said]
    html += _notes_html(shown, language)
    html += source_line(_source_text(shown, language), language)
    html += shell.csv_link(
        _recent_table(sales, model), "latest-sales", shell.DOWNLOAD.to(language)
    )
    lede = RECENT_LEDE.to(language).format(
        count=len(sales),
        model=model_name(model, language),
        origins=_origins_text([sale.said.get(model) for sale in sales], language),
    )
    return shell.card(RECENT_TITLE.to(language), shell.content(html), lede=lede)


def _origins_text(said: Sequence[SaidOfSale | None], language: Language) -> str:
    """Count values by how they came about: ``12 i prövningen, 8 i efterhand``."""
    counted = Counter(each and each.origin for each in said)
    return ", ".join(
        words.to(language).format(
            n=ALL.to(language) if counted[origin] == len(said) else counted[origin]
        )
        for origin, words in COUNTED.items()
        if counted[origin]
    )


def _notes_html(shown: Collection[SaidOfSale], language: Language) -> Markup:
    """Say what each way in which the shown values came about is worth."""
    origins = dict.fromkeys(said.origin for said in shown)
    afterwards = [said for said in shown if said.origin == "afterwards"]
    is_trained_on = all(said.is_trained_on for said in afterwards)
    return joined(
        *(
            element(
                "p",
                (
                    TRAINED_ON
                    if origin == "afterwards" and is_trained_on
                    else ORIGIN_NOTES[origin]
                ).to(language),
                class_="small muted",
                style="margin-top: 8px; max-width: 92ch",
            )
            for origin in origins
        )
    )


def _source_text(shown: Collection[SaidOfSale], language: Language) -> str:
    origins = {said.origin for said in shown}
    sources = [SALES_SOURCE] + [
        words for origin, words in ORIGIN_SOURCES.items() if origin in origins
    ]
    return ", ".join(words.to(language) for words in sources)


def _backtest(settings: Settings, latest: LatestSales) -> tuple[Backtested | None, str]:
    """Give the backtest if there is one, and the model to show: the champion."""
    said = [name for sale in latest.sales for name in sale.said]
    fallback = said[0] if said else get_args(ModelName)[0]
    try:
        backtested = read_backtest(settings.reports_dir)
    except (NoReportError, ReportError):
        return None, fallback
    try:
        names = ServingRegistry(settings).names()
    except SlutprisError:
        names = []
    # As on the tab of the models: a benchmark may be registered, but does not compete.
    registered = [name for name in names if name in get_args(ModelName)]
    figures = health.totals(backtested)
    return backtested, health.champion(figures, registered) or next(iter(figures))


def _sale_html(sale: Sale, language: Language) -> Markup:
    name = sale_link(sale.url, sale.address or NONE)
    where = ", ".join(part for part in (sale.district, day(sale.sold_date)) if part)
    return element(
        "div",
        element("p", name, style="font-size: 20px; font-weight: 650"),
        element("p", where, class_="place"),
        element("p", _facts_text(sale, language), class_="muted small"),
        _prices(sale, language),
    )


def _facts_text(sale: Sale, language: Language) -> str:
    return theme.in_a_row(
        words.to(language).format(value=_fact(key, sale.facts[key], language))
        for key, words in FACTS.items()
        if sale.facts.get(key) is not None
    )


def _fact(key: str, value: float, language: Language) -> str:
    if key == "rooms":
        return rooms_text(value, language)
    return f"{value:.0f}" if key in YEARS else theme.plain(value, language)


def _prices(sale: Sale, language: Language) -> Markup:
    prices = {FETCHED: theme.sek(sale.sold_price_sek)}
    if sale.list_price_sek is not None:
        prices[ASKED] = theme.sek(sale.list_price_sek)
    return facts(prices, language)


def _said_html(sale: Sale, language: Language) -> Markup:
    rows = [_said_row(sale, said, language) for said in _in_order(sale.said)]
    table = marked_table(SAID_COLUMNS, rows, language, right=range(1, 5))
    return element("div", table, style="margin: 20px 0 10px")


def _said_row(sale: Sale, said: SaidOfSale, language: Language) -> list[object]:
    difference = said.value_sek - sale.sold_price_sek
    return [
        model_name(said.model, language),
        theme.sek(said.value_sek, 1000),
        signed_percent(said.error_pct(sale.sold_price_sek), language),
        theme.signed_sek(difference, 1000),
        _range_text(said),
        _origin_tag(said, language),
    ]


def _origin_tag(said: SaidOfSale, language: Language) -> Markup:
    return element("span", ORIGINS[said.origin].to(language), class_="tag")


def _range_text(said: SaidOfSale) -> str:
    if said.low_sek is None or said.high_sek is None:
        return NONE
    low = theme.number(round(said.low_sek, -3))
    return f"{low}–{theme.sek(said.high_sek, 1000)}"


def _range_chart(sale: Sale, language: Language) -> Chart:
    said = _in_order(sale.said)
    write = partial(round_million_sek, language=language)
    chart = interval_rows(
        [model_name(each.model, language) for each in said],
        [each.value_sek for each in said],
        [each.ends()[0] for each in said],
        [each.ends()[1] for each in said],
        [
            f"{model_name(each.model, language)}: {theme.sek(each.value_sek, 1000)} "
            f"({_range_text(each)})"
            for each in said
        ],
        write=write,
        title=SALE_TITLE.to(language),
        zero_line=False,
    )
    ends = [end for each in said for end in each.ends()]
    mark_value(chart, sale.sold_price_sek, ends, write)
    return chart


def _in_order(said: Mapping[str, SaidOfSale]) -> list[SaidOfSale]:
    """Give what was said in the order in which models are always named."""
    names = list(MODEL_NAMES)
    return sorted(
        said.values(),
        key=lambda each: names.index(each.model) if each.model in names else len(names),
    )


def _said_table(sale: Sale, language: Language) -> pd.DataFrame:
    model, value, error, difference, _, origin = (w.to(language) for w in SAID_COLUMNS)
    return pd.DataFrame(
        [
            {
                model: model_name(said.model, language),
                f"{value}, kr": round(said.value_sek),
                "low_sek": rounded(said.low_sek, 0),
                "high_sek": rounded(said.high_sek, 0),
                f"{FETCHED.to(language).capitalize()}, kr": round(sale.sold_price_sek),
                f"{difference}, kr": round(said.value_sek - sale.sold_price_sek),
                f"{error}, %": rounded(said.error_pct(sale.sold_price_sek), 1),
                origin: ORIGINS[said.origin].to(language),
            }
            for said in _in_order(sale.said)
        ]
    )


def _recent_row(
    sale: Sale, said: SaidOfSale | None, language: Language
) -> list[object]:
    error = None if said is None else said.error_pct(sale.sold_price_sek)
    return [
        sale_link(sale.url, sale.address or NONE),
        NONE if said is None else theme.sek(said.value_sek, 1000),
        signed_percent(error, language),
        theme.sek(sale.sold_price_sek),
        day(sale.sold_date),
        NONE if said is None else _origin_tag(said, language),
        theme.plain(sale.facts["living_area_m2"], language),
        (sale.district or NONE)[: shell.LONGEST_CELL],
    ]


def _recent_table(sales: Sequence[Sale], model: str) -> pd.DataFrame:
    rows = []
    for sale in sales:
        said = sale.said.get(model)
        rows.append(
            {
                "sale_id": sale.sale_id,
                "address": sale.address,
                "district": sale.district,
                "sold_date": sale.sold_date,
                "living_area_m2": sale.facts["living_area_m2"],
                "sold_price_sek": sale.sold_price_sek,
                "model": model,
                "value_sek": said and round(said.value_sek),
                "error_pct": said and rounded(said.error_pct(sale.sold_price_sek)),
                "origin": said and said.origin,
                "url": sale.url,
            }
        )
    return pd.DataFrame(rows)

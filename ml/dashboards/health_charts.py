"""The charts of model health: error by month and by segment, and coverage.

What belongs here: one card of each, of one model's figures. What does not: the figures
(``ml.valuation.health``) and which cards stand on the tab (``model_health``).
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
from bokeh.models import BoxAnnotation, Span

from ml.dashboards import shell, theme
from ml.dashboards.charts import (
    Band,
    Chart,
    LegendEntry,
    Line,
    Points,
    interval_rows,
    time_chart,
)
from ml.dashboards.health_words import (
    CLASS,
    class_name,
    interval_text,
    model_name,
    percent_text,
    rounded,
    signed_percent,
    source_of,
)
from ml.dashboards.maps import Spot, spot_map
from ml.dashboards.scales import mark_value
from ml.valuation import health
from ml.valuation.words import Words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import panel as pn

    from ml.valuation.health import (
        ClassCoverage,
        DistrictPlace,
        Estimate,
        SegmentHealth,
    )
    from ml.valuation.kept_reports import Backtested
    from ml.valuation.words import Language

ERROR_TITLE = Words("Fel månad för månad", "Error month by month")
ERROR_LEDE = Words(
    "{model}: medianfelet (MdAPE) och medelfelet (MAPE) i procent av slutpriset. Det "
    "skuggade är 95\u00a0%-intervallet för månadens medianfel; få försäljningar ger "
    "brett intervall.",
    "{model}: the median error (MdAPE) and the mean error (MAPE) in percent of the "
    "price. The shaded range is the 95% interval of the month's median error; few "
    "sales make it wide.",
)
BIAS_TITLE = Words("Snedhet månad för månad", "Bias month by month")
BIAS_LEDE = Words(
    "Medelfel med tecken: över noll värderar {model} för högt, under noll för lågt.",
    "The mean error with its sign: above zero {model} values too high, below too low.",
)
MEDIAN_ERROR = Words("Medianfel", "Median error")
MEAN_ERROR = Words("Medelfel", "Mean error")
BIAS = Words("Snedhet", "Bias")
INTERVAL = Words("95\u00a0%-intervall", "95% interval")
N = Words("n", "n")
MONTH = Words("Månad", "Month")
SALES = Words("{n} försäljningar", "{n} sales")

COVERAGE_TITLE = Words("Täckning av 90\u00a0%-intervallet", "Coverage of the 90% range")
COVERAGE_LEDE = Words(
    "Hur stor andel av slutpriserna som hamnade i värderingens intervall, efter "
    "säkerhetsklass. Utlovat är 90\u00a0% (linjen); strecken är "
    "osäkerheten (95\u00a0%). {verdict}",
    "The share of prices that fell in the valuation's range, by confidence class. "
    "The promise is 90% (the line); the bars are the 95% uncertainty. {verdict}",
)
COVERAGE_ALL = Words("Alla klasser", "All classes")
COVERED = Words("Täckning", "Coverage")
WIDTH = Words("Intervallets bredd", "Width of the range")
NO_RANGES = Words(
    "{model} gav inga intervall för de här månaderna.",
    "{model} gave no ranges for these months.",
)
VERDICTS = {
    -1: Words(
        "Totalt {share}: intervallen är för smala.",
        "Overall {share}: the ranges are too narrow.",
    ),
    0: Words(
        "Totalt {share}, förenligt med det utlovade.",
        "Overall {share}, which agrees with the promise.",
    ),
    1: Words(
        "Totalt {share}: intervallen är bredare än de behöver vara.",
        "Overall {share}: the ranges are wider than they need be.",
    ),
}

SEGMENT_TITLES = {
    "price_decile": Words("Snedhet efter pris", "Bias by price"),
    "size": Words("Snedhet efter boarea", "Bias by living area"),
    "building_age": Words("Snedhet efter husets ålder", "Bias by age of the building"),
    "district": Words("Snedhet efter stadsdel", "Bias by district"),
}
SEGMENT_LEDES = {
    "price_decile": Words(
        "Snedhet per prisdecil, 1 billigast. Att dela in efter slutpris får i sig "
        "billiga att se något övervärderade ut och dyra undervärderade: jämför "
        "modeller, inte deciler.",
        "Bias by tenth of the prices, 1 cheapest. Grouping by the sold price "
        "in itself makes cheap ones look somewhat overvalued and expensive ones "
        "undervalued: compare models, not tenths.",
    ),
    "size": Words(
        "Snedhet per boarea i kvadratmeter, med 95\u00a0%-intervall.",
        "Bias by living area in square metres, with its 95% interval.",
    ),
    "building_age": Words(
        "Snedhet per husets ålder i år, med 95\u00a0%-intervall.",
        "Bias by the building's age in years, with its 95% interval.",
    ),
    "district": Words(
        "Snedhet per stadsdel, med minst {fewest} försäljningar.",
        "Bias by district, of at least {fewest} sales.",
    ),
}
MAP_LEDE = Words(
    "Visar {shown} av {all} stadsdelar, med {sales} av {all_sales} försäljningar: de "
    "som har minst {fewest} var. En pricks yta visar antalet; den största är {most} "
    "försäljningar. Grå ringar är stadsdelar vars snedhet kan vara slump: "
    "95\u00a0%-intervallet rymmer noll.",
    "Shows {shown} of {all} districts, with {sales} of {all_sales} sales: those with "
    "at least {fewest} each. The area of a dot shows their number; the largest is "
    "{most} sales. Grey rings are districts whose bias may be chance: the 95% interval "
    "holds zero.",
)
MAP_KEY = {
    theme.BLUE: Words("värderas för lågt", "valued too low"),
    theme.TEAL: Words("inom ±{small}", "within ±{small}"),
    theme.RED: Words("värderas för högt", "valued too high"),
    theme.MUTED: Words("kan vara slump", "may be chance"),
}
LARGEST_DOT = 34
"""Across, in CSS pixels; the area of the others is as their number of sales."""
SEGMENT_NAMES = {
    "price_decile": Words("Prisdecil", "Tenth of prices"),
    "size": Words("Boarea, m²", "Living area, m²"),
    "building_age": Words("Ålder, år", "Age, years"),
    "district": Words("Stadsdel", "District"),
}
TOO_FEW = Words(
    "Ingen grupp har så många som {fewest} försäljningar.",
    "No group has as many as {fewest} sales.",
)
UNKNOWN = Words("okänt", "unknown")
SMALL_BIAS_PCT = 2.0
SPAN = re.compile(r"^(\d{1,3})-(\d{1,3})$")
"""A group that is a span of numbers, not a month."""
BIAS_RANGE = Words("Snedhet, 95\u00a0%-intervall", "Bias, 95% interval")


def month_cards(
    backtested: Backtested, model: str, language: Language
) -> list[pn.viewable.Viewable]:
    """Show a model's error and bias by month."""
    months = health.by_month(backtested, model)
    name, source = model_name(model, language), source_of(backtested, language)
    table = _segment_table(months, "month", language)
    write = partial(_axis_percent, language=language)
    titles = ERROR_TITLE.to(language), BIAS_TITLE.to(language)
    charts = (
        _error_chart(months, write, titles[0], language),
        _bias_chart(months, write, titles[1], language),
    )
    ledes = ERROR_LEDE.to(language), BIAS_LEDE.to(language)
    return [
        shell.chart_card(
            title,
            chart,
            language=language,
            lede=lede.format(model=name),
            source=source,
            table=table,
            file_name=f"{file}-{model}",
        )
        for title, chart, lede, file in zip(
            titles, charts, ledes, ("error-by-month", "bias-by-month"), strict=True
        )
    ]


def _error_chart(
    months: Sequence[SegmentHealth],
    write: Callable[[float], str],
    title: str,
    language: Language,
) -> Chart:
    dates = [each.month for each in months]
    median = [each.mdape_pct.figure for each in months]
    mean = [each.mape_pct.figure for each in months]
    chart = time_chart(
        _band(INTERVAL.to(language), months, "mdape_pct"),
        Line(MEAN_ERROR.to(language), dates, mean, theme.AMBER, is_dashed=True),
        Line(MEDIAN_ERROR.to(language), dates, median),
        _dots(months, median, "mdape_pct", language),
        title=title,
        language=language,
        write=write,
        height=260,
        from_zero=True,
    )
    return Chart(chart.figure, chart.legend[:-1])


def _bias_chart(
    months: Sequence[SegmentHealth],
    write: Callable[[float], str],
    title: str,
    language: Language,
) -> Chart:
    dates = [each.month for each in months]
    bias = [each.bias_pct.figure for each in months]
    chart = time_chart(
        _band(INTERVAL.to(language), months, "bias_pct", theme.BLUE),
        Line(BIAS.to(language), dates, bias, theme.BLUE),
        _dots(months, bias, "bias_pct", language, theme.BLUE),
        title=title,
        language=language,
        write=write,
        height=260,
        from_zero=True,
    )
    chart.figure.add_layout(
        Span(location=0, dimension="width", line_color=theme.MUTED, line_width=1)
    )
    return Chart(chart.figure, chart.legend[:-1])


def _band(
    name: str, months: Sequence[SegmentHealth], key: str, colour: str = theme.TEAL
) -> Band:
    """Make a band of the months that have an interval."""
    known = [
        each for each in months if getattr(each, key).low == getattr(each, key).low
    ]
    return Band(
        name,
        [each.month for each in known],
        [getattr(each, key).low for each in known],
        [getattr(each, key).high for each in known],
        colour,
    )


def _dots(
    months: Sequence[SegmentHealth],
    values: Sequence[float],
    key: str,
    language: Language,
    colour: str = theme.TEAL,
) -> Points:
    labels = [
        f"{theme.month(each.month, language)}: "
        f"{percent_text(value, 1, language)} "
        f"({interval_text(getattr(each, key), language)}), "
        + SALES.to(language).format(n=theme.number(each.n, 0, language))
        for each, value in zip(months, values, strict=True)
    ]
    dates = [each.month for each in months]
    return Points(MONTH.to(language), dates, values, labels, colour, size=7)


def coverage_card(
    backtested: Backtested, model: str, language: Language
) -> pn.viewable.Viewable:
    """Show how often prices fell in the range, by confidence class.

    Classes of very few sales stand in the table alone: their intervals say nothing.
    """
    title = COVERAGE_TITLE.to(language)
    whole = health.coverage_of_all(backtested, model)
    if whole is None:
        name = model_name(model, language)
        return shell.card(title, lede=NO_RANGES.to(language).format(model=name))
    classes = health.coverage(backtested, model)
    rows = {COVERAGE_ALL.to(language): whole}
    rows |= {class_name(each.label, language): each for each in classes}
    drawn = {name: row for name, row in rows.items() if row.n >= health.FEWEST_SHOWN}
    return shell.chart_card(
        title,
        _coverage_chart(drawn or rows, title, language),
        language=language,
        lede=COVERAGE_LEDE.to(language).format(verdict=_verdict(whole, language)),
        source=source_of(backtested, language, health.with_range(backtested, model)),
        table=_coverage_table(rows, language),
        file_name=f"coverage-{model}",
    )


def _verdict(whole: ClassCoverage, language: Language) -> str:
    low, high = whole.covered_pct[1:]
    promised = health.PROMISED_COVERAGE_PCT
    side = 1 if low > promised else -1 if high < promised else 0
    share = percent_text(whole.covered_pct.figure, 1, language)
    return VERDICTS[side].to(language).format(share=share)


def _coverage_chart(
    rows: Mapping[str, ClassCoverage], title: str, language: Language
) -> Chart:
    covered = [row.covered_pct for row in rows.values()]
    write = partial(_axis_percent, language=language)
    chart = interval_rows(
        list(rows),
        [each.figure for each in covered],
        [each.low for each in covered],
        [each.high for each in covered],
        [_coverage_label(name, row, language) for name, row in rows.items()],
        write=write,
        title=title,
        zero_line=False,
    )
    ends = [end for each in covered for end in each[1:]]
    mark_value(chart, health.PROMISED_COVERAGE_PCT, ends, write, last=100)
    return chart


def _coverage_label(name: str, row: ClassCoverage, language: Language) -> str:
    return (
        f"{name}: {percent_text(row.covered_pct.figure, 1, language)} "
        f"({interval_text(row.covered_pct, language)}), "
        + SALES.to(language).format(n=theme.number(row.n, 0, language))
    )


def _coverage_table(
    rows: Mapping[str, ClassCoverage], language: Language
) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                CLASS.to(language): name,
                f"{COVERED.to(language)} %": rounded(row.covered_pct.figure, 1),
                INTERVAL.to(language): interval_text(row.covered_pct, language),
                N.to(language): row.n,
                f"{WIDTH.to(language)} %": rounded(row.mean_width_pct, 1),
            }
            for name, row in rows.items()
        ]
    )


def segment_card(
    backtested: Backtested,
    model: str,
    dimension: str,
    language: Language,
    places: Mapping[str, DistrictPlace] | None = None,
) -> pn.viewable.Viewable:
    """Show a model's bias by price, size or district, and its error in the table."""
    title = SEGMENT_TITLES[dimension].to(language)
    segments = health.by_segment(backtested, model, dimension)
    if not segments:
        few = TOO_FEW.to(language).format(fewest=health.FEWEST_SHOWN)
        return shell.card(title, lede=few)
    lede = SEGMENT_LEDES[dimension].to(language).format(fewest=health.FEWEST_SHOWN)
    if places:
        segments = sorted(segments, key=lambda each: -each.n)
        placed = [each for each in segments if each.label in places]
        chart = district_map(placed, places, language)
        lede = _map_lede(placed, backtested, model, language)
    else:
        chart = _segment_chart(segments, title, language)
    return shell.chart_card(
        title,
        chart,
        language=language,
        lede=lede,
        source=source_of(backtested, language),
        table=_segment_table(segments, dimension, language, places),
        file_name=f"error-by-{dimension.replace('_', '-')}-{model}",
    )


def _segment_chart(
    segments: Sequence[SegmentHealth], title: str, language: Language
) -> Chart:
    names = [_label(each, language) for each in segments]
    chart = interval_rows(
        names,
        [each.bias_pct.figure for each in segments],
        [each.bias_pct.low for each in segments],
        [each.bias_pct.high for each in segments],
        [_segment_label(_label(each, language), each, language) for each in segments],
        write=partial(_axis_percent, language=language),
        title=title,
        colour=theme.BLUE,
    )
    chart.figure.add_layout(
        BoxAnnotation(
            left=-SMALL_BIAS_PCT,
            right=SMALL_BIAS_PCT,
            fill_color=theme.TEAL,
            fill_alpha=0.1,
            line_color=None,
            level="underlay",
        )
    )
    legend = (
        LegendEntry(BIAS_RANGE.to(language), theme.BLUE, "line"),
        LegendEntry(
            f"±{theme.percent(SMALL_BIAS_PCT, 0, language)}", theme.TEAL, "band"
        ),
    )
    return Chart(chart.figure, legend)


def district_map(
    segments: Sequence[SegmentHealth],
    places: Mapping[str, DistrictPlace],
    language: Language,
) -> Chart:
    """Draw a dot for each district: its colour the bias, its area the sales."""
    most = max((each.n for each in segments), default=1)
    spots = [
        Spot(
            places[each.label].latitude,
            places[each.label].longitude,
            _segment_label(places[each.label].name, each, language),
            _bias_colour(each.bias_pct),
            size=LARGEST_DOT * (each.n / most) ** 0.5,
            is_hollow=_may_be_chance(each.bias_pct),
        )
        for each in segments
    ]
    small = theme.percent(SMALL_BIAS_PCT, 0, language)
    legend = tuple(
        LegendEntry(
            words.to(language).format(small=small),
            colour,
            "ring" if colour == theme.MUTED else "dot",
        )
        for colour, words in MAP_KEY.items()
    )
    return Chart(spot_map(spots, language=language).figure, legend)


def _map_lede(
    shown: Sequence[SegmentHealth],
    backtested: Backtested,
    model: str,
    language: Language,
) -> str:
    """Say how many of the districts and sales the map holds."""
    rows = backtested.answered(model)
    districts = set(backtested.labels.loc[rows.index, "district"]) - {"unknown"}
    counts = {
        "shown": len(shown),
        "all": len(districts),
        "sales": sum(each.n for each in shown),
        "all_sales": len(rows),
        "fewest": health.FEWEST_SHOWN,
        "most": max((each.n for each in shown), default=0),
    }
    return MAP_LEDE.to(language).format(
        **{name: theme.number(count, 0, language) for name, count in counts.items()}
    )


def _may_be_chance(bias: Estimate) -> bool:
    return not (bias.low > 0 or bias.high < 0)


def _bias_colour(bias: Estimate) -> str:
    if _may_be_chance(bias):
        return theme.MUTED
    if abs(bias.figure) <= SMALL_BIAS_PCT:
        return theme.TEAL
    return theme.RED if bias.figure > 0 else theme.BLUE


def _label(each: SegmentHealth, language: Language) -> str:
    if each.label == "unknown":
        return UNKNOWN.to(language)
    return SPAN.sub(r"\1–\2", each.label)


def _segment_label(name: str, each: SegmentHealth, language: Language) -> str:
    return (
        f"{name}: {BIAS.to(language).lower()} "
        f"{signed_percent(each.bias_pct.figure, language)}, "
        f"{MEDIAN_ERROR.to(language).lower()} "
        f"{percent_text(each.mdape_pct.figure, 1, language)}, "
        + SALES.to(language).format(n=theme.number(each.n, 0, language))
    )


def _segment_table(
    segments: Sequence[SegmentHealth],
    dimension: str,
    language: Language,
    places: Mapping[str, DistrictPlace] | None = None,
) -> pd.DataFrame:
    name = SEGMENT_NAMES.get(dimension, MONTH).to(language)
    interval = INTERVAL.to(language)
    rows = []
    for each in segments:
        place = (places or {}).get(each.label)
        row: dict[str, object] = {name: place.name if place else _label(each, language)}
        row[N.to(language)] = each.n
        for words, estimate in (
            (MEDIAN_ERROR, each.mdape_pct),
            (MEAN_ERROR, each.mape_pct),
            (BIAS, each.bias_pct),
        ):
            row[f"{words.to(language)} %"] = rounded(estimate.figure)
            row[f"{words.to(language)}, {interval}"] = interval_text(estimate, language)
        rows.append(row)
    return pd.DataFrame(rows)


def _axis_percent(value: float, language: Language) -> str:
    decimals = 0 if float(value).is_integer() else 1
    return theme.percent(value, decimals, language)

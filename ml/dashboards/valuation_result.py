"""The markup of a valuation: the value, its other dates, the sales behind it.

What belongs here: turning a valuation into HTML, everything escaped. What does not:
widgets, and any query but those of the map.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ml.dashboards import theme
from ml.dashboards.store import (
    City,
    city,
    houses_around,
    map_radius_m,
    value_curve,
)
from ml.dashboards.svg_charts import Mark, Spot, TimeChart, both_widths, dot_map
from ml.valuation.confidence import CLASS_NAMES, REFUSAL_WORDS, class_meaning

if TYPE_CHECKING:
    from ml.valuation.comparables import ComparableSale
    from ml.valuation.value import Valuation, ValueAtDate, Valuer

WHEN = {
    "three_years_ago": "Tre år tidigare",
    "before_invasion": "Dagen före invasionen av Ukraina",
    "one_year_ago": "Ett år tidigare",
    "in_one_year": "Ett år senare",
}
LEVELS = {
    "street": "Gatunumret finns inte bland de kända, så läget är gatans mitt.",
    "district": "Ingen gata är angiven, så läget är områdets mitt.",
}
SHOWN_COMPARABLES = 10
ROUNDED_TO_SEK = 10_000
"""A value's last digits say nothing; the page leaves them out."""


def city_html(facts: City) -> str:
    """Show the city before the first valuation: the price level through the years."""
    chart = TimeChart(
        line=facts.index,
        write=lambda value: f"{theme.number(value / 1000)}{theme.NBSP}tkr",
        title="Prisnivån i Stockholm, kronor per kvadratmeter",
        extra=(0,),
    )
    return (
        '<section class="card"><h2>Vad är lägenheten värd?</h2>'
        '<p class="lede">Adress och boarea räcker. Ju mer du fyller i, desto närmare '
        "kommer värdet. Svaret bygger på "
        f'<span class="number">{theme.number(facts.sale_count)}</span> försäljningar '
        f"från {theme.month(facts.first_sale)} till {theme.month(facts.last_sale)}.</p>"
        '<p class="small muted" style="margin: 26px 0 10px">Prisnivån i Stockholm, '
        "kronor per kvadratmeter</p>"
        f"{both_widths(lambda width: chart.svg(width, 250))}</section>"
    )


def result_html(valuation: Valuation, valuer: Valuer) -> str:
    """Show everything a valuation says, from the value to what it rests on."""
    facts = city(valuer)
    return (
        _value_html(valuation, facts)
        + _time_html(valuation, facts)
        + _sales_html(valuation, valuer)
        + _source_html(valuation, facts)
    )


def _value_html(valuation: Valuation, facts: City) -> str:
    request, place = valuation.request, valuation.place
    where = place.address or request.address
    home = [
        f"{theme.plain(request.living_area_m2)}{theme.NBSP}m²",
        f"{theme.plain(request.rooms)}{theme.NBSP}rum" if request.rooms else "",
        f"{request.date}",
    ]
    return (
        '<section class="card" aria-live="polite">'
        f'<p class="place">{escape(titled(where))}, {escape(titled(place.district))} · '
        f"{' · '.join(part for part in home if part)}</p>"
        f'<p class="value number">{_rounded(valuation.value_sek)}'
        f'<span class="unit">{theme.NBSP}kr</span></p>'
        '<p class="per-m2 muted number">'
        f"{theme.sek(valuation.value_sek_per_m2, 100)}/m²</p>"
        f"{_range_html(valuation)}{_certainty_html(valuation)}"
        f"{_notice_html(valuation, facts)}</section>"
    )


def _certainty_html(valuation: Valuation) -> str:
    """Say how sure the value is in words, or plainly that it is not to be relied on."""
    level, reason = valuation.confidence_class, valuation.refusal_reason
    if level is None:
        return ""
    name, meaning = CLASS_NAMES[level].sv, class_meaning(level).sv
    if reason is not None:
        why = REFUSAL_WORDS[reason].sv
        return f'<p class="notice"><strong>{name}.</strong> {meaning} {why}</p>'
    return f'<p class="small muted"><strong>{name}.</strong> {meaning}</p>'


def _range_html(valuation: Valuation) -> str:
    low, high = valuation.low_sek, valuation.high_sek
    if low is None or high is None:
        return ""
    share = 100 * (valuation.value_sek - low) / (high - low)
    return (
        f'<div class="range"><div class="bar"><i style="left: {share:.1f}%"></i></div>'
        f'<div class="ends number"><span>{_rounded(low)}{theme.NBSP}kr</span>'
        f"<span>{_rounded(high)}{theme.NBSP}kr</span></div>"
        '<p class="small muted" style="margin-top: 6px">Nio av tio slutpriser som '
        "modellen har prövats mot hamnade inom ett så brett spann.</p></div>"
    )


def _notice_html(valuation: Valuation, facts: City) -> str:
    notices = []
    place = valuation.place
    if place.level in LEVELS:
        notices.append(LEVELS[place.level])
    if place.placed and place.precision != "exact":
        notices.append(f"{escape(place.placed)}.")
    if valuation.is_extrapolation:
        known = valuation.price_index_period_start
        notices.append(
            f"Prisnivån är känd till och med {theme.month(known)}; värdet står på den "
            f"nivån, inte på den {valuation.request.date}."
            if known
            else f"Prisnivån är känd först från {theme.month(facts.first_sale)}; "
            "värdet är en gissning."
        )
    return "".join(f'<p class="notice">{notice}</p>' for notice in notices)


def _time_html(valuation: Valuation, facts: City) -> str:
    line, dashed = value_curve(facts.index, valuation)
    marks = [
        Mark(each.date, each.value_sek, _mark_label(each), each.is_extrapolation)
        for each in valuation.at_other_dates
    ]
    main = f"{valuation.request.date}: {theme.sek(valuation.value_sek, ROUNDED_TO_SEK)}"
    marks.append(
        Mark(
            valuation.request.date,
            valuation.value_sek,
            main,
            valuation.is_extrapolation,
            is_main=True,
        )
    )
    dots = [
        (sale.sold_date, _as_this_size(sale, valuation), _sale_label(sale))
        for sale in valuation.comparables
    ]
    chart = TimeChart(
        line, marks, dots, dashed, title="Värdet i tiden", is_filled=False
    )
    rows = "".join(
        _date_html(each)
        for each in sorted(valuation.at_other_dates, key=lambda each: each.date)
    )
    return (
        '<section class="card"><h2>Värdet vid andra tidpunkter</h2>'
        '<p class="lede">Linjen är stadens prisnivå, räknad om till den här bostaden. '
        "Grå prickar är de jämförda försäljningarna, omräknade till samma boarea.</p>"
        f'<div style="margin-top: 20px">{both_widths(chart.svg)}</div>'
        f'<ul class="dates">{rows}</ul></section>'
    )


def _date_html(value: ValueAtDate) -> str:
    tag = ' <span class="tag">framskrivning</span>' if value.is_extrapolation else ""
    difference = f"{theme.signed(value.difference_pct, 1)}{theme.NBSP}%"
    return (
        f'<li><span class="when">{WHEN[value.when]}{tag}'
        f'<br><span class="muted small number">{value.date}</span></span>'
        f'<span class="amount number">{_rounded(value.value_sek)}{theme.NBSP}kr</span>'
        f'<span class="difference number muted">{difference}</span></li>'
    )


def _sales_html(valuation: Valuation, valuer: Valuer) -> str:
    sales = valuation.comparables
    if not sales:
        return (
            '<section class="card"><h2>Jämförda försäljningar</h2><p class="lede">'
            "Inga tidigare försäljningar i närheten att jämföra med. Värdet vilar på "
            "läge, storlek och prisnivå.</p></section>"
        )
    rows = "".join(_sale_html(sale) for sale in sales[:SHOWN_COMPARABLES])
    return (
        '<section class="card"><h2>Jämförda försäljningar</h2>'
        '<p class="lede">De tidigare försäljningar som modellen har jämfört bostaden '
        "med, de som väger mest först. <em>Motsvarar</em> är vad den här bostaden "
        "skulle ha kostat på värderingsdagen, om den hade sålts lika bra: priset "
        "omräknat för tid, läge, storlek, byggår och våning.</p>"
        f'<div class="sales" style="margin-top: 20px">{_map_html(valuation, valuer)}'
        '<div><table><thead><tr><th>Såld</th><th class="right">Vikt</th>'
        '<th class="right">Slutpris, och vad det motsvarar</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>{_rest_html(sales[SHOWN_COMPARABLES:])}"
        "</div></div></section>"
    )


def _sale_html(sale: ComparableSale) -> str:
    facts = [
        str(sale.sold_date),
        f"{theme.plain(sale.living_area_m2)}{theme.NBSP}m²",
        f"{theme.plain(sale.rooms)}{theme.NBSP}rum" if sale.rooms else "",
        floor_text(sale.floor),
        f"{theme.number(sale.distance_m)}{theme.NBSP}m",
    ]
    adjusted = (
        f'<br><span class="muted small number">motsvarar '
        f"{theme.sek(sale.adjusted_price_sek, ROUNDED_TO_SEK)}</span>"
        if sale.adjusted_price_sek is not None
        else ""
    )
    return (
        f"<tr><td>{escape(titled(sale.address))}"
        f'<br><span class="muted small">{" · ".join(filter(None, facts))}</span></td>'
        f'<td class="right number">{_share(sale.weight_share_pct)}</td>'
        '<td class="right"><span class="number">'
        f"{theme.sek(sale.sold_price_sek)}</span>{adjusted}</td></tr>"
    )


def _rest_html(sales: list[ComparableSale]) -> str:
    """Say how many comparables are left out of the table, and what they weigh."""
    if not sales:
        return ""
    share_pct = sum(sale.weight_share_pct or 0 for sale in sales)
    one_or_more = "en till" if len(sales) == 1 else f"{len(sales)} till"
    return (
        f'<p class="small muted" style="margin-top: 10px">Och {one_or_more}, som '
        f"tillsammans väger {_share(share_pct)}.</p>"
    )


def _share(share_pct: float | None) -> str:
    return "" if share_pct is None else f"{theme.number(share_pct)}{theme.NBSP}%"


def _map_html(valuation: Valuation, valuer: Valuer) -> str:
    place = valuation.place
    if place.latitude is None or place.longitude is None:
        return ""
    radius_m = map_radius_m(valuation)
    spots = [
        Spot(sale.latitude, sale.longitude, _sale_label(sale))
        for sale in valuation.comparables
        if sale.latitude is not None and sale.longitude is not None
    ]
    houses = houses_around(valuer.connection(), place, radius_m)
    centre = Spot(place.latitude, place.longitude, titled(place.address))
    return (
        f'<div class="map">{dot_map(centre, houses, spots, radius_m)}'
        '<p class="small muted" style="margin-top: 8px">Varje liten prick är en känd '
        "adress; den orange är bostaden.</p></div>"
    )


def _source_html(valuation: Valuation, facts: City) -> str:
    return (
        '<p class="small muted" style="padding: 0 4px 24px">'
        f"Värdet är räknat av modellen {escape(valuation.model)}, version "
        f"{valuation.model_version}, ur {theme.number(facts.sale_count)} försäljningar "
        f"till och med {facts.last_sale}, på "
        f"{theme.number(valuation.latency_ms / 1000, 2)} sekunder. Det ersätter inte "
        "en mäklares värdering: modellen vet inget om skick, balkong och planlösning."
        "</p>"
    )


def titled(name: str | None) -> str:
    """Give a name its capitals where a source wrote none."""
    return (name.title() if name and name.islower() else name) or "okänt område"


def floor_text(floor: float | None) -> str:
    """Write a floor as on a Swedish listing: ``BV``, ``3 tr``."""
    if floor is None:
        return ""
    return "BV" if floor == 0 else f"{theme.plain(floor)}{theme.NBSP}tr"


def _rounded(value_sek: float) -> str:
    return theme.number(round(value_sek / ROUNDED_TO_SEK) * ROUNDED_TO_SEK)


def _as_this_size(sale: ComparableSale, valuation: Valuation) -> float:
    return sale.sold_price_sek / sale.living_area_m2 * valuation.request.living_area_m2


def _mark_label(value: ValueAtDate) -> str:
    amount = theme.sek(value.value_sek, ROUNDED_TO_SEK)
    return f"{WHEN[value.when]}, {value.date}: {amount}"


def _sale_label(sale: ComparableSale) -> str:
    price = theme.sek(sale.sold_price_sek)
    return f"{titled(sale.address)}, {sale.sold_date}: {price}"

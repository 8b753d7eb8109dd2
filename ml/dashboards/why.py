"""Why a home has its value: reasons that add up, and the sales it was compared with.

What belongs here: the section's tables and map, in words. What does not: the reasons
and weights themselves (``ml.valuation.explain``, ``ml.valuation.comparables``).
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

import pandas as pd
import panel as pn
import panel_material_ui as pmui

from ml.dashboards import shell, theme
from ml.dashboards.maps import Spot, spot_map
from ml.dashboards.written import floor_text, rooms_text
from ml.valuation.reason_groups import feature_label
from ml.valuation.words import Language, Words
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from panel.viewable import Viewable

    from ml.valuation.comparables import ComparableSale
    from ml.valuation.comparables_estimate import ComparablesEstimate
    from ml.valuation.explain import Contribution, Explanation
    from ml.valuation.places import Place
    from ml.valuation.valuation import Valuation
    from ml.valuation.value import Valuer

SHOWN_SALES = 12
"""Rows of the table; the file has them all."""
MAP_RADII_M = (250, 400, 550, 800, 1200, 2000, 3500)
MAP_ASPECT = 1.5
SMALLEST_SPOT, LARGEST_SPOT = 7, 24

REASONS = Words("Varför just det värdet", "Why this value")
REASONS_LEDE = Words(
    "Vi utgår från en vanlig bostad och lägger till eller drar ifrån det som skiljer "
    "din från den. Störst först; tillsammans blir de värdet.",
    "We start from a usual home and add or take away what sets yours apart from it. "
    "Largest first; together they make the value.",
)
NO_REASONS = Words(
    "Den här modellen kan inte dela upp sitt värde i delar. Välj XGBoost för att se "
    "vad som höjer och sänker det.",
    "This model cannot divide its value into parts. Choose XGBoost to see what raises "
    "and lowers it.",
)
REASONS_TABLE = Words("Värdet i delar", "The value in parts")
REASON, PART = Words("Orsak", "Reason"), Words("Bidrag", "Contribution")
BASE = Words("En vanlig bostad i staden", "A usual home in the city")
SUM = Words("Summa: värdet", "Sum: the value")
NO_CAUSES = Words(
    "Ett bidrag är vad modellen gör av ett faktum, inte vad du skulle tjäna på att "
    "ändra det. Också det vanliga kan ge ett bidrag, för samma faktum väger olika på "
    "olika platser.",
    "A contribution is what the model makes of a fact, not what you would gain by "
    "changing it. What is usual may contribute too, for the same fact weighs "
    "differently in different places.",
)

SALES = Words("Jämförda försäljningar", "Comparable sales")
SALES_LEDE = Words(
    "Tidigare försäljningar som bostaden jämförs med, tyngst först. Omräknat pris är "
    "vad din bostad skulle ha kostat på värderingsdagen om den hade sålts lika mycket "
    "över eller under det vanliga som den jämförda: befriat från skillnader i tid, "
    "läge, storlek, byggår, våning och avgift.",
    "Earlier sales that the home is compared with, heaviest first. The adjusted price "
    "is what your home would have fetched on the day of the valuation, had it sold as "
    "far above or below what is usual as that sale did: freed of differences in time, "
    "place, size, year built, floor and fee.",
)
NO_SALES = Words(
    "Inga tidigare försäljningar i närheten går att jämföra med. Värdet vilar på läge, "
    "storlek och prisnivå.",
    "There are no earlier sales nearby to compare with. The value rests on place, size "
    "and price level.",
)
COLUMNS = {
    "sale": Words("Adress", "Address"),
    "distance": Words("Avstånd", "Distance"),
    "sold": Words("Såld", "Sold"),
    "price": Words("Slutpris", "Price"),
    "adjusted": Words("Omräknat pris", "Adjusted price"),
    "weight": Words("Vikt", "Weight"),
}
OTHERS = Words("{count} till, med mindre vikt", "{count} more, of less weight")
USUAL = Words(
    "Vad en sådan bostad väntas kosta här, utan jämförelser",
    "What such a home is expected to fetch here, without comparing",
)
SALES_SUM = Words("Vägt medelvärde", "Weighted mean")
ADDS_UP = Words(
    "Varje omräknat pris gånger sin vikt, alla rader tillsammans, blir {estimate}. Det "
    "är vad jämförelserna ensamma säger; modellen väger in det bland allt annat.",
    "Each adjusted price times its weight, all rows together, makes {estimate}. That "
    "is what the comparables alone say; the model weighs it among all else.",
)
CSV = Words("Ladda ner alla med exakta vikter", "Download all with exact weights")
MAP_KEY = Words(
    "Den orange pricken är bostaden; ju större grön prick, desto tyngre försäljning. "
    "Tabellen nedanför säger samma sak.",
    "The orange dot is the home; the larger a green dot, the heavier the sale. The "
    "table below says the same.",
)
TILES = Words(
    "Visa OpenStreetMap-kartan (hämtas från internet)",
    "Show OpenStreetMap (fetched from the internet)",
)
UNKNOWN_ADDRESS = Words("Okänd adress", "Unknown address")
HOME = Words("Bostaden", "The home")
SQUARE_METRES = Words("m²", "m²")

WHY_CSS = """
.reasons { width: 100%; border-collapse: collapse; }
.reasons th[scope=row] { font-size: 15px; color: var(--ink); font-weight: 550;
  padding: 10px 16px 10px 0; border-top: 1px solid var(--line); width: 44%; }
.reasons th[scope=row] small { display: block; font-size: 13px; font-weight: 400;
  color: var(--muted); }
.reasons td { vertical-align: middle; }
.reasons td.amount { width: 1%; font-weight: 600; }
.reasons .bars { position: relative; display: block; height: 14px; min-width: 40px; }
.reasons .bars i { position: absolute; top: 0; height: 14px; border-radius: 3px;
  min-width: 2px; }
.reasons .bars b { position: absolute; top: -7px; width: 1px; height: 28px;
  background: var(--line); }
.reasons tr.total th, .reasons tr.total td { border-top: 2px solid var(--line); }
.reasons tr.total th, .reasons tr.total td.amount { font-weight: 680; }
.compared th[scope=row] { font-size: 15px; color: var(--ink); font-weight: 500;
  padding: 9px 0; border-top: 1px solid var(--line); min-width: 110px; }
.compared .narrow { display: none !important; }
.compared th[scope=row] small { display: block; font-size: 13px; font-weight: 400;
  color: var(--muted); }
.compared { width: 100%; border-collapse: collapse; }
.compared tr.total th, .compared tr.total td { border-top: 2px solid var(--line);
  font-weight: 650; }
.adds-up { margin-top: 12px; }
@media (max-width: 520px) {
  .reasons th[scope=row] { width: auto; padding-right: 8px; }
  .reasons td.drawn { width: 26%; padding-left: 0; }
  .compared .wide { display: none; }
  .compared th[scope=row] .narrow { display: block !important; }
}
"""


def why_section(
    valuation: Valuation, valuer: Valuer, language: Language = "sv"
) -> Viewable:
    """Show why a home has its value: the reasons, then the sales behind it."""
    return pmui.Column(
        _reasons_card(valuation, valuer, language),
        _sales_card(valuation, language),
        sizing_mode="stretch_width",
        margin=0,
    )


def comparables_table(valuation: Valuation, language: Language) -> pd.DataFrame:
    """Give every row behind the comparables' estimate, with exact weights.

    The products of the two last columns add up to the estimate.
    """
    estimate = valuation.comparables_estimate
    if estimate is None:
        return pd.DataFrame(columns=[words.to(language) for words in COLUMNS.values()])
    weight = {each.sale_id: each for each in estimate.sales}
    rows = [
        (
            _titled(sale.address, language),
            sale.distance_m,
            sale.sold_date,
            sale.sold_price_sek,
            weight[sale.sale_id].adjusted_price_sek,
            weight[sale.sale_id].weight,
        )
        for sale in valuation.comparables
    ]
    usual = (
        USUAL.to(language),
        None,
        None,
        None,
        float(estimate.usual_price_sek),
        estimate.no_evidence_weight,
    )
    names = [words.to(language) for words in COLUMNS.values()]
    return pd.DataFrame([*rows, usual], columns=names)


def reasons_html(explanation: Explanation, place: Place, language: Language) -> str:
    """Write reasons as a table whose bars show what each adds or takes away."""
    parts = explanation.contributions
    scale = _Scale.of([part.value_sek for part in parts])
    area = f"{theme.plain(explanation.base_living_area_m2, language)}{theme.NBSP}m²"
    base_fact = (
        area
        if explanation.base_date is None
        else f"{area}, {theme.month(explanation.base_date, language)}"
    )
    rows = "".join(
        _reason_html(part.label, _fact(part, place, language), part.value_sek, scale)
        for part in parts
    )
    return (
        f'<table class="reasons"><caption>{REASONS_TABLE.to(language)}</caption><thead>'
        f'<tr><th scope="col" colspan="2">{REASON.to(language)}</th>'
        f'<th scope="col" class="right">{PART.to(language)}</th></tr></thead><tbody>'
        f"{_plain_row(BASE.to(language), base_fact, explanation.base_sek)}{rows}"
        f"{_plain_row(SUM.to(language), '', explanation.value_sek, 'total')}"
        f'</tbody></table><p class="source">{NO_CAUSES.to(language)}</p>'
    )


def _fact(part: Contribution, place: Place, language: Language) -> str:
    """Give a part's facts; of the place, names as they are spelt, not as keys."""
    if part.group != "place":
        return part.text
    keys = tuple(feature_label(name, language) for name in ("street", "district"))
    facts = [
        fact
        for fact in part.text.split("; ")
        if not fact.casefold().startswith(tuple(key.casefold() for key in keys))
    ]
    names = [_titled(each, language) for each in (place.street, place.district) if each]
    return "; ".join([", ".join(names), *facts] if names else facts)


class _Scale:
    """Where zero lies on the bars, and how long a krona is."""

    def __init__(self, lowest: float, highest: float) -> None:
        span = max(highest - lowest, 1.0)
        self.zero_pct = 100 * -lowest / span
        self.pct_of_sek = 100 / span

    @classmethod
    def of(cls, amounts: list[int]) -> _Scale:
        return cls(min([0, *amounts]), max([0, *amounts]))


def _reason_html(label: str, fact: str, amount: int, scale: _Scale) -> str:
    wide = abs(amount) * scale.pct_of_sek
    left = scale.zero_pct - (wide if amount < 0 else 0)
    colour = theme.TEAL if amount >= 0 else theme.RED
    bar = f'<i style="left:{left:.2f}%;width:{wide:.2f}%;background:{colour}"></i>'
    zero = f'<b style="left:{scale.zero_pct:.2f}%"></b>'
    return (
        f'<tr><th scope="row">{escape(label)}<small>{escape(theme.kept(fact))}'
        '</small></th><td class="drawn"><span class="bars" aria-hidden="true">'
        f'{zero}{bar}</span></td><td class="right number amount">'
        f"{theme.signed_sek(amount)}</td></tr>"
    )


def _plain_row(label: str, fact: str, amount: int, look: str = "") -> str:
    small = f"<small>{escape(fact)}</small>" if fact else ""
    return (
        f'<tr class="{look}"><th scope="row" colspan="2">{escape(label)}{small}</th>'
        f'<td class="right number amount">{theme.sek(amount)}</td></tr>'
    )


def _reasons_card(valuation: Valuation, valuer: Valuer, language: Language) -> Viewable:
    try:
        explanation = _explanation(valuation, valuer, language)
    except SlutprisError as error:
        return shell.card(REASONS.to(language), shell.notice(str(error)))
    if explanation is None:
        return shell.card(REASONS.to(language), lede=NO_REASONS.to(language))
    return shell.card(
        REASONS.to(language),
        _styled(reasons_html(explanation, valuation.place, language)),
        lede=REASONS_LEDE.to(language),
    )


def _explanation(
    valuation: Valuation, valuer: Valuer, language: Language
) -> Explanation | None:
    # Swedish comes with the valuation; other languages are asked for by who wants them.
    if language == "sv" or valuation.explanation is None:
        return valuation.explanation
    return valuer.explanation(valuation, language)


def _sales_card(valuation: Valuation, language: Language) -> Viewable:
    estimate = valuation.comparables_estimate
    if estimate is None or not valuation.comparables:
        return shell.card(SALES.to(language), lede=NO_SALES.to(language))
    return shell.card(
        SALES.to(language),
        *_map_parts(valuation, language),
        _styled(sales_html(valuation, estimate, language)),
        lede=SALES_LEDE.to(language),
    )


def sales_html(
    valuation: Valuation, estimate: ComparablesEstimate, language: Language
) -> str:
    """Write the comparables as a table that adds up to their estimate."""
    weight = {each.sale_id: each.weight for each in estimate.sales}
    shown = valuation.comparables[:SHOWN_SALES]
    others = valuation.comparables[SHOWN_SALES:]
    rows = "".join(_sale_html(each, weight[each.sale_id], language) for each in shown)
    if others:
        rows += _others_html(others, estimate, language)
    rows += _total_row(
        USUAL, estimate.usual_price_sek, estimate.no_evidence_weight, language
    )
    rows += _total_row(SALES_SUM, estimate.estimate_sek, 1.0, language, "total")
    heads = "".join(
        f'<th scope="col" class="{LOOKS[name]}">{words.to(language)}</th>'
        for name, words in COLUMNS.items()
    )
    adds_up = ADDS_UP.to(language).format(estimate=theme.sek(estimate.estimate_sek))
    link = shell.csv_link(
        comparables_table(valuation, language), "slutpris-jamforda", CSV.to(language)
    )
    return (
        '<div class="scroll" tabindex="0" role="region" '
        f'aria-label="{SALES.to(language)}">'
        f'<table class="compared"><caption>{SALES.to(language)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
        f'<p class="adds-up">{adds_up}</p>{link}'
    )


LOOKS = {
    "sale": "",
    "distance": "right number wide",
    "sold": "number wide",
    "price": "right number wide",
    "adjusted": "right number",
    "weight": "right number",
}
"""Of the columns; wide ones are told below the address where there is no room."""


def _sale_html(sale: ComparableSale, weight: float, language: Language) -> str:
    name = escape(_titled(sale.address, language))
    if sale.url is not None and sale.url.startswith("https://"):
        link = escape(sale.url, quote=True)
        name = f'<a href="{link}" rel="noopener noreferrer" target="_blank">{name}</a>'
    distance = f"{theme.number(sale.distance_m)}{theme.NBSP}m"
    price = theme.sek(sale.sold_price_sek)
    where_and_when = theme.in_a_row([distance, str(sale.sold_date)])
    sold_for = f"{COLUMNS['price'].to(language).lower()} {price}"
    return (
        f'<tr><th scope="row">{name}<small>{escape(_facts(sale, language))}</small>'
        f'<small class="narrow">{where_and_when}<br>{sold_for}</small>'
        "</th>"
        f'<td class="{LOOKS["distance"]}">{distance}</td>'
        f'<td class="{LOOKS["sold"]}">{sale.sold_date}</td>'
        f'<td class="{LOOKS["price"]}">{price}</td>'
        f'<td class="right number">{theme.sek(sale.adjusted_price_sek)}</td>'
        f'<td class="right number">{theme.percent(100 * weight, 1, language)}</td></tr>'
    )


def _others_html(
    others: list[ComparableSale], estimate: ComparablesEstimate, language: Language
) -> str:
    ids = {sale.sale_id for sale in others}
    lighter = [each for each in estimate.sales if each.sale_id in ids]
    weight = sum(each.weight for each in lighter)
    mean_sek = sum(each.weight * each.adjusted_price_sek for each in lighter) / weight
    words = Words(*(text.format(count=len(others)) for text in (OTHERS.sv, OTHERS.en)))
    return _total_row(words, mean_sek, weight, language)


def _total_row(
    words: Words, amount: float, weight: float, language: Language, look: str = ""
) -> str:
    return (
        f'<tr class="{look}"><th scope="row">{words.to(language)}</th>'
        f"{'<td class=wide></td>' * 3}"
        f'<td class="right number">{theme.sek(amount)}</td>'
        f'<td class="right number">{theme.percent(100 * weight, 1, language)}</td></tr>'
    )


def _map_parts(valuation: Valuation, language: Language) -> list[Viewable]:
    """Give the map and the switch that asks for tiles; none without a position."""
    place = valuation.place
    if place.latitude is None or place.longitude is None:
        return []
    home = _titled(place.address, language) if place.address else HOME.to(language)
    centre = Spot(place.latitude, place.longitude, home, theme.AMBER, 15)
    heaviest = valuation.comparables[0].weight_share_pct
    spots = [
        Spot(sale.latitude, sale.longitude, _label(sale, language), theme.TEAL, size)
        for sale in reversed(valuation.comparables)
        if sale.latitude is not None and sale.longitude is not None
        for size in [_spot_size(sale.weight_share_pct, heaviest)]
    ]
    radius_m = _radius_m(valuation.comparables)

    def drawn(tiles: bool) -> pn.pane.Bokeh:
        chart = spot_map(
            spots,
            language=language,
            centre=centre,
            radius_m=radius_m,
            tiles=tiles,
            aspect=MAP_ASPECT,
        )
        return chart.pane()

    tiles = pmui.Switch(label=TILES.to(language), value=False, margin=(6, 0))
    shown = pmui.Column(pn.bind(drawn, tiles), sizing_mode="stretch_width", margin=0)
    key = f'<p class="source">{MAP_KEY.to(language)}</p>'
    return [shown, shell.content(key), tiles]


def _spot_size(share_pct: float, heaviest_pct: float) -> float:
    """Size a spot so that its area grows with its weight."""
    grown = math.sqrt(max(share_pct, 0) / max(heaviest_pct, 0.1))
    return SMALLEST_SPOT + (LARGEST_SPOT - SMALLEST_SPOT) * grown


def _radius_m(sales: list[ComparableSale]) -> float:
    """Choose the least map that holds the sales that weigh most."""
    farthest = max(sale.distance_m for sale in sales[:SHOWN_SALES])
    return next(
        (radius for radius in MAP_RADII_M if radius >= farthest * 1.1), MAP_RADII_M[-1]
    )


def _label(sale: ComparableSale, language: Language) -> str:
    share = theme.percent(sale.weight_share_pct, 1, language)
    price = theme.sek(sale.sold_price_sek)
    weight = COLUMNS["weight"].to(language).lower()
    return (
        f"{_titled(sale.address, language)}, {sale.sold_date}: {price}, "
        f"{weight} {share}"
    )


def _facts(sale: ComparableSale, language: Language) -> str:
    return theme.in_a_row(
        [
            f"{theme.plain(sale.living_area_m2, language)}{theme.NBSP}m²",
            rooms_text(sale.rooms, language),
            floor_text(sale.floor, language),
        ]
    )


def _titled(name: str | None, language: Language) -> str:
    """Give a name its capitals where a source wrote none."""
    if not name:
        return UNKNOWN_ADDRESS.to(language)
    return name.title() if name.islower() else name


def _styled(html: str) -> pn.pane.HTML:
    pane = shell.content(html)
    pane.stylesheets = [*pane.stylesheets, WHY_CSS]
    return pane

"""The info sections of a listing page: each point a sentence, its value in ``**...**``.

Releases of 2025 and later tell the floor, the dates and the energy class here; earlier
ones in fields, which belong to ``roots``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_project.replica.text import NBSP, change_kronor, grouped
from scrapy_project.replica.values import Entity, percentage_diff, price_change_sek

if TYPE_CHECKING:
    from scrapy_project.replica.market import Sale
    from scrapy_project.replica.shapes import Shape

_PRICE_NAMES = {"Sista bud": "Sista budet", "Lagfart": "Köpesumman"}
"""What a price that is no ``Slutpris`` is called; of deeds that is assumed."""


def sold_sections(sale: Sale, shape: Shape) -> list[Entity]:
    """Write the sections of a home whose newest sale is at most a year old."""
    points = _sold_points(sale, shape)
    return [
        _section("soldInfo", "Om försäljningen", "standalone", points),
        _section("propertyInfo", "Bostaden", "tab", _sale_points(sale)),
        *_brf_section(sale),
    ]


def residence_sections(sale: Sale) -> list[Entity]:
    """Write the sections of a home last sold longer ago: not of the sale itself."""
    return [*ad_sections(sale), *_brf_section(sale)]


def ad_sections(sale: Sale) -> list[Entity]:
    """Write the one section of a home for sale."""
    return [_section("propertyInfo", "Bostaden", "tab", _home_points(sale))]


def _section(key: str, title: str, kind: str, points: list[Entity]) -> Entity:
    return {
        "__typename": "InfoSection",
        "key": key,
        "title": title,
        "type": kind,
        "lazyLoad": False,
        "tracking": None,
        "content": {
            "__typename": "InfoSectionContent",
            "infoPoints": points,
            "ctas": [],
        },
    }


def _brf_section(sale: Sale) -> list[Entity]:
    """Write the co-operative's tab, empty in the HTML: the browser fills it."""
    if sale.brf is None:
        return []
    section = _section("housingCoopInfo", "Förening", "tab", [])
    return [{**section, "lazyLoad": True}]


def _point(key: str, markdown: str) -> Entity:
    return {
        "__typename": "InfoPoint",
        "key": key,
        "displayText": {"__typename": "DisplayText", "markdown": markdown},
        "logos": [],
        "icons": [],
        "sponsored": False,
        "url": None,
        "action": None,
        "tracking": None,
        "tooltip": None,
    }


def _sold_points(sale: Sale, shape: Shape) -> list[Entity]:
    price = grouped(sale.sold_price_sek)
    name = _PRICE_NAMES.get(sale.sold_price_type, "Slutpriset")
    change = price_change_sek(sale)
    percent = percentage_diff(sale, shape)
    points = [_point("soldPrice", f"{name} blev **{price}** kr")]
    if sale.list_price_sek is not None:
        asked = grouped(sale.list_price_sek)
        points.append(_point("price", f"Utropspriset var **{asked}** kr"))
    if change is not None and percent is not None:
        shown = change_kronor(change).removesuffix(f"{NBSP}kr")
        text = f"Prisutvecklingen blev **{shown}** kr ({percent['formatted']})"
        points.append(_point("priceDiff", text))
    day, per_m2 = sale.sold_date.isoformat(), grouped(sale.price_per_m2_sek)
    points += [
        _point("soldOrRemovedDate", f"Såld eller borttagen **{day}**"),
        _point("soldSqmPrice", f"{name} per kvadratmeter var **{per_m2}** kr/m²"),
        _point("soldInfoReadMore", "[Om slutpris](https://www.booli.se/sv/articles)"),
    ]
    return points


def _sale_points(sale: Sale) -> list[Entity]:
    """Write the home's tab with the sale's own points in it."""
    day = sale.sold_date.isoformat()
    points = [_point("soldDate", f"Uppgifter från försäljningen **{day}**:")]
    points += _home_points(sale)
    if sale.days_active is not None:
        soon = "snart till salu" if sale.is_sold_before_listing else "till salu"
        text = f"Bostaden var {soon} i **{sale.days_active}** dagar"
        points.append(_point("daysActive", text))
    views = 300 + sale.booli_id % 4_000
    text = f"Bostaden har **{views}** sidvisningar på Booli"
    return [*points, _point("pageviews", text)]


def _home_points(sale: Sale) -> list[Entity]:
    fee, cost = sale.fee_sek_per_month, sale.operating_cost_sek_per_month
    texts = {}
    if sale.tenure_form:
        form = sale.tenure_form.lower()
        texts["tenureForm"] = f"Den här lägenheten är en **{form}**"
    if fee is not None:
        texts["rent"] = f"Den har **{grouped(fee)}** kr/mån i avgift"
    if cost is not None:
        texts["operatingCost"] = f"Driftskostnaden är **{grouped(cost)}** kr/mån"
    if sale.floor is not None:
        texts["floor"] = f"Den ligger på **{_floor_words(sale.floor)}**"
    if sale.apartment_number:
        texts["apartmentNumber"] = f"Lägenhetsnumret är **{sale.apartment_number}**"
    if sale.energy_class:
        texts["energyScore"] = f"Huset har **energiklass {sale.energy_class}**"
    return [_point(key, text) for key, text in texts.items()]


def _floor_words(floor: float) -> str:
    """Name the floor; the ground floor's wording is an assumption."""
    return "bottenvåningen" if floor == 0 else f"våning {grouped(floor)}"

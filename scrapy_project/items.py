"""The two item types of the crawl: a sale as its card shows it, and a home's page.

Their fields are the parsed columns of ``raw.sale_cards`` and ``raw.homes``, in the same
order. What does not belong here: how a value is read (``pages``) or landed
(``pipelines``). Names of agents, who are people, have no field on purpose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from datetime import date


@attrs.frozen(kw_only=True)
class SaleCard:
    """A sale as one card of a search page shows it."""

    booli_id: int
    url: str
    street_address: str | None = None
    descriptive_area_name: str | None = None
    municipality_name: str | None = None
    object_type: str | None = None
    sold_price_type: str | None = None
    sold_date: date
    sold_price_sek: int
    list_price_sek: int | None = None
    price_change_sek: int | None = None
    price_change_pct: float | None = None
    price_per_m2_sek: int | None = None
    living_area_m2: float | None = None
    additional_area_m2: float | None = None
    rooms: float | None = None
    floor: float | None = None
    fee_sek_per_month: int | None = None
    days_active: int | None = None
    latitude: float | None = None
    longitude: float | None = None
    amenities: list[str] = attrs.field(factory=list)


@attrs.frozen(kw_only=True)
class Home:
    """A home as its listing page shows it, with the one sale the page speaks for."""

    url: str
    detail_typename: str
    booli_id: int | None = None
    residence_id: int | None = None
    street_address: str | None = None
    descriptive_area_name: str | None = None
    municipality_name: str | None = None
    postcode: str | None = None
    object_type: str | None = None
    tenure_form: str | None = None
    brf_id: int | None = None
    brf_name: str | None = None
    agency_id: int | None = None
    agency_name: str | None = None
    energy_class: str | None = None
    apartment_number: str | None = None
    sold_price_type: str | None = None
    sold_date: date | None = None
    sold_price_sek: int | None = None
    list_price_sek: int | None = None
    first_price_sek: int | None = None
    fee_sek_per_month: int | None = None
    operating_cost_sek_per_month: int | None = None
    living_area_m2: float | None = None
    additional_area_m2: float | None = None
    rooms: float | None = None
    floor: float | None = None
    construction_year: int | None = None
    days_active: int | None = None
    is_sold_before_listing: bool | None = None
    latitude: float | None = None
    longitude: float | None = None
    area_ids: list[int] = attrs.field(factory=list)
    amenities: list[str] = attrs.field(factory=list)

"""Compares what a crawl landed with what the replica says is true, field by field."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    from pathlib import Path

_CHANGE = "sold_price_sek - coalesce(first_price_sek, list_price_sek)"

CARD_FIELDS = {
    "url": "url",
    "street_address": "trim(replace(street_address, chr(173), ''))",
    "descriptive_area_name": "district",
    "municipality_name": "municipality",
    "object_type": "object_type",
    "sold_price_type": "sold_price_type",
    "sold_date": "sold_date",
    "sold_price_sek": "sold_price_sek",
    "list_price_sek": "list_price_sek",
    "price_change_sek": _CHANGE,
    "price_per_m2_sek": "price_per_m2_sek",
    "living_area_m2": "living_area_m2",
    "additional_area_m2": "additional_area_m2",
    "rooms": "rooms",
    "floor": "floor",
    "days_active": "days_active",
    "latitude": "latitude",
    "longitude": "longitude",
    "amenities": "list_sort(amenities)",
}
"""Column of ``raw.sale_cards`` by the expression over the truth it must equal."""

HOME_FIELDS = {
    "residence_id": "residence_id",
    "street_address": "trim(replace(street_address, chr(173), ''))",
    "descriptive_area_name": "district",
    # Where the page names none, its list of areas does.
    "municipality_name": "coalesce(municipality, 'Stockholm')",
    "object_type": "object_type",
    "tenure_form": "tenure_form",
    "brf_id": "brf_id",
    "brf_name": "brf_name",
    "agency_id": "agency_id",
    "energy_class": "energy_class",
    "apartment_number": "apartment_number",
    "sold_price_type": "sold_price_type",
    "sold_date": "sold_date",
    "sold_price_sek": "sold_price_sek",
    "list_price_sek": "list_price_sek",
    "first_price_sek": "first_price_sek",
    "fee_sek_per_month": "fee_sek_per_month",
    "operating_cost_sek_per_month": "operating_cost_sek_per_month",
    "living_area_m2": "living_area_m2",
    "additional_area_m2": "additional_area_m2",
    "rooms": "rooms",
    "floor": "floor",
    "construction_year": "construction_year",
    "is_sold_before_listing": "is_sold_before_listing",
    "latitude": "latitude",
    "longitude": "longitude",
    "area_ids": "list_sort(area_ids)",
    "amenities": "list_sort(amenities)",
}
"""Column of ``raw.homes`` by the expression over the home's newest sale."""

_NEWEST_CARDS = """
select * from raw.sale_cards
qualify row_number() over (partition by booli_id order by observed_at desc) = 1
"""
_NEWEST_HOMES = """
select * from raw.homes
where detail_typename in ('SoldProperty', 'ResidenceWithSoldProperty')
qualify row_number() over (partition by url order by observed_at desc) = 1
"""
_NEWEST_SALES = """
select * from truth
qualify row_number() over (partition by url order by sold_date desc, booli_id desc) = 1
"""


def differences(
    data_dir: Path, truth: Path, *, where: str = "object_type = 'Lägenhet'"
) -> dict[str, int]:
    """Count what differs; an empty answer means recall, precision and fields are whole.

    Parameters
    ----------
    where
        The sales that were to be crawled, as a condition over the truth.

    Returns
    -------
    dict
        ``lost``, ``invented``, ``homes lost`` and ``table.column``, where not zero.
    """
    with duckdb.connect(str(data_dir / "warehouse.duckdb"), read_only=True) as crawled:
        crawled.execute(
            f"create temp table truth as from read_json('{truth}', sample_size=-1)"
        )
        asked = f"select * from truth where {where}"
        counts = {
            "lost": f"from ({asked}) anti join raw.sale_cards using (booli_id)",
            "invented": f"from raw.sale_cards anti join ({asked}) using (booli_id)",
            "homes lost": "from raw.sale_cards as c anti join raw.homes as h "
            "on c.url = h.url",
        }
        for name, (landed, true, key, fields) in _TABLES.items():
            for column, expression in fields.items():
                counts[f"{name}.{column}"] = (
                    f"from ({landed}) as landed "
                    f"inner join (select {key}, {expression} as value from ({true})) "
                    f"as told using ({key}) "
                    f"where landed.{column} is distinct from told.value"
                )
        found = {
            name: crawled.execute(f"select count(*) {query}").fetchall()[0][0]
            for name, query in counts.items()
        }
    return {name: count for name, count in found.items() if count}


_TABLES = {
    "sale_cards": (_NEWEST_CARDS, "from truth", "booli_id", CARD_FIELDS),
    "homes": (_NEWEST_HOMES, _NEWEST_SALES, "url", HOME_FIELDS),
}

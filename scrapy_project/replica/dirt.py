"""How a sale is soiled on its way to the page: left out, mistyped, misspelt.

The truth is kept beside what is shown. Drawing the clean sale belongs to
``synthetic``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from scrapy_project.replica.market import Sale, Truth

if TYPE_CHECKING:
    import random


def soiled(
    rng: random.Random,
    clean: Sale,
    level_sek_per_m2: float,
    expected_sek: float,
    noise_log: float,
) -> Sale:
    """Give the sale as the site shows it, with the truth beside it."""
    dirt: dict[str, dict[str, object]] = {}
    _leave_out(rng, dirt)
    _mistype(rng, clean, dirt)
    _spell_address(rng, clean, dirt)
    changes = {
        name: value for change in dirt.values() for name, value in change.items()
    }
    truth = Truth(
        true_price_sek=clean.sold_price_sek,
        true_address=clean.street_address or "",
        true_living_area_m2=clean.living_area_m2,
        true_floor=clean.floor or 0.0,
        true_construction_year=clean.construction_year or 0,
        true_fee_sek_per_month=clean.fee_sek_per_month or 0,
        true_list_price_sek=clean.list_price_sek or 0,
        index_sek_per_m2=round(level_sek_per_m2, 1),
        expected_price_sek=round(expected_sek, 1),
        noise_log=round(noise_log, 6),
        dirt=tuple(dirt),
    )
    return replace(clean, truth=truth, **changes)


def _leave_out(rng: random.Random, dirt: dict[str, dict[str, object]]) -> None:
    odds: dict[str, tuple[float, tuple[str, ...]]] = {
        "no_list_price": (0.23, ("list_price_sek", "first_price_sek")),
        "no_floor": (0.08, ("floor",)),
        "no_fee": (0.03, ("fee_sek_per_month",)),
        "no_operating_cost": (0.35, ("operating_cost_sek_per_month",)),
        "no_construction_year": (0.05, ("construction_year",)),
        "no_rooms": (0.002, ("rooms",)),
        "no_days_active": (0.05, ("days_active",)),
        "no_agency": (0.01, ("agency",)),
        "no_apartment_number": (0.4, ("apartment_number",)),
    }
    for name, (odd, fields) in odds.items():
        if rng.random() < odd:
            dirt[name] = dict.fromkeys(fields)


def _mistype(
    rng: random.Random, clean: Sale, dirt: dict[str, dict[str, object]]
) -> None:
    if rng.random() < 0.001:
        tenfold = rng.random() < 0.5
        price = clean.sold_price_sek
        dirt["price_typo"] = {"sold_price_sek": price * 10 if tenfold else price // 10}
    if rng.random() < 0.001:
        area = clean.living_area_m2
        wrong = rng.choice((area * 10, round(area / 10, 1), 1.0))
        dirt["area_typo"] = {"living_area_m2": wrong}
    if rng.random() < 0.001:
        dirt["construction_year_typo"] = {
            "construction_year": rng.choice((1049, 1193, 190, 2913))
        }


def _spell_address(
    rng: random.Random, clean: Sale, dirt: dict[str, dict[str, object]]
) -> None:
    address = clean.street_address or ""
    spelling = rng.random()
    if spelling < 0.003:
        dirt["no_address"] = {"street_address": "Adress saknas"}
    elif "-" in address and spelling < 0.5:
        dirt["hard_hyphen"] = {"street_address": address.replace("-", "\u2011")}
    elif spelling < 0.015:
        middle = address.find("g", 3) if "g" in address[3:] else 4
        soft = f"{address[:middle]}\u00ad{address[middle:]}"
        dirt["soft_hyphen"] = {"street_address": soft}
    elif spelling < 0.03:
        dirt["no_break_space"] = {"street_address": address.replace(" ", "\u00a0")}

"""Valuations of homes at Sveavägen and Odengatan, as the forward log takes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ml.valuation.forward_log import ForwardLog, LoggedValuation
from ml.valuation.places import Place
from ml.valuation.request import ValuationRequest

if TYPE_CHECKING:
    from warehouse.settings import Settings

MADE_AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def place(street: str | None = "Sveavägen", **facts: Any) -> Place:
    known: dict[str, Any] = {
        "level": "address",
        "address": None,
        "street": street,
        "street_number": 98,
        "district": "Vasastan",
        "municipality": "Stockholm",
        "latitude": 59.34,
        "longitude": 18.06,
        "sale_count": 3,
    }
    return Place(**(known | facts))


def valuation(value_sek: int = 5_000_000, **facts: Any) -> LoggedValuation:
    home: dict[str, Any] = {
        "address": "Sveavägen 98A",
        "living_area_m2": 52.4,
        "date": MADE_AT.date(),
    }
    asked = ValuationRequest.of(**(home | facts))
    street = asked.address.partition(" ")[0]
    low_sek, high_sek = round(0.9 * value_sek), round(1.1 * value_sek)
    return LoggedValuation(asked, place(street), value_sek, low_sek, high_sek, 4)


def log_of(settings: Settings, made_at: datetime = MADE_AT) -> ForwardLog:
    return ForwardLog(settings, "20260301T000000000000Z-abc", clock=lambda: made_at)

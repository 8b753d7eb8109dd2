"""What a valuation assumes of a home where its facts are not given, and from where.

What belongs here: reading the imputed features of a request and where each came from.
What does not: imputing, which is dbt's (``impute.sql``), and what is known of the house
whoever asks (``known_home``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pandas as pd

from ml.valuation.places import TEXT_KEY_SQL
from ml.valuation.words import Words

if TYPE_CHECKING:
    import duckdb

    from ml.valuation.request import ValuationRequest
    from ml.valuation.value import Valuer

Source = Literal[
    "address", "building", "house", "nearby", "area", "district", "city", "unknown"
]

SOURCE_WORDS: dict[Source, Words] = {
    "address": Words("står i adressen", "stated in the address"),
    "building": Words(
        "som vid en tidigare försäljning i huset",
        "as at an earlier sale in the building",
    ),
    "house": Words(
        "efter husets vanliga avgift per m²", "by the building's usual fee per m²"
    ),
    "nearby": Words("som i närmaste kända hus", "as in the nearest known building"),
    "area": Words("följer av boarean", "follows from the living area"),
    "district": Words("som är vanligt i området", "which is usual in the area"),
    "city": Words("som är vanligt i staden", "which is usual in the city"),
    "unknown": Words("ingen uppgift finns", "nothing is known"),
}
"""Where an assumed value comes from, as it follows on the value."""

REFERENCES = {
    "fee_sek_per_month": "fee_sek_per_m2",
    "operating_cost_sek_per_month": "operating_cost_sek_per_m2",
}
"""Facts whose source no feature tells, and the median that they are made of."""

ASSUMED = (
    "rooms",
    "floor",
    "fee_sek_per_month",
    "operating_cost_sek_per_month",
    "construction_year",
)

_DISTRICT_SQL = f"""
    select {{column}} is not null
    from marts.imputation_references
    where
        reference_level = 'district'
        and district_key = {TEXT_KEY_SQL.format("$district")}
        and known_from <= $date
    order by known_from desc
    limit 1
"""


@dataclass(frozen=True)
class Assumption:
    """A fact that was not given: what is assumed instead, None where nothing is."""

    field: str
    value: float | None
    source: Source


def assumptions(valuer: Valuer, request: ValuationRequest) -> list[Assumption]:
    """Say what a valuation of a home would assume, in the order of the form.

    Raises
    ------
    AddressNotFoundError
        When no known place is spelt so.
    """
    place, features = valuer.home_features(request)
    missing = [name for name in ASSUMED if getattr(request, name) is None]
    connection = valuer.connection()
    return [
        _assumption(connection, name, features, place.district, request)
        for name in missing
    ]


def _assumption(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    features: pd.Series,
    district: str | None,
    request: ValuationRequest,
) -> Assumption:
    value = features.get(name)
    if value is None or pd.isna(value):
        return Assumption(name, None, "unknown")
    source: Source = features.get(f"{name}_source") or "district"
    if name == "rooms":
        source = "area"
    if name in REFERENCES:
        source = _area_or_city(connection, REFERENCES[name], district, request)
    return Assumption(name, float(value), source)


def _area_or_city(
    connection: duckdb.DuckDBPyConnection,
    column: str,
    district: str | None,
    request: ValuationRequest,
) -> Source:
    """Tell whether the district had enough sales for a median of its own."""
    rows = connection.execute(
        _DISTRICT_SQL.format(column=column),
        {"district": district, "date": request.date},
    ).fetchall()
    return "district" if rows and rows[0][0] else "city"

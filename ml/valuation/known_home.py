"""What the warehouse knows of the homes at an address, before one is valued.

What belongs here: the building's facts and its former sales, read from the snapshot's
sales as they were observed. What does not: what is assumed where nothing is known
(``assumptions``), and how an address is placed.
"""

from __future__ import annotations

import datetime as dt
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml.valuation.places import ADDRESS_SQL, TEXT_KEY_SQL

if TYPE_CHECKING:
    import duckdb

SHOWN_SALES = 40
"""The newest sales of an address that are read; few houses have more."""
USUAL_YEARS = 4
"""Fees and running costs are told of the sales so many years before the newest."""


@dataclass(frozen=True)
class PastSale:
    """A former sale at an address, with the facts its home has still."""

    sale_id: str
    sold_date: dt.date
    sold_price_sek: int
    living_area_m2: float
    rooms: float | None
    floor: float | None
    fee_sek_per_month: float | None
    construction_year: int | None

    def facts(self) -> dict[str, float]:
        """Give the home's facts as the fields of a request, those that are known."""
        facts = {
            "living_area_m2": self.living_area_m2,
            "rooms": self.rooms,
            "floor": self.floor,
            "fee_sek_per_month": self.fee_sek_per_month,
            "construction_year": self.construction_year,
        }
        return {name: fact for name, fact in facts.items() if fact is not None}


@dataclass(frozen=True)
class KnownBuilding:
    """What former sales say of a building; None where none of them says it."""

    address: str
    construction_year: int | None
    brf_name: str | None
    fee_sek_per_m2_month: float | None
    operating_cost_sek_per_m2_month: float | None
    sale_count: int
    sales: list[PastSale]


_SALES_SQL = f"""
    select
        address, sale_id, sold_date, sold_price_sek, living_area_m2, rooms, floor,
        fee_sek_per_month, construction_year, operating_cost_sek_per_month,
        brf_name
    from marts.sales
    where
        street_number is not distinct from $number
        and {TEXT_KEY_SQL.format(ADDRESS_SQL)} = {TEXT_KEY_SQL.format("$address")}
    order by sold_date desc, sale_id
"""


def known_home(
    connection: duckdb.DuckDBPyConnection, address: str, number: int | None
) -> KnownBuilding | None:
    """Read what is known at an address; None where nothing was sold.

    Parameters
    ----------
    connection
        To a snapshot.
    address, number
        Street, number and letter as the place has them, and the number by itself.
    """
    cursor = connection.execute(_SALES_SQL, {"address": address, "number": number})
    names = [column[0] for column in cursor.description or []]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    if not rows:
        return None
    years_ago = rows[0]["sold_date"] - dt.timedelta(days=365 * USUAL_YEARS)
    newer = [row for row in rows if row["sold_date"] >= years_ago]
    return KnownBuilding(
        address=rows[0]["address"],
        construction_year=_commonest(rows, "construction_year"),
        brf_name=_commonest(rows, "brf_name"),
        fee_sek_per_m2_month=_median_per_m2(newer, "fee_sek_per_month"),
        operating_cost_sek_per_m2_month=_median_per_m2(
            newer, "operating_cost_sek_per_month"
        ),
        sale_count=len(rows),
        sales=[_past_sale(row) for row in rows[:SHOWN_SALES]],
    )


def _past_sale(row: dict[str, Any]) -> PastSale:
    return PastSale(**{name: row[name] for name in PastSale.__dataclass_fields__})


def _commonest(rows: list[dict[str, Any]], name: str) -> Any:  # noqa: ANN401
    """Give the commonest of known values, of equals the newest."""
    values = [row[name] for row in rows if row[name] is not None]
    return max(values, key=values.count) if values else None


def _median_per_m2(rows: list[dict[str, Any]], name: str) -> float | None:
    shares = [
        row[name] / row["living_area_m2"] for row in rows if row[name] is not None
    ]
    return statistics.median(shares) if shares else None

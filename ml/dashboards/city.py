"""What is the same for every visitor of one snapshot: the city's figures.

What belongs here: reading them. What does not: anything of one home, and how it looks.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    import duckdb

AGENCY_COUNT = 40
PRICE_INDEX = """
    select known_from::date as known_from, price_index_sek_per_m2
    from marts.price_index
    where price_index_sek_per_m2 is not null
    qualify
        known_from >= min(known_from) filter (standard_error_pct <= 5) over ()
        or not bool_or(standard_error_pct <= 5) over ()
    order by known_from
"""
"""The price level as it is shown: from when it is known to five per cent, if it ever
is, for one less sure tells of a few sales."""

Point = tuple[dt.date, float]


@dataclass(frozen=True)
class City:
    """The agencies to choose from, the price index, and how many sales there are."""

    agencies: list[str]
    index: list[Point]
    sale_count: int
    first_sale: dt.date
    last_sale: dt.date


def read_city(connection: duckdb.DuckDBPyConnection) -> City:
    """Read what every visitor of a snapshot sees.

    Raises
    ------
    SlutprisError
        When the snapshot has no sales.
    """
    counted = connection.execute(
        "select count(*), min(sold_date), max(sold_date) from marts.sales"
    ).fetchone()
    if counted is None or not counted[0]:
        raise SlutprisError("the published snapshot has no sales; run `make demo`")
    agencies = connection.execute(
        "select agency from marts.sales where agency is not null "
        "group by agency order by count(*) desc, agency limit $limit",
        {"limit": AGENCY_COUNT},
    ).fetchall()
    return City(
        agencies=[agency for (agency,) in agencies],
        index=price_index(connection),
        sale_count=counted[0],
        first_sale=counted[1],
        last_sale=counted[2],
    )


def price_index(connection: duckdb.DuckDBPyConnection) -> list[Point]:
    """Read the index: the day a period's level became known, and SEK per m²."""
    return connection.execute(PRICE_INDEX).fetchall()

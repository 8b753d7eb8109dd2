"""The earlier sales a home is compared with.

What belongs here: reading them as a valuation shows them. What does not: choosing and
weighing them, which is the work of ``marts.comparables_of``, made of the same SQL as
the features that the models read. So what is shown is what was used.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - pydantic reads the annotations
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COMPARABLES_SQL = """
    select
        sales.sale_id,
        sales.address,
        sales.district,
        sales.sold_date,
        sales.sold_price_sek,
        sales.living_area_m2,
        sales.rooms,
        sales.floor,
        sales.latitude,
        sales.longitude,
        sales.url,
        cast(round(compared.distance_m) as bigint) as distance_m,
        round(100 * compared.weight_share, 1) as weight_share_pct,
        cast(compared.adjusted_price_sek as bigint) as adjusted_price_sek,
        compared.weight
    from marts.comparables_of({requests}) as compared
    inner join marts.sales as sales on compared.sale_id = sales.sale_id
"""
"""In no order: see ``heaviest_first``."""


class ComparableSale(BaseModel):
    """An earlier sale that a home was compared with; ``distance_m`` in metres.

    ``weight_share_pct`` is how much it counts among the comparables, of 100. The
    ``adjusted_price_sek`` is what the home itself would have fetched on the day of the
    valuation, had it sold as much above or below what is usual as this sale did: the
    sale's price freed of differences in time, place, size, age and floor.
    """

    model_config = ConfigDict(frozen=True)

    sale_id: str
    address: str | None
    district: str | None
    sold_date: dt.date
    sold_price_sek: int
    living_area_m2: float
    rooms: float | None
    floor: float | None
    latitude: float | None
    longitude: float | None
    url: str | None
    distance_m: int
    weight_share_pct: float | None
    adjusted_price_sek: int | None


def heaviest_first(rows: Sequence[Mapping[str, Any]]) -> list[ComparableSale]:
    """Order the rows that ``COMPARABLES_SQL`` gives of one request.

    A home whose place is unknown, or that no sale was near, has none.
    """
    ordered = sorted(rows, key=lambda row: (-row["weight"], row["sale_id"]))
    return [ComparableSale.model_validate(row) for row in ordered]

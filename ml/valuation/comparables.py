"""The earlier sales shown beside a valuation.

What belongs here: choosing them. A plain selection for now: near, like in size and
recent. The models do not read it, so it explains the place, not the number; weights
that reproduce a value are a later work.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - pydantic reads the annotations
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import duckdb

    from ml.valuation.places import Place

SALE_COUNT = 8

NEAREST_SALES_SQL = """
    with candidates as (
        select
            *,
            lower(street) = lower($street) as is_same_street,
            -- metres on a plane: exact to a per mille within a city
            111320 * sqrt(
                power(latitude - $latitude, 2)
                + power((longitude - $longitude) * cos(radians($latitude)), 2)
            ) as measured_m,
        from marts.sales
        where
            sold_date < $date
            and living_area_m2 between $area / 2 and $area * 2
    ),

    placed as (
        select
            *,
            case
                when measured_m is not null then measured_m
                when is_same_street then 200
                when lower(district) = lower($district) then 1000
            end as rank_distance_m
        from candidates
    ),

    nearest as (
        select *
        from placed
        where rank_distance_m is not null
        -- 300 m, 20 % in size and one year set a sale equally far back
        order by
            rank_distance_m / 300
            + abs(ln(living_area_m2 / $area)) / ln(1.2)
            + date_diff('day', sold_date, $date) / 365,
            sale_id
        limit $limit
    )

    select
        nearest.sale_id,
        nearest.address,
        nearest.district,
        nearest.sold_date,
        nearest.sold_price_sek,
        nearest.living_area_m2,
        nearest.rooms,
        nearest.floor,
        nearest.latitude,
        nearest.longitude,
        nearest.url,
        round(nearest.measured_m) as distance_m,
        round(
            nearest.sold_price_sek * now_index.price_index_sek_per_m2
            / then_index.price_index_sek_per_m2
        ) as indexed_price_sek,
    from nearest
    asof left join marts.price_index as then_index
        on nearest.sold_date >= then_index.known_from
    left join (
        select price_index_sek_per_m2
        from marts.price_index
        where known_from <= $date
        order by known_from desc
        limit 1
    ) as now_index on true
    order by nearest.sold_date desc, nearest.sale_id
"""


class NearbySale(BaseModel):
    """An earlier sale near the home; prices in SEK, ``distance_m`` in metres.

    ``indexed_price_sek`` is its price at the index of the valuation date.
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
    distance_m: int | None
    indexed_price_sek: int | None


def nearest_sales(
    connection: duckdb.DuckDBPyConnection,
    place: Place,
    living_area_m2: float,
    date: dt.date,
    *,
    limit: int = SALE_COUNT,
) -> list[NearbySale]:
    """Choose sales before ``date`` that are near, like in size and recent.

    Without coordinates, the same street counts as 200 m off, the same district as 1 km.
    Latest first.
    """
    cursor = connection.execute(
        NEAREST_SALES_SQL,
        {
            "street": place.street,
            "district": place.district,
            "latitude": place.latitude,
            "longitude": place.longitude,
            "area": living_area_m2,
            "date": date,
            "limit": limit,
        },
    )
    names = [column[0] for column in cursor.description or []]
    rows = cursor.fetchall()
    return [NearbySale(**dict(zip(names, row, strict=True))) for row in rows]

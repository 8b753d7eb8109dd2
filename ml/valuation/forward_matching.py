"""The sale that judges a valuation, and whether the valuation was made before it.

What belongs here: finding the sale of a home that was valued, and telling an honest
forward valuation from one made in hindsight. What does not: keeping and reading the log
(``forward_log``) and the figures (``forward_score``).

A valuation is *forward* when it was made before the warehouse first saw the sale, for a
day that was not past already. One made later, or backdated, stood on a market that had
gone on: it is kept apart as *retrospective*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pandas as pd
import pyarrow as pa

from ml.valuation.places import ADDRESS_SQL, TEXT_KEY_SQL
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from ml.valuation.forward_log import Log

MIN_AREA_TOLERANCE_M2 = 1
AREA_TOLERANCE = 0.02

LOGGED_SCHEMA = pa.schema(
    {
        "valuation_id": pa.string(),
        "made_at": pa.timestamp("us"),
        "valuation_date": pa.date32(),
        "mode": pa.string(),
        "model": pa.string(),
        "model_version": pa.int64(),
        "snapshot_id": pa.string(),
        "code_commit": pa.string(),
        "confidence_class": pa.int64(),
        "address": pa.string(),
        "address_key": pa.string(),
        "place_level": pa.string(),
        "district": pa.string(),
        "municipality": pa.string(),
        "latitude": pa.float64(),
        "longitude": pa.float64(),
        "living_area_m2": pa.float64(),
        "rooms": pa.float64(),
        "floor": pa.float64(),
        "value_sek": pa.int64(),
        "low_sek": pa.int64(),
        "high_sek": pa.int64(),
    }
)
FACTS = ("address", "living_area_m2", "rooms", "floor")

_ADDRESS_KEY = TEXT_KEY_SQL.format(ADDRESS_SQL)
_MUNICIPALITY_KEY = TEXT_KEY_SQL.format("municipality")

# The same flat is told by its address, size and floor; a home twice sold by the sale
# that came first. Floors half a storey apart are one floor, told differently.
SCORED_SQL = f"""
    with known as (
        select max(sold_date) as market_known_until from marts.sales
    ),

    observations as (
        select 'booli:' || booli_id as sale_id, observed_at from raw.sale_cards
        union all
        select platform || ':' || source_id as sale_id, observed_at
        from raw.landed_sales
    ),

    -- A sale was known as soon as one of the rows that tell of it was.
    first_observations as (
        select
            coalesce(duplicates.duplicate_of_sale_id, observations.sale_id) as sale_id,
            min(observations.observed_at) as first_observed_at
        from observations
        left join (
            select distinct sale_id, duplicate_of_sale_id from marts.duplicate_sales
        ) as duplicates using (sale_id)
        group by all
    ),

    sales as (
        select
            sales.*,
            {_ADDRESS_KEY} as address_key,
            {_MUNICIPALITY_KEY} as municipality_key,
            least(first_observations.first_observed_at, sales.observed_at)
                as first_observed_at
        from marts.sales
        left join first_observations using (sale_id)
    ),

    valuations as (
        select
            *,
            {_MUNICIPALITY_KEY} as municipality_key,
            -- The street as it is known, and as it was written.
            list_distinct([address_key, {_ADDRESS_KEY}]) as address_keys,
            -- One day of grace: the day has begun elsewhere before it has in UTC.
            valuation_date < made_at::date - 1 as is_backdated
        from logged
    ),

    candidates as (
        select
            asked.valuation_id,
            sales.sale_id,
            sales.url,
            sales.sold_price_sek,
            sales.sold_date,
            sales.first_observed_at,
            date_diff('day', asked.valuation_date, sales.sold_date) as days_between,
            asked.floor is not null and sales.floor is not null as is_floor_matched,
            abs(sales.living_area_m2 - asked.living_area_m2) as area_difference_m2,
            coalesce(sales.rooms <> asked.rooms, false) as is_other_room_count
        from (
            select * replace (unnest(address_keys) as address_keys) from valuations
            where address_key is not null
        ) as asked
        inner join sales on asked.address_keys = sales.address_key
        where
            sales.sold_date >= asked.valuation_date
            and sales.sold_date <= asked.valuation_date + $match_days::integer
            and coalesce(asked.municipality_key = sales.municipality_key, true)
            and coalesce(abs(asked.floor - sales.floor) < 1, true)
            and abs(sales.living_area_m2 - asked.living_area_m2) <= greatest(
                {MIN_AREA_TOLERANCE_M2}, {AREA_TOLERANCE} * asked.living_area_m2
            )
    ),

    matches as (
        select *, count(*) over (partition by valuation_id) as candidate_count
        from (select distinct * from candidates)
        qualify row_number() over (
            partition by valuation_id
            order by
                is_floor_matched desc, area_difference_m2, is_other_room_count,
                sold_date, sale_id
        ) = 1
    ),

    -- What the city did between the day of the value and that of the sale.
    index_at_valuation as (
        select valuations.valuation_id, price_index.price_index_sek_per_m2
        from valuations
        asof inner join marts.price_index
            on valuations.valuation_date >= price_index.period_start
    ),

    index_at_sale as (
        select matches.valuation_id, price_index.price_index_sek_per_m2
        from matches
        asof inner join marts.price_index
            on matches.sold_date >= price_index.period_start
    ),

    judged as (
        select
            valuations.*,
            matches.* exclude (valuation_id, url),
            matches.url as sale_url,
            case
                when matches.sale_id is not null then 'matched'
                when valuations.address_key is null then 'without_number'
                when
                    valuations.valuation_date + $match_days::integer
                    < known.market_known_until
                    then 'expired'
                else 'waiting'
            end as status,
            case
                when valuations.made_at >= matches.first_observed_at
                    then 'sale_was_known'
                when valuations.is_backdated then 'backdated'
            end as hindsight,
            coalesce(
                index_at_sale.price_index_sek_per_m2
                / index_at_valuation.price_index_sek_per_m2, 1
            ) * valuations.value_sek as value_index_carried_sek
        from valuations
        cross join known
        left join matches using (valuation_id)
        left join index_at_valuation using (valuation_id)
        left join index_at_sale using (valuation_id)
    )

    select
        valuation_id,
        sale_id,
        snapshot_id,
        code_commit,
        ---------- text
        address,
        district,
        municipality,
        model,
        mode,
        status,
        hindsight,
        sale_url,
        ---------- numbers
        model_version,
        confidence_class,
        latitude,
        longitude,
        living_area_m2,
        rooms,
        floor,
        value_sek,
        low_sek,
        high_sek,
        round(if(sale_id is null, null, value_index_carried_sek))::bigint
            as value_index_carried_sek,
        sold_price_sek,
        100 * (value_sek / sold_price_sek - 1) as error_pct,
        100 * (value_index_carried_sek / sold_price_sek - 1) as error_pct_index_carried,
        days_between,
        candidate_count,
        ---------- booleans
        sold_price_sek between low_sek and high_sek as is_within_range,
        is_floor_matched,
        hindsight is null as is_forward,
        sale_id is not null and row_number() over (
            partition by sale_id, model, mode, hindsight is null
            order by made_at desc, valuation_id
        ) = 1 as is_counted,
        ---------- dates
        made_at,
        valuation_date,
        sold_date
    from judged
    order by made_at, valuation_id
"""


def scored_valuations(
    connection: duckdb.DuckDBPyConnection, log: Log, match_days: int
) -> pd.DataFrame:
    """Give one row per valuation of a log, beside the sale that judges it.

    ``status`` is matched, waiting, expired (no sale in time) or without_number (asked
    for a street or a district alone). ``hindsight`` says why a valuation is not a
    forward one. ``error_pct`` holds the value as it was given against the price,
    ``error_pct_index_carried`` the value moved to the day of the sale by the city's
    index: the one is what the asker got, the other what the model is to blame for.
    """
    with connection.cursor() as cursor:
        cursor.register("logged", _logged(log))
        try:
            return cursor.execute(SCORED_SQL, {"match_days": match_days}).df()
        except duckdb.CatalogException as error:
            raise SlutprisError(
                "the warehouse has no sales to score valuations by; build it with "
                "`dbt build --project-dir dbt_project`"
            ) from error


def _logged(log: Log) -> pa.Table:
    rows = [
        {
            **record,
            **{name: record["facts"].get(name) for name in FACTS},
            "made_at": pd.Timestamp(record["made_at"]).tz_localize(None),
            "valuation_date": pd.Timestamp(record["valuation_date"]).date(),
        }
        for record in log.records
    ]
    return pa.Table.from_pylist(rows, schema=LOGGED_SCHEMA)

{{ config(
    materialized='incremental',
    incremental_strategy='append',
    meta={'rebuilt_by': 'sold_date'},
) }}

with all_observations as (
    select * from {{ ref('int_sale_observations') }}
),

sales_to_judge as (
    select distinct sale_id from all_observations
    where {{ is_rebuilt('sold_date', days_before=var('duplicate_days')) }}
),

-- All that is known of the sales to judge, and of those they may repeat.
observations as (
    select all_observations.*
    from all_observations
    inner join sales_to_judge on all_observations.sale_id = sales_to_judge.sale_id
),

ranked as (
    select
        * exclude (content_hash, loaded_at, changed_from),
        -- How much a row knows: between two records of one sale the fuller is kept.
        {% for column in [
            'list_price_sek', 'first_price_sek', 'rooms', 'floor', 'construction_year',
            'fee_sek_per_month', 'operating_cost_sek_per_month', 'latitude', 'agency',
            'district', 'brf_name', 'energy_class'
        ] -%}
            {{ '+ ' if not loop.first }}({{ column }} is not null)::integer
        {% endfor %} as known_field_count,
        {{ is_market_price_type() }} as is_market_price_type
    from observations
),

numbered as (
    select
        *,
        -- A re-observed sale may have changed price or date: what was seen last holds.
        row_number() over (
            partition by sale_id
            order by observed_at desc, known_field_count desc, observation_id asc
        ) > 1 as is_superseded,
        max(observed_at) over (partition by sale_id) as newest_observed_at
    from ranked
),

preferred as (
    select
        *,
        row_number() over (
            partition by address_key, living_area_m2
            order by
                -- A row that is no sale never hides one.
                is_title_transfer asc,
                is_market_price_type desc,
                known_field_count desc,
                has_own_id desc,
                sale_id asc
        ) as preference
    from numbered
    where not is_superseded
),

-- One sale seen on two sites or under two ids: the same flat by address and area, some
-- days apart, and either the same price or the same floor on the same day. Two sites
-- may differ in price (last bid, final price); one site that shows two prices shows two
-- of the many equal flats of a building. The preferred row is kept, others name it.
duplicates as (
    select
        other.observation_id,
        arg_min(kept.sale_id, kept.preference) as duplicate_of_sale_id
    from preferred as other
    inner join preferred as kept
        on
            other.address_key = kept.address_key
            and other.living_area_m2 = kept.living_area_m2
            and other.preference > kept.preference
            and abs(date_diff('day', kept.sold_date, other.sold_date))
            <= {{ var('duplicate_days') }}
            and (other.rooms = kept.rooms or kept.rooms is null or other.rooms is null)
            and (other.floor = kept.floor or kept.floor is null or other.floor is null)
            and (
                other.sold_price_sek = kept.sold_price_sek
                or (
                    other.platform <> kept.platform
                    and abs(kept.sold_price_sek - other.sold_price_sek)
                    <= {{ var('duplicate_price_ratio') }}
                    * greatest(kept.sold_price_sek, other.sold_price_sek)
                )
                or (
                    other.floor = kept.floor and other.sold_date = kept.sold_date
                )
            )
    group by other.observation_id
)

select
    numbered.*,
    duplicates.duplicate_of_sale_id
from numbered
left join duplicates on numbered.observation_id = duplicates.observation_id
where {{ is_rebuilt('numbered.sold_date') }}

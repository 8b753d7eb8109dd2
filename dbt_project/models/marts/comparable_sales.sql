{{ config(
    materialized='incremental',
    incremental_strategy='append',
    meta={'rebuilt_by': 'sold_date'},
) }}

-- Every sale as a later one compares with it: what it fetched above what its qualities
-- explained on its own day, and its place in the order of the sales of its squares.
-- Squares of two sizes bound the search: near ones where sales are dense, wide ones
-- where they are not. A sale has a rank in each, so that a request reads the newest few
-- of every square and never all of them, however many years of sales there are.
with sales as (
    select * from {{ ref('int_sales_with_quality') }}
    where {{ is_rebuilt('sold_date') }}
),

with_index as (
    {{ join_price_index('sales', ref('price_index')) }}
),

measured as (
    select
        sale_id,
        address_key,
        residence_id,
        {{ street_key() }} as street_key,
        {{ text_key('brf_name') }} as brf_key,
        living_area_m2,
        case when {{ is_fact('floor') }} then floor end as floor,
        case when {{ is_fact('construction_year') }} then construction_year end
            as construction_year,
        latitude,
        longitude,
        {{ square('latitude', 'longitude', 'near') }} as near_square,
        {{ square('latitude', 'longitude', 'wide') }} as wide_square,
        round(ln(price_per_m2_sek / price_index_sek_per_m2), 6) as log_price_ratio,
        round(
            ln(price_per_m2_sek / price_index_sek_per_m2) - quality_log_premium, 6
        ) as log_residual,
        sold_date
    from with_index
    -- Before there was an index there is nothing to compare with.
    where price_index_sek_per_m2 is not null
),

-- The sales before those to rebuild, which are counted on: none when all are.
earlier as (
    {% if is_incremental() -%}
        select * from {{ this }}
        where sold_date < {{ rebuild_from() }}
    {%- else -%}
        select
            0 as near_square,
            0 as wide_square,
            0 as near_rank,
            0 as wide_rank
        where false
    {%- endif %}
),

near_earlier as (
    select
        near_square,
        max(near_rank) as near_rank
    from earlier
    group by near_square
),

wide_earlier as (
    select
        wide_square,
        max(wide_rank) as wide_rank
    from earlier
    group by wide_square
),

ranked as (
    select
        measured.*,
        coalesce(near_earlier.near_rank, 0) + row_number() over (
            partition by measured.near_square
            order by measured.sold_date, measured.sale_id
        ) as near_rank,
        coalesce(wide_earlier.wide_rank, 0) + row_number() over (
            partition by measured.wide_square
            order by measured.sold_date, measured.sale_id
        ) as wide_rank
    from measured
    left join near_earlier on measured.near_square = near_earlier.near_square
    left join wide_earlier on measured.wide_square = wide_earlier.wide_square
)

select
    *,
    -- Sales of one day do not know of one another: a later one starts at its last.
    max(near_rank) over (partition by near_square, sold_date) as near_rank_of_day,
    max(wide_rank) over (partition by wide_square, sold_date) as wide_rank_of_day
from ranked

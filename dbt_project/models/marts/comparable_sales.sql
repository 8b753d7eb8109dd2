-- Every sale as a later one compares with it: what it fetched above what its qualities
-- explained on its own day, and its place in the order of the sales of its squares.
-- Squares of two sizes bound the search: near ones where sales are dense, wide ones
-- where they are not. A sale has a rank in each, so that a request reads the newest few
-- of every square and never all of them, however many years of sales there are.
with with_quality as (
    {{ join_quality(ref('int_sales_imputed'), ref('quality_effects')) }}
),

with_index as (
    {{ join_price_index('with_quality', ref('price_index')) }}
),

measured as (
    select
        sale_id,
        address_key,
        living_area_m2,
        case when not is_floor_imputed then floor end as floor,
        case when not is_construction_year_imputed then construction_year end
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

ranked as (
    select
        *,
        row_number() over (partition by near_square order by sold_date, sale_id)
            as near_rank,
        row_number() over (partition by wide_square order by sold_date, sale_id)
            as wide_rank
    from measured
)

select
    *,
    -- Sales of one day do not know of one another: a later one starts at its last.
    max(near_rank) over (partition by near_square, sold_date) as near_rank_of_day,
    max(wide_rank) over (partition by wide_square, sold_date) as wide_rank_of_day
from ranked

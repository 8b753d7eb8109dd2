-- The level of prices per m², half-month by half-month: the mean log price per m² of
-- the last three half-months' sales, each freed of what its place, size, age and floor
-- were known to add before. So a month with many small flats, or many suburbs, does not
-- look like a turn of the market. Chaining half-month changes instead drifts without
-- bound when sales are few: every change's error stays in the level for ever.
with freed_sales as (
    select
        {{ half_month('sold_date') }} as period_start,
        {{ log_price('price_per_m2_sek') }}
        - cast(quality_log_premium as decimal(12, 6)) as log_price
    from {{ ref('int_sales_with_quality') }}
),

-- The first month that has a market to speak of.
start as (
    select date_trunc('month', period_start) as month
    from freed_sales
    group by month
    having count(*) >= {{ var('price_index_min_sales') }}
    order by month
    limit 1
),

counted as (
    select
        freed_sales.period_start,
        count(*) as sale_count,
        sum(freed_sales.log_price) as log_price_sum,
        sum(freed_sales.log_price * freed_sales.log_price) as log_price_square_sum
    from freed_sales
    inner join start on freed_sales.period_start >= start.month
    group by freed_sales.period_start
),

months as (
    select
        unnest(
            generate_series(
                date_trunc('month', min(period_start)),
                max(period_start),
                interval 1 month
            )
        ) as month
    from counted
),

period_starts as (
    select
        cast(month + unnest([interval 0 day, interval 15 day]) as date)
            as period_start
    from months
),

ends as (
    select
        min(period_start) as first,
        max(period_start) as last
    from counted
),

periods as (
    select
        period_starts.period_start,
        coalesce(counted.sale_count, 0) as sale_count,
        coalesce(counted.log_price_sum, 0) as log_price_sum,
        coalesce(counted.log_price_square_sum, 0) as log_price_square_sum
    from period_starts
    left join counted on period_starts.period_start = counted.period_start
    inner join ends on period_starts.period_start between ends.first and ends.last
),

recent_sums as (
    select
        period_start,
        sale_count,
        sum(sale_count) over recent as recent_count,
        sum(log_price_sum) over recent as log_sum,
        sum(log_price_square_sum) over recent as log_square_sum
    from periods
    window
        recent as (order by period_start rows between 2 preceding and current row)
),

levels as (
    select
        period_start,
        sale_count,
        log_sum / nullif(recent_count, 0) as log_level,
        sqrt(
            greatest(log_square_sum - log_sum * log_sum / recent_count, 0)
            / (recent_count - 1)
            / recent_count
        ) as log_standard_error
    from recent_sums
)

select
    period_start,
    -- A half-month whose window holds no sale carries the level on.
    round(
        exp(last_value(log_level ignore nulls) over (order by period_start)), 2
    ) as price_index_sek_per_m2,
    round(
        100 * last_value(log_standard_error ignore nulls) over (order by period_start),
        3
    ) as standard_error_pct,
    cast(sale_count as bigint) as sale_count,
    {{ next_half_month('period_start') }} as known_from
from levels

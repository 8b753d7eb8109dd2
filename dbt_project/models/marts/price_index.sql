-- The level of prices per m², month by month. In every neighbourhood the mean log
-- price per m² of the last three months is compared with that of the three months
-- ending one month earlier; the changes, weighted by sales, are chained. Comparing a
-- neighbourhood only with itself keeps a month with many sales in the suburbs from
-- looking like a fall.
with all_sales as (
    select
        -- A square of some 2.2 km: sources spell one district in ten ways or omit it.
        coalesce(
            round(latitude / 0.02) || '/' || round(longitude / 0.04),
            {{ text_key('district') }},
            ''
        ) as neighbourhood,
        cast(date_trunc('month', sold_date) as date) as month,
        price_per_m2_sek
    from {{ ref('int_sales_located') }}
),

-- The level is the median of the first month that has a market to speak of.
start as (
    select month
    from all_sales
    group by month
    having count(*) >= {{ var('price_index_min_sales') }}
    order by month
    limit 1
),

sales as (
    select all_sales.*
    from all_sales
    inner join start on all_sales.month >= start.month
),

months as (
    select
        cast(
            unnest(generate_series(min(month), max(month), interval 1 month)) as date
        ) as month
    from sales
),

neighbourhood_months as (
    select
        neighbourhood,
        month,
        count(*) as sale_count,
        sum(ln(price_per_m2_sek)) as log_price_sum
    from sales
    group by all
),

ages as (
    select unnest([0, 1, 2]) as months
),

-- A month's sales count in the windows that end in it and in the two months after.
windows as (
    select
        neighbourhood_months.neighbourhood,
        cast(neighbourhood_months.month + to_months(ages.months) as date) as month,
        sum(neighbourhood_months.sale_count) as sale_count,
        sum(neighbourhood_months.log_price_sum) / sum(neighbourhood_months.sale_count)
            as mean_log_price
    from neighbourhood_months
    cross join ages
    group by all
),

changes as (
    select
        windows.month,
        sum(windows.sale_count * (windows.mean_log_price - previous.mean_log_price))
        / sum(windows.sale_count) as log_change
    from windows
    inner join windows as previous
        on
            windows.neighbourhood = previous.neighbourhood
            and windows.month = previous.month + interval 1 month
    where
        windows.sale_count >= {{ var('price_index_min_sales') }}
        and previous.sale_count >= {{ var('price_index_min_sales') }}
    group by windows.month
),

counts as (
    select
        month,
        count(*) as sale_count,
        median(price_per_m2_sek) as median_price_per_m2_sek
    from sales
    group by month
)

select
    months.month,
    -- A month without enough sales anywhere carries the level on.
    round(
        first_value(counts.median_price_per_m2_sek) over (order by months.month)
        * exp(sum(coalesce(changes.log_change, 0)) over (order by months.month)),
        2
    ) as price_index_sek_per_m2,
    coalesce(counts.sale_count, 0) as sale_count,
    cast(months.month + interval 1 month as date) as known_from
from months
left join changes on months.month = changes.month
left join counts on months.month = counts.month

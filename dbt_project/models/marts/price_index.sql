-- The level of prices per m², month by month. In every district the mean log price per m²
-- of the last three months is compared with that of the three months ending one month
-- earlier; the changes, weighted by sales, are chained. Comparing a district only with
-- itself keeps a month with many sales in the suburbs from looking like a fall.
with sales as (
    select
        {{ text_key("coalesce(district, '')") }} as district_key,
        date_trunc('month', sold_date)::date as month,
        price_per_m2_sek
    from {{ ref('int_sales_located') }}
),

months as (
    select unnest(generate_series(min(month), max(month), interval 1 month))::date
        as month
    from sales
),

district_months as (
    select
        coalesce(district_key, '') as district_key,
        month,
        count(*) as sale_count,
        sum(ln(price_per_m2_sek)) as log_price_sum
    from sales
    group by all
),

-- A month's sales count in the windows that end in it and in the two months after.
windows as (
    select
        district_months.district_key,
        cast(district_months.month + to_months(age.months) as date) as month,
        sum(district_months.sale_count) as sale_count,
        sum(district_months.log_price_sum) / sum(district_months.sale_count)
            as mean_log_price
    from district_months
    cross join (select unnest([0, 1, 2]) as months) as age
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
            windows.district_key = previous.district_key
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

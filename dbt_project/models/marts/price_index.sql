-- The level of prices per m², month by month: the mean log price per m² of the last
-- three months' sales, each freed of its neighbourhood's premium as known before its
-- month. So a month with many sales in the suburbs does not look like a fall. A premium
-- is the mean of what earlier sales there fetched above the city of their time, shrunk
-- towards none where they were few. Chaining month-on-month changes instead drifts
-- without bound when sales are few: every change's error stays in the level for ever.
with all_sales as (
    select
        -- A square of some 2.2 km: sources spell one district in ten ways or omit it.
        coalesce(
            round(latitude / 0.02) || '/' || round(longitude / 0.04),
            {{ text_key('district') }},
            ''
        ) as neighbourhood,
        cast(date_trunc('month', sold_date) as date) as month,
        ln(price_per_m2_sek) as log_price
    from {{ ref('int_sales_located') }}
),

-- The first month that has a market to speak of.
start as (
    select month
    from all_sales
    group by month
    having count(*) >= {{ var('price_index_min_sales') }}
    order by month
    limit 1
),

neighbourhood_months as (
    select
        all_sales.neighbourhood,
        all_sales.month,
        count(*) as sale_count,
        sum(all_sales.log_price) as log_price_sum
    from all_sales
    inner join start on all_sales.month >= start.month
    group by all
),

months as (
    select
        cast(
            unnest(generate_series(min(month), max(month), interval 1 month)) as date
        ) as month
    from neighbourhood_months
),

-- A month's sales count in the windows that end in it and in the two months after.
ages as (
    select unnest([0, 1, 2]) as months
),

city_levels as (
    select
        cast(neighbourhood_months.month + to_months(ages.months) as date) as month,
        sum(neighbourhood_months.log_price_sum) / sum(neighbourhood_months.sale_count)
            as log_level
    from neighbourhood_months
    cross join ages
    group by all
),

premia as (
    select
        neighbourhood_months.*,
        coalesce(
            sum(
                neighbourhood_months.log_price_sum
                - neighbourhood_months.sale_count * city_levels.log_level
            ) over earlier
            / (
                sum(neighbourhood_months.sale_count) over earlier
                + {{ var('price_index_shrinkage_sales') }}
            ),
            0
        ) as log_premium
    from neighbourhood_months
    inner join city_levels on neighbourhood_months.month = city_levels.month
    window
        earlier as (
            partition by neighbourhood_months.neighbourhood
            order by neighbourhood_months.month
            rows between unbounded preceding and 1 preceding
        )
),

levels as (
    select
        cast(premia.month + to_months(ages.months) as date) as month,
        sum(premia.log_price_sum - premia.sale_count * premia.log_premium)
        / sum(premia.sale_count) as log_level
    from premia
    cross join ages
    group by all
),

counts as (
    select
        month,
        sum(sale_count) as sale_count
    from neighbourhood_months
    group by month
)

select
    months.month,
    -- A month whose window holds no sale carries the level on.
    round(
        exp(last_value(levels.log_level ignore nulls) over (order by months.month)), 2
    ) as price_index_sek_per_m2,
    cast(coalesce(counts.sale_count, 0) as bigint) as sale_count,
    cast(months.month + interval 1 month as date) as known_from
from months
left join levels on months.month = levels.month
left join counts on months.month = counts.month

-- The level of prices per m² in each district of the city, half-month by half-month:
-- the city's level, what the usual home of the district adds to it (its place, and the
-- size, age and floor that are usual there, by three years' sales), and what the sales
-- of the last three months fetched above or below that. Both are shrunk towards none
-- where the sales were few, so a district with one sale keeps close to the city.
with city as (
    select
        period_start,
        known_from,
        cast(ln(price_index_sek_per_m2) as decimal(12, 6)) as log_level
    from {{ ref('price_index') }}
),

sales as (
    select
        city_district as district_key,
        {{ half_month('sold_date') }} as period_start,
        {{ log_price('price_per_m2_sek') }} as log_price,
        cast(quality_log_premium as decimal(12, 6)) as log_premium
    from {{ ref('sale_features') }}
    where city_district is not null
),

counted as (
    select
        sales.district_key,
        sales.period_start,
        count(*) as sale_count,
        sum(sales.log_premium) as premium_sum,
        sum(sales.log_price - sales.log_premium - city.log_level) as deviation_sum
    from sales
    inner join city on sales.period_start = city.period_start
    group by sales.district_key, sales.period_start
),

districts as (
    select
        district_key,
        min(period_start) as first_period_start
    from counted
    group by district_key
),

periods as (
    select
        districts.district_key,
        city.period_start,
        city.known_from,
        city.log_level,
        coalesce(counted.sale_count, 0) as sale_count,
        coalesce(counted.premium_sum, 0) as premium_sum,
        coalesce(counted.deviation_sum, 0) as deviation_sum
    from districts
    inner join city on districts.first_period_start <= city.period_start
    left join counted
        on
            districts.district_key = counted.district_key
            and city.period_start = counted.period_start
),

levels as (
    select
        district_key,
        period_start,
        known_from,
        sale_count,
        sum(sale_count) over recent as recent_sale_count,
        log_level
        + sum(premium_sum) over usual
        / (
            sum(sale_count) over usual
            + {{ var('district_index_premium_shrinkage_sales') }}
        )
        + sum(deviation_sum) over recent
        / (
            sum(sale_count) over recent
            + {{ var('district_index_deviation_shrinkage_sales') }}
        ) as log_district_level
    from periods
    window
        usual as (
            partition by district_key
            order by period_start
            rows between 71 preceding and current row
        ),
        recent as (
            partition by district_key
            order by period_start
            rows between 5 preceding and current row
        )
)

select
    district_key,
    period_start,
    round(exp(log_district_level), 2) as price_index_sek_per_m2,
    cast(sale_count as bigint) as sale_count,
    cast(recent_sale_count as bigint) as recent_sale_count,
    known_from
from levels

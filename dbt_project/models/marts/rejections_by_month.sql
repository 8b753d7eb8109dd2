with observations as (
    select * from {{ ref('int_sale_observations') }}
),

rejected_sales as (
    select * from {{ ref('rejected_sales') }}
),

observations_counted as (
    select
        cast(date_trunc('month', sold_date) as date) as sold_month,
        count(*) as observation_count
    from observations
    group by sold_month
),

rejections_counted as (
    select
        rule,
        cast(date_trunc('month', sold_date) as date) as sold_month,
        count(*) as rejected_count
    from rejected_sales
    group by rule, sold_month
)

select
    ---------- text
    rejections_counted.rule,
    ---------- numbers
    rejections_counted.rejected_count,
    observations_counted.observation_count,
    100.0 * rejections_counted.rejected_count / observations_counted.observation_count
        as rejected_pct,
    ---------- booleans
    {{ is_repeated('rejections_counted.rule') }} as is_repeated,
    ---------- dates
    rejections_counted.sold_month
from rejections_counted
inner join observations_counted
    on
        rejections_counted.sold_month
        is not distinct from observations_counted.sold_month

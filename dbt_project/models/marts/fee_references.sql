{{ config(
    materialized='incremental',
    incremental_strategy='append',
    meta={'rebuilt_by': 'known_from'},
) }}

-- What a fee per m² usually is, by size and decade of the building and by size alone
-- (*): for each year the median of the two calendar years before.
with sales as (
    select * from {{ ref('int_sales_imputed') }}
    where
        {{ is_rebuilt('sold_date', days_before=731) }}
        and not is_fee_sek_per_month_imputed
        and fee_sek_per_month > 0
),

classed as (
    {{ quality_classes('sales') }}
),

years_served as (
    select
        size_class,
        age_class,
        fee_sek_per_month / living_area_m2 as fee_sek_per_m2,
        year(sold_date) + unnest([1, 2]) as reference_year
    from classed
),

levels_served as (
    select * from years_served
    where age_class <> ''
    union all
    select * replace ('*' as age_class) from years_served
)

select
    size_class,
    age_class,
    median(fee_sek_per_m2) as fee_sek_per_m2,
    count(*) as sale_count,
    make_date(reference_year, 1, 1) as known_from
from levels_served
where {{ is_rebuilt('make_date(reference_year, 1, 1)') }}
group by size_class, age_class, reference_year
having count(*) >= {{ var('imputation_min_sales') }}

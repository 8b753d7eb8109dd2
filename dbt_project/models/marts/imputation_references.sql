{{ config(
    materialized='incremental',
    incremental_strategy='append',
    meta={'rebuilt_by': 'known_from'},
) }}

-- Medians that stand in for a missing number: for each year those of the two calendar
-- years before, by district and for the city.
{%- set medians = {
    'living_area_m2_per_room': 'living_area_m2 / nullif(rooms, 0)',
    'floor': 'floor',
    'construction_year': 'construction_year',
    'fee_sek_per_m2': 'fee_sek_per_month / living_area_m2',
    'operating_cost_sek_per_m2': 'operating_cost_sek_per_month / living_area_m2',
} %}

with sales as (
    select * from {{ ref('int_sales_located') }}
    where {{ is_rebuilt('sold_date', days_before=731) }}
),

years_served as (
    select
        *,
        {{ text_key('district') }} as district_key,
        year(sold_date) + unnest([1, 2]) as reference_year
    from sales
),

levels_served as (
    select
        *,
        'district' as reference_level
    from years_served
    where district_key is not null
    union all
    select
        * replace ('*' as district_key),
        'city' as reference_level
    from years_served
),

medians as (
    select
        reference_level,
        district_key,
        reference_year,
        {% for column, expression in medians.items() -%}
            case
                when count({{ expression }}) >= {{ var('imputation_min_sales') }}
                    then median({{ expression }})
            end as {{ column }},
        {% endfor -%}
        count(*) as sale_count
    from levels_served
    group by reference_level, district_key, reference_year
)

select
    reference_level,
    district_key,
    living_area_m2_per_room,
    floor,
    cast(round(construction_year) as integer) as construction_year,
    fee_sek_per_m2,
    operating_cost_sek_per_m2,
    sale_count,
    make_date(reference_year, 1, 1) as known_from
from medians
where {{ is_rebuilt('make_date(reference_year, 1, 1)') }}

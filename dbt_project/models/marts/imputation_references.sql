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
),

years_served as (
    select
        *,
        {{ text_key('district') }} as district_key,
        year(sold_date) + unnest([1, 2]) as reference_year
    from sales
),

medians as (
    select
        case when grouping(district_key) = 0 then 'district' else 'city' end
            as reference_level,
        district_key,
        reference_year,
        count(*) as sale_count
        {%- for column, expression in medians.items() %},
        case
            when count({{ expression }}) >= {{ var('imputation_min_sales') }}
                then median({{ expression }})
        end as {{ column }}
        {%- endfor %}
    from years_served
    group by grouping sets ((district_key, reference_year), (reference_year))
)

select
    reference_level,
    coalesce(district_key, '') as district_key,
    living_area_m2_per_room,
    floor,
    cast(round(construction_year) as integer) as construction_year,
    fee_sek_per_m2,
    operating_cost_sek_per_m2,
    sale_count,
    make_date(reference_year, 1, 1) as known_from
from medians
where reference_level = 'city' or district_key is not null

{{ config(
    materialized='incremental',
    incremental_strategy='append',
    meta={'rebuilt_by': 'known_from'},
) }}

-- What sales said of their buildings: a row for every statement that differs from the
-- one before at the address, known from the day after the sale.
{%- set position_of_house -%}
    filter (where position_source in {{ sources_of_a_house() }})
{%- endset %}

with sales as (
    -- A day more: what it said is known from the first day to rebuild.
    select * from {{ ref('int_sales_located') }}
    where {{ is_rebuilt('sold_date', days_before=1) }} and address_key is not null
),

stated as (
    {% for fact in building_facts().split() -%}
        select
            '{{ fact }}' as fact,
            address_key,
            cast(max({{ fact }}) as varchar) as fact_value,
            round(
                avg(cast(latitude as decimal(9, 6))) {{ position_of_house }}, 6
            ) as latitude,
            round(
                avg(cast(longitude as decimal(9, 6))) {{ position_of_house }}, 6
            ) as longitude,
            cast(sold_date + interval 1 day as date) as known_from
        from sales
        where {{ fact }} is not null
        group by address_key, sold_date
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

stated_and_before as (
    select * from stated
    {%- if is_incremental() %}
        union all
        select
            fact,
            address_key,
            arg_max(fact_value, known_from) as fact_value,
            null as latitude,
            null as longitude,
            max(known_from) as known_from
        from {{ this }}
        where known_from < {{ rebuild_from() }}
        group by fact, address_key
    {%- endif %}
),

compared as (
    select
        *,
        lag(fact_value) over (
            partition by fact, address_key order by known_from
        ) as earlier_value
    from stated_and_before
)

select
    fact,
    address_key,
    fact_value,
    latitude,
    longitude,
    {{ square('latitude', 'longitude', 'building') }} as building_square,
    known_from
from compared
where fact_value is distinct from earlier_value and {{ is_rebuilt('known_from') }}

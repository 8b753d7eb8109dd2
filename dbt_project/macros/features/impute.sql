-- noqa: disable=layout.indent
{#
Fill what is missing by what was known before the day, and say where each came from.

A construction year and a housing association (BRF) belong to the building: they are
taken from an earlier sale at the same address, else of the nearest building within
`nearest_building_m`. A floor may stand in the address line. Other numbers are medians of
the two calendar years before: the district's where it had enough sales, else the city's,
else NULL. Fees and running costs grow with the flat, so their medians are per m²; rooms
follow from the median area per room. A missing street number is 1, as in the seed
project.
#}
{% macro impute(subjects, imputation_references, building_references) %}
{%- set imputed = [
    'street_number', 'rooms', 'floor', 'construction_year', 'brf_name',
    'fee_sek_per_month', 'operating_cost_sek_per_month'
] -%}
{%- set facts = building_facts().split() -%}
{%- set m2_per_room = (
    'coalesce(by_district.living_area_m2_per_room, by_city.living_area_m2_per_room)'
) -%}
with keyed as (
    select
        *,
        {{ text_key('district') }} as imputation_key,
        {{ floor_of_address('address') }} as address_floor
    from {{ subjects }}
),
{% for fact in facts %}
{{ fact }}_of_building as (
    select
        keyed.subject_id,
        stated.fact_value
    from keyed
    asof inner join (
        select * from {{ building_references }} where fact = '{{ fact }}'
    ) as stated
        on
            keyed.address_key = stated.address_key
            and keyed.sold_date >= stated.known_from
    where keyed.{{ fact }} is null
),

{{ fact }}_squares as (
    select
        keyed.subject_id,
        keyed.sold_date,
        keyed.latitude,
        keyed.longitude,
        {{ square('keyed.latitude', 'keyed.longitude', 'building') }} + steps.step
            as building_square
    from keyed
    anti join {{ fact }}_of_building as found on keyed.subject_id = found.subject_id
    cross join ({{ square_steps() }}) as steps
    where
        keyed.{{ fact }} is null
        and keyed.position_source in {{ sources_of_a_house() }}
),

{{ fact }}_nearby as (
    select
        squares.subject_id,
        stated.fact_value,
        {{ distance_m(
            'stated.latitude', 'stated.longitude', 'squares.latitude', 'squares.longitude'
        ) }} as distance_m
    from {{ fact }}_squares as squares
    inner join {{ building_references }} as stated
        on
            stated.fact = '{{ fact }}'
            and squares.building_square = stated.building_square
            and squares.sold_date >= stated.known_from
    where distance_m <= {{ var('nearest_building_m') }}
    qualify row_number() over (
        partition by squares.subject_id
        order by round(distance_m, 1), stated.known_from desc, stated.address_key
    ) = 1
),
{% endfor %}
filled as (
    select
        subjects.* exclude ({{ imputed | join(', ') }}),
        coalesce(subjects.street_number, 1) as street_number,
        coalesce(
            subjects.rooms,
            -- greatest() passes over NULL, so the unknown median is ruled out first.
            case
                when {{ m2_per_room }} is not null
                    then greatest(1, round(living_area_m2 / {{ m2_per_room }}))
            end
        ) as rooms,
        coalesce(
            subjects.floor, subjects.address_floor, by_district.floor, by_city.floor
        ) as floor,
        coalesce(
            subjects.construction_year,
            cast(construction_year_of_building.fact_value as integer),
            cast(construction_year_nearby.fact_value as integer),
            by_district.construction_year,
            by_city.construction_year
        ) as construction_year,
        coalesce(
            subjects.brf_name,
            brf_name_of_building.fact_value,
            brf_name_nearby.fact_value
        ) as brf_name,
        coalesce(
            subjects.fee_sek_per_month,
            living_area_m2
            * coalesce(by_district.fee_sek_per_m2, by_city.fee_sek_per_m2)
        ) as fee_sek_per_month,
        coalesce(
            subjects.operating_cost_sek_per_month,
            living_area_m2
            * coalesce(
                by_district.operating_cost_sek_per_m2, by_city.operating_cost_sek_per_m2
            )
        ) as operating_cost_sek_per_month,
        {%- for column in imputed %}
        subjects.{{ column }} is null as is_{{ column }}_imputed,
        {%- endfor %}
        case
            when subjects.floor is not null then 'own'
            when subjects.address_floor is not null then 'address'
            when by_district.floor is not null then 'district'
            when by_city.floor is not null then 'city'
        end as floor_source,
        {%- for fact in facts %}
        case
            when subjects.{{ fact }} is not null then 'own'
            when {{ fact }}_of_building.fact_value is not null then 'building'
            when {{ fact }}_nearby.fact_value is not null then 'nearby'
            {%- if fact == 'construction_year' %}
            when by_district.construction_year is not null then 'district'
            when by_city.construction_year is not null then 'city'
            {%- endif %}
        end as {{ fact }}_source{{ ',' if not loop.last }}
        {%- endfor %}
    from keyed as subjects
    asof left join (
        select * from {{ imputation_references }} where reference_level = 'district'
    ) as by_district
        on
            subjects.imputation_key = by_district.district_key
            and subjects.sold_date >= by_district.known_from
    asof left join (
        select * from {{ imputation_references }} where reference_level = 'city'
    ) as by_city
        on subjects.sold_date >= by_city.known_from
    {%- for fact in facts %}
    left join {{ fact }}_of_building
        on subjects.subject_id = {{ fact }}_of_building.subject_id
    left join {{ fact }}_nearby
        on subjects.subject_id = {{ fact }}_nearby.subject_id
    {%- endfor %}
)

select * exclude (imputation_key, address_floor) from filled
{%- endmacro %}

{# What an earlier sale of a building says of its later ones. #}
{% macro building_facts() -%}
    construction_year brf_name
{%- endmacro %}

{# The positions that are a house's, not the middle of a street or a district. #}
{% macro sources_of_a_house() -%}
    ('own', 'address', 'geocoded')
{%- endmacro %}

{# Whether a floor or a year is a fact: stated for the home or its very building. #}
{% macro is_fact(column) -%}
    {{ column }}_source in ('own', 'address', 'building')
{%- endmacro %}

{#
Fill missing numbers with medians of the two calendar years before, and flag them.

The district's medians where it had enough sales, else the city's, else NULL. Fees and
running costs grow with the flat, so their medians are per m²; rooms follow from the
median area per room. A missing street number is 1, as in the seed project.
#}
{% macro impute(subjects, imputation_references) %}
{%- set imputed = [
    'street_number', 'rooms', 'floor', 'construction_year', 'fee_sek_per_month',
    'operating_cost_sek_per_month'
] -%}
{%- set m2_per_room = (
    'coalesce(by_district.living_area_m2_per_room, by_city.living_area_m2_per_room)'
) -%}
select
    subjects.* exclude ({{ imputed | join(', ') }}, imputation_key),
    coalesce(subjects.street_number, 1) as street_number,
    coalesce(
        subjects.rooms,
        -- greatest() passes over NULL, so the unknown median is ruled out first.
        case
            when {{ m2_per_room }} is not null
                then greatest(1, round(living_area_m2 / {{ m2_per_room }}))
        end
    ) as rooms,
    coalesce(subjects.floor, by_district.floor, by_city.floor) as floor,
    coalesce(
        subjects.construction_year,
        by_district.construction_year,
        by_city.construction_year
    ) as construction_year,
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
    ) as operating_cost_sek_per_month
    {%- for column in imputed %},
    subjects.{{ column }} is null as is_{{ column }}_imputed
    {%- endfor %}
from (
    select
        *,
        {{ text_key('district') }} as imputation_key
    from {{ subjects }}
) as subjects
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
{%- endmacro %}

-- noqa: disable=layout.indent
{#
Fill missing coordinates and districts from places known before the sale.

Subjects (past sales, or requests for a value) have address_key, street, district,
latitude, longitude, sold_date. A missing position is that of the address, else the
geocoder's where it is sure enough, else that of the street, else of the district;
where none is known it stays NULL and the flag says so. position_source says which.

A geocoded place is where a house stands, which no price moved and no day changes, so it
is not as of the day; the address's own past position goes before it.
#}
{% macro locate(subjects, place_references, geocoded_addresses) -%}
{%- set levels = ['address', 'geocoded', 'street', 'district'] -%}
select
    subjects.* exclude (
        district, latitude, longitude, street_key, district_key, has_position
    ),
    coalesce(subjects.district, by_address.district) as district,
    {% for column in ['latitude', 'longitude'] -%}
    case
        when has_position then subjects.{{ column }}
        {%- for level in levels %}
        when by_{{ level }}.latitude is not null then by_{{ level }}.{{ column }}
        {%- endfor %}
    end as {{ column }},
    {% endfor -%}
    not has_position as is_latitude_imputed,
    case
        when has_position then 'own'
        {%- for level in levels %}
        when by_{{ level }}.latitude is not null then '{{ level }}'
        {%- endfor %}
    end as position_source
from (
    select
        *,
        {{ text_key('street') }} as street_key,
        {{ text_key('district') }} as district_key,
        {{ is_position('latitude', 'longitude') }} as has_position
    from {{ subjects }}
) as subjects
{% for level in ['address', 'street', 'district'] -%}
asof left join (
    select * from {{ place_references }} where place_level = '{{ level }}'
) as by_{{ level }}
    on
        subjects.{{ level }}_key = by_{{ level }}.place_key
        and subjects.sold_date >= by_{{ level }}.known_from
{% endfor -%}
left join (
    select * from {{ geocoded_addresses }}
    where uncertainty_m <= {{ var('geocoded_uncertainty_m') }}
) as by_geocoded
    on subjects.address_key = by_geocoded.address_key
{%- endmacro %}

{# Whether coordinates are known and lie in Greater Stockholm; 0, 0 is a miss. #}
{% macro is_position(latitude, longitude) -%}
    coalesce(
        {{ latitude }} between
        {{ var('position_latitude')[0] }} and {{ var('position_latitude')[1] }}
        and {{ longitude }} between
        {{ var('position_longitude')[0] }} and {{ var('position_longitude')[1] }},
        false
    )
{%- endmacro %}

{#
Fill missing coordinates and districts from places known before the sale.

Subjects (past sales, or requests for a value) have address_key, street, district,
latitude, longitude, sold_date. A missing position is that of the address, else of the
street, else of the district; where none is known it stays NULL and the flag says so.
#}
{% macro locate(subjects, place_references) -%}
select
    subjects.* exclude (
        district, latitude, longitude, street_key, district_key, has_position
    ),
    coalesce(subjects.district, by_address.district) as district,
    case
        when has_position then subjects.latitude
        else coalesce(by_address.latitude, by_street.latitude, by_district.latitude)
    end as latitude,
    case
        when has_position then subjects.longitude
        else coalesce(by_address.longitude, by_street.longitude, by_district.longitude)
    end as longitude,
    not has_position as is_latitude_imputed
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
{% endfor %}
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

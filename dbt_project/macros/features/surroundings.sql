-- noqa: disable=layout.indent
{# Metres between two points on the sphere (haversine), as the crow flies. #}
{% macro distance_m(latitude, longitude, other_latitude, other_longitude) -%}
    2 * 6371008.8 * asin(
        sqrt(
            power(sin(radians(({{ other_latitude }}) - ({{ latitude }})) / 2), 2)
            + cos(radians({{ latitude }})) * cos(radians({{ other_latitude }}))
            * power(sin(radians(({{ other_longitude }}) - ({{ longitude }})) / 2), 2)
        )
    )
{%- endmacro %}

{# Row, column and number of the cell of a position; size: grid or border. #}
{% macro cell_row(latitude, size) -%}
    cast(floor({{ latitude }} / {{ var(size ~ '_cell_degrees')[0] }}) as bigint)
{%- endmacro %}

{% macro cell_column(longitude, size) -%}
    cast(floor({{ longitude }} / {{ var(size ~ '_cell_degrees')[1] }}) as bigint)
{%- endmacro %}

{% macro cell_number(latitude, longitude, size) -%}
    {{ cell_row(latitude, size) }} * 1000000 + {{ cell_column(longitude, size) }}
{%- endmacro %}

{#
What lies around each subject: district, distances to metro, commuter rail and centre.

Subjects have subject_id, sold_date, latitude, longitude. A subject meets only the places
of its own grid cell that can be the nearest there, and the borders of its own border
cell, so the work is the same for each. A station counts from the day it opened to the
day it closed. The district is that of the polygon around the position: the one whose
borders a ray to the east crosses an odd number of times, holes included; without
polygons the nearest centre's. NULL where there is no position or nothing near.
#}
{% macro join_surroundings(subjects, nearby_places, district_edges) -%}
select
    subjects.*,
    nearest.metro_distance_m,
    nearest.commuter_rail_distance_m,
    round(
        {{ distance_m(
            'subjects.latitude',
            'subjects.longitude',
            var('city_centre')[0],
            var('city_centre')[1]
        ) }},
        1
    ) as centre_distance_m,
    coalesce(around.district_key, nearest.district_key) as city_district,
    {{ cell_row('subjects.latitude', 'grid') }}
    || '/'
    || {{ cell_column('subjects.longitude', 'grid') }} as grid_cell
from {{ subjects }} as subjects
left join (
    select
        subject_id,
        {%- for kind in ['metro', 'commuter_rail'] %}
        round(min(distance_m) filter (where place_kind = '{{ kind }}'), 1)
            as {{ kind }}_distance_m,
        {%- endfor %}
        arg_min(place_key, (distance_m, place_key)) filter (
            where
                place_kind = 'district'
                and distance_m <= {{ var('district_centre_farthest_m') }}
        ) as district_key
    from (
        select
            asked.subject_id,
            places.place_kind,
            places.place_key,
            {{ distance_m(
                'asked.latitude', 'asked.longitude', 'places.latitude', 'places.longitude'
            ) }} as distance_m
        from {{ subjects }} as asked
        inner join {{ nearby_places }} as places
            on
                {{ cell_number('asked.latitude', 'asked.longitude', 'grid') }}
                = places.grid_cell_number
                and (places.opened_on is null or asked.sold_date >= places.opened_on)
                and (places.closed_on is null or asked.sold_date < places.closed_on)
    ) as distances
    group by subject_id
) as nearest
    on subjects.subject_id = nearest.subject_id
left join (
    select
        subject_id,
        -- Polygons may overlap: any rule will do that knows no chance.
        min(district_key) as district_key
    from (
        select
            asked.subject_id,
            edges.district_key
        from {{ subjects }} as asked
        inner join {{ district_edges }} as edges
            on
                {{ cell_number('asked.latitude', 'asked.longitude', 'border') }}
                = edges.border_cell
                and asked.latitude >= edges.low_latitude
                and asked.latitude < edges.high_latitude
                and asked.longitude
                < edges.low_longitude
                + (asked.latitude - edges.low_latitude)
                * (edges.high_longitude - edges.low_longitude)
                / (edges.high_latitude - edges.low_latitude)
        group by asked.subject_id, edges.district_key
        having count(*) % 2 = 1
    ) as districts
    group by subject_id
) as around
    on subjects.subject_id = around.subject_id
{%- endmacro %}

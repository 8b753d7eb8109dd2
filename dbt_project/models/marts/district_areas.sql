with polygons as (
    select * from {{ ref('stg_district_polygons') }}
),

known_districts as (
    select
        name as district,
        {{ text_key('name') }} as district_key,
        source,
        latitude,
        longitude
    from {{ ref('known_districts') }}
),

outlines as (
    select
        district,
        district_key,
        source,
        unnest(flatten(flatten(polygons))) as corner
    from polygons
),

-- The middle of the box around it: a centre to show, no distance is taken from it.
own_districts as (
    select
        arg_min(district, district) as district,
        district_key,
        min(source) as source,
        (min(corner[2]) + max(corner[2])) / 2 as latitude,
        (min(corner[1]) + max(corner[1])) / 2 as longitude
    from outlines
    group by district_key
)

select
    district_key,
    district,
    source,
    latitude,
    longitude,
    true as has_polygon
from own_districts
union all
select
    district_key,
    district,
    source,
    latitude,
    longitude,
    false as has_polygon
from known_districts
where not exists (select 1 from own_districts)

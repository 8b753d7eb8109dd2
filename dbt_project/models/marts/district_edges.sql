with polygons as (
    select * from {{ ref('stg_district_polygons') }}
),

rings as (
    select
        district_key,
        unnest(flatten(polygons)) as ring
    from polygons
),

numbered as (
    select
        *,
        unnest(range(1, len(ring))) as step
    from rings
),

steps as (
    select
        district_key,
        ring[step] as one,
        ring[step + 1] as other
    from numbered
),

-- From the lower end to the higher: two districts then compute one border alike, and a
-- point on it lies in exactly one of them. A level edge is crossed by no level ray.
edges as (
    select
        district_key,
        least(one[2], other[2]) as low_latitude,
        greatest(one[2], other[2]) as high_latitude,
        case when one[2] < other[2] then one[1] else other[1] end as low_longitude,
        case when one[2] < other[2] then other[1] else one[1] end as high_longitude
    from steps
    where one[2] <> other[2]
),

boxed as (
    select
        *,
        min(least(low_longitude, high_longitude)) over (partition by district_key)
            as west_longitude
    from edges
),

-- A ray runs east, so an edge matters to the cells of its rows from the district's west
-- end to its own east end.
rows_added as (
    select
        *,
        unnest(
            range(
                {{ cell_row('low_latitude', 'border') }},
                {{ cell_row('high_latitude', 'border') }} + 1
            )
        ) as cell_row
    from boxed
)

select
    district_key,
    cell_row * 1000000
    + unnest(
        range(
            {{ cell_column('west_longitude', 'border') }},
            {{ cell_column('greatest(low_longitude, high_longitude)', 'border') }} + 1
        )
    ) as border_cell,
    low_latitude,
    low_longitude,
    high_latitude,
    high_longitude
from rows_added

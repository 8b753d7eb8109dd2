{%- set rows = var('position_latitude') -%}
{%- set columns = var('position_longitude') -%}

with stations as (
    select * from {{ ref('stations') }}
),

district_areas as (
    select * from {{ ref('district_areas') }}
),

places as (
    select
        kind as place_kind,
        name as place_key,
        latitude,
        longitude,
        opened_on,
        closed_on
    from stations
    union all
    select
        'district' as place_kind,
        district_key as place_key,
        latitude,
        longitude,
        cast(null as date) as opened_on,
        cast(null as date) as closed_on
    from district_areas
    where not has_polygon
),

grid_rows as (
    select
        unnest(
            range(
                {{ cell_row(rows[0], 'grid') }}, {{ cell_row(rows[1], 'grid') }} + 1
            )
        ) as cell_row
),

grid_columns as (
    select
        unnest(
            range(
                {{ cell_column(columns[0], 'grid') }},
                {{ cell_column(columns[1], 'grid') }} + 1
            )
        ) as cell_column
),

-- Every cell in which a position may lie, by its middle.
cells as (
    select
        grid_rows.cell_row * 1000000 + grid_columns.cell_column as grid_cell_number,
        (grid_rows.cell_row + 0.5) * {{ var('grid_cell_degrees')[0] }} as latitude,
        (grid_columns.cell_column + 0.5) * {{ var('grid_cell_degrees')[1] }}
            as longitude
    from grid_rows
    cross join grid_columns
),

measured as (
    select
        cells.grid_cell_number,
        places.*,
        {{ distance_m(
            'cells.latitude', 'cells.longitude', 'places.latitude', 'places.longitude'
        ) }} as distance_m,
        -- From the middle to the farthest points of the cell, the southern corners.
        1.001 * {{ distance_m(
            'cells.latitude',
            'cells.longitude',
            'cells.latitude - ' ~ var('grid_cell_degrees')[0] ~ ' / 2',
            'cells.longitude - ' ~ var('grid_cell_degrees')[1] ~ ' / 2'
        ) }} as radius_m,
        places.opened_on is null
        or places.opened_on < date '{{ var("outlier_sold_date_lowest") }}'
            as is_always_open
    from cells
    cross join places
),

reaches as (
    select
        grid_cell_number,
        place_kind,
        min(distance_m) as nearest_m
    from measured
    where is_always_open and closed_on is null
    group by grid_cell_number, place_kind
)

-- By the triangle's inequality no other place is the nearest of a point in the cell.
select
    measured.grid_cell_number,
    measured.place_kind,
    measured.place_key,
    measured.latitude,
    measured.longitude,
    measured.opened_on,
    measured.closed_on
from measured
left join reaches
    on
        measured.grid_cell_number = reaches.grid_cell_number
        and measured.place_kind = reaches.place_kind
where
    reaches.nearest_m is null
    or measured.distance_m <= reaches.nearest_m + 2 * measured.radius_m

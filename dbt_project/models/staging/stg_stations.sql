with known_stations as (
    select * from {{ ref('known_stations') }}
),

own_stops as (
    select * from {{ source('raw', 'stops') }}
    -- Of each kind the newest feed counts, whole.
    qualify loaded_at = max(loaded_at) over (partition by kind)
)

select
    name,
    kind,
    latitude,
    longitude,
    cast(null as date) as opened_on,
    cast(null as date) as closed_on,
    file_name as source
from own_stops
union all
select
    name,
    kind,
    latitude,
    longitude,
    opened_on,
    closed_on,
    source
from known_stations
where kind not in (select own_stops.kind from own_stops)

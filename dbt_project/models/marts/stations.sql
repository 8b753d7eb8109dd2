select
    name,
    kind,
    source,
    latitude,
    longitude,
    opened_on,
    closed_on
from {{ ref('stg_stations') }}

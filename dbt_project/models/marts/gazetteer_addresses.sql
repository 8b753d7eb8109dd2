with addresses as (
    select * from {{ source('gazetteer', 'addresses') }}
)

select
    municipality_key,
    street || ' ' || number || letter as address,
    district,
    latitude,
    longitude,
    source,
    attribution,
    spread_m
from addresses
where {{ is_position('latitude', 'longitude') }}

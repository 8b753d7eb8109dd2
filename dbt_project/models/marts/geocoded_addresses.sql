-- The newest answer of each address; a miss of the newest gazetteer is no place, even
-- where an older one knew it.
with geocoded_addresses as (
    select * from {{ source('raw', 'geocoded_addresses') }}
),

newest as (
    select * from geocoded_addresses
    qualify row_number() over (
        partition by address_key order by geocoded_at desc, gazetteer_version asc
    ) = 1
)

select
    address_key,
    latitude,
    longitude,
    precision,
    uncertainty_m,
    attribution,
    gazetteer_version,
    geocoded_at
from newest
where {{ is_position('latitude', 'longitude') }}

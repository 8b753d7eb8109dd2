with place_references as (
    select * from {{ ref('place_references') }}
)

select
    place_level,
    place_key,
    address,
    street,
    street_number,
    district,
    municipality,
    latitude,
    longitude,
    sale_count
from place_references
qualify row_number() over (
    partition by place_level, place_key order by known_from desc
) = 1

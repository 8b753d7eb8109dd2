with polygons as (
    select * from {{ source('raw', 'district_polygons') }}
)

select
    name as district,
    {{ text_key('name') }} as district_key,
    polygons,
    file_name as source
from polygons
where {{ text_key('name') }} is not null
qualify loaded_at = max(loaded_at) over ()

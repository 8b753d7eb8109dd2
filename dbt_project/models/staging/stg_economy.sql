with economy_observations as (
    select * from {{ ref('economy_observations') }}
)

select
    series,
    period,
    unit,
    source,
    value,
    published_on,
    known_from,
    observed_until
from economy_observations

with economy_observations as (
    select * from {{ ref('stg_economy') }}
)

select
    series,
    period,
    unit,
    source,
    value,
    known_from,
    -- Valid until the next figure, but never longer than the series' horizon, nor past
    -- the last day on which a source still saw it.
    least(
        lead(known_from) over (partition by series order by known_from),
        coalesce(
            observed_until + 1,
            known_from + {{ var('economy_valid_days') }}
        )
    ) as valid_until
from economy_observations

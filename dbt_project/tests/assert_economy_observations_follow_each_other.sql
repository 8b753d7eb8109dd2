-- At most one figure of a series is valid on any day.
select
    series,
    known_from
from {{ ref('economy') }}
qualify
    valid_until > lead(known_from) over (partition by series order by known_from)
    or valid_until <= known_from

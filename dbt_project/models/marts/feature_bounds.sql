select
    feature,
    lowest,
    highest,
    note
from {{ ref('min_max_bounds') }}

{{ config(meta={'dagster': {'ref': {'name': 'stage_counts'}}}) }}
-- The numbers of the stages add up: nothing is lost between any two of them.
with stage_counts as (
    select * from {{ ref('stage_counts') }}
),

counts as (
    select
        max(row_count) filter (where stage = 'observations') as observations,
        max(row_count) filter (where stage = 'deduplicated') as deduplicated,
        max(row_count) filter (where stage = 'flagged') as flagged,
        max(row_count) filter (where stage = 'rejected') as rejected,
        max(row_count) filter (where stage = 'accepted') as accepted,
        max(row_count) filter (where stage = 'features') as features
    from stage_counts
)

select *
from counts
where
    (
        observations = accepted + rejected
        and deduplicated = accepted + flagged
        and features = accepted
    ) is distinct from true

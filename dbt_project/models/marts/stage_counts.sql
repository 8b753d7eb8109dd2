-- The promise of docs/decisions/0003 in numbers: what was observed is accepted or
-- rejected, and every accepted sale has features.
with observations as (
    select * from {{ ref('int_sale_observations') }}
),

rejected_sales as (
    select * from {{ ref('rejected_sales') }}
),

sales as (
    select * from {{ ref('sales') }}
),

sale_features as (
    select * from {{ ref('sale_features') }}
),

pages as (
    select * from {{ source('raw', 'pages') }}
),

landed_sales as (
    select * from {{ source('raw', 'landed_sales') }}
),

quarantine as (
    select * from {{ source('raw', 'quarantine') }}
),

rejections_counted as (
    select
        count(*) as rejected_count,
        count(*) filter (where {{ is_repeated('rule') }}) as repeated_count
    from rejected_sales
),

observations_counted as (
    select count(*) as observation_count from observations
),

stages as (
    select
        'pages' as stage,
        1 as stage_number,
        count(*) as row_count
    from pages
    union all
    select
        'landed' as stage,
        2 as stage_number,
        count(*) as row_count
    from landed_sales
    union all
    select
        'quarantined' as stage,
        3 as stage_number,
        count(*) as row_count
    from quarantine
    union all
    select
        'observations' as stage,
        4 as stage_number,
        observation_count as row_count
    from observations_counted
    union all
    select
        'deduplicated' as stage,
        5 as stage_number,
        observations_counted.observation_count - rejections_counted.repeated_count
            as row_count
    from observations_counted
    cross join rejections_counted
    union all
    select
        'flagged' as stage,
        6 as stage_number,
        rejected_count - repeated_count as row_count
    from rejections_counted
    union all
    select
        'rejected' as stage,
        7 as stage_number,
        rejected_count as row_count
    from rejections_counted
    union all
    select
        'accepted' as stage,
        8 as stage_number,
        count(*) as row_count
    from sales
    union all
    select
        'features' as stage,
        9 as stage_number,
        count(*) as row_count
    from sale_features
)

select
    stage,
    stage_number,
    row_count
from stages

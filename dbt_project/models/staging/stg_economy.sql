with seeded as (
    select * from {{ ref('economy_observations') }}
),

landed as (
    select * from {{ source('raw', 'landed_economy_observations') }}
),

figures as (
    select
        series,
        period,
        unit,
        source,
        value,
        known_from,
        observed_until,
        cast(null as date) as vintage_on,
        cast(null as timestamp) as loaded_at
    from seeded
    union all
    select
        series,
        period,
        unit,
        source,
        value,
        known_from,
        cast(null as date) as observed_until,
        vintage_on,
        loaded_at
    from landed
),

-- What is seeded came first: much of it is as published, with its day.
vintages as (
    select
        *,
        row_number() over (vintages_of_a_period) as vintage_number,
        lag(value) over (vintages_of_a_period) as value_before,
        first_value(known_from) over (vintages_of_a_period) as first_known_from
    from figures
    window vintages_of_a_period as (
        partition by series, period
        order by vintage_on nulls first, loaded_at nulls first
    )
),

-- The first figure of a period is known after the usual lag; another one, later, is a
-- revision, which nobody knew before the file that brought it was published.
revisions_dated as (
    select
        * exclude (known_from, first_known_from, value_before),
        case
            when vintage_number = 1 then known_from
            else greatest(vintage_on, first_known_from)
        end as known_from
    from vintages
    where value is distinct from value_before
)

select
    series,
    period,
    case
        when period like '____-__-__' and vintage_on is null then 'decision'
        when period like '____-__-__' then 'day'
        when period like '____-Q_' then 'quarter'
        else 'month'
    end as frequency,
    unit,
    source,
    value,
    known_from,
    observed_until,
    vintage_on,
    loaded_at,
    case
        when period like '____-__-__' then cast(period as date)
        when period like '____-Q_'
            then make_date(
                cast(left(period, 4) as integer),
                3 * cast(right(period, 1) as integer) - 2,
                1
            )
        else cast(period || '-01' as date)
    end as period_start,
    cast(
        case frequency
            when 'quarter' then period_start + interval 3 month - interval 1 day
            when 'month' then period_start + interval 1 month - interval 1 day
            else period_start
        end as date
    ) as period_end
from revisions_dated
qualify
    row_number() over (
        partition by series, period, known_from order by vintage_number desc
    ) = 1

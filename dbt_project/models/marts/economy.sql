with economy_observations as (
    select * from {{ ref('stg_economy') }}
),

-- Of the figures known on a day the newest period's counts, in its newest vintage. Of a
-- quarter and its last month, the month: it is newer on the whole.
ranked as (
    select
        *,
        row_number() over (
            partition by series
            order by period_end, period_start, known_from
        ) as newness
    from economy_observations
),

newest_known as (
    select *
    from ranked
    qualify
        newness = max(newness) over (
            partition by series
            order by known_from
            range between unbounded preceding and current row
        )
),

-- Valid until the next figure, but never longer than figures of its kind usually are,
-- unless a source still saw it then.
held as (
    select
        series,
        period,
        unit,
        source,
        value,
        known_from,
        least(
            lead(known_from) over (partition by series order by known_from),
            greatest(
                observed_until + 1,
                known_from + cast(
                    json_extract_string(
                        '{{ var("economy_valid_days") | tojson }}', frequency
                    ) as integer
                )
            )
        ) as valid_until
    from newest_known
),

last_held as (
    select
        *,
        json_extract_string(
            '{{ var("economy_scenario") | tojson }}', series
        ) as assumption
    from held
    qualify row_number() over (partition by series order by known_from desc) = 1
),

-- After the last figure of a series nothing is known: what stands there is assumed, and
-- says so. Gaps before it stay gaps.
assumed as (
    select
        series,
        period,
        unit,
        'scenario, set in economy_scenario: ' || assumption as source,
        case assumption
            when 'hold' then value
            else cast(nullif(assumption, 'none') as double)
        end as value,
        valid_until as known_from,
        date '9999-12-31' as valid_until
    from last_held
)

select
    series,
    period,
    unit,
    source,
    value,
    known_from,
    valid_until,
    false as is_scenario
from held
union all
select
    series,
    period,
    unit,
    source,
    value,
    known_from,
    valid_until,
    true as is_scenario
from assumed
where value is not null

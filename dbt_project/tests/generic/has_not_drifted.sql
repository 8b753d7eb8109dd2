-- noqa: disable=layout.indent
{#
A column of the newest load is distributed as in earlier loads: a warning, no error, for
a market may turn. A load is a day of observing. It is compared with earlier loaded
sales of its own time, back to a year before its first one, and only where both have
200 rows. The measure is the population stability index over tenths of the earlier
values, with the unknown ones as a class of their own: 0.1 is a shift, 0.25 a large one.
#}
{% test has_not_drifted(model, column_name, highest_psi=0.25) %}
{{ config(severity='warn') }}
with rows_of_loads as (
    select
        cast({{ column_name }} as double) as measure,
        sold_date,
        cast(observed_at as date) = max(cast(observed_at as date)) over () as is_newest
    from {{ model }}
    where sold_date is not null
),

span as (
    select
        min(sold_date) - interval 1 year as first_day,
        max(sold_date) as last_day
    from rows_of_loads
    where is_newest
),

compared as (
    select
        rows_of_loads.measure,
        rows_of_loads.is_newest
    from rows_of_loads
    cross join span
    where rows_of_loads.sold_date between span.first_day and span.last_day
),

edges as (
    select
        unnest(
            list_distinct(
                quantile_cont(measure, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
            )
        ) as edge
    from compared
    where not is_newest
),

classed as (
    select
        compared.is_newest,
        case
            when compared.measure is not null
                then (select count(*) from edges where edges.edge <= compared.measure)
        end as class
    from compared
),

counted as (
    select
        class,
        count(*) filter (where is_newest) as newest_count,
        count(*) filter (where not is_newest) as earlier_count
    from classed
    group by class
),

shares as (
    select
        (newest_count + 0.5) / sum(newest_count + 0.5) over () as newest_share,
        (earlier_count + 0.5) / sum(earlier_count + 0.5) over () as earlier_share,
        sum(newest_count) over () as newest_total,
        sum(earlier_count) over () as earlier_total
    from counted
),

drift as (
    select
        sum((newest_share - earlier_share) * ln(newest_share / earlier_share)) as psi
    from shares
    where least(newest_total, earlier_total) >= 200
)

select round(psi, 3) as population_stability_index
from drift
where psi > {{ highest_psi }}
{% endtest %}

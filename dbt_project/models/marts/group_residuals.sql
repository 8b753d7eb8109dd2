{{ config(
    materialized='incremental',
    incremental_strategy='append',
    meta={'rebuilt_by': 'period_start'},
) }}

-- What the sales of a street and of a housing association (BRF) fetched above their
-- qualities, half-month by half-month, from the three years before: the mean residual,
-- shrunk towards none where sales were few, how many and how recent. Each half-month's
-- own sums are kept, so that a later build adds to them.
with sales as (
    select * from {{ ref('comparable_sales') }}
    where {{ is_rebuilt('sold_date') }}
),

grouped as (
    {% for kind in group_kinds().split() -%}
        select
            '{{ kind }}' as group_kind,
            {{ kind }}_key as group_key,
            {{ half_month('sold_date') }} as period_start,
            sum(cast(log_residual as decimal(12, 6))) as log_residual_sum,
            count(*) as residual_count,
            max(sold_date) as last_sold_date
        from sales
        where {{ kind }}_key is not null
        group by all
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

grouped_and_before as (
    select * from grouped
    {%- if is_incremental() %}
        union all
        select
            group_kind,
            group_key,
            period_start,
            log_residual_sum,
            residual_count,
            last_sold_date
        from {{ this }}
        where
            period_start < {{ rebuild_from() }}
            and period_start >= {{ rebuild_from(days_before=var('quality_days')) }}
    {%- endif %}
)

select
    group_kind,
    group_key,
    round(
        cast(sum(log_residual_sum) over recent as double)
        / (sum(residual_count) over recent + {{ var('group_shrinkage_sales') }}),
        6
    ) as log_residual,
    cast(sum(residual_count) over recent as bigint) as sale_count,
    last_sold_date,
    cast(log_residual_sum as decimal(18, 6)) as log_residual_sum,
    cast(residual_count as bigint) as residual_count,
    period_start,
    {{ next_half_month('period_start') }} as known_from
from grouped_and_before
window
    recent as (
        partition by group_kind, group_key
        order by period_start
        range between
        interval '{{ var("quality_days") }} days' preceding and current row
    )
qualify {{ is_rebuilt('period_start') }}

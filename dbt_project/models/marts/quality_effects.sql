{{ config(
    materialized='incremental',
    incremental_strategy='append',
    meta={'rebuilt_by': 'period_start'},
) }}

-- How much above the market a class of homes sells, half-month by half-month, from the
-- sales of the three years before: the mean of what the stages before left unexplained,
-- shrunk towards none where sales were few. Stage by stage instead of one regression:
-- plain SQL, every number a mean that a reader can check, and past only by its window.
-- Each class's own sums are kept, so that a later build adds to them.
{%- set kinds = quality_kinds().split() %}
{%- set shrinkage_sales = {
    'local': var('quality_local_shrinkage_sales'),
    'common': var('quality_common_shrinkage_sales'),
} %}
{%- set window_of_class -%}
    order by period_start
    range between interval '{{ var("quality_days") }} days' preceding and current row
{%- endset %}

with sales as (
    select * from {{ ref('int_sales_imputed') }}
    where {{ is_rebuilt('sold_date', days_before=62) }}
),

classed as (
    {{ quality_classes('sales') }}
),

sales_by_period as (
    select
        neighbourhood_class,
        block_class,
        size_class,
        age_class,
        floor_class,
        {{ half_month('sold_date') }} as period_start,
        {{ log_price('price_per_m2_sek') }} as log_price
    from classed
),

city_levels as (
    select
        period_start,
        sum(sum(log_price)) over recent / sum(count(*)) over recent as log_level
    from sales_by_period
    group by period_start
    window
        recent as (
            order by period_start
            range between interval 45 days preceding and current row
        )
),

-- The effects of the periods before those to rebuild: none when all are.
earlier as (
    {% if is_incremental() -%}
        select * from {{ this }}
        where period_start < {{ rebuild_from() }}
    {%- else -%}
        select
            '' as effect_kind,
            '' as class_key,
            date '-infinity' as period_start,
            0.0 as log_effect,
            0.0 as log_residual_sum,
            0 as residual_count
        where false
    {%- endif %}
),

residuals_0 as (
    select
        sales_by_period.* exclude (log_price),  -- noqa: RF02
        cast(
            sales_by_period.log_price - city_levels.log_level as decimal(12, 6)
        ) as log_residual
    from sales_by_period
    inner join city_levels on sales_by_period.period_start = city_levels.period_start
    where {{ is_rebuilt('sales_by_period.period_start') }}
),
{% for kind in kinds %}
    {%- set before = 'residuals_' ~ loop.index0 %}
    {%- set now = loop.index %}
    {%- set shrinkage = 'local' if kind in ['neighbourhood', 'block'] else 'common' %}
    sums_{{ now }} as (
        select
            {{ quality_class(kind) }} as class_key,
            period_start,
            sum(log_residual) as log_residual_sum,
            count(*) as residual_count
        from {{ before }}
        group by {{ quality_class(kind) }}, period_start
        union all
        select
            class_key,
            period_start,
            log_residual_sum,
            residual_count
        from earlier
        where
            effect_kind = '{{ kind }}'
            and period_start
            >= {{ rebuild_from(days_before=var('quality_days')) }}
    ),

    effects_{{ now }} as (
        select
            class_key,
            period_start,
            log_residual_sum,
            residual_count,
            sum(residual_count) over recent as sale_count,
            cast(
                sum(log_residual_sum) over recent
                / (sum(residual_count) over recent + {{ shrinkage_sales[shrinkage] }})
                as decimal(12, 6)
            ) as log_effect
        from sums_{{ now }}
        window recent as (partition by class_key {{ window_of_class }})
        qualify {{ is_rebuilt('period_start') }}
    ),

    known_{{ now }} as (
        select
            class_key,
            period_start,
            log_effect
        from effects_{{ now }}
        union all
        -- Of the periods before, the last holds.
        select
            class_key,
            max(period_start) as period_start,
            arg_max(log_effect, period_start) as log_effect
        from earlier
        where effect_kind = '{{ kind }}'
        group by class_key
    ),
    {% if not loop.last %}
        unexplained_{{ now }} as (
            select
                unexplained.* replace (
                    cast(
                        unexplained.log_residual - coalesce(known.log_effect, 0)
                        as decimal(12, 6)
                    ) as log_residual
                )
            from {{ before }} as unexplained
            asof left join known_{{ now }} as known
                on
                    unexplained.{{ quality_class(kind) }} = known.class_key
                    -- known once its half-month is over
                    and unexplained.period_start > known.period_start
        ),

        -- Effects tell homes apart, not times: what all sales of a half-month have left
        -- in common is the market's, and would swing from stage to stage otherwise.
        residuals_{{ now }} as (
            select
                * replace (
                    cast(
                        log_residual - avg(log_residual) over of_period
                        as decimal(12, 6)
                    ) as log_residual
                )
            from unexplained_{{ now }}
            window of_period as (partition by period_start)
        ),
    {% endif -%}
{% endfor %}
effects as (
    {% for kind in kinds -%}
        select
            '{{ kind }}' as effect_kind,
            *
        from effects_{{ loop.index }}
        {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    effect_kind,
    class_key,
    cast(log_effect as double) as log_effect,
    cast(sale_count as bigint) as sale_count,
    cast(log_residual_sum as decimal(18, 6)) as log_residual_sum,
    cast(residual_count as bigint) as residual_count,
    period_start,
    {{ next_half_month('period_start') }} as known_from
from effects

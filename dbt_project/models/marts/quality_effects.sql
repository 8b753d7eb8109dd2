-- How much above the market a class of homes sells, half-month by half-month, from the
-- sales of the three years before: the mean of what the stages before left unexplained,
-- shrunk towards none where sales were few. Stage by stage instead of one regression:
-- plain SQL, every number a mean that a reader can check, and past only by its window.
{%- set kinds = quality_kinds().split() %}
with classed as (
    {{ quality_classes(ref('int_sales_imputed')) }}
),

sales_by_period as (
    select
        neighbourhood_class,
        block_class,
        size_class,
        age_class,
        floor_class,
        {{ half_month('sold_date') }} as period_start,
        ln(price_per_m2_sek) as log_price
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

residuals_0 as (
    select
        sales_by_period.* exclude (log_price),  -- noqa: RF02
        sales_by_period.log_price - city_levels.log_level as log_residual
    from sales_by_period
    inner join city_levels on sales_by_period.period_start = city_levels.period_start
),
{% for kind in kinds %}
    {%- set before = 'residuals_' ~ loop.index0 %}
    {%- set shrinkage = 'local' if kind in ['neighbourhood', 'block'] else 'common' %}
    effects_{{ loop.index }} as (
        select
            {{ quality_class(kind) }},
            period_start,
            round(
                sum(sum(log_residual)) over recent
                / (
                    sum(count(*)) over recent
                    + {{ var('quality_' ~ shrinkage ~ '_shrinkage_sales') }}
                ),
                6
            ) as log_effect,
            cast(sum(count(*)) over recent as bigint) as sale_count
        from {{ before }}
        group by {{ quality_class(kind) }}, period_start
        window
            recent as (
                partition by {{ quality_class(kind) }}
                order by period_start
                range between
                interval '{{ var("quality_days") }} days' preceding and current row
            )
    ),
    {% if not loop.last %}
        residuals_{{ loop.index }} as (
            select
                unexplained.* replace (
                    unexplained.log_residual
                    - coalesce(known.log_effect, 0) as log_residual
                )
            from {{ before }} as unexplained
            asof left join effects_{{ loop.index }} as known
                on
                    unexplained.{{ quality_class(kind) }}
                    = known.{{ quality_class(kind) }}
                    -- known once its half-month is over
                    and unexplained.period_start > known.period_start
        ),
    {% endif -%}
{% endfor %}
effects as (
    {% for kind in kinds -%}
        select
            '{{ kind }}' as effect_kind,
            {{ quality_class(kind) }} as class_key,
            period_start,
            log_effect,
            sale_count
        from effects_{{ loop.index }}
        {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    effect_kind,
    class_key,
    log_effect,
    sale_count,
    {{ next_half_month('period_start') }} as known_from
from effects

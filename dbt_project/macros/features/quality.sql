-- noqa: disable=layout.indent
{#
What is known of a home's quality, as classes that earlier prices can be averaged in.

Each stage explains what the stages before it left: first the neighbourhood, then size,
age, floor, the block, and size and age once more, now freed of the place. A missing or
imputed fact is a class of its own, so that a guess is never taken for a fact.
#}
{% macro quality_kinds() -%}
    neighbourhood size age floor block size_again age_again
{%- endmacro %}

{# The column that holds a kind's class. #}
{% macro quality_class(kind) -%}
    {{ kind | replace('_again', '') }}_class
{%- endmacro %}

{# Squares of some 2.2 km and 500 m: sources spell a district in ten ways or omit it. #}
{% macro quality_classes(subjects) -%}
select
    *,
    coalesce(
        round(latitude / 0.02) || '/' || round(longitude / 0.04),
        {{ text_key('district') }},
        ''
    ) as neighbourhood_class,
    coalesce(
        round(latitude / 0.0045) || '/' || round(longitude / 0.0088), ''
    ) as block_class,
    -- Steps of 15 % in size.
    cast(floor(ln(living_area_m2) / 0.15) as varchar) as size_class,
    case
        when {{ is_fact('construction_year') }}
            then cast(construction_year // 10 as varchar)
        else ''
    end as age_class,
    case
        when {{ is_fact('floor') }}
            then cast(least(greatest(round(floor), -1), 7) as varchar)
        else ''
    end as floor_class
from {{ subjects }}
{%- endmacro %}

{# Half a month: prices turn within one, and a week has too few sales. #}
{% macro half_month(date) -%}
    cast(
        date_trunc('month', {{ date }})
        + case when day({{ date }}) > 15 then interval 15 day else interval 0 day end
        as date
    )
{%- endmacro %}

{# The first day after a half-month, when its figures are known. #}
{% macro next_half_month(period_start) -%}
    cast(
        case
            when day({{ period_start }}) = 1 then {{ period_start }} + interval 15 day
            else date_trunc('month', {{ period_start }}) + interval 1 month
        end as date
    )
{%- endmacro %}

{#
The log of how much above the market's level a home of such qualities sells, as earlier
sales show it: the sum of the effects of its classes known on the day.
#}
{% macro join_quality(subjects, quality_effects) -%}
select
    subjects.* exclude (
        neighbourhood_class, block_class, size_class, age_class, floor_class
    ),
    round(
        {%- for kind in quality_kinds().split() %}
            {{ '+ ' if not loop.first }}coalesce({{ kind }}_effects.log_effect, 0)
        {%- endfor %},
        6
    ) as quality_log_premium
from ({{ quality_classes(subjects) }}) as subjects
{% for kind in quality_kinds().split() -%}
asof left join (
    select * from {{ quality_effects }} where effect_kind = '{{ kind }}'
) as {{ kind }}_effects
    on
        subjects.{{ quality_class(kind) }} = {{ kind }}_effects.class_key
        and subjects.sold_date >= {{ kind }}_effects.known_from
{% endfor %}
{%- endmacro %}

{#
The log of a price, as a decimal: sums of decimals are exact in whatever order they are
added, so that two builds agree to the last figure. Sums of doubles are not.
#}
{% macro log_price(price) -%}
    cast(ln({{ price }}) as decimal(12, 6))
{%- endmacro %}

-- noqa: disable=layout.indent
{# The square of a position as one number; neighbours differ by 1 and by 100000. #}
{% macro square(latitude, longitude, size) -%}
    {%- set degrees = {
        'near': var('comparables_near_square_degrees'),
        'wide': var('comparables_wide_square_degrees'),
        'building': var('nearest_building_square_degrees'),
    }[size] -%}
    cast(round({{ latitude }} / {{ degrees }}) as bigint) * 100000
    + cast(round({{ longitude }} / (2 * {{ degrees }})) as bigint)
{%- endmacro %}

{# What to add to a square for itself and its eight neighbours. #}
{% macro square_steps() -%}
    select
        unnest([
            -100001, -100000, -99999, -1, 0, 1, 99999, 100000, 100001
        ]) as step
{%- endmacro %}

{#
The comparable sales of each subject: earlier ones, near, alike and recent, with weights.

Each difference multiplies the weight: distance, size, age of the building and time. From
the squares around the subject the newest sales before its day are candidates; the
heaviest are kept. Subjects have subject_id, sold_date, latitude, longitude,
living_area_m2, construction_year, construction_year_source.
#}
{% macro comparables(subjects, comparable_sales) -%}
{%- set newest_of_square = {
    'near': var('comparables_near_newest'),
    'wide': var('comparables_wide_newest'),
} -%}
with
{%- for size in ['near', 'wide'] %}
{{ size }}_squares as (
    select
        subject_id,
        sold_date,
        {{ square('latitude', 'longitude', size) }} + step as {{ size }}_square
    from {{ subjects }}
    cross join ({{ square_steps() }}) as steps
    where latitude is not null
),

{{ size }}_ranks as (
    select
        squares.subject_id,
        squares.{{ size }}_square,
        unnest(
            range(
                greatest(
                    newest.{{ size }}_rank_of_day
                    - {{ newest_of_square[size] }}
                    + 1,
                    1
                ),
                newest.{{ size }}_rank_of_day + 1
            )
        ) as {{ size }}_rank
    from {{ size }}_squares as squares
    asof inner join {{ comparable_sales }} as newest
        on
            squares.{{ size }}_square = newest.{{ size }}_square
            and squares.sold_date > newest.sold_date
),

{% endfor -%}
candidates as (
    {% for size in ['near', 'wide'] -%}
        select
            {{ size }}_ranks.subject_id,
            sales.sale_id
        from {{ size }}_ranks
        inner join {{ comparable_sales }} as sales
            on
                {{ size }}_ranks.{{ size }}_square = sales.{{ size }}_square
                and {{ size }}_ranks.{{ size }}_rank = sales.{{ size }}_rank
        {{ 'union' if not loop.last }}
    {% endfor %}
),

measured as (
    select
        candidates.subject_id,
        sales.sale_id,
        sales.log_residual,
        -- metres on a plane: exact to a per mille within a city
        111320 * sqrt(
            power(sales.latitude - subjects.latitude, 2)
            + power(
                (sales.longitude - subjects.longitude)
                * cos(radians(subjects.latitude)),
                2
            )
        ) as distance_m,
        abs(ln(sales.living_area_m2 / subjects.living_area_m2)) as log_size_difference,
        date_diff('day', sales.sold_date, subjects.sold_date) as days_before,
        coalesce(
            abs(
                sales.construction_year
                - case
                    when {{ is_fact('subjects.construction_year') }}
                        then subjects.construction_year
                end
            ),
            {{ var('comparables_unknown_age_years') }}
        ) as age_difference_years
    from candidates
    inner join {{ subjects }} as subjects
        on candidates.subject_id = subjects.subject_id
    inner join {{ comparable_sales }} as sales on candidates.sale_id = sales.sale_id
),

weighed as (
    select
        *,
        round(
            exp(
                -distance_m / {{ var('comparables_scale_distance_m') }}
                - log_size_difference / {{ var('comparables_scale_log_size') }}
                - days_before / {{ var('comparables_scale_days') }}
                - age_difference_years / {{ var('comparables_scale_age_years') }}
            ),
            9
        ) as weight
    from measured
)

select
    subject_id,
    sale_id,
    log_residual,
    round(distance_m, 1) as distance_m,
    weight
from weighed
qualify row_number() over (
    partition by subject_id order by weight desc, sale_id
) <= {{ var('comparables_kept') }}
{%- endmacro %}

{#
What the comparables, the building and the home's own earlier sale say, as features.

Residuals are logs: what a sale fetched above its qualities and the market of its day.
Means are shrunk towards none where little stands behind them; NULL where nothing does.
Sums are rounded first: added in another order they differ in the last bits, and a mean
half-way between two rounded values would then fall to either side.
#}
{% macro join_comparables(
    subjects, comparables, comparable_sales, group_residuals
) -%}
select
    subjects.* exclude (street_key, brf_key),
    compared.comparables_log_residual,
    compared.comparables_log_spread,
    compared.comparables_weight,
    compared.comparables_distance_m,
    building.building_log_residual,
    building.building_sale_count,
    building.building_days_since_sale,
    {% for kind in group_kinds().split() -%}
    {{ kind }}.log_residual as {{ kind }}_log_residual,
    {{ kind }}.sale_count as {{ kind }}_sale_count,
    date_diff('day', {{ kind }}.last_sold_date, subjects.sold_date)
        as {{ kind }}_days_since_sale,
    {% endfor -%}
    previous.previous_sale_log_ratio,
    previous.previous_sale_days
from (
    select
        *,
        {{ street_key() }} as street_key,
        {{ text_key('brf_name') }} as brf_key
    from {{ subjects }}
) as subjects
left join (
    select
        subject_id,
        round(
            round(sum(weight * log_residual), 12)
            / (round(sum(weight), 9) + {{ var('comparables_shrinkage_weight') }}),
            5
        ) as comparables_log_residual,
        round(
            sqrt(
                greatest(
                    0,
                    sum(weight * log_residual * log_residual) / sum(weight)
                    - power(sum(weight * log_residual) / sum(weight), 2)
                )
            ),
            5
        ) as comparables_log_spread,
        round(sum(weight), 9) as comparables_weight,
        round(
            round(sum(weight * distance_m), 9) / round(sum(weight), 9), 1
        ) as comparables_distance_m
    from {{ comparables }}
    group by subject_id
    having sum(weight) > 0
) as compared
    on subjects.subject_id = compared.subject_id
left join (
    select
        asked.subject_id,
        round(
            round(sum(sales.log_residual), 6)
            / (count(*) + {{ var('building_shrinkage_sales') }}),
            5
        ) as building_log_residual,
        count(*) as building_sale_count,
        min(date_diff('day', sales.sold_date, asked.sold_date))
            as building_days_since_sale
    from {{ subjects }} as asked
    inner join {{ comparable_sales }} as sales
        on asked.address_key = sales.address_key and asked.sold_date > sales.sold_date
    group by asked.subject_id
) as building
    on subjects.subject_id = building.subject_id
left join (
    select
        subject_id,
        arg_max(log_price_ratio, (sold_date, sale_id)) as previous_sale_log_ratio,
        min(days_before) as previous_sale_days
    from ({{ sales_of_same_home(subjects, comparable_sales) }})
    group by subject_id
) as previous
    on subjects.subject_id = previous.subject_id
{% for kind in group_kinds().split() -%}
asof left join (
    select * from {{ group_residuals }} where group_kind = '{{ kind }}'
) as {{ kind }}
    on
        subjects.{{ kind }}_key = {{ kind }}.group_key
        and subjects.sold_date >= {{ kind }}.known_from
{% endfor %}
{%- endmacro %}

{#
Earlier sales of the very home: by the site's number of the residence where both have
one, else by address, floor and area. Two numbers that differ are two homes.
#}
{% macro sales_of_same_home(subjects, comparable_sales) -%}
{%- set rules = {
    'residence': 'asked.residence_id = sales.residence_id',
    'home': 'asked.address_key = sales.address_key
            and asked.floor = sales.floor
            and ' ~ is_fact('asked.floor') ~ '
            and abs(asked.living_area_m2 - sales.living_area_m2) <= 1
            and (
                asked.residence_id is null or sales.residence_id is null
            )',
} -%}
{%- for rule in rules.values() %}
    select
        asked.subject_id,
        sales.sale_id,
        sales.log_price_ratio,
        sales.sold_date,
        date_diff('day', sales.sold_date, asked.sold_date) as days_before
    from {{ subjects }} as asked
    inner join {{ comparable_sales }} as sales
        on
            {{ rule }}
            and asked.sold_date
            > sales.sold_date + interval '{{ var("previous_sale_days") }} days'
    {{ 'union all' if not loop.last }}
{%- endfor %}
{%- endmacro %}

{# What homes have in common beyond their building: the street and the BRF. #}
{% macro group_kinds() -%}
    street brf
{%- endmacro %}

{# A street within its neighbourhood: one name is a street in several towns. #}
{% macro street_key() -%}
    {{ text_key('street') }} || '/'
    || coalesce(round(latitude / 0.02) || '/' || round(longitude / 0.04), '')
{%- endmacro %}

{# A value as its place between two bounds, 0 to 1; outside it is clipped. #}
{% macro min_max(value, lowest, highest) -%}
    least(1, greatest(0, ({{ value }} - {{ lowest }}) / ({{ highest }} - {{ lowest }})))
{%- endmacro %}

{#
Every column between the seed project's bounds, beside the plain one. NULL stays NULL.
#}
{% macro normalise(subjects, feature_bounds) %}
{%- set columns = {
    'street_number': 'street_number',
    'living_area': 'living_area_m2',
    'rooms': 'rooms',
    'sold_date': 'sold_year_fraction',
    'fee': 'fee_sek_per_month',
    'operating_cost': 'operating_cost_sek_per_month',
    'floor': 'floor',
    'construction_year': 'construction_year',
    'latitude': 'latitude',
    'longitude': 'longitude',
    'unemployment': 'unemployment_pct',
    'policy_rate': 'policy_rate_pct',
} -%}
select
    subjects.*
    {%- for feature, column in columns.items() %},
    case
        when {{ column }} is not null
            then {{ min_max(
                column,
                "bounds.lowest['" ~ feature ~ "']",
                "bounds.highest['" ~ feature ~ "']"
            ) }}
    end as {{ feature }}_norm
    {%- endfor %}
from {{ subjects }} as subjects
cross join (
    select
        map(list(feature), list(lowest)) as lowest,
        map(list(feature), list(highest)) as highest
    from {{ feature_bounds }}
) as bounds
{%- endmacro %}

{#
The economy as it was known on the date: the newest figure published by then, NULL where
it is no longer valid (a gap in the series stays a gap). After a series' last figure the
scenario stands in, and its flag says so.
#}
{% macro join_economy(subjects, economy) %}
{%- set columns = {
    'gdp_growth_yoy': 'gdp_growth_yoy_pct',
    'unemployment': 'unemployment_pct',
    'policy_rate': 'policy_rate_pct',
    'cpi_yoy': 'cpi_yoy_pct',
} -%}
select
    subjects.*
    {%- for series, column in columns.items() %},
    case
        when subjects.sold_date < {{ series }}.valid_until then {{ series }}.value
    end as {{ column }},
    coalesce({{ series }}.is_scenario, false) as is_{{ column }}_scenario
    {%- endfor %}
from {{ subjects }} as subjects
{% for series in columns -%}
asof left join (
    select * from {{ economy }} where series = '{{ series }}'
) as {{ series }}
    on subjects.sold_date >= {{ series }}.known_from
{% endfor %}
{%- endmacro %}

{# What belongs to every reading of the rules that took rows. #}

{# Whether a rule took the row for telling a sale again: no fault of the sale. #}
{% macro is_repeated(rule) -%}
    {{ rule }} in ('superseded_observation', 'duplicate_sale')
{%- endmacro %}

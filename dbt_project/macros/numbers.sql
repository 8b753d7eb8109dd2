{# Numbers as a Swedish reader expects them: 3 250 000 kr, with no-break spaces. #}
{% macro format_number(column) -%}
    replace(format('{:,}', cast(round({{ column }}) as bigint)), ',', chr(160))
{%- endmacro %}

{% macro format_sek(column) -%}
    {{ format_number(column) }} || chr(160) || 'kr'
{%- endmacro %}

-- What sources do not say, and what stands in for it. A column that is never imputed
-- has no imputed count.
{%- set imputed = [
    'street_number', 'rooms', 'floor', 'construction_year', 'fee_sek_per_month',
    'operating_cost_sek_per_month', 'latitude', 'brf_name'
] -%}
{%- set never_imputed = [
    'residence_id', 'url', 'street', 'district', 'municipality', 'agency',
    'sold_price_type', 'energy_class', 'list_price_sek', 'first_price_sek',
    'days_active'
] %}

with sales as (
    select * from {{ ref('sales') }}
),

sale_features as (
    select * from {{ ref('sale_features') }}
),

checked as (
    select
        cast(year(sales.sold_date) as integer) as sold_year,
        unnest([
            {% for column in imputed -%}
                {
                    'column_name': '{{ column }}',
                    'is_missing': sales.{{ column }} is null,
                    'is_imputed': sale_features.is_{{ column }}_imputed
                },
            {% endfor -%}
            {% for column in never_imputed -%}
                {
                    'column_name': '{{ column }}',
                    'is_missing': sales.{{ column }} is null,
                    'is_imputed': null
                }
                {{- ',' if not loop.last }}
            {% endfor %}
        ], recursive := true)
    from sales
    inner join sale_features on sales.sale_id = sale_features.sale_id
),

counted as (
    select
        column_name,
        sold_year,
        count(*) as sale_count,
        count(*) filter (where is_missing) as missing_count,
        case
            when count(is_imputed) > 0 then count(*) filter (where is_imputed)
        end as imputed_count
    from checked
    group by column_name, sold_year
)

select
    ---------- text
    column_name,
    ---------- numbers
    sold_year,
    sale_count,
    missing_count,
    imputed_count,
    100.0 * missing_count / sale_count as missing_pct,
    100.0 * imputed_count / sale_count as imputed_pct
from counted

{#
The columns a model sees, in their order and types. Names are keys here (lower case, no
accents), so that two sources' spellings of one street are one category.
#}
{% macro select_features(subjects) -%}
select
    subject_id,
    sold_date,
    {{ text_key('street') }} as street,
    {{ text_key('district') }} as district,
    agency,
    {{ text_key('brf_name') }} as brf,
    {%- for column in [
        'street_number', 'living_area_m2', 'rooms', 'floor', 'construction_year',
        'fee_sek_per_month', 'operating_cost_sek_per_month', 'latitude', 'longitude', 'metro_distance_m',
        'commuter_rail_distance_m', 'centre_distance_m'
    ] %}
    cast({{ column }} as double) as {{ column }},
    {%- endfor %}
    city_district,
    grid_cell,
    {%- for column in [
        'street_number', 'rooms', 'floor', 'construction_year', 'fee_sek_per_month',
        'operating_cost_sek_per_month', 'latitude', 'brf_name'
    ] %}
    is_{{ column }}_imputed,
    {%- endfor %}
    position_source,
    floor_source,
    construction_year_source,
    brf_name_source,
    sold_year_fraction,
    sold_month_sin,
    sold_month_cos,
    gdp_growth_yoy_pct,
    unemployment_pct,
    policy_rate_pct,
    cpi_yoy_pct,
    is_gdp_growth_yoy_pct_scenario,
    is_unemployment_pct_scenario,
    is_policy_rate_pct_scenario,
    is_cpi_yoy_pct_scenario,
    price_index_sek_per_m2,
    {%- for column in [
        'quality_log_premium', 'comparables_log_residual', 'comparables_log_spread',
        'comparables_weight', 'comparables_distance_m', 'building_log_residual',
        'building_sale_count', 'building_days_since_sale', 'street_log_residual',
        'street_sale_count', 'street_days_since_sale', 'brf_log_residual',
        'brf_sale_count', 'brf_days_since_sale', 'previous_sale_log_ratio',
        'previous_sale_days', 'fee_log_ratio'
    ] %}
    cast({{ column }} as double) as {{ column }},
    {%- endfor %}
    street_number_norm,
    living_area_norm,
    rooms_norm,
    sold_date_norm,
    fee_norm,
    operating_cost_norm,
    floor_norm,
    construction_year_norm,
    latitude_norm,
    longitude_norm,
    unemployment_norm,
    policy_rate_norm
from {{ subjects }}
{%- endmacro %}

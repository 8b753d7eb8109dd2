{#
The serving path: a DuckDB table macro made of the very steps the mart is made of.

`marts.features_of('my_requests')` takes the name of a relation with request_id,
sold_date (the day of the valuation), address, district, agency, brf_name, residence_id,
living_area_m2, rooms, floor, construction_year, fee_sek_per_month,
operating_cost_sek_per_month, latitude, longitude (NULL where unknown) and gives request_id with every feature column. All it
reads lies in schema marts, so that a snapshot of that schema can answer alone.
#}
{% macro create_features_of(
    place_references, geocoded_addresses, imputation_references, building_references,
    economy, price_index, quality_effects, comparable_sales, group_residuals,
    fee_references, feature_bounds, nearby_places, district_edges
) %}
{%- set placed = place_references.include(database=false) -%}
{%- set geocoded = geocoded_addresses.include(database=false) -%}
{%- set imputed = imputation_references.include(database=false) -%}
{%- set buildings = building_references.include(database=false) -%}
{%- set effects = quality_effects.include(database=false) -%}
{%- set past_sales = comparable_sales.include(database=false) -%}
{%- set groups = group_residuals.include(database=false) -%}
{%- set fees = fee_references.include(database=false) -%}
{%- set near = nearby_places.include(database=false) -%}
{%- set edges = district_edges.include(database=false) -%}
create or replace macro {{ this.schema }}.features_of(requests) as table
with asked as ({{ read_requests(placed, geocoded, imputed, buildings) }}),

dated as ({{ encode_dates('asked') }}),

surrounded as ({{ join_surroundings('dated', near, edges) }}),

economy_joined as (
    {{ join_economy('surrounded', economy.include(database=false)) }}
),

index_joined as (
    {{ join_price_index('economy_joined', price_index.include(database=false)) }}
),

quality_joined as ({{ join_quality('index_joined', effects) }}),

compared as ({{ comparables('quality_joined', past_sales) }}),

comparables_joined as (
    {{ join_comparables('quality_joined', 'compared', past_sales, groups) }}
),

fees_joined as ({{ join_fees('comparables_joined', fees) }}),

normalised as (
    {{ normalise('fees_joined', feature_bounds.include(database=false)) }}
),

features as ({{ select_features('normalised') }})

select
    subject_id as request_id,
    * exclude (subject_id)
from features
{% endmacro %}

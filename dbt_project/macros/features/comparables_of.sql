{#
The sales a valuation is compared with: those its features are made of, and no others.

`marts.comparables_of('my_requests')` takes what `marts.features_of` takes and gives one
row per request and comparable sale: its distance, its weight, its share of the
request's weights, and its adjusted price: what the home asked about would have fetched
on the day, had it sold as far above or below what its qualities and the market
explained as the comparable did. Beside their weights stands `shrinkage_weight`, that of
no evidence, by which their mean is shrunk. No row where the place of the home is unknown
or no sale was near it before.
#}
{% macro create_comparables_of(
    place_references, geocoded_addresses, imputation_references, building_references,
    price_index, quality_effects, comparable_sales
) %}
{%- set placed = place_references.include(database=false) -%}
{%- set geocoded = geocoded_addresses.include(database=false) -%}
{%- set imputed = imputation_references.include(database=false) -%}
{%- set buildings = building_references.include(database=false) -%}
{%- set effects = quality_effects.include(database=false) -%}
{%- set past_sales = comparable_sales.include(database=false) -%}
create or replace macro {{ this.schema }}.comparables_of(requests) as table
with asked as ({{ read_requests(placed, geocoded, imputed, buildings) }}),

index_joined as (
    {{ join_price_index('asked', price_index.include(database=false)) }}
),

quality_joined as ({{ join_quality('index_joined', effects) }}),

compared as ({{ comparables('quality_joined', past_sales) }})

select
    compared.subject_id as request_id,
    compared.sale_id,
    compared.log_residual,
    compared.distance_m,
    compared.weight,
    {{ var('comparables_shrinkage_weight') }} as shrinkage_weight,
    compared.weight / nullif(
        sum(compared.weight) over (partition by compared.subject_id), 0
    ) as weight_share,
    round(
        quality_joined.price_index_sek_per_m2
        * exp(quality_joined.quality_log_premium + compared.log_residual)
        * quality_joined.living_area_m2
    ) as adjusted_price_sek
from compared
inner join quality_joined on compared.subject_id = quality_joined.subject_id
{% endmacro %}

{{ config(
    materialized='incremental',
    incremental_strategy='append',
    meta={'rebuilt_by': 'sold_date'},
) }}

with sales as (
    select * from {{ ref('int_sales_with_quality') }}
    where {{ is_rebuilt('sold_date') }}
),

dated as (
    {{ encode_dates('sales') }}
),

surrounded as (
    {{ join_surroundings('dated', ref('nearby_places'), ref('district_edges')) }}
),

economy_joined as (
    {{ join_economy('surrounded', ref('economy')) }}
),

index_joined as (
    {{ join_price_index('economy_joined', ref('price_index')) }}
),

compared as (
    select
        sale_id as subject_id,
        comparable_sale_id as sale_id,
        log_residual,
        distance_m,
        weight
    from {{ ref('sale_comparables') }}
    where {{ is_rebuilt('sold_date') }}
),

comparables_joined as (
    {{ join_comparables(
        'index_joined', 'compared', ref('comparable_sales'), ref('group_residuals')
    ) }}
),

fees_joined as (
    {{ join_fees('comparables_joined', ref('fee_references')) }}
),

normalised as (
    {{ normalise('fees_joined', ref('feature_bounds')) }}
),

features as (
    {{ select_features('normalised') }}
),

price_bounds as (
    select * from {{ ref('feature_bounds') }}
    where feature = 'sold_price'
)

select
    ---------- the sale and what it fetched: labels, never features
    sales.sale_id,
    sales.sold_price_sek,
    sales.price_per_m2_sek,
    sales.list_price_sek,
    {{ min_max('sales.sold_price_sek', 'price_bounds.lowest', 'price_bounds.highest') }}
        as sold_price_norm,
    ---------- features, as a request gets them from marts.features_of
    features.* exclude (subject_id)  -- noqa: RF02
from features
inner join sales on features.subject_id = sales.sale_id
cross join price_bounds

{{ config(
    materialized='incremental',
    incremental_strategy='append',
    meta={'rebuilt_by': 'sold_date'},
) }}

with sales as (
    select * from {{ ref('int_sales_imputed') }}
    where {{ is_rebuilt('sold_date') }}
),

with_quality as (
    {{ join_quality('sales', ref('quality_effects')) }}
)

select * from with_quality

{{ config(
    materialized='incremental',
    incremental_strategy='append',
    meta={'rebuilt_by': 'sold_date'},
) }}

with sales as (
    select * from {{ ref('int_sales_accepted') }}
    where {{ is_rebuilt('sold_date') }}
),

located as (
    {{ locate('sales', ref('place_references'), ref('geocoded_addresses')) }}
)

select * from located

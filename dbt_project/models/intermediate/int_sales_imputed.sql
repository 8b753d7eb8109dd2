{{ config(
    materialized='incremental',
    incremental_strategy='append',
    meta={'rebuilt_by': 'sold_date'},
) }}

with sales as (
    select * from {{ ref('int_sales_located') }}
    where {{ is_rebuilt('sold_date') }}
),

imputed as (
    {{ impute('sales', ref('imputation_references'), ref('building_references')) }}
)

select * from imputed

{{ config(
    materialized='incremental',
    incremental_strategy='append',
    meta={'rebuilt_by': 'sold_date'},
) }}

-- The earlier sales that each sale is compared with, and how much each counts.
with sales as (
    select * from {{ ref('int_sales_imputed') }}
    where {{ is_rebuilt('sold_date') }}
),

compared as (
    {{ comparables('sales', ref('comparable_sales')) }}
)

select
    compared.subject_id as sale_id,
    compared.sale_id as comparable_sale_id,
    compared.log_residual,
    compared.distance_m,
    compared.weight,
    sales.sold_date
from compared
inner join sales on compared.subject_id = sales.sale_id

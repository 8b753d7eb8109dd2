{{ config(
    materialized='incremental',
    incremental_strategy='append',
    meta={'rebuilt_by': 'sold_date'},
) }}

select
    ---------- ids
    observation_id,
    sale_id,
    platform,
    source_id,
    ---------- text
    address,
    district,
    sold_price_type,
    rule,
    reason,
    ---------- numbers
    sold_price_sek,
    living_area_m2,
    floor,
    construction_year,
    ---------- booleans
    is_title_transfer,
    ---------- dates
    sold_date,
    observed_at
from {{ ref('int_sales_flagged') }}
where
    is_rejected
    and {{ is_rebuilt('sold_date') }}

{{ config(
    materialized='incremental',
    incremental_strategy='append',
    meta={'rebuilt_by': 'sold_date'},
) }}

select
    ---------- ids
    sale_id,
    platform,
    source_id,
    residence_id,
    ---------- text
    url,
    address,
    street,
    district,
    municipality,
    agency,
    brf_name,
    object_type,
    sold_price_type,
    energy_class,
    ---------- numbers
    street_number,
    sold_price_sek,
    list_price_sek,
    first_price_sek,
    price_per_m2_sek,
    living_area_m2,
    rooms,
    floor,
    construction_year,
    fee_sek_per_month,
    operating_cost_sek_per_month,
    latitude,
    longitude,
    days_active,
    ---------- dates
    sold_date,
    observed_at
from {{ ref('int_sales_accepted') }}
where {{ is_rebuilt('sold_date') }}

with homes as (
    select * from {{ source('raw', 'homes') }}
)

select
    ---------- ids
    url,
    booli_id,
    residence_id,
    agency_id,
    content_sha256,
    ---------- text
    {{ clean_text('brf_name') }} as brf_name,
    {{ clean_text('agency_name') }} as agency_name,
    energy_class,
    ---------- numbers
    sold_price_sek,
    nullif(list_price_sek, 0) as list_price_sek,
    nullif(first_price_sek, 0) as first_price_sek,
    living_area_m2,
    rooms,
    floor,
    construction_year,
    cast(fee_sek_per_month as double) as fee_sek_per_month,
    cast(operating_cost_sek_per_month as double) as operating_cost_sek_per_month,
    days_active,
    latitude,
    longitude,
    ---------- dates
    sold_date,
    observed_at
from homes

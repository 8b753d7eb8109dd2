with sale_cards as (
    select * from {{ source('raw', 'sale_cards') }}
),

cleaned as (
    select
        *,
        {{ clean_text('street_address') }} as address,
        {{ clean_text('descriptive_area_name') }} as district,
        {{ clean_text('municipality_name') }} as municipality
    from sale_cards
)

select
    ---------- ids
    'booli:' || booli_id as sale_id,
    'booli' as platform,
    cast(booli_id as varchar) as source_id,
    booli_id,
    try_cast(nullif(regexp_extract(url, '/bostad/([0-9]+)', 1), '') as bigint)
        as residence_id,
    content_sha256,
    ---------- text
    url,
    address,
    {{ street_name('address') }} as street,
    {{ address_key('address') }} as address_key,
    district,
    municipality,
    object_type,
    sold_price_type,
    ---------- numbers
    {{ street_number('address') }} as street_number,
    sold_price_sek,
    -- The site shows an unknown asking price as 0.
    nullif(list_price_sek, 0) as list_price_sek,
    -- The change shown is against the first asking price, not the last one.
    sold_price_sek - price_change_sek as first_price_sek,
    living_area_m2,
    rooms,
    floor,
    cast(fee_sek_per_month as double) as fee_sek_per_month,
    days_active,
    latitude,
    longitude,
    -- As shown, for comparing observations.
    price_change_sek as shown_price_change_sek,
    price_change_pct as shown_price_change_pct,
    price_per_m2_sek as shown_price_per_m2_sek,
    additional_area_m2,
    ---------- lists
    amenities,
    ---------- booleans
    {{ is_title_transfer() }} as is_title_transfer,
    ---------- dates
    sold_date,
    observed_at
from cleaned

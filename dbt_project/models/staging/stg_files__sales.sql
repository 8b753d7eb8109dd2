with landed_sales as (
    select * from {{ source('raw', 'landed_sales') }}
),

cleaned as (
    select
        * replace (
            {{ clean_text('address') }} as address,
            {{ clean_text('municipality') }} as municipality,
            {{ clean_text('agency') }} as agency,
            {{ clean_text('brf_name') }} as brf_name
        ),
        {{ clean_text('area') }} as district
    from landed_sales
)

select
    ---------- ids
    platform || ':' || source_id as sale_id,
    platform,
    source_id,
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
    agency,
    brf_name,
    object_type,
    sold_price_type,
    energy_class,
    ---------- numbers
    {{ street_number('address') }} as street_number,
    sold_price_sek,
    nullif(list_price_sek, 0) as list_price_sek,
    living_area_m2,
    rooms,
    floor,
    construction_year,
    fee_sek_per_month,
    operating_cost_sek_per_year / 12 as operating_cost_sek_per_month,
    latitude,
    longitude,
    ---------- booleans
    has_own_id,
    {{ is_title_transfer() }} as is_title_transfer,
    ---------- dates
    sold_date,
    observed_at
from cleaned

-- Addresses of raw sales that came without a place and were not yet asked of this
-- gazetteer. The keys are those of dbt's macros clean_text and address_key.
create or replace temp table unplaced_sales as
with sales as (
    select
        street_address as address, municipality_name as municipality,
        descriptive_area_name as district, latitude, longitude
    from raw.sale_cards
    union all by name
    select address, municipality, area as district, latitude, longitude
    from raw.landed_sales
),

unplaced as (
    select
        regexp_replace(
            translate(
                nfc_normalize(address),
                chr(160) || chr(8209) || chr(173) || chr(8203) || chr(8204), ' -'
            ),
            '\s+', ' ', 'g'
        ) as cleaned,
        trim(cleaned) as address,
        municipality,
        district
    from sales
    -- Outside Sweden, at 0, 0 above all, is no place either.
    where not coalesce(
        latitude between 55 and 70 and longitude between 10 and 25, false
    )
),

keyed as (
    select
        * exclude (cleaned),
        nullif(regexp_replace(lower(strip_accents(coalesce(
            nullif(regexp_extract(address, '^[^0-9]*[0-9]+(\s*[A-Za-z]\b)?'), ''),
            address
        ))), '[^a-z0-9]', '', 'g'), '') as address_key
    from unplaced
)

select
    address_key as request_id,
    mode(address order by address) as address,
    min(nullif(place_key(municipality), '')) as municipality,
    mode(district order by district) as district
from keyed
where address_key is not null
    and address_key not in (
        select done.address_key from raw.geocoded_addresses as done
        where done.gazetteer_version = $version
    )
group by address_key
having count(distinct nullif(place_key(municipality), '')) <= 1;

with sales as (
    select * from {{ ref('int_sales_located') }}
),

geocoded_addresses as (
    select * from {{ ref('geocoded_addresses') }}
),

placed as (
    select
        case sales.position_source
            when 'own' then 'source'
            when 'address' then 'address'
            when 'geocoded' then geocoded_addresses.precision
            when 'street' then 'street'
            when 'district' then 'district'
            else 'nowhere'
        end as placed_by,
        -- A geocoder too unsure to be used says nothing of where the home was placed.
        case
            when sales.position_source = 'geocoded'
                then geocoded_addresses.uncertainty_m
        end as uncertainty_m,
        coalesce(sales.position_source = 'geocoded', false) as is_geocoded
    from sales
    left join geocoded_addresses
        on sales.address_key = geocoded_addresses.address_key
),

counted as (
    select
        placed_by,
        is_geocoded,
        count(*) as sale_count,
        median(uncertainty_m) as median_uncertainty_m,
        max(uncertainty_m) as highest_uncertainty_m
    from placed
    group by placed_by, is_geocoded
)

select
    ---------- text
    placed_by,
    ---------- numbers
    sale_count,
    100.0 * sale_count / sum(sale_count) over () as sale_pct,
    median_uncertainty_m,
    highest_uncertainty_m,
    ---------- booleans
    is_geocoded
from counted

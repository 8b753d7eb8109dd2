-- Where a place lies and which district it is in, as known at the start of a month:
-- from the sales of all months before. A later sale never moves an earlier position.
with sales as (
    select * from {{ ref('int_sales_accepted') }}
    where {{ is_position('latitude', 'longitude') }}
),

place_keys as (
    select
        unnest(['address', 'street', 'district']) as place_level,
        unnest(
            [address_key, {{ text_key('street') }}, {{ text_key('district') }}]
        ) as place_key,
        cast(date_trunc('month', sold_date) as date) as month,
        sale_id,
        address,
        street,
        street_number,
        district,
        municipality,
        latitude,
        longitude,
        sold_date
    from sales
),

monthly as (
    select
        place_level,
        place_key,
        month,
        count(*) as sale_count,
        sum(cast(latitude as decimal(9, 6))) as latitude_sum,
        sum(cast(longitude as decimal(9, 6))) as longitude_sum,
        arg_max(address, (sold_date, sale_id)) as newest_address,
        arg_max(street, (sold_date, sale_id)) as newest_street,
        arg_max(street_number, (sold_date, sale_id)) as newest_street_number,
        arg_max(district, (sold_date, sale_id)) filter (where district is not null)
            as newest_district,
        arg_max(municipality, (sold_date, sale_id))
        filter (where municipality is not null) as newest_municipality
    from place_keys
    where place_key is not null
    group by all
)

select
    place_level,
    place_key,
    case when place_level = 'address' then newest_address end as address,
    case when place_level <> 'district' then newest_street end as street,
    case when place_level = 'address' then newest_street_number end as street_number,
    last_value(newest_district ignore nulls) over months_so_far as district,
    last_value(newest_municipality ignore nulls) over months_so_far as municipality,
    -- Six decimals are a tenth of a metre; their sums are exact in any order.
    round(
        sum(latitude_sum) over months_so_far / sum(sale_count) over months_so_far, 6
    ) as latitude,
    round(
        sum(longitude_sum) over months_so_far / sum(sale_count) over months_so_far, 6
    ) as longitude,
    cast(sum(sale_count) over months_so_far as bigint) as sale_count,
    cast(month + interval 1 month as date) as known_from
from monthly
window
    months_so_far as (
        partition by place_level, place_key
        order by month
        rows between unbounded preceding and current row
    )

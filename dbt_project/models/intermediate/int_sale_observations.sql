{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='observation_id',
) }}

-- Every page and file is read anew, but only what reads otherwise than before is
-- written: these rows tell the models after this one from which day to rebuild.
with sale_cards as (
    select * from {{ ref('stg_booli__sale_cards') }}
),

homes as (
    select * from {{ ref('stg_booli__homes') }}
),

agencies as (
    select * from {{ ref('int_agencies') }}
),

file_sales as (
    select * from {{ ref('stg_files__sales') }}
),

homes_with_agency as (
    select
        homes.*,
        coalesce(agencies.agency, homes.agency_name) as agency
    from homes
    left join agencies on homes.agency_id = agencies.agency_id
),

-- The newest page that says which sale it speaks for.
pages_by_sale as (
    select * from homes_with_agency
    where booli_id is not null
    qualify row_number() over (
        partition by booli_id order by observed_at desc, content_sha256 asc
    ) = 1
),

-- A residence's page may not say: it speaks for the sale of its date and price.
pages_by_date_and_price as (
    select * from homes_with_agency
    where booli_id is null
    qualify row_number() over (
        partition by url, sold_date, sold_price_sek
        order by observed_at desc, content_sha256 asc
    ) = 1
),

newest_pages as (
    select * from homes_with_agency
    qualify row_number() over (
        partition by url order by observed_at desc, content_sha256 asc
    ) = 1
),

cards_matched as (
    select
        sale_cards.*,
        coalesce(by_sale.url, by_date_and_price.url) is not null as is_same_sale,
        by_home.url is not null as is_same_home,
        coalesce(
            by_sale.residence_id, by_date_and_price.residence_id, by_home.residence_id
        ) as page_residence_id,
        -- What belongs to one sale is taken from that sale's page alone.
        coalesce(by_sale.agency, by_date_and_price.agency) as agency,
        coalesce(by_sale.list_price_sek, by_date_and_price.list_price_sek)
            as page_list_price_sek,
        coalesce(by_sale.first_price_sek, by_date_and_price.first_price_sek)
            as page_first_price_sek,
        coalesce(by_sale.living_area_m2, by_date_and_price.living_area_m2)
            as page_living_area_m2,
        coalesce(by_sale.rooms, by_date_and_price.rooms) as page_rooms,
        coalesce(by_sale.fee_sek_per_month, by_date_and_price.fee_sek_per_month)
            as page_fee_sek_per_month,
        coalesce(
            by_sale.operating_cost_sek_per_month,
            by_date_and_price.operating_cost_sek_per_month
        ) as operating_cost_sek_per_month,
        coalesce(by_sale.days_active, by_date_and_price.days_active)
            as page_days_active,
        -- What belongs to the building or the flat holds for its other sales too.
        coalesce(by_sale.brf_name, by_date_and_price.brf_name, by_home.brf_name)
            as brf_name,
        coalesce(
            by_sale.energy_class, by_date_and_price.energy_class, by_home.energy_class
        ) as energy_class,
        coalesce(by_sale.floor, by_date_and_price.floor, by_home.floor) as page_floor,
        coalesce(
            by_sale.construction_year,
            by_date_and_price.construction_year,
            by_home.construction_year
        ) as construction_year,
        coalesce(by_sale.latitude, by_date_and_price.latitude, by_home.latitude)
            as page_latitude,
        coalesce(by_sale.longitude, by_date_and_price.longitude, by_home.longitude)
            as page_longitude
    from sale_cards
    left join pages_by_sale as by_sale
        on sale_cards.booli_id = by_sale.booli_id
    left join pages_by_date_and_price as by_date_and_price
        on
            sale_cards.url = by_date_and_price.url
            and sale_cards.sold_date = by_date_and_price.sold_date
            and sale_cards.sold_price_sek = by_date_and_price.sold_price_sek
    left join newest_pages as by_home
        on sale_cards.url = by_home.url
),

card_observations as (
    select
        sale_id || '@card@' || observed_at as observation_id,
        sale_id,
        platform,
        source_id,
        coalesce(residence_id, page_residence_id) as residence_id,
        url,
        address,
        street,
        address_key,
        district,
        municipality,
        agency,
        brf_name,
        object_type,
        sold_price_type,
        energy_class,
        case
            when is_same_sale then 'same_sale'
            when is_same_home then 'same_home'
            else 'none'
        end as detail_match,
        street_number,
        sold_price_sek,
        coalesce(list_price_sek, page_list_price_sek) as list_price_sek,
        coalesce(page_first_price_sek, first_price_sek) as first_price_sek,
        coalesce(living_area_m2, page_living_area_m2) as living_area_m2,
        coalesce(rooms, page_rooms) as rooms,
        coalesce(floor, page_floor) as floor,
        construction_year,
        coalesce(fee_sek_per_month, page_fee_sek_per_month) as fee_sek_per_month,
        operating_cost_sek_per_month,
        coalesce(days_active, page_days_active) as days_active,
        coalesce(latitude, page_latitude) as latitude,
        coalesce(longitude, page_longitude) as longitude,
        true as has_own_id,
        is_title_transfer,
        sold_date,
        observed_at
    from cards_matched
),

file_observations as (
    select
        sale_id || '@file@' || observed_at as observation_id,
        sale_id,
        platform,
        source_id,
        residence_id,
        url,
        address,
        street,
        address_key,
        district,
        municipality,
        agency,
        brf_name,
        object_type,
        sold_price_type,
        energy_class,
        'none' as detail_match,
        street_number,
        sold_price_sek,
        list_price_sek,
        cast(null as bigint) as first_price_sek,
        living_area_m2,
        rooms,
        floor,
        construction_year,
        fee_sek_per_month,
        operating_cost_sek_per_month,
        cast(null as integer) as days_active,
        latitude,
        longitude,
        has_own_id,
        is_title_transfer,
        sold_date,
        observed_at
    from file_sales
),

unioned as (
    select * from card_observations
    union all
    select * from file_observations
),

measured as (
    select
        *,
        sold_price_sek / nullif(living_area_m2, 0) as price_per_m2_sek
    from unioned
),

fingerprinted as (
    select
        measured.*,
        hash(measured) as content_hash
    from measured
),

-- What this table says now: nothing when it is built whole.
known as (
    {% if is_incremental() -%}
        select * from {{ this }}
    {%- else -%}
        select
            '' as observation_id,
            '' as sale_id,
            cast(0 as ubigint) as content_hash,
            date 'infinity' as sold_date
        where false
    {%- endif %}
),

known_sales as (
    select
        sale_id,
        min(sold_date) as sold_date
    from known
    group by sale_id
)

select
    fingerprinted.*,
    {{ run_started_at_utc() }} as loaded_at,
    -- A sale that moved in time touches the days it left, too.
    least(
        min(fingerprinted.sold_date) over (partition by fingerprinted.sale_id),
        known_sales.sold_date
    ) as changed_from
from fingerprinted
left join known on fingerprinted.observation_id = known.observation_id
left join known_sales on fingerprinted.sale_id = known_sales.sale_id
where fingerprinted.content_hash is distinct from known.content_hash

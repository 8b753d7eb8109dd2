{{ config(
    materialized='incremental',
    incremental_strategy='append',
    meta={'rebuilt_by': 'sold_date'},
) }}

{%- set area = var('outlier_living_area_m2') -%}
{%- set price = var('outlier_sold_price_sek') -%}
{%- set price_per_m2 = var('outlier_price_per_m2_sek') -%}
{%- set floors = var('outlier_floor') -%}

with observations as (
    select
        *,
        {{ text_key('district') }} as district_key
    from {{ ref('int_sales_deduplicated') }}
    where {{ is_rebuilt('sold_date', days_before=var('outlier_long_median_days')) }}
),

-- One rule a row, the first that holds; the thresholds and their reasons are the
-- variables of dbt_project.yml.
checked_alone as (
    select
        *,
        case
            when is_superseded then 'superseded_observation'
            -- A change of title (inheritance, divorce, gift) has no market price.
            when is_title_transfer then 'title_transfer'
            when not is_market_price_type then 'price_type_unknown'
            when duplicate_of_sale_id is not null then 'duplicate_sale'
            when address_key is null or address_key = 'adresssaknas'
                then 'address_missing'
            when object_type is not null and object_type <> 'Lägenhet'
                then 'not_an_apartment'
            when sold_date is null then 'sold_date_missing'
            when sold_price_sek is null then 'sold_price_missing'
            when living_area_m2 is null then 'living_area_missing'
            when
                sold_date < date '{{ var("outlier_sold_date_lowest") }}'
                or sold_date > cast(observed_at as date)
                then 'sold_date_out_of_range'
            when living_area_m2 not between {{ area[0] }} and {{ area[1] }}
                then 'living_area_out_of_range'
            when sold_price_sek not between {{ price[0] }} and {{ price[1] }}
                then 'sold_price_out_of_range'
            when
                price_per_m2_sek
                not between {{ price_per_m2[0] }} and {{ price_per_m2[1] }}
                then 'price_per_m2_out_of_range'
            when floor not between {{ floors[0] }} and {{ floors[1] }}
                then 'floor_out_of_range'
            when
                construction_year < {{ var('outlier_construction_year_lowest') }}
                or construction_year
                > year(sold_date) + {{ var('outlier_construction_years_ahead') }}
                then 'construction_year_out_of_range'
        end as rule
    from observations
),

-- The window ends the day before: a later sale never moves an earlier verdict.
medians_added as (
    select
        observation_id,
        median(price_per_m2_sek) over district_past as district_median_sek,
        -- Without a district this counts none: NULLs are no neighbours.
        count(district_key) over district_past as district_sale_count,
        median(price_per_m2_sek) over district_long_past as long_median_sek,
        count(district_key) over district_long_past as long_sale_count,
        median(price_per_m2_sek) over city_past as city_median_sek,
        count(*) over city_past as city_sale_count
    from checked_alone
    where rule is null
    window
        district_past as (
            partition by district_key
            order by sold_date
            range between
            interval '{{ var("outlier_median_days") }} days' preceding
            and interval '1 day' preceding
        ),
        district_long_past as (
            partition by district_key
            order by sold_date
            range between
            interval '{{ var("outlier_long_median_days") }} days' preceding
            and interval '1 day' preceding
        ),
        city_past as (
            order by sold_date
            range between
            interval '{{ var("outlier_median_days") }} days' preceding
            and interval '1 day' preceding
        )
),

-- Too few sales in the district in the year before: those of a longer past; too few
-- there: the city; too few there: no verdict.
medians_judged as (
    select
        *,
        case
            when district_sale_count >= {{ var('outlier_median_min_sales') }}
                then 'district'
            when long_sale_count >= {{ var('outlier_long_median_min_sales') }}
                then 'district_long'
            when city_sale_count >= {{ var('outlier_median_min_sales') }} then 'city'
        end as judged_by
    from medians_added
),

medians_chosen as (
    select
        observation_id,
        case judged_by
            when 'district' then district_median_sek
            when 'district_long' then long_median_sek
            when 'city' then city_median_sek
        end as local_median_sek,
        case judged_by
            when 'district' then {{ var('outlier_district_median_factor') }}
            when 'district_long' then {{ var('outlier_long_median_factor') }}
            when 'city' then {{ var('outlier_city_median_factor') }}
        end as local_median_factor,
        case judged_by
            when 'district_long' then {{ var('outlier_long_median_days') }}
            else {{ var('outlier_median_days') }}
        end as local_median_days
    from medians_judged
),

checked_locally as (
    select
        checked_alone.* exclude (rule),
        medians_chosen.local_median_sek,
        medians_chosen.local_median_factor,
        medians_chosen.local_median_days,
        case
            when checked_alone.rule is not null then checked_alone.rule
            when
                checked_alone.price_per_m2_sek
                not between medians_chosen.local_median_sek
                / medians_chosen.local_median_factor
                and medians_chosen.local_median_sek
                * medians_chosen.local_median_factor
                then 'price_per_m2_far_from_local_median'
        end as rule
    from checked_alone
    left join medians_chosen
        on checked_alone.observation_id = medians_chosen.observation_id
)

select
    * exclude (
        newest_observed_at,
        local_median_sek,
        local_median_factor,
        local_median_days,
        is_superseded,
        is_market_price_type
    ),
    rule is not null as is_rejected,
    case rule
        when 'superseded_observation'
            then
                'A newer observation of this sale is used, seen '
                || strftime(newest_observed_at, '%Y-%m-%d %H:%M') || '.'
        when 'title_transfer'
            then 'The price is that of a title transfer (Lagfart), not of a sale.'
        when 'price_type_unknown'
            then
                'The price is called ' || sold_price_type
                || ', which is none of {{ var("market_price_types") | join(", ") }}.'
        when 'duplicate_sale'
            then
                'The same sale as ' || duplicate_of_sale_id || ': same address and '
                || format('{:g}', living_area_m2) || ' m², sold within '
                || '{{ var("duplicate_days") }} days.'
        when 'address_missing'
            then 'The address is missing (' || coalesce(address, 'empty') || ').'
        when 'not_an_apartment'
            then 'The home is no apartment (' || object_type || ').'
        when 'sold_date_missing' then 'The date of the sale is missing.'
        when 'sold_price_missing' then 'The price is missing.'
        when 'living_area_missing' then 'The living area is missing.'
        when 'sold_date_out_of_range'
            then
                'Sold ' || sold_date || ', which is before '
                || '{{ var("outlier_sold_date_lowest") }}'
                || ' or after the day it was observed, ' || cast(observed_at as date)
                || '.'
        when 'living_area_out_of_range'
            then
                'The living area of ' || format('{:g}', living_area_m2)
                || ' m² lies outside {{ area[0] }} to {{ area[1] }} m².'
        when 'sold_price_out_of_range'
            then
                'The price of ' || {{ format_sek('sold_price_sek') }}
                || ' lies outside ' || {{ format_sek(price[0]) }} || ' to '
                || {{ format_sek(price[1]) }} || '.'
        when 'price_per_m2_out_of_range'
            then
                'The price of ' || {{ format_sek('price_per_m2_sek') }}
                || ' per m² lies outside ' || {{ format_sek(price_per_m2[0]) }}
                || ' to ' || {{ format_sek(price_per_m2[1]) }} || '.'
        when 'floor_out_of_range'
            then
                'Floor ' || format('{:g}', floor)
                || ' lies outside {{ floors[0] }} to {{ floors[1] }}.'
        when 'construction_year_out_of_range'
            then
                'Construction year ' || construction_year || ' lies before '
                || '{{ var("outlier_construction_year_lowest") }} or too long after '
                || 'the sale of ' || sold_date || '.'
        when 'price_per_m2_far_from_local_median'
            then
                'The price of ' || {{ format_sek('price_per_m2_sek') }}
                || ' per m² is more than ' || local_median_factor
                || ' times off the local median of the ' || local_median_days
                || ' days before, '
                || {{ format_sek('local_median_sek') }} || '.'
    end as reason
from checked_locally
where {{ is_rebuilt('sold_date') }}

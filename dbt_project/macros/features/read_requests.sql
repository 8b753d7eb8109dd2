-- noqa: disable=layout.indent
{#
What a valuation asks about, cleaned, parsed, located and imputed as the sales are.

Reads the relation named by the table macro's parameter `requests`; see features_of.sql
for its columns. Gives subject_id and the columns of int_sales_imputed the steps need.
#}
{% macro read_requests(
    place_references, geocoded_addresses, imputation_references, building_references
) -%}
with cleaned as (
    select
        cast(request_id as varchar) as subject_id,
        cast(sold_date as date) as sold_date,
        {{ clean_text('address') }} as address,
        {{ clean_text('district') }} as district,
        {{ clean_text('agency') }} as agency,
        {{ clean_text('brf_name') }} as brf_name,
        cast(residence_id as bigint) as residence_id,
        cast(living_area_m2 as double) as living_area_m2,
        cast(rooms as double) as rooms,
        cast(floor as double) as floor,
        cast(construction_year as integer) as construction_year,
        cast(fee_sek_per_month as double) as fee_sek_per_month,
        cast(operating_cost_sek_per_month as double) as operating_cost_sek_per_month,
        cast(latitude as double) as latitude,
        cast(longitude as double) as longitude
    from query_table(requests)
),

parsed as (
    select
        *,
        {{ street_name('address') }} as street,
        {{ street_number('address') }} as street_number,
        {{ address_key('address') }} as address_key
    from cleaned
),

located as ({{ locate('parsed', place_references, geocoded_addresses) }}),

imputed as (
    {{ impute('located', imputation_references, building_references) }}
)

select * from imputed
{%- endmacro %}

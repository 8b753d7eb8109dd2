{{ config(meta={'dagster': {'ref': {'name': 'rejected_sales'}}}) }}
-- Nothing is lost between the crawl and the marts: the raw observations are exactly the
-- accepted sales and the rejected observations.
with raw_rows as (
    select count(*) as row_count from {{ source('raw', 'sale_cards') }}
    union all
    select count(*) as row_count from {{ source('raw', 'landed_sales') }}
),

accepted_or_rejected as (
    select count(*) as row_count from {{ ref('sales') }}
    union all
    select count(*) as row_count from {{ ref('rejected_sales') }}
)

select
    (select sum(row_count) from raw_rows) as raw_count,
    (select sum(row_count) from accepted_or_rejected) as mart_count
where
    (select sum(row_count) from raw_rows)
    <> (select sum(row_count) from accepted_or_rejected)

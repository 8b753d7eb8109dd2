{{ config(materialized='view') }}

select
    * exclude (
        rule,
        reason,
        is_rejected,
        duplicate_of_sale_id,
        district_key,
        is_title_transfer
    ),
    sale_id as subject_id
from {{ ref('int_sales_flagged') }}
where not is_rejected

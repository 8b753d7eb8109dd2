-- The earlier sales that each sale is compared with, and how much each counts.
with compared as (
    {{ comparables(ref('int_sales_imputed'), ref('comparable_sales')) }}
)

select
    subject_id as sale_id,
    sale_id as comparable_sale_id,
    log_residual,
    distance_m,
    weight
from compared

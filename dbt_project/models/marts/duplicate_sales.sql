-- Observations taken for a sale that another row shows too, and what they agree in.
with flagged as (
    select * from {{ ref('int_sales_flagged') }}
    where rule = 'duplicate_sale'
),

kept as (
    select * from {{ ref('int_sales_deduplicated') }}
    where not is_superseded
)

select
    flagged.observation_id,
    flagged.sale_id,
    flagged.duplicate_of_sale_id,
    flagged.platform,
    kept.platform as kept_platform,
    case
        when flagged.sold_price_sek = kept.sold_price_sek then 'same_price'
        when flagged.platform <> kept.platform then 'near_price_on_other_platform'
        else 'same_floor_and_day'
    end as matched_by,
    date_diff('day', kept.sold_date, flagged.sold_date) as days_later,
    flagged.sold_price_sek - kept.sold_price_sek as price_difference_sek,
    flagged.sold_date
from flagged
inner join kept on flagged.duplicate_of_sale_id = kept.sale_id

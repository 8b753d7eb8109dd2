-- A registered deed's price need not be a market price: it trains nothing, moves no
-- index and is compared with nothing, for all of these read the accepted sales.
select sales.sale_id
from {{ ref('sales') }} as sales
inner join {{ ref('int_sale_observations') }} as observations
    on
        sales.sale_id = observations.sale_id
        and sales.observed_at = observations.observed_at
where observations.is_title_transfer

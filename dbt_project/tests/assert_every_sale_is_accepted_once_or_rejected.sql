-- Of a sale's observations the newest is accepted, unless a rule took it: an accepted
-- sale's other observations are all superseded.
select rejected_sales.observation_id
from {{ ref('rejected_sales') }} as rejected_sales
inner join {{ ref('sales') }} as sales
    on rejected_sales.sale_id = sales.sale_id
where rejected_sales.rule <> 'superseded_observation'

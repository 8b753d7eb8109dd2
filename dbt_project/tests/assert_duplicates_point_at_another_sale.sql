-- A sale that is called a duplicate names a sale that stands in one of the two marts.
select flagged.observation_id
from {{ ref('int_sales_flagged') }} as flagged
left join {{ ref('int_sale_observations') }} as observations
    on flagged.duplicate_of_sale_id = observations.sale_id
where
    flagged.duplicate_of_sale_id is not null
    and (
        observations.sale_id is null or observations.sale_id = flagged.sale_id
    )

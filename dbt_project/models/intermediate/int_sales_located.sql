with located as (
    {{ locate(ref('int_sales_accepted'), ref('place_references')) }}
)

select * from located

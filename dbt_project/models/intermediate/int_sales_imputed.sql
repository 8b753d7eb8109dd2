with imputed as (
    {{ impute(ref('int_sales_located'), ref('imputation_references')) }}
)

select * from imputed

{# The market's level: the newest half-month of the index that was over by the date. #}
{% macro join_price_index(subjects, price_index) %}
select
    subjects.*,
    price_index.price_index_sek_per_m2
from {{ subjects }} as subjects
asof left join {{ price_index }} as price_index
    on subjects.sold_date >= price_index.known_from
{%- endmacro %}

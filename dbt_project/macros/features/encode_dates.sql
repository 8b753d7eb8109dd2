{#
The date as numbers: the seed project's fraction of a year (year + month / 12 +
day / 365, kept for parity though it counts January as a month gone), and the month on a
circle.
#}
{% macro encode_dates(subjects) %}
select
    *,
    year(sold_date) + month(sold_date) / 12 + day(sold_date) / 365
        as sold_year_fraction,
    sin(2 * pi() * (month(sold_date) - 1) / 12) as sold_month_sin,
    cos(2 * pi() * (month(sold_date) - 1) / 12) as sold_month_cos
from {{ subjects }}
{%- endmacro %}

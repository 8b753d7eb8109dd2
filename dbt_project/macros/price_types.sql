{# What kind of price a row shows: what belongs to every source of sales. #}

{# Whether the row is a change of title (a sale's deed, but also an inheritance, a
   divorce or a gift), whose price need not be a market price. A row that does not say
   its type is one when its page is a deed's. #}
{% macro is_title_transfer() -%}
    coalesce(sold_price_type = 'Lagfart', contains(url, '/lagfart/'), false)
{%- endmacro %}

{# Whether the shown price was paid or bid. A row that does not say is believed, for
   files of sales seldom do. #}
{% macro is_market_price_type() -%}
    coalesce(
        sold_price_type in ('{{ var("market_price_types") | join("', '") }}'), true
    )
{%- endmacro %}

-- What the site says otherwise about a sale than it did before: each observation of a
-- card beside the one before it, one row per field that differs.
{%- set fields = [
    'url', 'address', 'district', 'municipality', 'object_type', 'sold_price_type',
    'sold_date', 'sold_price_sek', 'list_price_sek', 'shown_price_change_sek',
    'shown_price_change_pct', 'shown_price_per_m2_sek', 'living_area_m2',
    'additional_area_m2', 'rooms', 'floor', 'fee_sek_per_month', 'days_active',
    'latitude', 'longitude', 'amenities'
] -%}
{#- What follows from a settled bid: the type, the price, and what is shown of it. -#}
{%- set settled_fields = [
    'sold_price_type', 'sold_price_sek', 'shown_price_change_sek',
    'shown_price_change_pct', 'shown_price_per_m2_sek'
] %}

with sale_cards as (
    select * from {{ ref('stg_booli__sale_cards') }}
),

compared as (
    select
        *,
        {% for field in fields -%}
            lag({{ field }}) over earlier as previous_{{ field }},
        {% endfor -%}
        lag(observed_at) over earlier as previous_observed_at
    from sale_cards
    window
        earlier as (
            partition by sale_id
            order by observed_at
        )
),

fields_compared as (
    select
        sale_id,
        booli_id,
        observed_at,
        previous_observed_at,
        coalesce(
            previous_sold_price_type = 'Sista bud' and sold_price_type = 'Slutpris',
            false
        ) as is_bid_settled,
        unnest([
            {% for field in fields -%}
                {
                    'field': '{{ field }}',
                    'old_value': cast(previous_{{ field }} as varchar),
                    'new_value': cast({{ field }} as varchar)
                }
                {{- ',' if not loop.last }}
            {% endfor %}
        ], recursive := true)
    from compared
    where previous_observed_at is not null
)

select
    ---------- ids
    sale_id,
    booli_id,
    ---------- text
    field,
    old_value,
    new_value,
    case
        when
            is_bid_settled
            and field in (
                {% for field in settled_fields -%}
                    '{{ field }}'{{ ',' if not loop.last }}
                {% endfor %}
            )
            then 'bid_settled'
        when field in ('sold_price_sek', 'list_price_sek') then 'price_corrected'
        when field = 'url' then 'url_moved'
        else 'other'
    end as change_kind,
    ---------- dates
    observed_at,
    previous_observed_at
from fields_compared
where old_value is distinct from new_value

{#
How much dearer the home's fee is than what is usual for its size and age, as a log.

Buyers pay for a low fee: what is left of it each month is theirs. What is usual is the
median fee per m² of the two calendar years before, of homes of the size and decade, else
of the size; NULL where the fee itself is imputed.
#}
{% macro join_fees(subjects, fee_references) -%}
select
    subjects.* exclude (fee_size_class, fee_age_class),
    case
        when not subjects.is_fee_sek_per_month_imputed and fee_sek_per_month > 0
            then round(
                ln(
                    fee_sek_per_month / living_area_m2
                    / coalesce(by_age.fee_sek_per_m2, by_size.fee_sek_per_m2)
                ),
                6
            )
    end as fee_log_ratio
from (
    select
        * exclude (neighbourhood_class, block_class, floor_class)
        rename (size_class as fee_size_class, age_class as fee_age_class)
    from ({{ quality_classes(subjects) }})
) as subjects
asof left join {{ fee_references }} as by_age
    on
        subjects.fee_size_class = by_age.size_class
        and subjects.fee_age_class = by_age.age_class
        and subjects.sold_date >= by_age.known_from
asof left join (
    select * from {{ fee_references }} where age_class = '*'
) as by_size
    on
        subjects.fee_size_class = by_size.size_class
        and subjects.sold_date >= by_size.known_from
{%- endmacro %}

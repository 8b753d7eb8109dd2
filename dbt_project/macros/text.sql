{# Text of an address or a name: what belongs to every source. #}

{# Soft hyphens and zero-width characters vanish, a no-break space becomes a space and a
   no-break hyphen a hyphen; empty text is NULL. #}
{% macro clean_text(column) -%}
    nullif(
        trim(
            regexp_replace(
                translate(
                    nfc_normalize({{ column }}),
                    chr(160) || chr(8209) || chr(173) || chr(8203) || chr(8204),
                    ' -'
                ),
                '\s+', ' ', 'g'
            )
        ),
        ''
    )
{%- endmacro %}

{# Two spellings of one name are equal as keys: `Alströmergatan 32 H` and
   `alstromergatan 32h`. #}
{% macro text_key(column) -%}
    nullif(
        regexp_replace(lower(strip_accents({{ column }})), '[^a-z0-9]', '', 'g'), ''
    )
{%- endmacro %}

{# What stands before the first digit: the street. #}
{% macro street_name(address) -%}
    nullif(rtrim(regexp_extract({{ address }}, '^[^0-9]*'), ' ,.-'), '')
{%- endmacro %}

{# The first run of digits; the letter after it stays in the address alone. No street
   has five-digit numbers: such a run is an error, and the number unknown. #}
{% macro street_number(address) -%}
    try_cast(
        nullif(regexp_extract({{ address }}, '^[^0-9]*([0-9]{1,4})([^0-9]|$)', 1), '')
        as integer
    )
{%- endmacro %}

{# Street, number and letter without what may follow (`, 3 tr`, `-11`), as a key. #}
{% macro address_key(address) -%}
    {{ text_key(
        "coalesce(nullif(regexp_extract("
        ~ address
        ~ ", '^[^0-9]*[0-9]+(\s*[A-Za-z]\\b)?'), ''), "
        ~ address
        ~ ")"
    ) }}
{%- endmacro %}

{# The floor that an address line may end with: `Rehnsgatan 19 4tr`, `vån 3`, `bv`.
   A number after a lone `v` is as often that of the flat: it is not taken. #}
{% macro floor_of_address(address) -%}
    {%- set line = 'lower(strip_accents(' ~ address ~ '))' -%}
    coalesce(
        try_cast(
            nullif(
                regexp_extract(
                    {{ line }},
                    '[0-9] ?[a-z]?[ ,.-]+([0-9]{1,2}) ?(tr|trappor)([^a-z]|$)',
                    1
                ),
                ''
            ) as double
        ),
        try_cast(
            nullif(
                regexp_extract(
                    {{ line }}, '[0-9] ?[a-z]?[ ,.-]+van(ing)?[ .]*([0-9]{1,2})', 2
                ),
                ''
            ) as double
        ),
        case
            when regexp_matches({{ line }}, '[0-9] ?[a-z]?[ ,.-]+(bv|nb)([^a-z]|$)')
                then 0
        end
    )
{%- endmacro %}

-- What Nominatim is asked, from the whole address down to its district, once each.
create or replace temp table attempts as
with spelt as (
    select
        question_id,
        -- Nominatim knows s:t, n. and g:la, yet not every last word shortened by a full
        -- stop; and it takes a for ä, except in the last words it shortens itself.
        trim(regexp_replace(
            regexp_replace(
            regexp_replace(
            regexp_replace(
            regexp_replace(
            regexp_replace(
            regexp_replace(
            regexp_replace(
            regexp_replace(
            regexp_replace(
            street,
            '^(st)\.?\s', 'sankt '),
            'vag(en)?$', 'väg\1'),
            'grand(en)?$', 'gränd\1'),
            '\s?v\.$| v$', 'vägen'),
            '\s?g\.$| g$', 'gatan'),
            '\s?gr\.$', 'gränd'),
            '\s?st\.$', 'stigen'),
            '\s?pl\.$', 'plan'),
            '\s?t\.$', 'torg'),
            '\s?b\.$', 'backe')) as street,
        number,
        nullif(concat(letter, '-' || number_to), '') as rest,
        trim(clean_address(municipality)) as municipality,
        trim(clean_address(district)) as district
    from asked
),

phrased as (
    select
        *,
        if(municipality <> '', '&city=' || url_encode(municipality), '') as city
    from spelt
)

select question_id, 1 as attempt,
    'street=' || url_encode(concat(street, ' ', number, rest)) || city as query
from phrased
where street <> '' and rest is not null and number is not null
union all
select question_id, 2, 'street=' || url_encode(concat(street, ' ', number)) || city
from phrased
where street <> '' and number is not null
union all
select question_id, 3, 'street=' || url_encode(street) || city
from phrased
where street <> ''
union all
select question_id, 4, 'q=' || url_encode(concat_ws(', ', district, municipality))
from phrased
where district <> '';

create or replace temp table responses (
    query varchar, body varchar, data_version varchar
);

create or replace temp table judged (
    question_id bigint, precision varchar, latitude double, longitude double,
    uncertainty_m double, attribution varchar, street varchar, number varchar,
    data_version varchar
);

-- Every distinct question, read once: its parts and its keys.
create or replace temp table asked as
with distinct_questions as (
    select distinct address, municipality, district from questions
),

cleaned as (
    select *, unspaced(clean_address(address)) as cleaned from distinct_questions
),

parsed as (
    select *, address_parts(cleaned) as parts, street_of(cleaned) as street from cleaned
)

select
    row_number() over () as question_id,
    address,
    municipality,
    district,
    place_key(municipality) as municipality_key,
    place_key(district) as district_key,
    nullif(street, '') as street,
    letters_of(street) as street_key,
    number_of(parts) as number,
    letter_of(parts) as letter,
    number_to_of(parts) as number_to
from parsed;

create or replace temp table matched (
    question_id bigint, street_id bigint, street_match varchar
);

-- The answers, misses too, beside those of other gazetteers.
insert into raw.geocoded_addresses
select
    request_id as address_key,
    latitude,
    longitude,
    precision,
    uncertainty_m,
    attribution,
    $version as gazetteer_version,
    (current_timestamp at time zone 'UTC')::timestamp as geocoded_at
from geocoded;

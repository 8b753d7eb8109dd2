-- What the server answered this time, judged: the same street or nothing.
insert into judged
with found as (
    select
        a.question_id,
        a.attempt,
        r.data_version,
        unnest(from_json(r.body, '[{
            "osm_type": "varchar", "category": "varchar", "type": "varchar",
            "addresstype": "varchar", "lat": "double", "lon": "double",
            "boundingbox": ["double"], "licence": "varchar", "name": "varchar",
            "address": {
                "house_number": "varchar", "road": "varchar", "square": "varchar",
                "hamlet": "varchar", "isolated_dwelling": "varchar",
                "municipality": "varchar"
            }
        }]')) as place
    from attempts as a
    inner join responses as r using (query)
    where a.attempt = $attempt
        and a.question_id in (select question_id from pending)
),

read as (
    select
        *,
        coalesce(
            place.address.road, place.address.square, place.address.hamlet,
            place.address.isolated_dwelling
        ) as road,
        place.address.house_number as house_number,
        -- A house number is read as an address is: "5-7", "12 B".
        address_parts(clean_address('x ' || house_number)) as parts
    from found
),

classed as (
    select
        r.*,
        q.number is not null as is_numbered,
        case
            -- The middle of "Gamla stan", and not of a shop of that name.
            when attempt = 4 then if(
                place.category in ('place', 'boundary') and house_number is null
                and folded(place_key(place.name)) = folded(q.district_key),
                'district', null
            )
            -- A server matches "gata 4" with "Sankt Nisses gata 4".
            when not coalesce(
                folded(alias_key(clean_address(road))) = folded(alias_key(q.street))
                or folded(place_key(road)) = folded(q.street_key), false
            ) then null
            when house_number is null then
                if(place.addresstype in ('road', 'square'), 'street', null)
            -- No house is mapped as a line, but a row of numbers is.
            when number_of(parts) = q.number and place.osm_type = 'way'
                and place.category = 'place' and place.type = 'house'
                then 'interpolated'
            when number_of(parts) = q.number and letter_of(parts) = q.letter
                and number_to_of(parts) is not distinct from q.number_to
                then if(q.number_to is null, 'exact', 'range')
            when q.number = number_of(parts)
                or q.number between number_of(parts) and number_to_of(parts)
                and q.number % 2 = number_of(parts) % 2 then 'number'
        end as precision
    from read as r
    inner join asked as q using (question_id)
),

best as (
    select
        *,
        list_position(
            ['exact', 'range', 'number', 'interpolated', 'street', 'district'],
            precision
        ) as step
    from classed
    where precision is not null
    qualify step = min(step) over (partition by question_id)
),

-- 12 is in the middle of 12A and 12B; a street may come in pieces.
middles as (
    select
        question_id,
        any_value(precision) as precision,
        any_value(is_numbered) as is_numbered,
        avg(place.lat) as latitude,
        avg(place.lon) as longitude,
        metres_between(
            min(place.lat), min(place.lon), max(place.lat), max(place.lon)
        ) as apart_m,
        count(distinct place.address.municipality) as municipalities,
        min(place.boundingbox[1]) as south,
        max(place.boundingbox[2]) as north,
        min(place.boundingbox[3]) as west,
        max(place.boundingbox[4]) as east,
        min(place.licence) as attribution,
        min(coalesce(road, place.name)) as street,
        string_agg(distinct house_number, ', ') as number,
        any_value(data_version) as data_version
    from best
    group by question_id
),

measured as (
    select
        *,
        greatest(
            metres_between(latitude, longitude, south, west),
            metres_between(latitude, longitude, south, east),
            metres_between(latitude, longitude, north, west),
            metres_between(latitude, longitude, north, east)
        ) as reach_m
    from middles
)

select
    question_id,
    precision,
    latitude,
    longitude,
    -- Cautious, not learnt: the shape on the map, and no less than its class errs by.
    case precision
        when 'exact' then greatest(25, reach_m)
        when 'range' then 25 + reach_m
        when 'number' then greatest(50, reach_m)
        when 'interpolated' then greatest(100, reach_m)
        -- A number the map lacks may lie beyond what is mapped of the street.
        when 'street' then greatest(if(is_numbered, 500, 50), reach_m)
        else greatest(500, reach_m)
    end as uncertainty_m,
    attribution,
    if(precision = 'district', null, street) as street,
    if(precision in ('street', 'district'), null, number) as number,
    data_version
from measured
-- Two towns have the street: whoever asks must say which.
where municipalities <= 1
    and apart_m <= if(precision in ('street', 'district'), 5000, 2000);

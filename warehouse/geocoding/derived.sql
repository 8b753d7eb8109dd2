-- Derived from gazetteer.addresses, whole, whenever addresses were added.

create or replace table gazetteer.streets as
with streets as (
    select
        municipality_key,
        street_key,
        mode(street order by street) as street,
        count(*) as address_count,
        median(latitude) as latitude,
        median(longitude) as longitude,
        min(attribution) as attribution,
        list_distinct(list(place_key(district)) filter (district is not null))
            as district_keys
    from gazetteer.addresses
    group by municipality_key, street_key
)
select
    row_number() over (order by municipality_key, street_key) as street_id,
    *,
    alias_key(lower(street)) as alias_key,
    folded(street_key) as folded_key,
    folded(alias_key(lower(street))) as folded_alias_key,
    typo_key(lower(street)) as typo_key
from streets;

create or replace table gazetteer.street_deletions as
select unnest(deletions(typo_key)) as deletion, street_id
from gazetteer.streets
where len(typo_key) >= 5
order by deletion;

create or replace table gazetteer.numbered as
select s.street_id, a.*
from gazetteer.addresses as a
inner join gazetteer.streets as s using (municipality_key, street_key)
order by s.street_id, a.number, a.letter;

-- One place per number, whatever its letters.
create or replace table gazetteer.numbers as
with numbers as (
    select
        street_id,
        number,
        number % 2 as side,
        avg(latitude) as latitude,
        avg(longitude) as longitude,
        min(attribution) as attribution,
        max(spread_m) as spread_m
    from gazetteer.numbered
    group by street_id, number
)
select
    n.*,
    max(metres_between(n.latitude, n.longitude, a.latitude, a.longitude)) as reach_m,
from numbers as n
inner join gazetteer.numbered as a using (street_id, number)
group by all
order by street_id, side, number;

-- How long each street is: it decides how wrong its middle can be.
create or replace table gazetteer.reaches as
select
    n.street_id,
    count(*) as number_count,
    quantile_cont(
        metres_between(n.latitude, n.longitude, s.latitude, s.longitude), 0.9
    ) as street_reach_m,
    if(count(*) = 1, -1, distance_class(street_reach_m)) as street_class
from gazetteer.numbers as n
inner join gazetteer.streets as s using (street_id)
group by n.street_id;

-- How wrong each step is, learnt by leaving out addresses that are known.
create or replace table gazetteer.calibration as
with ahead as (
    select
        *,
        unnest([1, 1, 2, 2]) as back,
        unnest([1, 2, 1, 2]) as forth
    from gazetteer.numbers
),

neighbours as (
    select
        *,
        lag(struct_pack(number, latitude, longitude), back) over sides as low,
        lead(struct_pack(number, latitude, longitude), forth) over sides as high
    from ahead
    window sides as (partition by street_id, side, back, forth order by number)
),

brackets as (
    select
        *,
        metres_between(low.latitude, low.longitude, high.latitude, high.longitude)
            as gap_m,
        (number - low.number) / (high.number - low.number) as share
    from neighbours
    where low is not null and high is not null
),

others as (
    select
        a.latitude,
        a.longitude,
        avg(b.latitude) as other_latitude,
        avg(b.longitude) as other_longitude
    from gazetteer.numbered as a
    inner join gazetteer.numbered as b
        on a.street_id = b.street_id and a.number = b.number and a.letter <> b.letter
    group by a.street_id, a.number, a.letter, a.latitude, a.longitude
),

-- Streets cut short: what is said of a number when all near it, and those beyond, are
-- unknown. From either end.
truncated as (
    select
        *,
        place - max(place) over known as gap,
        median(latitude) over known as known_latitude,
        median(longitude) over known as known_longitude
    from (
        select
            *,
            unnest([10, 20, 40, 80]) as least_gap,
            unnest([1, -1]) as direction,
            number * direction as place
        from gazetteer.numbers
    )
    window known as (
        partition by street_id, least_gap, direction order by place
        range between unbounded preceding and least_gap + 1 preceding
    )
),

-- Ranges of which the first number is unknown.
ranges as (
    select
        *,
        avg(latitude) over known as known_latitude,
        avg(longitude) over known as known_longitude
    from (
        select *, unnest([2, 4, 8, 16, 30]) as span from gazetteer.numbers
    )
    window known as (
        partition by street_id, side, span order by number
        range between 1 following and span following
    )
),

residuals as (
    select
        'interpolated' as precision,
        distance_class(gap_m) as class,
        metres_between(
            latitude, longitude,
            low.latitude + share * (high.latitude - low.latitude),
            low.longitude + share * (high.longitude - low.longitude)
        ) as residual_m
    from brackets
    where gap_m <= 1000
    union all by name
    select
        'nearest' as precision,
        -- Tenfold, to share the doublings: classes of 1, 2, 4, 8 ... numbers.
        distance_class(10 * (number - low.number)) as class,
        metres_between(latitude, longitude, low.latitude, low.longitude) as residual_m
    from neighbours
    where low is not null and forth = 1
    union all by name
    select
        'number' as precision,
        0 as class,
        metres_between(latitude, longitude, other_latitude, other_longitude)
            as residual_m
    from others
    union all by name
    select
        'exact' as precision,
        0 as class,
        spread_m as residual_m
    from gazetteer.addresses
    where spread_m > 0
    union all by name
    select
        'street' as precision,
        r.street_class as class,
        -- The centre leans towards the address left out: undo its share.
        metres_between(a.latitude, a.longitude, s.latitude, s.longitude)
            * r.number_count / (r.number_count - 1) as residual_m
    from gazetteer.reaches as r
    inner join gazetteer.numbers as a using (street_id)
    inner join gazetteer.streets as s using (street_id)
    where r.number_count > 1
    union all by name
    select
        'range' as precision,
        distance_class(10 * span) as class,
        metres_between(latitude, longitude, known_latitude, known_longitude)
            as residual_m
    from ranges
    where known_latitude is not null
    union all by name
    select
        'beyond' as precision,
        -- Tenfold as above, and of either side of the street.
        distance_class(10 * gap) as class,
        metres_between(latitude, longitude, known_latitude, known_longitude)
            as residual_m
    from truncated
    where gap is not null
)

select
    precision,
    class,
    quantile_cont(residual_m, 0.95) as uncertainty_m,
    count(*) as residual_count
from residuals
group by precision, class
having count(*) >= 30;

-- An address that is asked for and unknown lies on a small street more often than on a
-- large one, and those lie at the edges: how far out they are is learnt over all
-- districts together.
create or replace table gazetteer.districts as
with placed as (
    select
        *,
        place_key(district) as district_key,
        median(latitude) over (partition by municipality_key, place_key(district))
            as district_latitude,
        median(longitude) over (partition by municipality_key, place_key(district))
            as district_longitude
    from gazetteer.addresses
    where district is not null
),

streets as (
    select
        municipality_key,
        district_key,
        street_key,
        mode(district order by district) as district,
        any_value(district_latitude) as latitude,
        any_value(district_longitude) as longitude,
        min(attribution) as attribution,
        count(*) as address_count,
        max(metres_between(
            latitude, longitude, district_latitude, district_longitude
        )) as reach_m
    from placed
    group by municipality_key, district_key, street_key
),

measured as (
    select
        *,
        greatest(
            quantile_cont(reach_m, 0.95) over (
                partition by municipality_key, district_key
            ), 400
        ) as district_reach_m
    from streets
),

-- As if the street were not known: by the reach of the others.
left_out as (
    select
        small.reach_m
        / greatest(quantile_cont(others.reach_m, 0.95), 400) as stretch
    from streets as small
    inner join streets as others
        on small.municipality_key = others.municipality_key
        and small.district_key = others.district_key
        and small.street_key <> others.street_key
    where small.address_count <= 2
    group by small.municipality_key, small.district_key, small.street_key, small.reach_m
),

edges as (
    select greatest(1, coalesce(quantile_cont(stretch, 0.95), 1)) as stretch
    from left_out
)

select
    municipality_key,
    district_key,
    mode(district order by district) as district,
    any_value(latitude) as latitude,
    any_value(longitude) as longitude,
    min(attribution) as attribution,
    any_value(district_reach_m * stretch) as uncertainty_m
from measured
cross join edges
group by municipality_key, district_key;

insert into gazetteer.districts
select
    '' as municipality_key,
    district_key,
    district,
    latitude,
    longitude,
    attribution,
    -- Nine of ten of the city's districts lie wholly within this of their centre.
    1700 as uncertainty_m
from gazetteer.centres
anti join gazetteer.districts using (district_key);

-- The version is the content: the same addresses give the same, in whatever order.
create or replace table gazetteer.version as
with streets as (
    select
        municipality_key,
        street_key,
        sha256(string_agg(
            concat_ws(
                '|', street, number, letter, latitude, longitude,
                coalesce(district, ''), source, attribution, coalesce(spread_m, -1)
            ),
            chr(10) order by number, letter
        )) as digest
    from gazetteer.addresses
    group by municipality_key, street_key
)
select
    sha256(concat(
        string_agg(
            concat_ws('|', municipality_key, street_key, digest),
            chr(10) order by municipality_key, street_key
        ),
        (
            select string_agg(
                concat_ws('|', district_key, latitude, longitude, attribution),
                chr(10) order by district_key
            )
            from gazetteer.centres
        )
    )) as gazetteer_version
from streets;

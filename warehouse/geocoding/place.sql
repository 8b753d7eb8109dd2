-- From street and number to a place, by the first of the steps that answers.
create or replace temp table placed as
with wanted as (
    select
        a.*,
        m.street_id,
        m.street_match,
        a.number % 2 as side
    from asked as a
    inner join matched as m using (question_id)
),

-- 5-7 is looked up as a whole; without a range only the number itself counts.
ranged as (
    select
        w.question_id,
        avg(n.latitude) as latitude,
        avg(n.longitude) as longitude,
        min(n.attribution) as attribution,
        max(n.spread_m) as spread_m,
        max(n.latitude) - min(n.latitude) as tall,
        max(n.longitude) - min(n.longitude) as wide,
        max(metres_between(n.latitude, n.longitude, f.latitude, f.longitude)) as reach_m
    from wanted as w
    inner join gazetteer.numbers as n
        on w.street_id = n.street_id and w.side = n.side
        and n.number between w.number and w.number_to
    inner join gazetteer.numbers as f on w.street_id = f.street_id
        and f.number = n.number
    where w.number_to is not null
    group by w.question_id
),

low as (
    select w.question_id, n.*
    from (select * from wanted where number is not null) as w
    asof join gazetteer.numbers as n
        on w.street_id = n.street_id and w.side = n.side and w.number >= n.number
),

high as (
    select w.question_id, n.*
    from (select * from wanted where number is not null) as w
    asof join gazetteer.numbers as n
        on w.street_id = n.street_id and w.side = n.side and w.number <= n.number
),

bracketed as (
    select
        w.*,
        e.latitude as exact_latitude,
        e.longitude as exact_longitude,
        e.attribution as exact_attribution,
        e.spread_m as exact_spread_m,
        n.latitude as number_latitude,
        n.longitude as number_longitude,
        n.attribution as number_attribution,
        n.reach_m as number_reach_m,
        r.latitude as range_latitude,
        r.longitude as range_longitude,
        r.attribution as range_attribution,
        r.tall,
        r.wide,
        low,
        high,
        metres_between(low.latitude, low.longitude, high.latitude, high.longitude)
            as gap_m,
        (w.number - low.number) / nullif(high.number - low.number, 0) as share,
        -- Off the end of the street, or a side with no more numbers.
        if(
            high.number is null
            or w.number - low.number <= high.number - w.number, low, high
        ) as nearest
    from wanted as w
    left join gazetteer.numbered as e
        on w.street_id = e.street_id and w.number = e.number and w.letter = e.letter
        and w.number_to is null
    left join gazetteer.numbers as n
        on w.street_id = n.street_id and w.number = n.number and w.number_to is null
    left join ranged as r using (question_id)
    left join low using (question_id)
    left join high using (question_id)
),

decided as (
    select
        b.*,
        s.street as matched_street,
        s.latitude as street_latitude,
        s.longitude as street_longitude,
        s.attribution as street_attribution,
        case
            when exact_latitude is not null then 'exact'
            when number_latitude is not null then 'number'
            when range_latitude is not null then 'range'
            when gap_m <= 1000 and share is not null then 'interpolated'
            when abs(b.number - nearest.number) <= 10 then 'nearest'
            else 'street'
        end as precision
    from bracketed as b
    inner join gazetteer.streets as s using (street_id)
),

-- How far the number lies beyond those that are known, whatever their side.
beyond as (
    select
        d.question_id,
        min(abs(n.number - d.number)) as number_gap
    from decided as d
    inner join gazetteer.numbers as n using (street_id)
    where d.precision = 'street' and d.number is not null
    group by d.question_id
),

classed as (
    select
        d.*,
        r.street_reach_m,
        if(e.number_gap > 10, distance_class(10 * e.number_gap), null) as beyond_class,
        case precision
            when 'interpolated' then distance_class(gap_m)
            when 'nearest' then distance_class(10 * abs(d.number - nearest.number))
            when 'range' then distance_class(10 * (d.number_to - d.number))
            when 'street' then r.street_class
            else 0
        end as class
    from decided as d
    inner join gazetteer.reaches as r using (street_id)
    left join beyond as e using (question_id)
)

select
    question_id,
    street_match,
    precision,
    matched_street as street,
    if(precision = 'street', null, concat(
        number, if(precision = 'exact', letter, ''), '-' || number_to
    )) as number,
    case precision
        when 'exact' then exact_latitude
        when 'number' then number_latitude
        when 'range' then range_latitude
        when 'interpolated'
            then low.latitude + share * (high.latitude - low.latitude)
        when 'nearest' then nearest.latitude
        else street_latitude
    end as latitude,
    case precision
        when 'exact' then exact_longitude
        when 'number' then number_longitude
        when 'range' then range_longitude
        when 'interpolated'
            then low.longitude + share * (high.longitude - low.longitude)
        when 'nearest' then nearest.longitude
        else street_longitude
    end as longitude,
    case precision
        when 'exact' then exact_attribution
        when 'number' then number_attribution
        when 'range' then range_attribution
        when 'interpolated' then low.attribution
        when 'nearest' then nearest.attribution
        else street_attribution
    end as attribution,
    -- What was learnt, else (a small gazetteer) a cautious guess.
    case precision
        when 'exact' then greatest(coalesce(c.uncertainty_m, 25), exact_spread_m)
        when 'number' then greatest(coalesce(c.uncertainty_m, 50), number_reach_m)
        when 'range' then coalesce(c.uncertainty_m, 25 + metres_between(0, 0, tall, wide))
        when 'interpolated' then coalesce(c.uncertainty_m, 15 + gap_m / 2)
        when 'nearest'
            then coalesce(c.uncertainty_m, 30 + 20 * abs(number - nearest.number))
        else greatest(
            coalesce(c.uncertainty_m, 1.5 * street_reach_m, 500),
            -- A number beyond the known ones lies where none of them is.
            coalesce(b.uncertainty_m, if(number is null, 50, 500))
        )
    end as uncertainty_m
from classed
left join gazetteer.calibration as c using (precision, class)
left join gazetteer.calibration as b
    on b.precision = 'beyond' and b.class = classed.beyond_class;

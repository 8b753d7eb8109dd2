-- One step of the search for the street. A question has candidates; those that know its
-- number come first, then its municipality, then its district. It is answered only if
-- the best of them are one street (the same name twice, far apart, is two).
insert into matched
with candidates as ({candidates}),

ranked as (
    select
        c.question_id,
        c.street_id,
        s.street_key,
        s.address_count,
        s.latitude,
        s.longitude,
        rank() over (
            partition by c.question_id
            order by
                n.number is not null desc,
                s.municipality_key = a.municipality_key desc,
                coalesce(list_contains(s.district_keys, a.district_key), false) desc
        ) as place
    from candidates as c
    inner join asked as a using (question_id)
    inner join gazetteer.streets as s using (street_id)
    left join gazetteer.numbers as n
        on n.street_id = c.street_id and n.number = a.number
)

select
    question_id,
    arg_max(street_id, address_count) as street_id,
    '{step}' as street_match
from ranked
where place = 1
group by question_id
having
    count(distinct street_key) = 1
    and metres_between(
        min(latitude), min(longitude), max(latitude), max(longitude)
    ) <= 2000;

-- Every question with its answer: the address, else its district's centre, else NULL.
create or replace temp table geocoded as
with districts as (
    select
        a.question_id,
        arg_max(d.latitude, d.municipality_key = a.municipality_key) as latitude,
        arg_max(d.longitude, d.municipality_key = a.municipality_key) as longitude,
        max(d.uncertainty_m) as uncertainty_m,
        min(d.attribution) as attribution
    from asked as a
    inner join gazetteer.districts as d
        on a.district_key = d.district_key
        and (
            a.municipality_key in ('', d.municipality_key) or d.municipality_key = ''
        )
    where a.district_key <> ''
    group by a.question_id
    having metres_between(
        min(d.latitude), min(d.longitude), max(d.latitude), max(d.longitude)
    ) <= 5000
),

answers as (
    select
        a.address,
        a.municipality,
        a.district,
        coalesce(p.latitude, d.latitude) as latitude,
        coalesce(p.longitude, d.longitude) as longitude,
        coalesce(p.precision, if(d.latitude is null, null, 'district')) as precision,
        coalesce(p.uncertainty_m, d.uncertainty_m) as uncertainty_m,
        coalesce(p.attribution, d.attribution) as attribution,
        p.street,
        p.number,
        p.street_match
    from asked as a
    left join placed as p using (question_id)
    left join districts as d using (question_id)
)

select
    q.request_id,
    a.latitude,
    a.longitude,
    a.precision,
    a.uncertainty_m,
    if(a.latitude is null, null, v.gazetteer_version) as gazetteer_version,
    a.attribution,
    a.street,
    a.number,
    a.street_match
from questions as q
inner join answers as a
    on q.address is not distinct from a.address
    and q.municipality is not distinct from a.municipality
    and q.district is not distinct from a.district
cross join gazetteer.version as v;

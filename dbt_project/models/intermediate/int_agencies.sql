with homes as (
    select * from {{ ref('stg_booli__homes') }}
),

known_agencies as (
    select * from {{ ref('known_agencies') }}
),

-- Every page has the agency's id, only some its name: the newest page that says it wins
-- over the seed.
named_on_pages as (
    select
        agency_id,
        arg_max(agency_name, (observed_at, url)) as agency
    from homes
    where agency_id is not null and agency_name is not null
    group by agency_id
)

select
    coalesce(named_on_pages.agency_id, known_agencies.agency_id) as agency_id,
    coalesce(named_on_pages.agency, known_agencies.agency) as agency
from named_on_pages
full join known_agencies on named_on_pages.agency_id = known_agencies.agency_id

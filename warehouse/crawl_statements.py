"""The SQL of the crawl's landing: what is new, what changed, what is still to be read.

What belongs here: statements over the raw tables and ``incoming``, the rows at hand.
What does not: when they run (``crawl_store``).
"""

# The newest incoming observation of each key, unless it says what was known by then.
_INSERT_NEW = """
insert into raw.{table} by name
with latest as (
    select
        incoming.{key},
        arg_max(known.content_sha256, known.observed_at) as content_sha256
    from incoming
    inner join raw.{table} as known
        on incoming.{key} = known.{key}
        and incoming.observed_at >= known.observed_at
    group by incoming.{key}
)
select incoming.*
from incoming
where not exists (
    select 1 from latest
    where latest.{key} = incoming.{key}
        and latest.content_sha256 = incoming.content_sha256
)
qualify row_number() over (
    partition by incoming.{key} order by incoming.observed_at desc
) = 1
on conflict do nothing
"""
INSERT_NEW_CARDS = _INSERT_NEW.format(table="sale_cards", key="booli_id")
INSERT_NEW_HOMES = _INSERT_NEW.format(table="homes", key="url")

# What a landing of cards meant, told before it happens.
COUNT_CHANGES = """
with newest as (
    select * from incoming
    qualify row_number() over (
        partition by booli_id order by observed_at desc
    ) = 1
),
latest as (
    select known.*
    from raw.sale_cards as known
    inner join newest
        on known.booli_id = newest.booli_id
        and known.observed_at <= newest.observed_at
    qualify row_number() over (
        partition by known.booli_id order by known.observed_at desc
    ) = 1
)
select
    count(*) filter (latest.booli_id is null) as new,
    count(*) filter (newest.content_sha256 != latest.content_sha256) as changed,
    count(*) filter (
        latest.sold_price_type = 'Sista bud' and newest.sold_price_type = 'Slutpris'
    ) as bids_settled,
    count(*) filter (
        latest.sold_price_type = newest.sold_price_type
        and latest.sold_price_sek != newest.sold_price_sek
    ) as prices_corrected
from newest
left join latest on newest.booli_id = latest.booli_id
"""

INSERT_ONCE = (
    "insert into raw.{table} by name select * from incoming on conflict do nothing"
)
REPLACE = "insert or replace into raw.{table} by name select * from incoming"

# A page speaks for the home's newest sale: it is read again when a card of that sale,
# or of a newer one, says something it did not say when the page was read. A page that
# spoke for no sale (the home was for sale again) may hide one of the months before.
LISTINGS_TO_READ = """
with cards as (
    select
        sale_cards.booli_id,
        arg_max(sale_cards.url, sale_cards.observed_at) as url,
        arg_max(sale_cards.sold_date, sale_cards.observed_at) as sold_date,
        max(sale_cards.observed_at) as observed_at
    from raw.sale_cards
    inner join raw.crawl_runs using (run_id)
    where crawl_runs.site = $site and starts_with(sale_cards.page_url, $search_prefix)
    group by sale_cards.booli_id
)
select cards.url
from cards
left join raw.crawl_listings as read
    on read.site = $site and cards.url = read.url
where cards.sold_date between $from_date and $to_date
    and (
        read.url is null
        or (
            read.read_at < cards.observed_at
            and cards.sold_date >= coalesce(
                read.sold_date, read.read_at::date - interval 180 days
            )
        )
    )
group by cards.url
order by max(cards.sold_date) desc, cards.url
"""

# Runs of the same kind that broke off, back to the last that came to its end.
UNFINISHED_SINCE = """
with runs as (
    select
        started_at,
        coalesce(finish_reason in ('finished', 'monitors'), false) as has_ended
    from raw.crawl_runs
    where site = $site and spider = $spider
        and arguments->>'mode' = $mode and run_id != $run_id
)
select min(started_at)
from runs
where not has_ended
    and started_at > coalesce(
        (select max(started_at) from runs where has_ended), timestamp '1970-01-01'
    )
"""

WINDOW_STATUS = """
select status
from raw.crawl_windows
where site = $site and area_ids = $area_ids and object_type = $object_type
    and from_date <= $from_date and to_date >= $to_date
    and (
        (status = 'complete' and not $again)
        or (
            status in ('complete', 'open')
            and completed_at >= $landed_since and card_count >= total_count
        )
        or (status = 'split' and from_date = $from_date and to_date = $to_date)
    )
order by status = 'split'
limit 1
"""

# The newest time that crawls of a site have written down.
NEWEST_TIME = """
with times as (
    select greatest(started_at, finished_at) as written_at
    from raw.crawl_runs where site = $site
    union all
    select completed_at from raw.crawl_windows where site = $site
    union all
    select observed_at
    from raw.sale_cards
    inner join raw.crawl_runs using (run_id)
    where site = $site
)
select max(written_at) from times
"""

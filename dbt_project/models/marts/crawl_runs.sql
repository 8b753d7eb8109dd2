-- What Scrapy counted stands in the statistics; a crawl that was killed has none, and
-- is counted by what it landed.
with crawl_runs as (
    select * from {{ source('raw', 'crawl_runs') }}
),

pages as (
    select * from {{ source('raw', 'pages') }}
),

sale_cards as (
    select * from {{ source('raw', 'sale_cards') }}
),

quarantine as (
    select * from {{ source('raw', 'quarantine') }}
),

pages_counted as (
    select
        run_id,
        count(*) as kept_page_count,
        count(*) filter (where page_kind = 'search') as kept_search_page_count
    from pages
    group by run_id
),

cards_numbered as (
    select
        run_id,
        row_number() over (partition by booli_id order by observed_at) = 1 as is_new
    from sale_cards
),

cards_counted as (
    select
        run_id,
        count(*) filter (where is_new) as new_sale_count,
        count(*) filter (where not is_new) as changed_sale_count
    from cards_numbered
    group by run_id
),

-- A row of the quarantine names its page, not its run; no page is kept for two runs.
quarantine_counted as (
    select
        pages.run_id,
        count(*) as quarantined_count
    from quarantine
    inner join pages
        on
            quarantine.source = pages.url
            and quarantine.source_sha256 = pages.payload_sha256
    group by pages.run_id
),

joined as (
    select
        crawl_runs.run_id,
        crawl_runs.spider,
        crawl_runs.site,
        crawl_runs.arguments ->> 'mode' as crawl_mode,
        crawl_runs.finish_reason,
        coalesce(
            cast(crawl_runs.statistics ->> 'booli/pages' as bigint),
            pages_counted.kept_page_count,
            0
        ) as page_count,
        coalesce(
            cast(
                crawl_runs.statistics
                ->> 'poet/injector/scrapy_project.pages.search.SearchPage' as bigint
            ),
            pages_counted.kept_search_page_count,
            0
        ) as search_page_count,
        cast(crawl_runs.statistics ->> 'booli/cards' as bigint) as card_count,
        coalesce(cards_counted.new_sale_count, 0) as new_sale_count,
        coalesce(cards_counted.changed_sale_count, 0) as changed_sale_count,
        coalesce(quarantine_counted.quarantined_count, 0) as quarantined_count,
        crawl_runs.started_at,
        crawl_runs.finished_at
    from crawl_runs
    left join pages_counted on crawl_runs.run_id = pages_counted.run_id
    left join cards_counted on crawl_runs.run_id = cards_counted.run_id
    left join quarantine_counted on crawl_runs.run_id = quarantine_counted.run_id
)

select
    ---------- ids
    run_id,
    ---------- text
    spider,
    site,
    crawl_mode,
    finish_reason,
    ---------- numbers
    page_count,
    search_page_count,
    card_count,
    new_sale_count,
    changed_sale_count,
    quarantined_count,
    card_count / nullif(search_page_count, 0) as cards_per_page,
    ---------- booleans
    coalesce(finish_reason = 'finished', false) as is_finished,
    ---------- dates
    started_at,
    finished_at
from joined

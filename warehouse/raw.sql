-- The raw tables: append-only, complete, one statement each, safe to run again.
-- Written by the crawl (pages, sale_cards, homes, crawl_*), by `warehouse.land`
-- (landed_*, quarantine) and by `warehouse.geocoding` (geocoded_addresses). dbt reads
-- them as sources; nothing updates a landed row.

create schema if not exists raw;

-- One row per crawl: what was asked, how it ended, what Scrapy counted.
create table if not exists raw.crawl_runs (
    run_id varchar primary key,
    spider varchar not null,
    site varchar not null,                -- host name, without port
    arguments json not null,
    started_at timestamp not null,        -- UTC, as every timestamp here
    finished_at timestamp,
    finish_reason varchar,
    statistics json
);

-- The ledger: a window of sold dates that has landed whole, or was split in two.
create table if not exists raw.crawl_windows (
    site varchar not null,
    area_ids varchar not null,            -- as in the query, comma separated
    object_type varchar not null,
    from_date date not null,
    to_date date not null,                -- inclusive
    status varchar not null check (status in ('complete', 'split', 'open')),
    -- open: landed, but days in it may still gain sales, so it is read again
    page_count integer not null,
    total_count integer not null,         -- as the site said
    card_count integer not null,          -- as landed
    completed_at timestamp not null,
    run_id varchar not null,
    primary key (site, area_ids, object_type, from_date, to_date)
);

-- The ledger of listing pages: when each was last read, and for which sale it spoke.
create table if not exists raw.crawl_listings (
    site varchar not null,
    url varchar not null,                 -- path
    read_at timestamp not null,
    http_status integer not null,         -- 404: the page is gone
    sold_date date,                       -- of the sale the page spoke for, if any
    run_id varchar not null,
    primary key (site, url)
);

-- Every page as served (its __NEXT_DATA__, zlib), so that a parser bug is mended
-- without another request. A page that answered 404 has no payload.
create table if not exists raw.pages (
    url varchar not null,                 -- path and query, without the origin
    page_kind varchar not null check (page_kind in ('search', 'listing')),
    http_status integer not null,
    payload_sha256 varchar not null,      -- of the payload before compression; '' if none
    payload_zlib blob,
    fetched_at timestamp not null,
    run_id varchar not null,
    primary key (url, payload_sha256)
);

-- One row per observation of a sale on a search page. An observation equal to the
-- latest one of the same sale is not stored again.
create table if not exists raw.sale_cards (
    booli_id bigint not null,             -- the sale's identity; its url is a home
    observed_at timestamp not null,
    content_sha256 varchar not null,      -- of the parsed fields below
    run_id varchar not null,
    page_url varchar not null,            -- raw.pages.url of the search page
    payload_sha256 varchar not null,
    url varchar not null,                 -- path of the listing page
    street_address varchar,
    descriptive_area_name varchar,
    municipality_name varchar,
    object_type varchar,
    sold_price_type varchar,              -- Slutpris, Sista bud, Lagfart
    sold_date date,
    sold_price_sek bigint,
    list_price_sek bigint,
    price_change_sek bigint,              -- as shown: against the first asking price
    price_change_pct double,
    price_per_m2_sek bigint,              -- as shown: rounded to 100
    living_area_m2 double,
    additional_area_m2 double,
    rooms double,
    floor double,                         -- 0 = ground floor (BV)
    fee_sek_per_month bigint,
    days_active integer,
    latitude double,
    longitude double,
    amenities varchar[],
    primary key (booli_id, observed_at)
);

-- One row per observation of a listing page: the home, and the sale it speaks for.
create table if not exists raw.homes (
    url varchar not null,                 -- path, e.g. /bostad/691097
    observed_at timestamp not null,
    content_sha256 varchar not null,
    run_id varchar not null,
    payload_sha256 varchar not null,
    detail_typename varchar not null,     -- SoldProperty, ResidenceWithSoldProperty, ...
    booli_id bigint,                      -- of the sale the page speaks for, if it says
    residence_id bigint,
    street_address varchar,
    descriptive_area_name varchar,
    municipality_name varchar,
    postcode varchar,
    object_type varchar,
    tenure_form varchar,
    brf_id bigint,
    brf_name varchar,
    agency_id bigint,
    agency_name varchar,
    energy_class varchar,
    apartment_number varchar,
    sold_price_type varchar,
    sold_date date,
    sold_price_sek bigint,
    list_price_sek bigint,
    first_price_sek bigint,
    fee_sek_per_month bigint,
    operating_cost_sek_per_month bigint,
    living_area_m2 double,
    additional_area_m2 double,
    rooms double,
    floor double,
    construction_year integer,
    days_active integer,
    is_sold_before_listing boolean,       -- soldAsUpcomingSale
    latitude double,
    longitude double,
    area_ids bigint[],
    amenities varchar[],
    primary key (url, observed_at)
);

-- One row per file that was landed.
create table if not exists raw.landed_files (
    file_sha256 varchar primary key,
    file_name varchar not null,
    format varchar not null,              -- csv, parquet, seed_csv
    row_count bigint not null,
    landed_count bigint not null,         -- new rows; the rest was known or quarantined
    quarantined_count bigint not null,
    landed_at timestamp not null
);

-- One row per observation of a sale that came in a file. The newest one counts; rows of
-- one landing are a microsecond apart, in the file's order.
create table if not exists raw.landed_sales (
    platform varchar not null,
    source_id varchar not null,           -- the site's id, else a hash, see has_own_id
    observed_at timestamp not null,
    content_sha256 varchar not null,      -- of the values below, identity apart
    has_own_id boolean not null,          -- false: source_id is a hash of address, area, date, price
    file_sha256 varchar not null,
    row_number bigint not null,           -- 1 = first data row
    url varchar,
    address varchar not null,
    area varchar,                         -- district as written
    municipality varchar,
    object_type varchar,
    agency varchar,
    brf_name varchar,
    energy_class varchar,
    sold_price_type varchar,
    sold_date date not null,
    sold_price_sek bigint not null,
    list_price_sek bigint,
    living_area_m2 double not null,
    rooms double,
    floor double,
    construction_year integer,
    fee_sek_per_month double,
    operating_cost_sek_per_year double,
    latitude double,
    longitude double,
    primary key (platform, source_id, observed_at)
);

-- Rows that could not be landed, from a file or from a page: nothing is lost.
create table if not exists raw.quarantine (
    source varchar not null,              -- file name, or page url
    source_sha256 varchar not null,       -- of the file or the payload
    row_number bigint not null,           -- in the file; position on the page
    field varchar,
    reason varchar not null,
    record json,                          -- the row as it was
    quarantined_at timestamp not null,
    primary key (source_sha256, row_number)
);

-- One row per published figure of the economy that came in a file, and per vintage: a
-- figure equal to the newest one of its period is not stored again.
create table if not exists raw.economy_observations (
    series varchar not null,              -- gdp_growth_yoy, unemployment, ...
    period varchar not null,              -- 2024-Q1, 2024-01, or a day
    vintage_on date not null,             -- public by then: the file's own date, else loaded
    value double not null,
    unit varchar not null,
    known_from date not null,             -- period end + usual lag, or vintage_on if sooner
    source varchar not null,
    file_name varchar not null,
    file_sha256 varchar not null,
    row_number bigint not null,           -- in the file; position of the value in JSON
    loaded_at timestamp not null,
    primary key (series, period, vintage_on, loaded_at)
);

-- One row per file of places that was landed, and how it was read.
create table if not exists raw.landed_places (
    file_sha256 varchar not null,
    read_as varchar not null,             -- see warehouse.places: option and its value
    file_name varchar not null,
    row_count bigint not null,
    loaded_at timestamp not null,
    primary key (file_sha256, read_as)
);

-- One row per district of a GeoJSON file: polygons of rings of [longitude, latitude].
create table if not exists raw.district_polygons (
    file_sha256 varchar not null,
    read_as varchar not null,
    file_name varchar not null,
    feature_number bigint not null,       -- 1 = first feature
    name varchar not null,
    polygons double[][][][] not null,     -- as GeoJSON's MultiPolygon; holes are rings
    loaded_at timestamp not null,
    primary key (file_sha256, read_as, feature_number)
);

-- One row per station of a GTFS feed and kind of traffic.
create table if not exists raw.stops (
    file_sha256 varchar not null,
    read_as varchar not null,
    file_name varchar not null,
    stop_id varchar not null,
    name varchar not null,
    kind varchar not null check (kind in ('metro', 'commuter_rail')),
    latitude double not null,             -- WGS 84
    longitude double not null,
    loaded_at timestamp not null,
    primary key (file_sha256, read_as, stop_id, kind)
);

-- Where sales without a position lie, by the gazetteer of the day. A miss is kept too,
-- NULL throughout, so that it is asked again only of another gazetteer.
create table if not exists raw.geocoded_addresses (
    address_key varchar not null,         -- as dbt's macro address_key
    latitude double,                      -- WGS84 degrees
    longitude double,
    precision varchar,                    -- the step that answered: exact, number, ...
    uncertainty_m double,                 -- holds the true place in 95 of 100 answers
    attribution varchar,                  -- whom to credit where the place is shown
    gazetteer_version varchar not null,
    geocoded_at timestamp not null,
    primary key (address_key, gazetteer_version)
);

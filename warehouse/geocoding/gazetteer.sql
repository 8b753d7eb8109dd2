-- The gazetteer: addresses from every source, and what is derived for matching.

create schema if not exists gazetteer;

create table if not exists gazetteer.addresses (
    municipality_key varchar not null,   -- '' where the source does not tell
    street_key varchar not null,         -- letters and digits alone, lower case
    street varchar not null,             -- as the source spells it
    number integer not null,
    letter varchar not null,             -- '' for none
    latitude double not null,            -- WGS84 degrees
    longitude double not null,
    district varchar,
    source varchar not null,
    attribution varchar not null,
    spread_m double,                     -- of the observations behind it
    primary key (municipality_key, street_key, number, letter)
);

-- Middles of districts that came with the project, for those no address lies in.
create table if not exists gazetteer.centres (
    district_key varchar primary key,
    district varchar not null,
    latitude double not null,            -- WGS84 degrees
    longitude double not null,
    attribution varchar not null
);

"""Addresses that a person may mean by what is typed so far.

What belongs here: known streets, districts and numbers, spelt right or nearly so, as
options to choose from. What does not: placing an address (``places``), and the field
it is typed in.

First the names are compared, then the numbers of the few that fit: a few thousand
names take a millisecond or two where all addresses would take tenfold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ml.valuation.places import TEXT_KEY_SQL
from ml.valuation.request import street_and_number

if TYPE_CHECKING:
    import duckdb

SUGGESTION_COUNT = 8
LEAST_TYPED = 2
"""Letters that must be typed before anything is suggested."""
LEAST_LIKENESS = 0.82
"""Of a name to what is typed, 1 being the same; below this it is another name."""
NUMBER_OF_NAMES = 4
"""Names whose house numbers are looked at."""

Level = Literal["address", "street", "district"]

TYPED = re.compile(
    r"^(?P<name>[^0-9]+)((?P<number>[0-9]{1,6})\s*(?P<letter>[a-zA-Z]\b)?)?"
)


@dataclass(frozen=True)
class Suggestion:
    """An address, street or district that may be meant, and what is known of it."""

    text: str
    level: Level
    district: str | None
    sale_count: int


def _name_key(column: str) -> str:
    """Write the key of a name: ``S:t Eriksgatan`` and ``Sankt Eriksgatan`` are one."""
    saint = f"regexp_replace({column}, '^[Ss]:?[Tt][. ]', 'sankt ')"
    return TEXT_KEY_SQL.format(saint)


_TABLES_SQL = f"""
    create schema if not exists suggestions;

    -- Of several spellings, one with its dots and rings, else the commonest.
    create or replace table suggestions.districts as
    select
        {_name_key("district")} as district_key,
        arg_max(
            district, if(strip_accents(district) = district, 0, 1e9) + sale_count
        ) as district,
        sum(sale_count)::integer as sale_count
    from marts.places
    where place_level = 'district' and district is not null
    group by district_key;

    create or replace table suggestions.addresses as
    select
        {_name_key("known.street")} as name_key,
        known.number,
        lower(known.letter) as letter,
        any_value(
            known.street || ' ' || known.number || upper(known.letter)
        ) as address,
        any_value(
            coalesce(districts.district, places.district, known.district)
        ) as district,
        coalesce(sum(places.sale_count), 0)::integer as sale_count
    from gazetteer.addresses as known
    left join marts.places
        on
            places.place_level = 'address'
            and places.place_key
            = {TEXT_KEY_SQL.format("known.street || known.number || known.letter")}
    left join suggestions.districts
        on districts.district_key = {_name_key("places.district")}
    group by all
    order by name_key, known.number, lower(known.letter);

    create or replace table suggestions.names as
    select
        name_key, 'street' as level,
        mode(regexp_replace(address, ' [0-9]+[A-Za-z]?$', '')) as name,
        mode(district) as district,
        sum(sale_count)::integer as sale_count
    from suggestions.addresses
    group by name_key
    union all
    select district_key, 'district', district, district, sale_count
    from suggestions.districts;
"""

_NAMES_SQL = """
    with alike as (
        select
            *,
            left(name_key, length($key)) as beginning,
            starts_with(name_key, $key) as is_begun
        from suggestions.names
    ),

    scored as (
        select
            *,
            case
                when name_key = $key then 3
                when is_begun then 2
                else greatest(
                    jaro_winkler_similarity(name_key, $key),
                    jaro_winkler_similarity(beginning, $key),
                    1 - damerau_levenshtein(beginning, $key) / length($key)
                )
            end as likeness
        from alike
    )

    select name_key, level, name, district, sale_count, likeness
    from scored
    where likeness >= $least
    order by likeness desc, sale_count desc, name
    limit $limit
"""

# What begins with the number comes first, then the numbers nearest to it.
_NUMBERS_SQL = """
    with names as (
        select unnest($keys::varchar[]) as name_key, unnest($ranks::integer[]) as rank
    )

    select addresses.address, addresses.district, addresses.sale_count
    from names
    inner join suggestions.addresses using (name_key)
    where
        names.rank = 0
        or (
            addresses.number = $number
            and ($letter = '' or addresses.letter = $letter)
        )
    order by
        names.rank = 0
        and addresses.number = $number
        and addresses.letter = $letter desc,
        names.rank = 0
        and starts_with(addresses.number::varchar, $number::varchar) desc,
        addresses.number = $number desc,
        names.rank,
        abs(addresses.number - $number),
        addresses.letter
    limit $limit
"""

_MOST_SOLD_SQL = """
    select address, district, sale_count
    from suggestions.addresses
    where name_key = $key
    order by sale_count desc, number, letter
    limit $limit
"""


class AddressSuggestions:
    """Known addresses, ready to be suggested; safe from several threads.

    Parameters
    ----------
    connection
        To a snapshot whose gazetteer is built (``places.build_gazetteer``); tables are
        made in its memory.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        connection.execute(_TABLES_SQL)

    def of(self, typed: str, limit: int = SUGGESTION_COUNT) -> list[Suggestion]:
        """Give what may be meant, the likeliest first; nothing for a letter or two."""
        match = TYPED.match(typed.strip())
        if match is None:
            return []
        connection = self._connection.cursor()
        key = _key(connection, match["name"])
        if len(key) < LEAST_TYPED:
            return []
        names = connection.execute(
            _NAMES_SQL, {"key": key, "least": LEAST_LIKENESS, "limit": limit}
        ).fetchall()
        if match["number"] is None:
            return _without_number(connection, names, limit)
        letter = (match["letter"] or "").lower()
        return _with_number(connection, names, int(match["number"]), letter, limit)


def _key(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    row = connection.execute(
        f"select {_name_key('$name')}", {"name": name.lstrip()}
    ).fetchone()
    return row[0] if row else ""


def _without_number(
    connection: duckdb.DuckDBPyConnection, names: list[tuple], limit: int
) -> list[Suggestion]:
    """Suggest the names, and where there is room the likeliest one's addresses."""
    found = [
        Suggestion(name, level, district if level == "street" else None, count)
        for _, level, name, district, count, _ in names
    ]
    if names and names[0][1] == "street" and len(found) < limit:
        rows = connection.execute(
            _MOST_SOLD_SQL, {"key": names[0][0], "limit": limit - len(found)}
        ).fetchall()
        found += [Suggestion(row[0], "address", row[1], row[2]) for row in rows]
    return found


def _with_number(
    connection: duckdb.DuckDBPyConnection,
    names: list[tuple],
    number: int,
    letter: str,
    limit: int,
) -> list[Suggestion]:
    keys = [row[0] for row in names if row[1] == "street"][:NUMBER_OF_NAMES]
    rows = connection.execute(
        _NUMBERS_SQL,
        {
            "keys": keys,
            "ranks": list(range(len(keys))),
            "number": number,
            "letter": letter,
            "limit": limit,
        },
    ).fetchall()
    found = [Suggestion(row[0], "address", row[1], row[2]) for row in rows]
    if not keys or any(_is_number(each.text, number) for each in found):
        return found
    # the number may well exist, unsold: the street is mended and the number kept
    name, district = names[0][2], names[0][3]
    asked = Suggestion(f"{name} {number}{letter.upper()}", "street", district, 0)
    return [asked, *found][:limit]


def _is_number(address: str, number: int) -> bool:
    return street_and_number(address)[1] == number

"""Compiled queries give DuckDB's rows, and what is not compiled says so."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from warehouse.row_sql.program import Program, Programs
from warehouse.row_sql.syntax import UnsupportedSqlError

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUEST_TYPES = {
    "request_id": "VARCHAR",
    "day": "DATE",
    "name": "VARCHAR",
    "area": "DOUBLE",
    "number": "INTEGER",
    "is_new": "BOOLEAN",
}
REQUESTS: list[dict[str, Any]] = [
    {
        "request_id": "a",
        "day": dt.date(2020, 2, 29),
        "name": "  Sveavägen 98 B, 3 tr ",
        "area": 52.5,
        "number": 7,
        "is_new": True,
    },
    {
        "request_id": "b",
        "day": dt.date(2021, 12, 31),
        "name": "hornsgatan 1",
        "area": -0.5,
        "number": -7,
        "is_new": False,
    },
    {
        "request_id": "c",
        "day": dt.date(1969, 7, 20),
        "name": "Åäö\u00a0É",
        "area": 1e17,
        "number": 0,
    },
    {"request_id": "d"},
]
SALES_SQL = """
    create schema marts;

    create table marts.sales as
    select
        'sale' || n as sale_id,
        case n % 3 when 0 then 'hornsgatan 1' when 1 then 'Sveavägen' end as street,
        case when n % 7 > 0 then n % 4 end as floor,
        (date '2019-01-01' + ((37 * n) % 1500)::integer)::date as sold_date,
        case when n % 5 > 0 then n / 7 end as price,
        n % 2 = 0 as is_even
    from range(200) as numbers (n);

    create table marts.bounds as
    select * from (values ('low', 0.5), ('high', 9.25)) as bounds (name, bound);

    create macro marts.priced(requests) as table
    select request_id, count(*) as sale_count, round(sum(price), 6) as price
    from query_table(requests) as asked
    inner join marts.sales as sales on asked.name = sales.street
    group by request_id;
"""


@pytest.fixture
def snapshot() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that holds sales, and the requests as a relation."""
    with duckdb.connect() as connection:
        connection.execute(SALES_SQL)
        columns = ", ".join(f"{name} {kind}" for name, kind in REQUEST_TYPES.items())
        connection.execute(f"create table requests ({columns})")
        connection.executemany(
            f"insert into requests values ({', '.join('?' * len(REQUEST_TYPES))})",
            [[each.get(name) for name in REQUEST_TYPES] for each in REQUESTS],
        )
        yield connection


def compiled(connection: duckdb.DuckDBPyConnection, *queries: str) -> Program:
    macros = connection.execute(
        "select function_name, macro_definition from duckdb_functions() "
        "where schema_name = 'marts' and function_type = 'table_macro'"
    ).fetchall()
    programs = Programs(connection, REQUEST_TYPES, dict(macros))
    program = programs.compiled(*queries)
    programs.load()
    return program


def check(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Compare a query's rows with DuckDB's, their types too."""
    cursor = connection.execute(query.replace("query_table(requests)", "requests"))
    names = [column[0].lower() for column in cursor.description or []]
    expected = cursor.fetchall()
    (answer,) = compiled(connection, query).ask(REQUESTS)
    assert list(answer) == names
    rows = list(zip(*answer.values(), strict=True))
    assert sorted(map(repr, rows)) == sorted(map(repr, expected))


EXPRESSIONS = [
    "area + number, area - 1, -area, area * 2, number * number, area / 0, number / 2",
    "number // 2, number % 2, number // -3, number % -3, abs(number), abs(area)",
    "round(area), round(area, 1), round(area / 3, 4), floor(area), number - -1",
    "cast(round(area) as bigint), cast(floor(area) as varchar), cast(number as double)",
    "cast(least(greatest(round(area), -1), 7) as varchar), cast(number as varchar)",
    "greatest(number, area, null), least(number, 3), greatest(null, null) is null",
    "exp(area / 1000), ln(abs(area)), sqrt(abs(area)), power(area, 2), pi() * area",
    "sin(area), cos(area), asin(1 / (1 + abs(area))), radians(area)",
    "lower(name), upper(name), trim(name), strip_accents(name), length(name)",
    "regexp_replace(lower(strip_accents(name)), '[^a-z0-9]', '', 'g')",
    "regexp_extract(name, '[0-9]+'), regexp_extract(name, '(x)?([0-9]+)', 1)",
    "regexp_matches(name, '^hor.*1$'), regexp_replace(name, '(a|ä)', '<\\1>')",
    "try_cast(regexp_extract(name, '[0-9]+') as integer), name || '/' || area",
    "translate(name, 'äå' || chr(160), 'aa'), nullif(name, ''), nullif(trim(name), '')",
    "replace(name, 'a', 'b'), starts_with(name, 'horn'), contains(name, 'ä')",
    "year(day), month(day), day(day), date_diff('day', day, date '2020-01-01')",
    "day + interval 15 days > date '2020-03-01', day - date '2020-01-01'",
    "coalesce(area, number, 3), coalesce(name, 'none'), coalesce(number, 1)",
    "case when number > 0 then area when number < 0 then number end",
    "case when is_new then 'new' else name end, not is_new, is_new is null",
    "number > 0 and area > 0, number > 0 or area > 0, area between 0 and 60",
    "number in (7, 8), name in ('x', 'hornsgatan 1'), name is not null",
    "(number > 0 and is_new) is null, coalesce(area between 1 and 99, false)",
]


@pytest.mark.parametrize("expressions", EXPRESSIONS)
def test_expressions_are_duckdb_s_to_the_last_digit(
    snapshot: duckdb.DuckDBPyConnection, expressions: str
) -> None:
    depth, parts, start = 0, [], 0
    for position, letter in enumerate(expressions + ","):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append(expressions[start:position])
            start = position + 1
    chosen = ", ".join(f"{part} as column_{n}" for n, part in enumerate(parts))
    known = "where area is not null" if "ln(" in expressions else ""
    check(snapshot, f"select {chosen} from query_table(requests) {known}")


QUERIES = {
    "star": "select * exclude (area) rename (name as street) "
    "from query_table(requests)",
    "as of, or none": """
        select asked.request_id, sales.sale_id, sales.price
        from query_table(requests) as asked
        asof left join marts.sales as sales
            on asked.name = sales.street and asked.day >= sales.sold_date
    """,
    "as of, before": """
        select asked.request_id, last.sale_id
        from query_table(requests) as asked
        asof inner join (select * from marts.sales where is_even) as last
            on last.sold_date < asked.day
    """,
    "equal keys and more": """
        select asked.request_id, sales.sale_id, sales.floor, sales.is_even
        from query_table(requests) as asked
        left join marts.sales as sales
            on
                asked.name = sales.street
                and sales.floor = asked.number + 8
                and (sales.price is null or sales.sold_date < asked.day)
    """,
    "with neither": """
        with found as (
            select asked.request_id
            from query_table(requests) as asked
            inner join marts.sales as sales on asked.name = sales.street
        )
        select asked.request_id
        from query_table(requests) as asked
        anti join found on asked.request_id = found.request_id
    """,
    "crossed with a map": """
        select asked.request_id, bounds.bound['high'] as high, bounds.bound['x'] as x
        from query_table(requests) as asked
        cross join (
            select map(list(name), list(bound::double)) as bound from marts.bounds
        ) as bounds
    """,
    "grouped": """
        select
            asked.request_id,
            count(*) as sale_count,
            count(price) + 1 as priced_count,
            round(sum(price), 6) as price,
            min(sold_date) as first_sold,
            max(floor) filter (where not is_even) as odd_floor,
            arg_max(sale_id, (sold_date, sale_id)) as newest,
            arg_min(sale_id, price) as cheapest
        from query_table(requests) as asked
        inner join marts.sales as sales on asked.name = sales.street
        group by asked.request_id
        having count(*) % 2 = 1
    """,
    "numbered, and an alias in where": """
        select asked.request_id, sale_id, price * 2 as doubled
        from query_table(requests) as asked
        inner join marts.sales as sales on asked.name = sales.street
        where doubled > 3
        qualify row_number() over (
            partition by asked.request_id order by floor desc, sale_id
        ) <= 9
    """,
    "a share of a window": """
        select
            request_id, sale_id,
            price / sum(price) over (partition by request_id) as share
        from query_table(requests) as asked
        inner join (select * from marts.sales where floor = 1) as sales
            on asked.name = sales.street
    """,
    "unnested and united": """
        with days as (
            select request_id, unnest(range(number - 3, number)) as step
            from query_table(requests)
        )
        select request_id, step from days
        union
        select request_id, step from days
    """,
    "another macro": """
        select asked.request_id, asked.price, asked.sale_count
        from marts.priced(requests) as asked
    """,
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_queries_give_duckdb_s_rows(
    snapshot: duckdb.DuckDBPyConnection, query: str
) -> None:
    check(snapshot, query)


@pytest.mark.parametrize(
    "query",
    [
        "select request_id from query_table(requests) order by 1",
        "select jaro_similarity(name, 'x') as x from query_table(requests)",
        "select * from marts.unknown(requests)",
        "select a.request_id from query_table(requests) as a "
        "inner join marts.sales as b on a.day > b.sold_date",
        "select case when is_new then area else name end as x "
        "from query_table(requests)",
    ],
)
def test_what_is_not_compiled_says_so(
    snapshot: duckdb.DuckDBPyConnection, query: str
) -> None:
    with pytest.raises(UnsupportedSqlError):
        compiled(snapshot, query)


def test_no_request_and_no_sale_give_no_row(
    snapshot: duckdb.DuckDBPyConnection,
) -> None:
    program = compiled(snapshot, QUERIES["grouped"])
    assert not any(program.ask([])[0].values())
    snapshot.execute("delete from marts.sales")
    empty = compiled(snapshot, QUERIES["as of, or none"])
    assert empty.ask(REQUESTS)[0]["sale_id"] == [None] * len(REQUESTS)


def test_queries_share_what_they_have_in_common(
    snapshot: duckdb.DuckDBPyConnection,
) -> None:
    grouped, again = (
        QUERIES["grouped"],
        f"select * from ({QUERIES['grouped']}) as again",
    )
    alone = compiled(snapshot, grouped)
    both = compiled(snapshot, grouped, again)
    assert both.ask(REQUESTS) == alone.ask(REQUESTS) * 2
    assert both.source.count("\n") == alone.source.count("\n")


def test_a_left_join_of_groups_keeps_the_rows_as_they_are(
    snapshot: duckdb.DuckDBPyConnection,
) -> None:
    query = """
        select asked.request_id, lower(asked.name) as name, sold.sale_count
        from query_table(requests) as asked
        left join (
            select asked.request_id, count(*) as sale_count
            from query_table(requests) as asked
            inner join marts.sales as sales on asked.name = sales.street
            group by asked.request_id
        ) as sold on asked.request_id = sold.request_id
    """
    check(snapshot, query)
    named = "select request_id, lower(name) as name from query_table(requests)"
    assert len(set(compiled(snapshot, named, query).source.split("lower()"))) == 2

"""The marts of the monitoring page, built by dbt from a crawl told row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_dbt_project import run_dbt, write_warehouse

from warehouse.store import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb


MARTS = (
    "crawl_runs",
    "stage_counts",
    "rejections_by_month",
    "missing_values",
    "geocoding_precision",
)

CRAWLS = """
    insert into raw.crawl_runs values
        (
            'first', 'booli', 'www.booli.se', '{"mode": "bulk"}',
            timestamp '2026-11-22 02:00', timestamp '2026-11-22 02:30', 'finished',
            '{"booli/pages": 12, "booli/cards": 70,
              "poet/injector/scrapy_project.pages.search.SearchPage": 2}'
        ),
        (
            'killed', 'booli', 'www.booli.se', '{"mode": "daily"}',
            timestamp '2026-11-23 02:00', null, null, null
        );

    insert into raw.pages values
        ('/a', 'search', 200, 'sha-a', null, timestamp '2026-11-22 02:01', 'first'),
        ('/b', 'search', 200, 'sha-b', null, timestamp '2026-11-23 02:01', 'killed'),
        ('/c', 'listing', 404, '', null, timestamp '2026-11-23 02:02', 'killed');

    insert into raw.sale_cards (
        booli_id, observed_at, content_sha256, run_id, page_url, payload_sha256, url,
        street_address, descriptive_area_name, object_type, sold_price_type, sold_date,
        sold_price_sek, living_area_m2, rooms, floor, latitude, longitude
    )
    select
        id, seen, 'x' || seen, run, '/a', 'sha-a', '/bostad/' || id,
        'Odengatan ' || id, 'Vasastan', kind, 'Slutpris', date '2015-06-01',
        price, 50, 2, level, 59.34, 18.05
    from (
        values
            (1001, timestamp '2026-11-22 02:01', 'first', 3000000, 2, 'Lägenhet'),
            (1002, timestamp '2026-11-22 02:01', 'first', 3100000, null, 'Lägenhet'),
            (1003, timestamp '2026-11-22 02:01', 'first', 4100000, 1, 'Villa'),
            (1001, timestamp '2026-11-23 02:01', 'killed', 3050000, 2, 'Lägenhet'),
            (1004, timestamp '2026-11-23 02:01', 'killed', 3200000, 3, 'Lägenhet')
    ) as cards (id, seen, run, price, level, kind);

    insert into raw.quarantine values
        ('/b', 'sha-b', 3, 'rooms', 'is no number', '{}', timestamp '2026-11-23 02:01')
"""


@pytest.fixture(scope="module")
def built(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[duckdb.DuckDBPyConnection]:
    folder: Path = tmp_path_factory.mktemp("built")
    write_warehouse(folder)
    with connect(folder / "warehouse.duckdb") as connection:
        connection.execute(CRAWLS)
    run_dbt(
        "build",
        *("--resource-type", "seed", "--resource-type", "model"),
        *("--select", *(f"+{mart}" for mart in MARTS)),
        data_dir=folder,
    )
    run_dbt("test", "--select", *MARTS, "assert_stages_reconcile", data_dir=folder)
    with connect(folder / "warehouse.duckdb", read_only=True) as connection:
        yield connection


def one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple:
    (row,) = connection.execute(query).fetchall()
    return row


def test_a_crawl_says_what_scrapy_counted(built: duckdb.DuckDBPyConnection) -> None:
    assert one(
        built,
        "select crawl_mode, is_finished, page_count, card_count, cards_per_page,"
        " new_sale_count, changed_sale_count, quarantined_count"
        " from marts.crawl_runs where run_id = 'first'",
    ) == ("bulk", True, 12, 70, 35.0, 3, 0, 0)


def test_a_killed_crawl_is_counted_by_what_it_landed(
    built: duckdb.DuckDBPyConnection,
) -> None:
    assert one(
        built,
        "select finish_reason, is_finished, page_count, search_page_count, card_count,"
        " new_sale_count, changed_sale_count, quarantined_count"
        " from marts.crawl_runs where run_id = 'killed'",
    ) == (None, False, 2, 1, None, 1, 1, 1)


def test_the_stages_add_up(built: duckdb.DuckDBPyConnection) -> None:
    counts = dict(
        built.execute("select stage, row_count from marts.stage_counts").fetchall()
    )
    assert counts["pages"] == 3
    assert counts["landed"] == 1500
    assert counts["quarantined"] == 1
    assert counts["observations"] == 1505
    assert counts["observations"] == counts["accepted"] + counts["rejected"]
    assert counts["deduplicated"] == counts["accepted"] + counts["flagged"]
    assert counts["accepted"] == counts["features"]
    assert counts["flagged"] < counts["rejected"]


def test_rejections_stand_by_the_month_of_sale(
    built: duckdb.DuckDBPyConnection,
) -> None:
    count, is_repeated = one(
        built,
        "select rejected_count, is_repeated from marts.rejections_by_month"
        " where rule = 'not_an_apartment' and sold_month = date '2015-06-01'",
    )
    assert (count, is_repeated) == (1, False)
    assert one(
        built,
        "select bool_and(is_repeated) from marts.rejections_by_month"
        " where rule in ('superseded_observation', 'duplicate_sale')",
    ) == (True,)
    assert one(
        built, "select sum(rejected_count) from marts.rejections_by_month"
    ) == one(built, "select count(*) from marts.rejected_sales")


def test_missing_values_are_counted_by_year(built: duckdb.DuckDBPyConnection) -> None:
    shown = one(
        built,
        "select sum(missing_count), sum(imputed_count), sum(sale_count)"
        " from marts.missing_values where column_name = 'floor'",
    )
    missing, total = one(
        built, "select count(*) filter (where floor is null), count(*) from marts.sales"
    )
    assert shown == (missing, missing, total)
    assert one(
        built,
        "select count(*), count(imputed_count) from marts.missing_values"
        " where column_name = 'energy_class' and sold_year = 2015",
    ) == (1, 0)


def test_every_sale_is_placed_somehow(built: duckdb.DuckDBPyConnection) -> None:
    placed = dict(
        built.execute(
            "select placed_by, sum(sale_count) from marts.geocoding_precision"
            " group by placed_by"
        ).fetchall()
    )
    assert sum(placed.values()) == one(built, "select count(*) from marts.sales")[0]
    assert placed["source"] > 0
    assert placed["exact"] > 0, "a gazetteer knows every number of one street"
    assert one(
        built,
        "select min(median_uncertainty_m) > 0, max(highest_uncertainty_m) <= 150"
        " from marts.geocoding_precision where is_geocoded",
    ) == (True, True)
    assert one(
        built,
        "select count(median_uncertainty_m) from marts.geocoding_precision"
        " where not is_geocoded",
    ) == (0,)

"""Crawled sales seen again, and what is no sale, from raw rows to the marts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_dbt_project import WITHOUT_UNIT_TESTS, count, run_dbt

from warehouse.store import connect, create_raw_tables

if TYPE_CHECKING:
    from pathlib import Path

# booli_id, days after 1 June 2026, url, sold_price_type, sold_price_sek
CARDS = [
    (1, 1, "/annons/1", "Sista bud", 5_200_000),
    (1, 2, "/annons/1", "Slutpris", 5_250_000),
    (1, 3, "/bostad/7", "Slutpris", 5_250_000),
    (2, 1, "/annons/2", "Sista bud", 4_000_000),
    (3, 1, "/annons/3", "Lagfart", 3_000_000),
    (-4, 1, "/lagfart/-4", None, 3_100_000),
    (5, 1, "/annons/5", "Slutpris", 3_200_000),
    (5, 2, "/annons/5", "Lagfart", 3_200_000),
    (6, 1, "/annons/6", "Budgivning", 3_300_000),
    (7, 1, "/annons/7", "Slutpris", 3_400_000),
    (7, 2, "/annons/7", "Slutpris", 3_450_000),
]


@pytest.fixture(scope="module")
def observed_again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built warehouse of crawled sales, some of them observed more than once."""
    folder = tmp_path_factory.mktemp("observed_again")
    with connect(folder / "warehouse.duckdb") as connection:
        create_raw_tables(connection)
        connection.executemany(
            """
            insert into raw.sale_cards (
                booli_id, observed_at, url, sold_price_type, sold_price_sek,
                content_sha256, run_id, page_url, payload_sha256, street_address,
                object_type, sold_date, living_area_m2
            )
            select
                $1, timestamp '2026-06-01' + to_days($2), $3, $4, $5,
                '', '', '', '', 'Odengatan ' || abs($1), 'Lägenhet',
                date '2026-05-28', 50
            """,
            CARDS,
        )
    run_dbt("build", *WITHOUT_UNIT_TESTS, data_dir=folder)
    return folder / "warehouse.duckdb"


def test_last_bid_is_a_sale_until_its_final_price_takes_its_place(
    observed_again: Path,
) -> None:
    with connect(observed_again, read_only=True) as connection:
        sales = connection.execute(
            "select source_id, sold_price_type, sold_price_sek from marts.sales "
            "order by source_id"
        ).fetchall()

    assert sales == [
        ("1", "Slutpris", 5_250_000),
        ("2", "Sista bud", 4_000_000),
        ("7", "Slutpris", 3_450_000),
    ]


def test_title_transfers_and_unknown_price_types_are_kept_with_a_reason(
    observed_again: Path,
) -> None:
    with connect(observed_again, read_only=True) as connection:
        rejected = connection.execute(
            "select source_id, rule, is_title_transfer from marts.rejected_sales "
            "where rule <> 'superseded_observation' order by source_id"
        ).fetchall()
        kept = count(
            connection,
            "select (select count(*) from marts.sales) "
            "+ (select count(*) from marts.rejected_sales)",
        )

    assert rejected == [
        ("-4", "title_transfer", True),
        ("3", "title_transfer", True),
        ("5", "title_transfer", True),
        ("6", "price_type_unknown", False),
    ]
    assert kept == len(CARDS)


def test_what_changed_between_observations_is_countable(observed_again: Path) -> None:
    with connect(observed_again, read_only=True) as connection:
        changes = connection.execute(
            "select booli_id, field, old_value, new_value, change_kind "
            "from marts.sale_changes order by booli_id, observed_at, field"
        ).fetchall()

    assert changes == [
        (1, "sold_price_sek", "5200000", "5250000", "bid_settled"),
        (1, "sold_price_type", "Sista bud", "Slutpris", "bid_settled"),
        (1, "url", "/annons/1", "/bostad/7", "url_moved"),
        (5, "sold_price_type", "Slutpris", "Lagfart", "other"),
        (7, "sold_price_sek", "3400000", "3450000", "price_corrected"),
    ]

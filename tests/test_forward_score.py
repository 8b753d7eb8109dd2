from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from forward_valuations import MADE_AT, log_of, place, valuation

from ml.valuation.forward_log import LoggedValuation, main
from ml.valuation.forward_score import SCORED, SUMMARY, score_log
from warehouse.errors import SlutprisError
from warehouse.store import connect, create_raw_tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb
    import pandas as pd

    from warehouse.settings import Settings

SALES = """
    create schema marts;

    create table marts.sales as
    select
        'booli:' || booli_id as sale_id, '/bostad/' || booli_id as url, address,
        'Vasastan' as district, 'Stockholm' as municipality,
        sold_price_sek::bigint as sold_price_sek, living_area_m2::double
            as living_area_m2,
        2.0 as rooms, floor::double as floor, sold_date, observed_at::timestamp
            as observed_at
    from (values
        (1, 'Sveavägen 98 A', 5000000, 52, 3, date '2026-04-10', '2026-04-12'),
        (2, 'Sveavägen 98 A', 9000000, 52, 6, date '2026-04-10', '2026-04-12'),
        (3, 'Sveavägen 98 B', 4000000, 52, 3, date '2026-04-10', '2026-04-12'),
        (4, 'Odengatan 7, 2 tr', 3000000, 30, null, date '2026-02-01', '2026-02-03'),
        (5, 'Odengatan 9', 3000000, 30, null, date '2026-10-01', '2026-10-03')
    ) as sold (
        booli_id, address, sold_price_sek, living_area_m2, floor, sold_date, observed_at
    );

    create table marts.duplicate_sales (
        sale_id varchar, duplicate_of_sale_id varchar
    );

    create table marts.price_index as
    select date '2026-01-01' as period_start, 100000 as price_index_sek_per_m2
    union all
    select date '2026-04-01', 110000;
"""


@pytest.fixture
def market(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse of five sales; the city rose by a tenth on the first of April."""
    with connect(settings.warehouse_path) as connection:
        create_raw_tables(connection)
        connection.execute(SALES)
        yield connection


def scored(
    market: duckdb.DuckDBPyConnection,
    settings: Settings,
    *valuations: LoggedValuation,
    made_at: datetime = MADE_AT,
) -> pd.DataFrame:
    log_of(settings, made_at).append(*valuations)
    return score_log(market, settings).valuations


def test_the_sale_of_the_same_address_floor_and_size_judges_a_valuation(
    market: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    (row,) = scored(market, settings, valuation(4_500_000, floor=3)).to_dict("records")

    assert (row["sale_id"], row["status"]) == ("booli:1", "matched")
    assert row["error_pct"] == pytest.approx(-10)
    # the city rose by a tenth between the valuation and the sale
    assert row["value_index_carried_sek"] == 4_950_000
    assert row["error_pct_index_carried"] == pytest.approx(-1)
    assert not row["is_within_range"]
    assert row["days_between"] == 39
    assert row["sale_url"] == "/bostad/1"
    assert row["is_forward"]
    assert row["is_counted"]


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({"address": "Sveavägen 98A", "living_area_m2": 60}, "expired"),
        ({"address": "Sveavägen 98C"}, "expired"),
        ({"address": "Sveavägen 98A", "floor": 1}, "expired"),
        ({"address": "Sveavägen"}, "without_number"),
        ({"address": "Odengatan 9", "living_area_m2": 30}, "expired"),
        ({"address": "Odengatan 11", "date": date(2026, 8, 1)}, "waiting"),
        # sold before it was valued
        ({"address": "Odengatan 7", "living_area_m2": 30}, "expired"),
    ],
)
def test_another_flat_judges_no_valuation(
    market: duckdb.DuckDBPyConnection,
    settings: Settings,
    facts: dict[str, Any],
    status: str,
) -> None:
    (row,) = scored(market, settings, valuation(**facts)).to_dict("records")
    assert row["status"] == status
    assert not row["is_counted"]


def test_one_in_another_municipality_is_another_home(
    market: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    made = valuation()
    elsewhere = LoggedValuation(
        made.request, place(municipality="Solna"), 5_000_000, None, None, 4
    )
    (row,) = scored(market, settings, elsewhere).to_dict("records")
    assert row["status"] == "expired"


def test_without_a_floor_the_nearest_of_several_is_taken_and_counted(
    market: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    (row,) = scored(market, settings, valuation()).to_dict("records")
    assert (row["sale_id"], row["candidate_count"]) == ("booli:1", 2)
    assert not row["is_floor_matched"]


def test_valuations_made_in_hindsight_stand_apart(
    market: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    after_sale = datetime(2026, 4, 20, tzinfo=UTC)
    known = scored(market, settings, valuation(floor=3), made_at=after_sale)
    assert list(known["hindsight"]) == ["sale_was_known"]

    backdated = valuation(date=date(2026, 2, 20), floor=3)
    both = scored(market, settings, backdated)
    assert set(both["hindsight"]) == {"sale_was_known", "backdated"}
    assert not both["is_forward"].any()
    protocols = {
        each["protocol"] for each in score_log(market, settings).summary["results"]
    }
    assert protocols == {"retrospective"}


def test_a_sale_is_known_from_the_first_row_that_told_of_it(
    market: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    market.execute("insert into marts.duplicate_sales values ('file:x', 'booli:1')")
    market.execute(
        """
        insert into raw.landed_sales by name
        select 'file' as platform, 'x' as source_id, 'f' as content_sha256,
                'f' as file_sha256, 1 as row_number,
            timestamp '2026-03-01' as observed_at, 'Sveavägen 98 A' as address,
            date '2026-04-10' as sold_date, 5000000 as sold_price_sek,
            52 as living_area_m2, true as has_own_id
        """
    )
    (row,) = scored(market, settings, valuation(floor=3)).to_dict("records")
    assert row["hindsight"] == "sale_was_known"


def test_a_home_valued_often_counts_once_by_its_last_valuation(
    market: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    for day, value_sek in enumerate((3_000_000, 4_000_000, 5_100_000)):
        made_at = MADE_AT + timedelta(days=day)
        log_of(settings, made_at).append(
            valuation(value_sek, floor=3, date=made_at.date())
        )
    result = score_log(market, settings)

    assert list(result.valuations["is_counted"]) == [False, False, True]
    whole = next(each for each in result.summary["results"] if each["segment"] == "all")
    assert whole["n"] == 1
    assert whole["mape_pct"] == pytest.approx(2)
    assert whole["coverage_90_pct"] == 100
    assert whole["r2"] is None


def test_figures_come_by_version_and_class(
    market: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    made = valuation(floor=3)
    with_class = LoggedValuation(
        made.request, made.place, 5_000_000, None, None, 4, confidence_class=5
    )
    log_of(settings).append(with_class)
    summary = score_log(market, settings).summary
    assert [each["segment"] for each in summary["results"]] == [
        "all",
        "model_version:4",
        "confidence_class:5",
    ]
    assert summary["results"][0]["coverage_90_pct"] is None
    assert summary["counts"]["match_rate_pct"] == 100


def test_scoring_again_gives_the_same_bytes(
    market: duckdb.DuckDBPyConnection, settings: Settings
) -> None:
    scored(market, settings, valuation(floor=3), valuation(address="Odengatan 11"))
    files = [settings.reports_dir / name for name in (SCORED, SUMMARY)]
    first = [path.read_bytes() for path in files]
    score_log(market, settings)
    assert [path.read_bytes() for path in files] == first


def test_command_says_what_makes_a_record_while_there_is_none(
    settings: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with connect(settings.warehouse_path) as connection:
        create_raw_tables(connection)
        connection.execute(SALES)

    assert main(["--json", str(tmp_path / "log.json")]) == 0
    assert "No valuation is logged yet" in capsys.readouterr().out
    summary = json.loads((tmp_path / "log.json").read_text(encoding="utf-8"))
    assert summary["counts"]["valuations"] == 0
    assert summary["results"] == []


def test_command_prints_counts_figures_and_damage(
    market: duckdb.DuckDBPyConnection,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    log_of(settings).append(valuation(floor=3), valuation(address="Odengatan 11"))
    path = settings.forward_log_dir / "2026-03-02.jsonl"
    path.write_bytes(path.read_bytes() + b"{")
    market.close()

    assert main([]) == 0
    out = capsys.readouterr().out
    assert "XGBoost, before listing" in out
    assert "version 4" in out
    assert "not sold in time" in out
    assert "2026-03-02.jsonl:5: torn" in out


def test_without_marts_scoring_says_what_to_do(settings: Settings) -> None:
    with (
        connect(settings.warehouse_path) as connection,
        pytest.raises(SlutprisError, match="dbt build"),
    ):
        score_log(connection, settings)

"""What housing publishes: its groups fit the tables, and publishing repeats."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

import duckdb
import pyarrow.parquet as pq
import pytest
import yaml
from registry_contract import model_folder, register

from ml.backends import Backend, embedded_backend
from ml.folder_registry import FolderRegistry
from ml.valuation.published_groups import APARTMENT_FEATURES, RAW_SALES
from ml.valuation.publishing import (
    publish_features,
    publish_model,
    publish_raw_sales,
    publish_view,
)
from ml.valuation.registration import served_names
from warehouse.errors import SlutprisError
from warehouse.settings import PROJECT_ROOT, Settings
from warehouse.store import create_raw_tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MARTS_YML = PROJECT_ROOT / "dbt_project/models/marts/_marts__models.yml"
OF_MART = {"varchar": "string", "integer": "int"}


def mart_columns() -> dict[str, str]:
    models = yaml.safe_load(MARTS_YML.read_text(encoding="utf-8"))["models"]
    mart = next(model for model in models if model["name"] == "sale_features")
    return {column["name"]: column["data_type"] for column in mart["columns"]}


@pytest.fixture
def tables() -> Iterator[duckdb.DuckDBPyConnection]:
    """Raw tables, and the mart of features as its contract says, with two sales."""
    columns = ", ".join(f"{name} {kind}" for name, kind in mart_columns().items())
    with duckdb.connect() as connection:
        create_raw_tables(connection)
        connection.execute("create schema marts")
        connection.execute(f"create table marts.sale_features ({columns})")
        connection.execute(
            """
            insert into marts.sale_features
                (sale_id, sold_date, sold_price_sek, street, rooms)
            values
                ('booli:1', date '2026-01-05', 4_000_000, 'sveavagen', 2),
                ('booli:2', date '2026-02-05', 3_000_000, null, null)
            """
        )
        yield connection


@pytest.fixture
def backend(settings: Settings) -> Backend:
    return embedded_backend(settings)


def add_card(connection: duckdb.DuckDBPyConnection, observed_at: datetime) -> None:
    connection.execute(
        """
        insert into raw.sale_cards
            (booli_id, observed_at, content_sha256, run_id, page_url, payload_sha256,
             url, street_address, sold_date, sold_price_sek)
        values (7, ?, 'c', 'r', 'p', 's', '/bostad/7', 'Sveavägen 98',
                date '2026-01-05', 4000000)
        """,
        [observed_at],
    )


def test_the_group_of_features_has_the_columns_of_the_mart() -> None:
    of_mart = {name: OF_MART.get(kind, kind) for name, kind in mart_columns().items()}
    assert APARTMENT_FEATURES.types == of_mart
    assert APARTMENT_FEATURES.column_names == list(of_mart)


def test_features_are_published_once(
    tables: duckdb.DuckDBPyConnection, backend: Backend
) -> None:
    receipt = publish_features(tables, backend.feature_store)
    assert (receipt.rows_inserted, receipt.skipped) == (2, False)
    assert publish_features(tables, backend.feature_store).skipped
    read = backend.feature_store.read("apartment_features", 1)
    assert read["sold_price_sek"].to_pylist() == [4_000_000, 3_000_000]
    assert read["rooms"].to_pylist() == [2.0, None]


def test_a_sale_whose_day_was_corrected_stands_there_once(
    tables: duckdb.DuckDBPyConnection, backend: Backend
) -> None:
    publish_features(tables, backend.feature_store)
    tables.execute(
        "update marts.sale_features set sold_date = date '2026-01-01' "
        "where sale_id = 'booli:1'"
    )
    receipt = publish_features(tables, backend.feature_store)
    assert receipt.rows_removed == 1
    read = backend.feature_store.read("apartment_features", 1)
    assert read["sold_date"].to_pylist() == [date(2026, 1, 1), date(2026, 2, 5)]


def test_raw_sales_are_published_with_every_observation_and_as_a_file(
    tables: duckdb.DuckDBPyConnection, backend: Backend, tmp_path: Path
) -> None:
    january, may = datetime(2026, 1, 9, 3), datetime(2026, 5, 9, 3)
    add_card(tables, january)
    add_card(tables, may)
    tables.execute(
        """
        insert into raw.landed_sales
            (platform, source_id, observed_at, content_sha256, has_own_id, file_sha256,
             row_number, address, sold_date, sold_price_sek, living_area_m2)
        values ('hemnet', 'x', ?, 'c', true, 'f', 1, 'Åsögatan 1', date '2026-04-01',
                5000000, 50.5)
        """,
        [may],
    )
    receipt, file = publish_raw_sales(
        tables, backend.feature_store, backend.shared_files
    )
    assert (receipt.rows_inserted, file.skipped) == (3, False)
    known = backend.feature_store.read("raw_sales", 1, as_of=january)
    assert known["sale_id"].to_pylist() == ["booli:7"]
    copy = backend.shared_files.get("raw_sales.parquet", tmp_path / "copy.parquet")
    assert pq.read_table(copy)["address"].to_pylist() == [
        "Sveavägen 98",
        "Sveavägen 98",
        "Åsögatan 1",
    ]
    again, file_again = publish_raw_sales(
        tables, backend.feature_store, backend.shared_files
    )
    assert (again.skipped, file_again.skipped) == (True, True)


def test_raw_columns_are_those_of_the_group(
    tables: duckdb.DuckDBPyConnection, backend: Backend
) -> None:
    add_card(tables, datetime(2026, 1, 9))
    publish_raw_sales(tables, backend.feature_store, backend.shared_files)
    assert backend.feature_store.read("raw_sales", 1).schema.equals(
        RAW_SALES.arrow_schema
    )


def test_the_view_gives_features_without_the_price(
    tables: duckdb.DuckDBPyConnection, backend: Backend
) -> None:
    publish_features(tables, backend.feature_store)
    view = publish_view(backend.feature_store)
    batch = backend.feature_store.read_view(view.name, view.version)
    assert batch.num_rows == 2
    assert set(APARTMENT_FEATURES.column_names) - set(batch.column_names) == {
        "sold_price_sek",
        "price_per_m2_sek",
        "sold_price_norm",
    }


def test_publishing_before_the_marts_are_built_says_what_to_do(
    backend: Backend,
) -> None:
    with duckdb.connect() as empty, pytest.raises(SlutprisError, match="dbt build"):
        publish_features(empty, backend.feature_store)


def test_a_model_goes_to_another_registry_as_it_is(
    settings: Settings, tmp_path: Path
) -> None:
    own = FolderRegistry(settings.registry_dir)
    plot = tmp_path / "predicted.png"
    plot.write_bytes(b"png")
    own.register(
        "xgboost",
        model_folder(tmp_path),
        metrics={"mape_pct": 7.0},
        lineage={"git_commit": "abc"},
        input_schema={"rooms": "double"},
        input_example={"rooms": 2},
        plots=[plot],
    )
    theirs = FolderRegistry(tmp_path / "theirs")
    published = publish_model("xgboost", own, theirs)
    assert published.is_new
    assert published.version.content_sha256 == own.get("xgboost").content_sha256
    assert theirs.plots(published.version)[0].read_bytes() == b"png"
    assert not publish_model("xgboost", own, theirs).is_new
    assert not publish_model("xgboost", own, own).is_new


def test_the_champion_is_published_though_another_is_newer(
    settings: Settings, tmp_path: Path
) -> None:
    own = FolderRegistry(settings.registry_dir)
    for text in ("good", "worse"):
        register(own, tmp_path, text, name="xgboost")
    theirs = FolderRegistry(tmp_path / "theirs")
    published = publish_model("xgboost", own, theirs, version=1)
    assert published.version.content_sha256 == own.get("xgboost", 1).content_sha256
    assert publish_model("xgboost", own, own, version=1).version.version == 1
    assert own.numbers("xgboost") == [1, 2]


def test_every_served_model_is_published(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SLUTPRIS_DATA", str(tmp_path))
    from dagster_assets.definitions import defs

    keys = {spec.key.to_user_string() for spec in defs().resolve_all_asset_specs()}
    served = {f"model_registry/{name}" for name in served_names()}
    assert {key for key in keys if key.startswith("model_registry/")} == served


def test_publishing_is_downstream_of_everything_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SLUTPRIS_DATA", str(tmp_path))
    from dagster_assets.definitions import defs

    graph = defs().resolve_asset_graph()
    groups = {node.key: node.group_name for node in graph.asset_nodes}
    above = {key: graph.get_ancestor_asset_keys(key) for key in groups}
    published = {key for key, group in groups.items() if group == "publishing"}
    before = {
        key
        for key, group in groups.items()
        if group in ("marts", "features", "models", "gate", "evaluation", "serving")
        # a mart that nothing in the graph is made from is read by people alone
        and any(key in above[other] for other in groups)
    }
    for key in published:
        assert before - above[key] == set()
    assert not any(above[key] & published for key in set(groups) - published)

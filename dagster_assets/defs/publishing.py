"""What the world outside the warehouse reads: the feature store and the snapshot."""

import dagster as dg

from dagster_assets.defs.transform import mart
from ml.feature_store import DuckDBFeatureStore
from warehouse.serving import publish
from warehouse.settings import Settings
from warehouse.store import connect

FEATURE_GROUP = "sale_features"
FEATURE_GROUP_VERSION = 2


@dg.asset(
    key=["feature_store", FEATURE_GROUP],
    deps=[mart("sale_features")],
    group_name="publishing",
    kinds={"duckdb"},
)
def published_features() -> dg.MaterializeResult:
    """Features of every accepted sale, in the feature store; one row per sale."""
    settings = Settings()
    store = DuckDBFeatureStore(settings.feature_store_path)
    with connect(read_only=True) as connection:
        row_count = store.push(
            FEATURE_GROUP,
            FEATURE_GROUP_VERSION,
            connection,
            "select * from marts.sale_features",
            primary_key=["sale_id"],
            event_time="sold_date",
        )
    return dg.MaterializeResult(
        metadata={"dagster/row_count": row_count, "version": FEATURE_GROUP_VERSION}
    )


@dg.asset(
    key=["serving", "snapshot"],
    deps=[
        mart(name)
        for name in (
            "sales",
            "rejected_sales",
            "price_index",
            "district_price_index",
            "duplicate_sales",
            "sale_features",
            "sale_comparables",
            "sale_changes",
            "places",
        )
    ],
    group_name="publishing",
    kinds={"parquet"},
)
def published_snapshot() -> dg.MaterializeResult:
    """The marts as the dashboards read them: made visible by one atomic rename."""
    with connect(read_only=True) as connection:
        snapshot = publish(connection, Settings().serving_dir)
    row_counts = {table.name: table.row_count for table in snapshot.manifest.tables}
    return dg.MaterializeResult(
        metadata={
            "snapshot_id": snapshot.snapshot_id,
            "tables": len(row_counts),
            "dagster/row_count": row_counts["sales"],
        }
    )

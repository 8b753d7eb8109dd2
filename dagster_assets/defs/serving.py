"""What the dashboards read: a snapshot of the marts, whoever is published to."""

import dagster as dg

from dagster_assets.defs.transform import mart
from dagster_assets.freshness import NIGHTLY_FRESH
from warehouse.serving import publish
from warehouse.settings import Settings
from warehouse.store import connect

SNAPSHOT = dg.AssetKey(["serving", "snapshot"])


@dg.asset(
    key=SNAPSHOT,
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
            "crawl_runs",
            "stage_counts",
            "rejections_by_month",
            "missing_values",
            "geocoding_precision",
        )
    ],
    group_name="serving",
    kinds={"parquet"},
    freshness_policy=NIGHTLY_FRESH,
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

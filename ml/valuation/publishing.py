"""Publishing what the warehouse and training made: features, raw sales, models.

What belongs here: what is published of housing, in which order, to any backend. What
does not: the columns (``published_groups``), and how a backend keeps them. Nothing here
changes the warehouse or the own registry, so a failure leaves both as they were.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb

from ml.feature_batches import quoted_text
from ml.folder_registry import FolderRegistry
from ml.model_versions import byte_count
from ml.registry import Registered
from ml.valuation.published_groups import (
    APARTMENT_FEATURES,
    APARTMENT_FEATURES_SQL,
    APARTMENTS,
    RAW_SALES,
    RAW_SALES_FILE,
    RAW_SALES_SQL,
)
from ml.valuation.registration import registered_metrics
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from ml.feature_groups import FeatureViewSpec
    from ml.feature_store import FeatureStore, Receipt
    from ml.registry import ModelRegistry
    from ml.shared_files import FileReceipt, SharedFiles


def publish_features(
    connection: duckdb.DuckDBPyConnection, store: FeatureStore
) -> Receipt:
    """Write the features of every accepted sale.

    Raises
    ------
    SlutprisError
        When the marts are not built, or the store cannot take them.
    """
    with TemporaryDirectory(prefix="slutpris-publish-") as scratch:
        path = _export(connection, APARTMENT_FEATURES_SQL, Path(scratch))
        return store.write(APARTMENT_FEATURES, path)


def publish_raw_sales(
    connection: duckdb.DuckDBPyConnection, store: FeatureStore, files: SharedFiles
) -> tuple[Receipt, FileReceipt]:
    """Write every observation of a sale, as a group and as one file.

    Raises
    ------
    SlutprisError
        When the store cannot take them.
    """
    # of two sources that said something in the same microsecond, the page counts
    query = (
        f"select * from ({RAW_SALES_SQL}) "
        "qualify row_number() over (partition by sale_id, observed_at order by source)"
        " = 1 order by sale_id, observed_at"
    )
    with TemporaryDirectory(prefix="slutpris-publish-") as scratch:
        path = _export(connection, query, Path(scratch))
        return store.write(RAW_SALES, path), files.put(path, RAW_SALES_FILE)


def publish_view(store: FeatureStore) -> FeatureViewSpec:
    """Make the view that models learn from; its group must be there."""
    store.create_view(APARTMENTS)
    return APARTMENTS


def publish_model(
    name: str,
    source: FolderRegistry,
    target: ModelRegistry,
    *,
    version: int | None = None,
) -> Registered:
    """Register a version of a model that the own registry holds, the newest when None.

    Where the own registry is what is published to, it stays as it is: a champion that
    is older than the newest version must not come back as a newer one.

    Raises
    ------
    SlutprisError
        When it was never trained, is not what was registered, or the registry cannot
        take it.
    """
    kept = source.get(name, version)
    with TemporaryDirectory(prefix="slutpris-publish-") as scratch:
        verified = source.fetch(name, kept.version, Path(scratch) / "model")
        if isinstance(target, FolderRegistry) and target.root == source.root:
            size = byte_count(source.folder(name, kept.version))
            return Registered(kept, False, source.backend, size)
        return target.register(
            name,
            verified,
            metrics=registered_metrics(kept.metrics),
            lineage=kept.lineage,
            input_schema=kept.input_schema,
            input_example=kept.input_example,
            plots=source.plots(kept),
        )


def _export(connection: duckdb.DuckDBPyConnection, query: str, folder: Path) -> Path:
    path = folder / "rows.parquet"
    try:
        connection.execute(
            f"copy ({query}) to {quoted_text(str(path))} (format parquet)"
        )
    except duckdb.CatalogException as error:
        raise SlutprisError(
            "the warehouse has not all tables that are published "
            f"({str(error).splitlines()[0]}); build it with "
            "`dbt build --project-dir dbt_project`"
        ) from error
    return path

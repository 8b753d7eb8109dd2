"""What the world outside is given: features, raw sales and models, each with a receipt.

Downstream of everything else: when the backend cannot be reached, only what is here
fails, and the next run publishes what this one could not.
"""

from typing import Any

import dagster as dg

from dagster_assets.backend import PublishingBackend
from dagster_assets.defs.gate import champion_key
from dagster_assets.defs.serving import SNAPSHOT
from ml.champions import Champions
from ml.feature_store import Receipt
from ml.registry import Registered
from ml.valuation.publishing import (
    publish_features,
    publish_model,
    publish_raw_sales,
    publish_view,
)
from ml.valuation.registration import served_names
from warehouse.settings import Settings
from warehouse.store import connect

ALL_ELSE = [
    SNAPSHOT,
    dg.AssetKey(["reports", "backtest"]),
    dg.AssetKey(["reports", "forward_log"]),
    *(champion_key(name) for name in served_names()),
]
FEATURES = dg.AssetKey(["feature_store", "apartment_features"])
KINDS = {"python", "parquet"}


@dg.asset(key=FEATURES, deps=ALL_ELSE, group_name="publishing", kinds=KINDS)
def published_features(backend: PublishingBackend) -> dg.MaterializeResult:
    """Features of every accepted sale, in the feature store; one row per sale."""
    with connect(read_only=True) as connection:
        receipt = publish_features(connection, backend.open().feature_store)
    return dg.MaterializeResult(metadata=_receipt(receipt))


@dg.asset(
    key=["feature_store", "raw_sales"],
    deps=ALL_ELSE,
    group_name="publishing",
    kinds=KINDS,
)
def published_raw_sales(backend: PublishingBackend) -> dg.MaterializeResult:
    """Sales as pages and files said them, as a feature group and as a shared file."""
    opened = backend.open()
    with connect(read_only=True) as connection:
        receipt, file = publish_raw_sales(
            connection, opened.feature_store, opened.shared_files
        )
    of_file = {f"file_{key}": value for key, value in vars(file).items()}
    return dg.MaterializeResult(metadata=_receipt(receipt) | of_file)


@dg.asset(
    key=["feature_store", "apartments"],
    deps=[FEATURES],
    group_name="publishing",
    kinds={"python"},
)
def published_view(backend: PublishingBackend) -> dg.MaterializeResult:
    """The feature view that models learn from: features of a sale, and its price."""
    view = publish_view(backend.open().feature_store)
    return dg.MaterializeResult(
        metadata={
            "version": view.version,
            "features": len(view.features),
            "labels": ", ".join(view.labels),
            "group": f"{view.group} {view.group_version}",
        }
    )


def published_model(name: str) -> dg.AssetsDefinition:
    """The asset of one served model in the registry that is published to."""

    @dg.asset(
        key=["model_registry", name],
        description=f"The champion of {name}, in the registry published to.",
        deps=ALL_ELSE,
        group_name="publishing",
        kinds={"python"},
    )
    def registered_model(backend: PublishingBackend) -> dg.MaterializeResult:
        champions = Champions.of(Settings())
        registered = publish_model(
            name,
            champions.registry,
            backend.open().model_registry,
            version=champions.verified(name).version.version,
        )
        return dg.MaterializeResult(metadata=_registered(registered))

    return registered_model


xgboost_published = published_model("xgboost")
xgboost_listed_published = published_model("xgboost_listed")
autogluon_published = published_model("autogluon")
autogluon_listed_published = published_model("autogluon_listed")
blend_published = published_model("blend")
blend_listed_published = published_model("blend_listed")


def _receipt(receipt: Receipt) -> dict[str, Any]:
    return receipt.metadata() | {"dagster/row_count": receipt.row_count}


def _registered(registered: Registered) -> dict[str, Any]:
    return {
        "backend": registered.backend,
        "version": registered.version.version,
        "skipped": not registered.is_new,
        "byte_count": registered.byte_count,
        "content_sha256": registered.version.content_sha256,
    }

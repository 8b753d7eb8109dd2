"""Where this process publishes to: feature store, model registry and shared files.

What belongs here: choosing by the settings, and nothing else. What is selected and
cannot be used fails; nothing is fallen back to.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml.embedded_feature_store import EmbeddedFeatureStore
from ml.folder_registry import FolderRegistry
from ml.hopsworks.address import ClusterAddress
from ml.hopsworks.cluster import Cluster
from ml.hopsworks.feature_store import HopsworksFeatureStore
from ml.hopsworks.registry import HopsworksRegistry
from ml.hopsworks.shared_files import HopsworksFiles
from ml.shared_files import FolderFiles

if TYPE_CHECKING:
    from collections.abc import Generator

    from ml.feature_store import FeatureStore
    from ml.registry import ModelRegistry
    from ml.shared_files import SharedFiles
    from warehouse.settings import Settings


@dataclass(frozen=True)
class Backend:
    """The three ports of one backend."""

    feature_store: FeatureStore
    model_registry: ModelRegistry
    shared_files: SharedFiles


@contextmanager
def open_backend(settings: Settings) -> Generator[Backend]:
    """Open the backend that ``FEATURE_BACKEND`` names; nothing is asked of it yet.

    Raises
    ------
    SlutprisError
        When a setting that it needs is missing.
    """
    if settings.feature_backend == "embedded":
        yield embedded_backend(settings)
        return
    cluster = Cluster(ClusterAddress.from_settings(settings))
    try:
        yield Backend(
            HopsworksFeatureStore(cluster),
            HopsworksRegistry(cluster),
            HopsworksFiles(cluster),
        )
    finally:
        cluster.close()


def embedded_backend(settings: Settings) -> Backend:
    """Give the backend that lives in the data folder."""
    return Backend(
        EmbeddedFeatureStore(settings.feature_store_path),
        FolderRegistry(settings.registry_dir),
        FolderFiles(settings.shared_files_dir),
    )

"""Feature store, registry and files of Hopsworks keep the contracts of the ports.

The unmodified client talks to the protocol fake; no live cluster is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fake_hopsworks import FakeCluster
from feature_store_contract import FeatureStoreContract
from hopsworks_cluster_under_test import address_of
from registry_contract import RegistryContract

from ml.hopsworks.cluster import Cluster
from ml.hopsworks.feature_store import HopsworksFeatureStore
from ml.hopsworks.registry import HopsworksRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.hopsworks


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeCluster]:
    with FakeCluster(tmp_path / "cluster", kafka=False) as fake:
        yield fake
        assert fake.unknown_requests() == []


@pytest.fixture
def cluster(fake: FakeCluster, tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(address_of(fake, tmp_path))
    yield cluster
    cluster.close()


class TestFeatureStore(FeatureStoreContract):
    @pytest.fixture
    def store(self, cluster: Cluster) -> HopsworksFeatureStore:
        return HopsworksFeatureStore(cluster)


class TestRegistry(RegistryContract):
    @pytest.fixture
    def registry(self, cluster: Cluster) -> HopsworksRegistry:
        return HopsworksRegistry(cluster)

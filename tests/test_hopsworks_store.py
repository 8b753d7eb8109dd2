"""Feature store, registry and files of Hopsworks keep the contracts of the ports.

The unmodified client talks to the protocol fake; no live cluster is needed. One worker
is asked all of it, as a long-lived process would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from feature_store_contract import FeatureStoreContract
from hopsworks_cluster_under_test import address_of
from impatient_client import workers_polling_often
from registry_contract import RegistryContract

from ml.hopsworks.cluster import Cluster
from ml.hopsworks.feature_store import HopsworksFeatureStore
from ml.hopsworks.registry import HopsworksRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fake_hopsworks import FakeCluster

pytestmark = pytest.mark.hopsworks


@pytest.fixture(scope="module")
def logged_in(
    running_cluster: FakeCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    cluster = Cluster(address_of(running_cluster, tmp_path_factory.mktemp("own")))
    with workers_polling_often():
        yield cluster
    cluster.close()


@pytest.fixture
def cluster(logged_in: Cluster, hopsworks_cluster: FakeCluster) -> Iterator[Cluster]:
    yield logged_in
    assert hopsworks_cluster.unknown_requests() == []


class TestFeatureStore(FeatureStoreContract):
    @pytest.fixture
    def store(self, cluster: Cluster) -> HopsworksFeatureStore:
        return HopsworksFeatureStore(cluster)


class TestRegistry(RegistryContract):
    @pytest.fixture
    def registry(self, cluster: Cluster) -> HopsworksRegistry:
        return HopsworksRegistry(cluster)

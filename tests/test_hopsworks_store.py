"""Feature store, registry and files of Hopsworks keep the contracts of the ports.

The unmodified client talks to the protocol fake; no live cluster is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fake_hopsworks import FakeCluster
from feature_store_contract import FeatureStoreContract
from pydantic import SecretStr
from registry_contract import RegistryContract

from ml.hopsworks.address import ClusterAddress
from ml.hopsworks.cluster import Cluster
from ml.hopsworks.feature_store import HopsworksFeatureStore
from ml.hopsworks.registry import HopsworksRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.hopsworks


def address_of(fake: FakeCluster, folder: Path) -> ClusterAddress:
    return ClusterAddress(
        host=fake.host,
        port=fake.port,
        project=fake.project,
        api_key=SecretStr(fake.api_key),
        trust_store_path=fake.ca_path,
        write_mode="delta",
        deadline_s=60,
        transfer_deadline_s=120,
        lock_wait_s=30,
        local_dir=folder / "hopsworks",
    )


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeCluster]:
    with FakeCluster(tmp_path / "cluster", kafka=False) as fake:
        yield fake
        strange = [each.path for each in fake.unknown_requests()]
        assert [each for each in strange if not each.endswith("/featurestores")] == []


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

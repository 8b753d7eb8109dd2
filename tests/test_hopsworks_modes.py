"""A feature group is written in the mode it was made in, and in no other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from feature_store_contract import FLOWERS, flowers
from hopsworks_cluster_under_test import address_of
from impatient_client import workers_polling_often

from ml.feature_groups import FeatureStoreError
from ml.hopsworks.cluster import Cluster
from ml.hopsworks.feature_store import HopsworksFeatureStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fake_hopsworks import FakeCluster

pytestmark = pytest.mark.hopsworks


@pytest.fixture
def impatient() -> Iterator[None]:
    with workers_polling_often():
        yield


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("made", "other"), [("delta", "stream"), ("stream", "delta")])
def test_the_other_mode_is_refused_and_writes_nothing(
    hopsworks_cluster: FakeCluster, tmp_path: Path, made: str, other: str
) -> None:
    address = address_of(hopsworks_cluster, tmp_path, write_mode=made)
    cluster = Cluster(address)
    HopsworksFeatureStore(cluster).write(FLOWERS, flowers().slice(0, 2))
    cluster.close()
    cluster = Cluster(replace(address, write_mode=other))
    store = HopsworksFeatureStore(cluster)
    try:
        with pytest.raises(FeatureStoreError, match=f"HOPSWORKS_WRITE_MODE={made}, or"):
            store.write(FLOWERS, flowers())
        assert store.read("flowers", 1).num_rows == 2
    finally:
        cluster.close()

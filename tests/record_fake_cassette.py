"""Makes ``cassettes/fake_5.2.1.json`` anew: ``python tests/record_fake_cassette.py``.

It shows that what is recorded can be replayed; it proves nothing about a live cluster.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from fake_hopsworks import FakeCluster
from feature_store_contract import FLOWERS, flowers
from hopsworks_cluster_under_test import address_of
from registry_contract import register

from ml.hopsworks.__main__ import main
from ml.hopsworks.cluster import Cluster
from ml.hopsworks.feature_store import HopsworksFeatureStore
from ml.hopsworks.registry import HopsworksRegistry

CASSETTE = Path(__file__).parent / "cassettes" / "fake_5.2.1.json"
SOURCE = "the protocol fake of tests/fake_hopsworks; NOT a live cluster"


def fill(fake: FakeCluster, folder: Path) -> None:
    """Put a group of two commits, a model and a file into the cluster."""
    cluster = Cluster(address_of(fake, folder))
    try:
        store = HopsworksFeatureStore(cluster)
        store.write(FLOWERS, flowers().slice(0, 2))
        store.write(FLOWERS, flowers())
        register(HopsworksRegistry(cluster), folder)
    finally:
        cluster.close()
    (fake.datasets / "Resources" / "README.md").write_text("Åsikter\n")


def record(folder: Path) -> None:
    """Record a check of a filled fake, and mark the cassette as that."""
    with FakeCluster(folder / "cluster", kafka=False) as fake:
        fill(fake, folder)
        os.environ.update(fake.env() | {"SLUTPRIS_DATA": str(folder)})
        assert main(["check", "--record", str(CASSETTE)]) == 0
    cassette = json.loads(CASSETTE.read_text("utf-8"))
    text = json.dumps({"recorded_from": SOURCE} | cassette, indent=1)
    CASSETTE.write_text(text.replace(str(folder), "/data") + "\n", "utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        record(Path(scratch))

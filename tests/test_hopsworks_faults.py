"""Whatever breaks: an end in time, a clear message, nothing lost or doubled."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from fake_hopsworks import Fault
from feature_store_contract import FLOWERS, flowers
from hopsworks_cluster_under_test import address_of
from impatient_client import workers_polling_often
from registry_contract import register

from ml.feature_groups import FeatureStoreError, FeatureStoreUnreachableError
from ml.hopsworks.cluster import Cluster
from ml.hopsworks.feature_store import HopsworksFeatureStore
from ml.hopsworks.registry import HopsworksRegistry
from ml.hopsworks.shared_files import HopsworksFiles
from ml.registry import RegistryError, RegistryUnreachableError
from ml.shared_files import SharedFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fake_hopsworks import FakeCluster

pytestmark = pytest.mark.hopsworks

DOWN, LATE = "cannot be reached or answers", "no answer within"
DEADLINE_S, TRANSFER_DEADLINE_S = 20, 30
LATE_DEADLINE_S, LATE_TRANSFER_DEADLINE_S = 8, 3
"""Where they are waited for to the end. Logging in is no part of a transfer."""
CLEARING_UP_S = 20
"""Letting go of the lock, and ending processes, on a busy machine."""

AT_LOGIN = (
    *("/variables/versions", "/project/getProjectInfo", "credentials"),
    *("/featurestores/sthlm_feat", Fault("stall").path),
)


@pytest.fixture
def fake(hopsworks_cluster: FakeCluster) -> FakeCluster:
    return hopsworks_cluster


@pytest.fixture(scope="module")
def asked(
    running_cluster: FakeCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """The cluster as it is asked by all tests, each by the worker it finds."""
    address = address_of(
        running_cluster,
        tmp_path_factory.mktemp("own"),
        deadline_s=DEADLINE_S,
        transfer_deadline_s=TRANSFER_DEADLINE_S,
        lock_wait_s=5,
    )
    cluster = Cluster(address)
    with workers_polling_often():
        yield cluster
    cluster.close()


@pytest.fixture
def cluster(
    asked: Cluster, fake: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> Cluster:
    monkeypatch.setattr("ml.hopsworks.cluster.FIRST_PAUSE_S", 0.1)
    return asked


@pytest.fixture
def store(cluster: Cluster) -> HopsworksFeatureStore:
    return HopsworksFeatureStore(cluster)


@pytest.fixture
def registry(cluster: Cluster) -> HopsworksRegistry:
    return HopsworksRegistry(cluster)


@contextmanager
def in_time(cluster: Cluster, said: str = "") -> Iterator[None]:
    """What is done ends within its deadlines, short ones where it is to say so.

    A fault that lasts is met twice rather than three times: each is a new process.
    """
    usual = cluster.address
    if said == LATE:
        cluster.address = replace(
            usual,
            deadline_s=LATE_DEADLINE_S,
            transfer_deadline_s=LATE_TRANSFER_DEADLINE_S,
        )
    limit_s = cluster.address.deadline_s + cluster.address.transfer_deadline_s
    started = time.monotonic()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ml.hopsworks.cluster.ATTEMPTS", 2)
            yield
    finally:
        cluster.address = usual
    assert time.monotonic() - started < limit_s + CLEARING_UP_S


def meet(fault: Fault, fake: FakeCluster, cluster: Cluster) -> None:
    """Put a fault in force; one that is met at login finds nobody logged in."""
    if fault.path in AT_LOGIN:
        cluster.close()
    fake.faults.add(fault)


def assert_no_key(fake: FakeCluster, *texts: str) -> None:
    for secret in (fake.api_key, fake.api_key.partition(".")[2]):
        assert not any(secret in text for text in texts)


LONG = pytest.mark.long
LASTING = [
    (Fault("401", path="/featuregroups"), "API key was refused"),
    (Fault("404_other", path="/featuregroups/flowers"), "client gave up"),
    (Fault("404_html", path="/featuregroups/flowers"), "client gave up"),
    (Fault("503", "POST", "/commits"), DOWN),
    (Fault("stall", "POST", "/commits"), LATE),
]
LASTING_TOO = [
    (Fault("503", path="/featuregroups/flowers"), DOWN),
    (Fault("503", "POST", "/commits", work_done=True), DOWN),
    (Fault("truncate", path="/featurestores/sthlm_feat"), DOWN),
    (Fault("stall", path="/project/getProjectInfo"), LATE),
    (Fault("trickle", path="credentials", bytes_per_second=50), LATE),
    (Fault("stall", "POST", "dataset/upload/.*receipts"), LATE),
]


@pytest.mark.parametrize(
    ("fault", "said"),
    LASTING + [pytest.param(*each, marks=LONG) for each in LASTING_TOO],
    ids=lambda value: str(value)[:60],
)
def test_a_write_that_broke_off_is_healed_by_the_next(
    fake: FakeCluster,
    store: HopsworksFeatureStore,
    fault: Fault,
    said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    store.write(FLOWERS, flowers().slice(0, 2))
    meet(fault, fake, store._cluster)
    with (
        in_time(store._cluster, said),
        pytest.raises(FeatureStoreError, match=said) as caught,
    ):
        store.write(FLOWERS, flowers())
    assert "run the same command again" in str(caught.value)
    assert_no_key(fake, str(caught.value), caplog.text)
    assert "worker " in caplog.text
    fake.faults.clear()
    store.write(FLOWERS, flowers())
    assert store.read("flowers", 1).equals(flowers())
    assert store.write(FLOWERS, flowers()).skipped


@pytest.mark.parametrize(
    "fault",
    [
        Fault("503", "POST", "/commits", times=1),
        Fault("503", "POST", "/commits", times=1, work_done=True),
        Fault("503", "POST", "/featuregroups", times=1, work_done=True),
        Fault("truncate", path="credentials", times=1),
        Fault("503", path="/variables/versions", times=2),
    ],
    ids=str,
)
def test_a_fault_that_passes_is_not_noticed(
    fake: FakeCluster, store: HopsworksFeatureStore, fault: Fault
) -> None:
    meet(fault, fake, store._cluster)
    receipt = store.write(FLOWERS, flowers())
    assert not receipt.skipped
    assert store.read("flowers", 1).equals(flowers())
    assert store.write(FLOWERS, flowers()).skipped


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param(
            Fault("flight_unavailable", path="/do_get"), "port 5005", marks=LONG
        ),
        pytest.param(Fault("flight_unavailable"), LATE, marks=LONG),
        (Fault("flight_stall", path="/do_get"), LATE),
        (Fault("flight_cut", path="/do_get"), "port 5005"),
        pytest.param(Fault("stall", path="/featurestores/query"), LATE, marks=LONG),
    ],
    ids=str,
)
def test_rows_that_cannot_be_read_are_an_error_and_never_a_part(
    fake: FakeCluster, store: HopsworksFeatureStore, fault: Fault, said: str
) -> None:
    store.write(FLOWERS, flowers())
    meet(fault, fake, store._cluster)
    with (
        in_time(store._cluster, said),
        pytest.raises(FeatureStoreUnreachableError, match=said),
    ):
        store.read("flowers", 1)
    fake.faults.clear()
    assert store.read("flowers", 1).equals(flowers())


def test_a_cluster_that_is_down_is_told_and_used_again_when_it_is_up(
    fake: FakeCluster, store: HopsworksFeatureStore
) -> None:
    store.write(FLOWERS, flowers().slice(0, 2))
    fake.stop()
    with (
        in_time(store._cluster),
        pytest.raises(FeatureStoreUnreachableError, match="cannot be reached"),
    ):
        store.write(FLOWERS, flowers())
    fake.start()
    receipt = store.write(FLOWERS, flowers())
    assert (receipt.rows_inserted, receipt.rows_updated) == (1, 2)


def test_a_certificate_that_cannot_be_verified_is_refused(
    fake: FakeCluster, tmp_path: Path
) -> None:
    cluster = Cluster(replace(address_of(fake, tmp_path), trust_store_path=None))
    with pytest.raises(FeatureStoreError, match="set HOPSWORKS_TRUST_STORE_PATH"):
        HopsworksFeatureStore(cluster).groups()
    cluster.close()
    assert fake.requests() == []


def test_a_project_that_the_key_does_not_open_is_named(
    fake: FakeCluster, tmp_path: Path
) -> None:
    cluster = Cluster(replace(address_of(fake, tmp_path), project="gbg"))
    with pytest.raises(FeatureStoreError, match="check HOPSWORKS_PROJECT"):
        HopsworksFeatureStore(cluster).groups()
    cluster.close()


def test_a_truncated_download_is_fetched_again(
    fake: FakeCluster, registry: HopsworksRegistry, tmp_path: Path
) -> None:
    register(registry, tmp_path, text="weights" * 10_000)
    fake.faults.add(Fault("truncate", path="with_auth.*0.bin", times=1))
    copy = registry.fetch("tiny", 1, tmp_path / "copy")
    assert (copy / "trees" / "0.bin").read_text() == "weights" * 10_000


def test_a_download_that_stays_truncated_leaves_nothing_behind(
    fake: FakeCluster, registry: HopsworksRegistry, tmp_path: Path
) -> None:
    register(registry, tmp_path, text="weights" * 10_000)
    fake.faults.add(Fault("truncate", path="with_auth.*0.bin"))
    with (
        in_time(registry._cluster),
        pytest.raises(RegistryUnreachableError, match="cannot fetch tiny version 1"),
    ):
        registry.fetch("tiny", 1, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert list(tmp_path.glob(".staging-*")) == []


def test_a_file_that_was_changed_in_the_cluster_is_not_loaded(
    fake: FakeCluster, registry: HopsworksRegistry, tmp_path: Path
) -> None:
    register(registry, tmp_path)
    weights = fake.datasets / "Models/tiny/1/Files/model/trees/0.bin"
    weights.write_text("WEIGHTS")
    with pytest.raises(RegistryError, match=r"model/trees/0.bin was changed"):
        registry.fetch("tiny", 1, tmp_path / "copy")
    manifest = fake.datasets / "Models/tiny/1/Files/manifest.json"
    manifest.write_text(manifest.read_text().replace("a", "b"))
    with pytest.raises(RegistryError, match=r"manifest.json was changed"):
        registry.get("tiny", 1)


def test_a_version_that_another_publisher_took_is_left_alone(
    fake: FakeCluster, registry: HopsworksRegistry, tmp_path: Path
) -> None:
    fake.faults.add(Fault("race", "POST", r"/Models/tiny/1\?action=create", times=1))
    registered = register(registry, tmp_path, mape_pct=7.0)
    assert registered.version.version == 2
    rivals = fake.datasets / "Models/tiny/1/Files/rival.txt"
    assert rivals.read_text() == "of another publisher"
    assert [each.version for each in registry.versions("tiny")] == [2]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("503", "PUT", "/models/tiny_1", times=1),
        Fault("503", "PUT", "/models/tiny_1", times=1, work_done=True),
        Fault("503", "POST", "dataset/upload.*Models", times=4),
        Fault("503", "GET", "/models/tiny_1", times=1, after=1),
    ],
    ids=str,
)
def test_a_registration_that_breaks_off_is_one_version_in_the_end(
    fake: FakeCluster, registry: HopsworksRegistry, tmp_path: Path, fault: Fault
) -> None:
    fake.faults.add(fault)
    try:
        register(registry, tmp_path, mape_pct=7.0)
    except RegistryError:
        fake.faults.clear()
        register(registry, tmp_path, mape_pct=7.0)
    (version,) = registry.versions("tiny")
    copy = registry.fetch("tiny", version.version, tmp_path / "copy")
    assert (copy / "trees" / "0.bin").read_text() == "weights"


def test_a_registration_that_stalls_ends_in_time_and_is_done_by_the_next(
    fake: FakeCluster, registry: HopsworksRegistry, tmp_path: Path
) -> None:
    fake.faults.add(Fault("stall", "PUT", "/models/tiny_1"))
    with (
        in_time(registry._cluster, LATE),
        pytest.raises(RegistryUnreachableError, match=LATE),
    ):
        register(registry, tmp_path, mape_pct=7.0)
    fake.faults.clear()
    register(registry, tmp_path, mape_pct=7.0)
    assert len(registry.versions("tiny")) == 1


def test_a_file_is_kept_once_and_comes_back_whole(
    fake: FakeCluster, cluster: Cluster, tmp_path: Path
) -> None:
    files = HopsworksFiles(cluster)
    path = tmp_path / "sales.csv"
    path.write_bytes(bytes(range(256)) * 100_000)
    assert not files.put(path, "raw_sales.csv").skipped
    assert files.put(path, "raw_sales.csv").skipped
    fake.faults.add(Fault("truncate", path="with_auth.*raw_sales.csv", times=1))
    copy = files.get("raw_sales.csv", tmp_path / "copy.csv")
    assert copy.read_bytes() == path.read_bytes()


def test_a_replacement_that_broke_off_is_no_file_until_it_is_repeated(
    fake: FakeCluster, cluster: Cluster, tmp_path: Path
) -> None:
    files = HopsworksFiles(cluster)
    path = tmp_path / "sales.csv"
    path.write_text("old")
    files.put(path, "raw_sales.csv")
    path.write_text("new")
    fake.faults.add(Fault("503", "POST", r"upload.*incoming"))
    with pytest.raises(SharedFileError, match="cannot publish the file"):
        files.put(path, "raw_sales.csv")
    with pytest.raises(SharedFileError, match="no whole file"):
        files.get("raw_sales.csv", tmp_path / "copy.csv")
    fake.faults.clear()
    files.put(path, "raw_sales.csv")
    assert files.get("raw_sales.csv", tmp_path / "copy.csv").read_text() == "new"
    folder = fake.datasets / "Resources/slutpris/files"
    assert sorted(each.name for each in folder.iterdir()) == [
        "raw_sales.csv",
        "raw_sales.csv.sha256",
    ]

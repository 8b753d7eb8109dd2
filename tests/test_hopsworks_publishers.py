"""Publishers to one project take turns; Kafka lands the same rows as Delta does."""

from __future__ import annotations

import json
import multiprocessing
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from fake_hopsworks import Fault
from feature_store_contract import (
    FLOWERS,
    LEVELS,
    flowers,
    levels,
    many_flowers,
)
from hopsworks_cluster_under_test import address_of
from impatient_client import workers_polling_often
from registry_contract import register

from ml.feature_groups import FeatureStoreError
from ml.hopsworks.cluster import Cluster
from ml.hopsworks.feature_store import HopsworksFeatureStore
from ml.hopsworks.registry import HopsworksRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fake_hopsworks import FakeCluster

    from ml.hopsworks.address import ClusterAddress

pytestmark = pytest.mark.hopsworks

LOCK = "Resources/slutpris/lock"
HOUR_AGO = "2026-01-01T00:00:00+00:00"


@pytest.fixture
def fake(hopsworks_cluster: FakeCluster) -> FakeCluster:
    return hopsworks_cluster


@pytest.fixture(scope="module")
def streaming(
    running_cluster: FakeCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("own")
    cluster = Cluster(address_of(running_cluster, folder, write_mode="stream"))
    with workers_polling_often():
        yield cluster
    cluster.close()


@pytest.fixture
def stream_store(streaming: Cluster, fake: FakeCluster) -> HopsworksFeatureStore:
    return HopsworksFeatureStore(streaming)


def opened(address: ClusterAddress) -> HopsworksFeatureStore:
    return HopsworksFeatureStore(Cluster(address))


def register_one(address: ClusterAddress, folder: Path, text: str) -> int:
    folder.mkdir()
    cluster = Cluster(address)
    with workers_polling_often():
        number = register(HopsworksRegistry(cluster), folder, text).version.version
    cluster.close()
    return number


def test_machines_that_publish_at_once_take_turns(
    fake: FakeCluster, tmp_path: Path
) -> None:
    address = address_of(fake, tmp_path, lock_wait_s=90)
    arguments = [
        # a folder of its own stands for another machine: no local lock is shared
        (replace(address, local_dir=tmp_path / f"m{n}"), tmp_path / f"t{n}", f"w{n}")
        for n in range(3)
    ]
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        numbers = pool.starmap(register_one, arguments)
    assert sorted(numbers) == [1, 2, 3]
    assert not (fake.datasets / LOCK).exists()


def lock(fake: FakeCluster, **holder: object) -> None:
    folder = fake.datasets / LOCK
    folder.mkdir(parents=True)
    signed = {"token": "x", "host": "elsewhere", "process": 7, "at": HOUR_AGO}
    signed |= {"until": "2999-01-01T00:00:00+00:00"} | holder
    (folder / "holder.json").write_text(json.dumps(signed))


def test_a_lock_that_is_held_says_by_whom_and_what_to_do(
    fake: FakeCluster, tmp_path: Path
) -> None:
    lock(fake)
    store = opened(address_of(fake, tmp_path, lock_wait_s=1))
    with pytest.raises(
        FeatureStoreError, match=r"process 7 of elsewhere, since 2026-.*remove the fold"
    ):
        store.write(FLOWERS, flowers())
    assert (fake.datasets / LOCK).exists()
    store._cluster.close()


def unlocked(fault: Fault, fake: FakeCluster, tmp_path: Path) -> None:
    """Write rows while a lock is let go between two requests of who would take it."""
    fake.faults.add(fault)
    store = opened(address_of(fake, tmp_path, lock_wait_s=30))
    assert store.write(FLOWERS, flowers()).rows_inserted == 3
    store._cluster.close()
    assert fault.kind in [asked.fault for asked in fake.requests()]
    assert not (fake.datasets / LOCK).exists()


@pytest.mark.parametrize("look", [0, 1, 2], ids=["size", "size again", "content"])
def test_a_lock_let_go_while_its_holder_is_read_is_taken(
    fake: FakeCluster, tmp_path: Path, look: int
) -> None:
    lock(fake)
    fault = Fault("gone", "GET", "lock/holder.json", after=look, times=1)
    unlocked(fault, fake, tmp_path)


def test_a_lock_let_go_after_making_it_was_refused_is_taken(
    fake: FakeCluster, tmp_path: Path
) -> None:
    refused = Fault("error", "POST", "lock.action=create", 1, status=400, code=110028)
    unlocked(refused, fake, tmp_path)


@pytest.mark.parametrize(
    "holder",
    [
        {"until": HOUR_AGO},
        {"host": os.uname().nodename, "process": 2**22 + 1},
    ],
    ids=["older than it may be", "a process that is no more"],
)
def test_a_lock_that_was_left_is_broken(
    fake: FakeCluster, tmp_path: Path, holder: dict[str, object]
) -> None:
    lock(fake, **holder)
    store = opened(address_of(fake, tmp_path, lock_wait_s=1))
    assert store.write(FLOWERS, flowers()).rows_inserted == 3
    assert not (fake.datasets / LOCK).exists()
    store._cluster.close()


def test_rows_through_kafka_are_those_that_were_sent(
    stream_store: HopsworksFeatureStore,
) -> None:
    receipt = stream_store.write(FLOWERS, flowers())
    assert receipt.job_id is not None
    assert receipt.job_id.startswith("flowers_1_offline_fg_materialization ")
    assert stream_store.read("flowers", 1).equals(flowers())
    mended = flowers({"flower_id": 2, "petal_cm": 5.5, "species": "näva"})
    stream_store.write(FLOWERS, mended)
    assert stream_store.read("flowers", 1).equals(mended)
    assert stream_store.write(FLOWERS, mended).skipped


def test_20_000_rows_through_kafka_come_back_identical(
    stream_store: HopsworksFeatureStore,
) -> None:
    rows = many_flowers(20_000)
    stream_store.write(FLOWERS, rows)
    assert stream_store.read("flowers", 1).equals(rows.combine_chunks())


def test_a_correction_that_kafka_cannot_make_is_refused(
    stream_store: HopsworksFeatureStore,
) -> None:
    from datetime import date, datetime

    stream_store.write(FLOWERS, flowers())
    moved = flowers({"flower_id": 3, "measured_date": date(2026, 1, 1)})
    with pytest.raises(FeatureStoreError, match="HOPSWORKS_WRITE_MODE=delta"):
        stream_store.write(FLOWERS, moved)
    assert stream_store.read("flowers", 1).equals(flowers())
    stream_store.write(LEVELS, levels(("Åsögatan", datetime(2026, 1, 1), 1.0)))
    stream_store.write(LEVELS, levels(("Åsögatan", datetime(2026, 2, 1), 1.0)))
    assert stream_store.read("street_levels", 1).num_rows == 2


@pytest.mark.long
@pytest.mark.parametrize("kind", ["broker_down", "broker_stall"])
def test_brokers_that_do_not_answer_are_named(
    fake: FakeCluster, tmp_path: Path, kind: str
) -> None:
    address = address_of(fake, tmp_path, write_mode="stream", transfer_deadline_s=40)
    store = opened(address)
    fake.faults.add(Fault(kind))  # ty: ignore[invalid-argument-type]
    with pytest.raises(FeatureStoreError, match="HOPSWORKS_WRITE_MODE=delta"):
        store.write(FLOWERS, flowers())
    fake.faults.clear()
    store.write(FLOWERS, flowers())
    assert store.read("flowers", 1).equals(flowers())
    store._cluster.close()

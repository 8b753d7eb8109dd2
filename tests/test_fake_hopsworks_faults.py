"""Every fault of the fake Hopsworks cluster, as the bare client meets it.

The client has no deadlines and hardly retries; what it does then is written down here,
so that a new release of it that behaves otherwise is noticed.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from fake_hopsworks import FakeCluster, Fault
from hopsworks_login import logged_in, sales, sales_group
from impatient_client import polling_often

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.hopsworks
MEGABYTE = 1024 * 1024


@pytest.fixture
def project(hopsworks_cluster: FakeCluster, tmp_path: Path) -> Iterator[Any]:
    with (
        polling_often(),
        logged_in(hopsworks_cluster, tmp_path / "certificates") as project,
    ):
        yield project


class Attempt:
    """A call in a thread of its own, since the client may never come back from it."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.answer: Any = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(call,), daemon=True)
        self._thread.start()

    def _run(self, call: Callable[[], Any]) -> None:
        try:
            self.answer = call()
        except Exception as error:  # noqa: BLE001 (handed to the test)
            self.error = error

    def is_waiting_after(self, seconds: float) -> bool:
        self._thread.join(seconds)
        return self._thread.is_alive()


def get_sales(project: Any) -> Any:
    return project.get_feature_store().get_feature_group("sales", 1)


def test_fault_of_no_known_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="is no kind of fault"):
        Fault("earthquake")  # ty: ignore[invalid-argument-type]


def test_401_raises(hopsworks_cluster: FakeCluster, project: Any) -> None:
    from hopsworks_common.client.exceptions import RestAPIError

    hopsworks_cluster.faults.add(Fault("401", path="/featuregroups"))
    with pytest.raises(RestAPIError) as refused:
        get_sales(project)
    assert refused.value.response.status_code == 401


def test_404_with_the_right_code_means_there_is_none(
    hopsworks_cluster: FakeCluster, project: Any
) -> None:
    sales_group(project).insert(sales())
    assert get_sales(project) is not None
    hopsworks_cluster.faults.add(Fault("404", path="/featuregroups"))
    assert get_sales(project) is None


def test_404_with_another_code_raises(
    hopsworks_cluster: FakeCluster, project: Any
) -> None:
    from hopsworks_common.client.exceptions import RestAPIError

    hopsworks_cluster.faults.add(Fault("404_other", path="/featuregroups"))
    with pytest.raises(RestAPIError):
        get_sales(project)


def test_404_of_a_proxy_confuses_the_client(
    hopsworks_cluster: FakeCluster, project: Any
) -> None:
    from requests.exceptions import JSONDecodeError

    hopsworks_cluster.faults.add(Fault("404_html", path="/featuregroups"))
    with pytest.raises(JSONDecodeError):
        get_sales(project)


def test_503_on_a_commit_leaves_rows_without_a_commit(
    hopsworks_cluster: FakeCluster, project: Any
) -> None:
    from hopsworks_common.client.exceptions import RestAPIError

    group = sales_group(project)
    hopsworks_cluster.faults.add(Fault("503", "POST", "/commits", times=1))
    with pytest.raises(RestAPIError) as refused:
        group.insert(sales())
    assert refused.value.response.status_code == 503
    assert len(group.read()) == 3
    assert group.commit_details() == {}
    group.insert(sales())
    assert len(group.read()) == 3
    assert len(group.commit_details()) == 1


def test_lost_answer_to_a_commit_leaves_the_commit(
    hopsworks_cluster: FakeCluster, project: Any
) -> None:
    from hopsworks_common.client.exceptions import RestAPIError

    group = sales_group(project)
    hopsworks_cluster.faults.add(Fault("503", "POST", "/commits", work_done=True))
    with pytest.raises(RestAPIError):
        group.insert(sales())
    assert len(group.commit_details()) == 1


def test_error_answers_the_status_and_code_it_is_given(
    hopsworks_cluster: FakeCluster, project: Any
) -> None:
    from hopsworks_common.client.exceptions import RestAPIError

    hopsworks_cluster.faults.add(Fault("error", status=409, code=270777))
    with pytest.raises(RestAPIError) as refused:
        get_sales(project)
    assert refused.value.response.status_code == 409
    assert refused.value.error_code == 270777


def test_fault_lets_some_requests_through_and_then_meets_some(
    hopsworks_cluster: FakeCluster, project: Any
) -> None:
    datasets = project.get_dataset_api()
    hopsworks_cluster.faults.add(Fault("503", path="/dataset/", after=1, times=2))
    found = [datasets.exists("Resources") for _ in range(5)]
    assert found == [True, False, False, True, True]
    met = [each.fault for each in hopsworks_cluster.requests()[-5:]]
    assert met == [None, "503", "503", None, None]


def test_client_waits_for_a_stalled_answer_until_faults_are_lifted(
    hopsworks_cluster: FakeCluster, project: Any
) -> None:
    hopsworks_cluster.faults.add(Fault("stall", path="/featuregroups"))
    attempt = Attempt(lambda: get_sales(project))
    assert attempt.is_waiting_after(3)
    hopsworks_cluster.faults.clear()
    assert not attempt.is_waiting_after(10)
    assert (attempt.answer, attempt.error) == (None, None)


def test_stall_may_end_by_itself(hopsworks_cluster: FakeCluster, project: Any) -> None:
    hopsworks_cluster.faults.add(Fault("stall", path="/featuregroups", seconds=1))
    started = time.monotonic()
    assert get_sales(project) is None
    assert 1 <= time.monotonic() - started < 5


def test_trickling_answer_is_slow_and_whole(
    hopsworks_cluster: FakeCluster, project: Any, tmp_path: Path
) -> None:
    (tmp_path / "a.bin").write_bytes(b"x" * 2000)
    datasets = project.get_dataset_api()
    datasets.upload(str(tmp_path / "a.bin"), "Resources")
    hopsworks_cluster.faults.add(Fault("trickle", path="with_auth"))
    started = time.monotonic()
    datasets.download("Resources/a.bin", str(tmp_path / "b.bin"))
    assert time.monotonic() - started > 1.5
    assert (tmp_path / "b.bin").read_bytes() == b"x" * 2000


def test_truncated_download_leaves_a_part_of_the_file(
    hopsworks_cluster: FakeCluster, project: Any, tmp_path: Path
) -> None:
    from requests.exceptions import ChunkedEncodingError

    (tmp_path / "a.bin").write_bytes(b"x" * 4 * MEGABYTE)
    datasets = project.get_dataset_api()
    datasets.upload(str(tmp_path / "a.bin"), "Resources")
    hopsworks_cluster.faults.add(Fault("truncate", path="with_auth", times=1))
    with pytest.raises(ChunkedEncodingError):
        datasets.download("Resources/a.bin", str(tmp_path / "b.bin"))
    assert 0 < (tmp_path / "b.bin").stat().st_size < 4 * MEGABYTE
    datasets.download("Resources/a.bin", str(tmp_path / "b.bin"), overwrite=True)
    assert (tmp_path / "b.bin").stat().st_size == 4 * MEGABYTE


def save_model(project: Any, folder: Path) -> Any:
    (folder / "model.bin").write_bytes(b"ours")
    made = project.get_model_registry().python.create_model("raced", metrics={"a": 1})
    return made.save(
        str(folder / "model.bin"), await_registration=5, keep_original_files=True
    )


def test_client_that_loses_a_version_race_deletes_the_files_of_the_winner(
    hopsworks_cluster: FakeCluster, project: Any, tmp_path: Path
) -> None:
    """The worst of the client's habits, and why publishers must take turns."""
    from hopsworks_common.client.exceptions import RestAPIError

    race = Fault("race", "POST", r"/Models/raced/1\?action=create", times=1)
    hopsworks_cluster.faults.add(race)
    with pytest.raises(RestAPIError):
        save_model(project, tmp_path)
    assert (
        project.get_model_registry().get_model("raced", 1).description == "of a rival"
    )
    assert not (hopsworks_cluster.datasets / "Models" / "raced" / "1").exists()
    assert save_model(project, tmp_path).version == 2


def test_version_that_was_registered_meanwhile_is_refused(
    hopsworks_cluster: FakeCluster, project: Any, tmp_path: Path
) -> None:
    from hopsworks_common.client.exceptions import RestAPIError

    hopsworks_cluster.faults.add(Fault("race", "PUT", "/models/raced_1", times=1))
    with pytest.raises(RestAPIError) as refused:
        save_model(project, tmp_path)
    assert "already exists" in refused.value.response.json()["errorMsg"]


def test_feature_group_made_meanwhile_is_a_duplicate_key(
    hopsworks_cluster: FakeCluster, project: Any
) -> None:
    from hopsworks_common.client.exceptions import RestAPIError

    hopsworks_cluster.faults.add(Fault("race", "POST", "/featuregroups", times=1))
    with pytest.raises(RestAPIError) as refused:
        sales_group(project).insert(sales())
    assert refused.value.error_code == 270089
    sales_group(project).insert(sales())
    assert len(get_sales(project).read()) == 3


def test_unavailable_query_service_raises_after_three_tries(
    hopsworks_cluster: FakeCluster, project: Any
) -> None:
    from hopsworks_common.client.exceptions import FeatureStoreException

    group = sales_group(project)
    group.insert(sales())
    hopsworks_cluster.faults.add(Fault("flight_unavailable", path="/do_get", times=3))
    with pytest.raises(FeatureStoreException, match="Could not read data"):
        group.read()
    assert len(group.read()) == 3


@pytest.mark.long
def test_query_service_unavailable_twice_is_survived(
    hopsworks_cluster: FakeCluster, project: Any
) -> None:
    group = sales_group(project)
    group.insert(sales())
    hopsworks_cluster.faults.add(Fault("flight_unavailable", path="/do_get", times=2))
    assert len(group.read()) == 3


def test_stalled_query_service_is_given_up_after_five_seconds(
    hopsworks_cluster: FakeCluster, project: Any
) -> None:
    from hopsworks_common.client.exceptions import FeatureStoreException

    group = sales_group(project)
    group.insert(sales())
    hopsworks_cluster.faults.add(Fault("flight_stall", path="/get_flight_info"))
    started = time.monotonic()
    with pytest.raises(FeatureStoreException, match="Could not read data"):
        group.read()
    assert 4 < time.monotonic() - started < 20


def test_client_waits_long_for_rows_that_do_not_come(
    hopsworks_cluster: FakeCluster, project: Any
) -> None:
    group = sales_group(project)
    group.insert(sales())
    hopsworks_cluster.faults.add(Fault("flight_stall", path="/do_get"))
    attempt = Attempt(group.read)
    assert attempt.is_waiting_after(8)
    hopsworks_cluster.faults.clear()
    assert not attempt.is_waiting_after(10)
    assert len(attempt.answer) == 3


def test_rows_that_break_off_raise(
    hopsworks_cluster: FakeCluster, project: Any
) -> None:
    from hopsworks_common.client.exceptions import FeatureStoreException

    group = sales_group(project)
    group.insert(sales(120_000))
    hopsworks_cluster.faults.add(Fault("flight_cut", path="/do_get"))
    with pytest.raises(FeatureStoreException, match="Could not read data"):
        group.read()


@pytest.mark.parametrize("kind", ["broker_down", "broker_stall"])
def test_broker_that_does_not_answer_raises_and_writes_nothing(
    hopsworks_cluster: FakeCluster, project: Any, kind: Any
) -> None:
    from confluent_kafka import KafkaException

    hopsworks_cluster.faults.add(Fault(kind))
    group = sales_group(project, stream=True)
    with pytest.raises(KafkaException):
        group.insert(sales())
    assert group.commit_details() == {}
    hopsworks_cluster.faults.clear()
    group.insert(sales(), write_options={"wait_for_job": True})
    assert len(group.read()) == 3


def test_faults_are_lifted_by_clear(
    hopsworks_cluster: FakeCluster, project: Any
) -> None:
    hopsworks_cluster.faults.add(Fault("503"))
    assert project.get_dataset_api().exists("Resources") is False
    hopsworks_cluster.faults.clear()
    assert project.get_dataset_api().exists("Resources") is True

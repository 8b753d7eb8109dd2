"""The fake Hopsworks cluster, asked by the unmodified client."""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
from fake_hopsworks import FakeCluster, Fault
from hopsworks_login import logged_in, sales, sales_group
from impatient_client import polling_often

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.hopsworks
MEGABYTE = 1024 * 1024


@pytest.fixture
def project(hopsworks_cluster: FakeCluster, tmp_path: Path) -> Iterator[Any]:
    """The client's project; no request of the test may be unknown to the fake."""
    with (
        polling_often(),
        logged_in(hopsworks_cluster, tmp_path / "certificates") as project,
    ):
        yield project
    assert hopsworks_cluster.unknown_requests() == []


def by_id(rows: Any) -> Any:
    return rows.sort_values("booli_id").reset_index(drop=True)


def test_login_takes_four_requests_and_every_one_carries_the_key(
    hopsworks_cluster: FakeCluster, project: Any
) -> None:
    assert project.name == "sthlm"
    requests = hopsworks_cluster.requests()
    assert [(each.method, each.path) for each in requests] == [
        ("GET", "/variables/versions"),
        ("GET", "/project/getProjectInfo/sthlm"),
        ("GET", "/project"),
        ("GET", "/project/119/credentials"),
    ]
    assert all(each.authorized and each.status == 200 for each in requests)


def test_log_never_holds_the_key(hopsworks_cluster: FakeCluster, project: Any) -> None:
    key = hopsworks_cluster.api_key
    assert project.get_dataset_api().exists(f"Resources/{key}") is False
    assert key not in str(hopsworks_cluster.requests())
    assert "Resources/***" in hopsworks_cluster.requests()[-1].path


def test_client_that_does_not_trust_the_authority_refuses_to_talk(
    hopsworks_cluster: FakeCluster, tmp_path: Path
) -> None:
    import certifi
    from hopsworks_common.client.exceptions import HopsworksSSLClientError

    others = {"HOPSWORKS_TRUST_STORE_PATH": certifi.where()}
    with (
        pytest.raises(HopsworksSSLClientError),
        logged_in(hopsworks_cluster, tmp_path, **others),
    ):
        pass
    assert hopsworks_cluster.requests() == []


def test_wrong_key_is_refused(hopsworks_cluster: FakeCluster, tmp_path: Path) -> None:
    from hopsworks_common.client.exceptions import ProjectException, RestAPIError

    others = {"HOPSWORKS_API_KEY": "wrong.key"}
    with (
        pytest.raises((ProjectException, RestAPIError)),
        logged_in(hopsworks_cluster, tmp_path, **others),
    ):
        pass
    statuses = {(each.status, each.authorized) for each in hopsworks_cluster.requests()}
    assert statuses == {(401, False)}


def test_unknown_route_answers_404_and_is_remembered(
    hopsworks_cluster: FakeCluster, tmp_path: Path
) -> None:
    from hopsworks_common.client.exceptions import RestAPIError

    with logged_in(hopsworks_cluster, tmp_path / "certificates") as project:
        with pytest.raises(RestAPIError) as refused:
            project.get_git_api().get_providers()
        assert refused.value.response.status_code == 404
    assert len(hopsworks_cluster.unknown_requests()) == 1


def test_missing_feature_group_is_none(project: Any) -> None:
    assert project.get_feature_store().get_feature_group("nothing", 1) is None


def test_delta_upsert_keeps_one_row_per_key_and_time(project: Any) -> None:
    import pandas as pd

    group, rows = sales_group(project), sales()
    assert group.insert(rows) == (None, None)
    changed = rows.assign(price=rows["price"] + 1)
    later = rows.tail(1).assign(sold_at=pd.Timestamp("2025-05-05"))
    group.insert(pd.concat([changed, later], ignore_index=True))
    found = by_id(group.read())
    assert len(found) == 4
    assert found["street"].dropna().tolist() == ["Åsögatan", "Östermalmstorg"]
    assert found["rooms"].isna().sum() == 1
    assert found.loc[0, "price"] == rows.loc[0, "price"] + 1
    counts = [
        (each["rowsInserted"], each["rowsUpdated"])
        for each in group.commit_details().values()
    ]
    assert sorted(counts) == [(1, 3), (3, 0)]


def test_many_rows_come_back_as_they_were(project: Any) -> None:
    import pandas as pd

    group, rows = sales_group(project), sales(200_000)
    group.insert(rows)
    found = by_id(group.read())
    found["rooms"] = found["rooms"].astype("Int64")
    pd.testing.assert_frame_equal(found, rows, check_dtype=False)


def test_query_filters_columns_and_rows(project: Any) -> None:
    import pandas as pd

    group = sales_group(project)
    group.insert(sales(9))
    wanted = group.select(["booli_id", "street"]).filter(
        (group.sold_at >= pd.Timestamp("2024-01-01 00:03"))
        & (group.street == "Åsögatan")
    )
    found = by_id(wanted.read())
    assert list(found) == ["booli_id", "street"]
    assert found["booli_id"].tolist() == [4, 7]


def test_feature_view_gives_a_batch_without_its_label(project: Any) -> None:
    store, group = project.get_feature_store(), sales_group(project)
    group.insert(sales(5))
    view = store.get_or_create_feature_view(
        "prices", group.select_all(), 1, labels=["price"]
    )
    batch = view.get_batch_data(
        start_time="2024-01-01 00:01:00", end_time="2024-01-01 00:03:00"
    )
    assert by_id(batch)["booli_id"].tolist() == [2, 3]
    assert "price" not in batch
    assert store.get_feature_view("prices", 1).labels == ["price"]
    assert store.get_feature_view("nothing", 1) is None


def test_stream_rows_are_read_after_the_job(project: Any) -> None:
    group, rows = sales_group(project, stream=True), sales()
    group.insert(rows, write_options={"wait_for_job": True})
    group.insert(rows.assign(price=7.0), write_options={"wait_for_job": True})
    found = by_id(group.read())
    assert found["price"].tolist() == [7.0, 7.0, 7.0]
    assert found["street"].tolist() == rows["street"].tolist()
    assert found["sold_at"].tolist() == rows["sold_at"].tolist()
    assert found["rooms"].isna().tolist() == [False, True, False]
    assert len(group.commit_details()) == 2


def test_stream_rows_sent_before_a_restart_are_not_lost(
    hopsworks_cluster: FakeCluster, tmp_path: Path
) -> None:
    with polling_often(), logged_in(hopsworks_cluster, tmp_path / "first") as project:
        group = sales_group(project, stream=True)
        group.insert(sales(), write_options={"wait_for_job": True})
        group.insert(sales(9), write_options={"start_offline_materialization": False})
        assert len(group.read()) == 3
    hopsworks_cluster.stop()
    hopsworks_cluster.start()
    with polling_often(), logged_in(hopsworks_cluster, tmp_path / "second") as project:
        group = sales_group(project)
        group.materialization_job.run(await_termination=True)
        assert len(group.read()) == 9


def test_job_fails_on_strings_longer_than_declared(project: Any) -> None:
    from hopsworks_common.client.exceptions import JobExecutionException
    from hsfs.feature import Feature

    features = [
        Feature("booli_id", "bigint", primary=True),
        Feature("sold_at", "timestamp"),
        Feature("street", "string", online_type="varchar(8)"),
        Feature("rooms", "bigint"),
        Feature("price", "double"),
    ]
    group = sales_group(project, stream=True, features=features)
    with pytest.raises(JobExecutionException):
        group.insert(
            sales(),
            write_options={"wait_for_job": True},
            # The client looks at lengths too; here it is told not to.
            validation_options={"schema_validation": False},
        )
    assert group.commit_details() == {}


def test_bad_feature_name_is_refused(project: Any) -> None:
    from hopsworks_common.client.exceptions import RestAPIError

    group = sales_group(project)
    group.insert(sales())
    group._features[-1]._name = "Price-SEK"
    with pytest.raises(RestAPIError) as refused:
        group.update_description("other")
    assert "no valid name" in refused.value.response.json()["errorMsg"]


def test_table_of_another_type_than_declared_is_refused(project: Any) -> None:
    from hopsworks_common.client.exceptions import RestAPIError
    from hsfs.core.delta_engine import DeltaEngine

    group, rows = sales_group(project), sales()
    group.insert(rows)
    engine = DeltaEngine(
        group.feature_store_id, group.feature_store_name, group, None, None
    )
    wider = rows.assign(added=1)
    from deltalake import write_deltalake

    write_deltalake(group.location, wider, mode="overwrite", schema_mode="overwrite")
    with pytest.raises(RestAPIError) as refused:
        engine._save_delta_fg(wider, None)
    assert "added" in refused.value.response.json()["errorMsg"]


def test_model_comes_back_byte_for_byte(project: Any, tmp_path: Path) -> None:
    model, files = tmp_path / "model", {}
    for name in ("booster.ubj", "plots/importance.png"):
        files[name] = os.urandom(100_000)
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).write_bytes(files[name])
    registry = project.get_model_registry()
    for mdape in (0.09, 0.07):
        made = registry.python.create_model("boosted", metrics={"mdape": mdape})
        made.save(str(model), await_registration=10, keep_original_files=True)
    assert [each.version for each in registry.get_models("boosted")] == [1, 2]
    best = registry.get_best_model("boosted", "mdape", "min")
    assert (best.version, best.training_metrics) == (2, {"mdape": 0.07})
    best.download(str(tmp_path / "fetched"))
    for name, content in files.items():
        assert (tmp_path / "fetched" / name).read_bytes() == content
    assert registry.get_model("nothing", 1) is None


def test_client_changes_the_names_of_metrics(
    hopsworks_cluster: FakeCluster, project: Any, tmp_path: Path
) -> None:
    """Stored as sent: it is the client that puts an underscore before a digit."""
    (tmp_path / "model.bin").write_bytes(b"1")
    made = project.get_model_registry().python.create_model(
        "named", metrics={"mae_2026": 1.0}
    )
    made.save(str(tmp_path / "model.bin"), await_registration=5)
    found = project.get_model_registry().get_model("named", 1)
    assert found.training_metrics == {"mae__2026": 1.0}
    assert '"mae_2026": 1.0' in (hopsworks_cluster.root / "metadata.json").read_text()


def test_metric_that_is_no_number_is_refused(project: Any, tmp_path: Path) -> None:
    from hopsworks_common.client.exceptions import RestAPIError

    (tmp_path / "model.bin").write_bytes(b"1")
    made = project.get_model_registry().python.create_model(
        "unmeasured", metrics={"mae": float("nan")}
    )
    with pytest.raises(RestAPIError):
        made.save(str(tmp_path / "model.bin"))
    assert project.get_model_registry().get_model("unmeasured", 1) is None


def test_large_file_travels_in_chunks_and_comes_back_the_same(
    hopsworks_cluster: FakeCluster, project: Any, tmp_path: Path
) -> None:
    content = os.urandom(25 * MEGABYTE + 17)
    (tmp_path / "sales.bin").write_bytes(content)
    datasets = project.get_dataset_api()
    datasets.upload(str(tmp_path / "sales.bin"), "Resources")
    fetched = datasets.download("Resources/sales.bin", str(tmp_path / "fetched.bin"))
    assert fetched.endswith("fetched.bin")
    assert (tmp_path / "fetched.bin").read_bytes() == content
    paths = [each.path for each in hopsworks_cluster.requests()]
    assert paths.count("/project/119/dataset/upload/Resources") == 3


def test_folder_can_be_made_only_once(project: Any) -> None:
    from hopsworks_common.client.exceptions import RestAPIError

    datasets = project.get_dataset_api()
    assert datasets.mkdir("Resources/lock") == "/Projects/sthlm/Resources/lock"
    with pytest.raises(RestAPIError):
        datasets.mkdir("Resources/lock")
    datasets.remove("Resources/lock")
    datasets.mkdir("Resources/lock")


def test_listing_honours_offset_and_limit(project: Any) -> None:
    datasets = project.get_dataset_api()
    for each in range(5):
        datasets.mkdir(f"Resources/{each}")
    assert len(datasets.list("Resources", offset=3, limit=10)) == 2
    assert len(datasets.list("Resources", offset=0, limit=3)) == 3
    assert datasets.list("Resources", offset=5) == []


def test_files_are_copied_moved_and_removed(project: Any, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("å")
    datasets = project.get_dataset_api()
    datasets.upload(str(tmp_path / "a.txt"), "Resources")
    datasets.copy("Resources/a.txt", "Resources/b.txt")
    datasets.move("Resources/b.txt", "Logs/c.txt")
    datasets.remove("Resources/a.txt")
    assert datasets.list("Resources") == []
    datasets.download("Logs/c.txt", str(tmp_path / "back.txt"))
    assert (tmp_path / "back.txt").read_text() == "å"


def test_cluster_that_starts_again_knows_what_it_knew(
    hopsworks_cluster: FakeCluster, tmp_path: Path
) -> None:
    with logged_in(hopsworks_cluster, tmp_path / "first") as project:
        sales_group(project).insert(sales())
        project.get_dataset_api().mkdir("Resources/kept")
    host = hopsworks_cluster.host
    hopsworks_cluster.stop()
    hopsworks_cluster.start()
    assert hopsworks_cluster.host == host
    with logged_in(hopsworks_cluster, tmp_path / "second") as project:
        assert len(sales_group(project).read()) == 3
        assert project.get_dataset_api().exists("Resources/kept")


def test_two_clusters_run_beside_each_other(
    hopsworks_cluster: FakeCluster, tmp_path: Path
) -> None:
    with FakeCluster(tmp_path / "other", kafka=False) as other:
        assert other.host != hopsworks_cluster.host
        for each in (hopsworks_cluster, other):
            with logged_in(each, tmp_path / each.host) as project:
                group = sales_group(project)
                assert group.id is None
                group.insert(sales())
                assert len(group.read()) == 3


def test_query_service_asks_for_a_client_certificate(
    hopsworks_cluster: FakeCluster,
) -> None:
    from pyarrow import flight

    client = flight.FlightClient(
        f"grpc+tls://{hopsworks_cluster.host}:5005",
        tls_root_certs=hopsworks_cluster.ca_path.read_bytes(),
    )
    options = flight.FlightCallOptions(timeout=5)
    with pytest.raises(flight.FlightUnavailableError):
        list(client.do_action(flight.Action("healthcheck", b""), options))


def test_cluster_that_was_emptied_knows_nothing_and_keeps_who_is_logged_in(
    hopsworks_cluster: FakeCluster, project: Any
) -> None:
    sales_group(project).insert(sales())
    project.get_dataset_api().mkdir("Resources/left")
    hopsworks_cluster.faults.add(Fault("503"))
    hopsworks_cluster.reset()
    assert hopsworks_cluster.requests() == []
    assert project.get_feature_store().get_feature_group("sales", 1) is None
    assert project.get_dataset_api().list("Resources") == []


def save_model(project: Any, folder: Path) -> None:
    (folder / "model.bin").write_bytes(b"1")
    made = project.get_model_registry().python.create_model("polled")
    made.save(str(folder), await_registration=10, keep_original_files=True)


def test_client_that_polls_often_asks_what_it_asks_otherwise(
    hopsworks_cluster: FakeCluster, tmp_path: Path
) -> None:
    asked = []
    for polling in (nullcontext, polling_often):
        hopsworks_cluster.reset()
        folder = tmp_path / polling.__name__
        folder.mkdir()
        with logged_in(hopsworks_cluster, tmp_path / "certificates") as project:
            started = time.monotonic()
            with polling():
                save_model(project, folder)
            waited = time.monotonic() - started
        requests = [(each.method, each.path) for each in hopsworks_cluster.requests()]
        asked.append((requests, waited > 5))
    (as_it_is, has_slept), (often, _) = asked
    assert has_slept
    assert often == as_it_is
    assert len(often) > 10

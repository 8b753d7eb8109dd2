"""The preflight says what works, what does not, why, and what to do about it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from fake_hopsworks import FakeCluster, Fault

from ml.hopsworks.__main__ import main
from ml.hopsworks.address import ClusterAddress
from ml.hopsworks.preflight import questions, rest
from ml.hopsworks.preflight.findings import Findings
from ml.hopsworks.preflight.outcomes import NotWellError, Step, all_well, run_steps
from warehouse.errors import SlutprisError
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.hopsworks


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeCluster]:
    with FakeCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster
        assert cluster.unknown_requests() == []


@pytest.fixture
def fake(
    running: FakeCluster, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeCluster]:
    for name, value in running.env().items():
        monkeypatch.setenv(name, value)
    yield running
    running.faults.clear()


def checked(
    capsys: pytest.CaptureFixture[str], *options: str
) -> tuple[int, dict[str, dict[str, str]]]:
    """Run a check; its exit code, and its steps by name."""
    capsys.readouterr()
    code = main(["check", "--json", *options])
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] == (code == 0)
    return code, {each["name"]: each for each in told["steps"]}


@pytest.mark.parametrize("mode", ["delta", "stream"])
def test_a_cluster_that_is_well_passes_and_nothing_is_left_in_it(
    fake: FakeCluster,
    mode: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HOPSWORKS_WRITE_MODE", mode)
    code, steps = checked(capsys, "--write")
    assert code == 0
    other = {"delta": "stream", "stream": "delta"}[mode]
    for step in steps.values():
        left_out = f"only write mode {other} needs it"
        assert step["status"] == ("skipped" if step["said"] == left_out else "ok")
    assert steps["write a group"]["said"].startswith("wrote 3 rows")
    metadata = json.loads((fake.root / "metadata.json").read_text())
    assert metadata["feature_groups"] == metadata["models"] == []
    left = [each for each in fake.datasets.rglob("*slutpris_check*") if each.exists()]
    assert [each for each in left if "Logs" not in each.parts] == []


WRONG_SETTINGS = [
    ({"HOPSWORKS_HOST": "", "HOPSWORKS_API_KEY": ""}, "settings", "HOPSWORKS_HOST, HO"),
    ({"HOPSWORKS_PORT": "https"}, "settings", "HOPSWORKS_PORT is 'https'"),
    ({"HOPSWORKS_TRUST_STORE_PATH": __file__}, "settings", "no certificate in PEM"),
    ({"HOPSWORKS_TRUST_STORE_PATH": "/not/there"}, "settings", "which is no file"),
    ({"HOPSWORKS_HOST": "no such host"}, "host name", "nobody knows the name"),
    ({"HOPSWORKS_PORT": "9"}, "port", "nothing listens there"),
    ({"HOPSWORKS_TRUST_STORE_PATH": None}, "certificate", "Fake Hopsworks authority"),
    ({"HOPSWORKS_API_KEY": "wrong.key"}, "project", "wrong, or expired (HTTP 401"),
    ({"HOPSWORKS_PROJECT": "gbg"}, "project", "there is no project 'gbg'"),
]


@pytest.mark.parametrize(("changed", "step", "said"), WRONG_SETTINGS, ids=str)
def test_a_wrong_setting_is_told_by_its_step_and_the_others_wait(
    fake: FakeCluster,
    changed: dict[str, str | None],
    step: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in changed.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
    code, steps = checked(capsys)
    assert code == 1
    assert steps[step]["status"] == "not"
    assert said in steps[step]["said"]
    assert steps[step]["to_do"]
    names = list(steps)
    after = names[names.index(step) + 1 :]
    assert all(steps[name]["status"] == "skipped" for name in after)
    assert all(steps[name]["status"] == "ok" for name in names[: names.index(step)])


def test_the_projects_that_the_key_opens_are_named(
    fake: FakeCluster,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HOPSWORKS_PROJECT", "gbg")
    _, steps = checked(capsys)
    assert "the key opens sthlm" in steps["project"]["to_do"]


FAULTS = [
    ("delta", Fault("503", path="getProjectInfo"), "project", "this is no Hopsworks"),
    ("delta", Fault("404_html", path="getProjectInfo"), "project", "no Hopsworks"),
    (
        "delta",
        Fault("error", path="getProjectInfo", status=500),
        "project",
        "the cluster answers HTTP 500",
    ),
    (
        "delta",
        Fault("error", path="getProjectInfo", status=403),
        "project",
        "the key may not",
    ),
    ("delta", Fault("401", path="featuregroups$"), "scope FEATURESTORE", "may not"),
    ("delta", Fault("401", path="dataset/Resources$"), "scope DATASET_VIEW", "may not"),
    ("delta", Fault("401", path="/models"), "scope MODELREGISTRY", "may not"),
    ("delta", Fault("404", path="dataset/Models$"), "Models dataset", "no dataset"),
    ("stream", Fault("401", path="/jobs/"), "scope JOB", "may not"),
    ("stream", Fault("401", path="kafka_connector"), "scope KAFKA", "may not"),
    (
        "delta",
        Fault("404_other", path="domain_namenode"),
        "name node",
        "no load balancer",
    ),
    (
        "delta",
        Fault("404_other", path="domain_datanode"),
        "data node",
        "no load balancer",
    ),
    (
        "stream",
        Fault("404_other", path="domain_feature_query"),
        "query service",
        "no load balancer",
    ),
    ("stream", Fault("broker_down"), "brokers", "nothing listens there"),
    ("delta", Fault("flight_unavailable"), "query service", "is not well"),
    ("delta", Fault("flight_stall"), "query service", "is not well"),
]


@pytest.mark.parametrize(
    ("mode", "fault", "step", "said"),
    FAULTS,
    ids=[f"{fault.kind} {step}" for _, fault, step, _ in FAULTS],
)
def test_what_fails_in_the_cluster_is_told_by_its_step(
    fake: FakeCluster,
    mode: str,
    fault: Fault,
    step: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HOPSWORKS_WRITE_MODE", mode)
    fake.faults.add(fault)
    code, steps = checked(capsys)
    assert code == 1
    assert steps[step]["status"] == "not"
    assert said in steps[step]["said"]
    assert steps[step]["to_do"]


def test_a_step_without_an_answer_ends_in_time(
    fake: FakeCluster,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(rest, "TIMEOUT_S", 1.0)
    fake.faults.add(Fault("stall", path="getProjectInfo"))
    started = time.monotonic()
    _, steps = checked(capsys)
    assert time.monotonic() - started < 10
    assert "gave no answer (ReadTimeout)" in steps["project"]["said"]


def test_a_step_that_never_ends_is_given_up() -> None:
    never = threading.Event()
    steps = [
        Step("waits", lambda _: str(never.wait()), deadline_s=0.2),
        Step("needs it", lambda _: "", after=("waits",)),
        Step("needs nothing", lambda _: "well"),
    ]
    outcomes = run_steps(steps, Findings(), lambda _: None)
    never.set()
    assert [each.status for each in outcomes] == ["not", "skipped", "ok"]
    assert "no answer within" in outcomes[0].said
    assert not all_well(outcomes)


def test_a_programming_error_in_a_step_is_raised() -> None:
    def fail(_: Findings) -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_steps([Step("fails", fail)], Findings(), lambda _: None)


def test_a_port_that_says_nothing_is_no_tls(
    fake: FakeCluster,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("ml.hopsworks.preflight.network.CONNECT_S", 0.5)
    with socket.create_server((fake.host, 0)) as silent:
        monkeypatch.setenv("HOPSWORKS_PORT", str(silent.getsockname()[1]))
        _, steps = checked(capsys)
    assert "does not speak TLS (says nothing)" in steps["certificate"]["said"]


def test_another_release_of_the_server_is_a_warning(fake: FakeCluster) -> None:
    address = ClusterAddress.from_settings(Settings())
    findings = Findings(rest=rest.Rest(address), client_version="5.1.3")
    with pytest.raises(NotWellError, match=r"the server is 5.2.1, the client 5.1.3"):
        questions.compare_versions(findings)
    step = Step("version", questions.compare_versions, is_needed=False)
    assert all_well(run_steps([step], findings, lambda _: None))


def test_a_trial_that_fails_is_told_and_what_it_wrote_is_removed(
    fake: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.faults.add(Fault("503", "POST", "/commits$"))
    code, steps = checked(capsys, "--write")
    assert code == 1
    assert "cannot write slutpris_check version 1" in steps["write a group"]["said"]
    assert steps["write a file"]["status"] == "ok"
    assert json.loads((fake.root / "metadata.json").read_text())["feature_groups"] == []


@pytest.mark.long
def test_a_trial_that_cannot_be_removed_says_what_is_left(
    fake: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.faults.add(Fault("error", "DELETE", "/featuregroups/", status=403))
    code, steps = checked(capsys, "--write")
    assert code == 1
    assert "cannot be removed again" in steps["write a group"]["said"]
    assert "slutpris_check may be left" in steps["write a group"]["to_do"]
    fake.faults.clear()
    assert checked(capsys, "--write")[0] == 0


def test_lines_are_short_and_hold_no_key_and_nothing_is_asked_on_stdin(
    fake: FakeCluster, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "ml.hopsworks", "check"]
    done = subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    assert done.returncode == 0
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert all(len(line) <= 88 for line in lines)
    assert lines[0].startswith("ok      settings  ")
    assert fake.api_key.rpartition(".")[2] not in done.stdout


def test_a_reader_that_goes_away_is_no_traceback(data_dir: Path) -> None:
    command = [sys.executable, "-m", "ml.hopsworks", "check"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as check:
        assert check.stdout is not None
        assert check.stderr is not None
        check.stdout.close()
        assert check.stderr.read() == ""
        assert check.wait(60) == 1


def test_a_recording_of_all_traffic_holds_nothing_that_was_planted(
    fake: FakeCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cassette.json"
    assert checked(capsys, "--write", "--record", str(path))[0] == 0
    text = path.read_text("utf-8")
    cassette = json.loads(text)
    asked = {(each["method"], each["path"]) for each in cassette["exchanges"]}
    assert ("GET", "/hopsworks-api/api/project/119/credentials") in asked
    assert {method for method, _ in asked} == {"GET", "POST", "PUT", "DELETE"}
    folder = fake.root / "certificates"
    pem_lines = [
        line
        for file in folder.glob("*.[pk]e*")
        for line in file.read_text().splitlines()
        if not line.startswith("-----")
    ]
    assert len(pem_lines) > 20
    key = fake.api_key
    planted = [key, *key.split("."), fake.host, "fake000", "fake-store-password"]
    planted += ["@example.com", "BEGIN", "Fake User", socket.gethostname(), *pem_lines]
    assert [each for each in planted if each in text] == []
    credentials = next(e for e in cassette["exchanges"] if "credentials" in e["path"])
    values = {v for k, v in credentials["said"]["json"].items() if k != "fileExtension"}
    assert values == {"REDACTED"}


def test_a_recording_that_cannot_be_kept_is_refused_before_anything_is_asked(
    fake: FakeCluster, tmp_path: Path
) -> None:
    fake.forget()
    with pytest.raises(SlutprisError, match="name a file in a folder that exists"):
        main(["check", "--record", str(tmp_path / "no" / "cassette.json")])
    assert fake.requests() == []

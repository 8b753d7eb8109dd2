"""Alerts: told once, by a real webhook and a real mail server, and never lost."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg
import pytest
from receivers import MailServer, Webhook, mail_server, webhook

from dagster_assets.alerts import OFF, look_and_tell, send_test
from dagster_assets.channels import SendError
from dagster_assets.problems import ANCHORS, ANCHORS_OF_ERRORS
from warehouse.errors import SlutprisError, WarehouseBusyError
from warehouse.settings import PROJECT_ROOT, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dagster import DagsterInstance

is_broken: set[str] = set()


@dg.asset(
    key=["models", "tried"],
    check_specs=[dg.AssetCheckSpec("model_bias", asset=["models", "tried"])],
)
def tried() -> dg.MaterializeResult:
    """Is broken when a test says so."""
    if "step" in is_broken:
        raise WarehouseBusyError("another process holds it\nwith a second line")
    passed = "check" not in is_broken
    said = "Found: 9 %. Expected: 5 %." + (
        "" if passed else " What to do: train anew. See x#model-bias."
    )
    return dg.MaterializeResult(
        check_results=[dg.AssetCheckResult(passed=passed, description=said)]
    )


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    is_broken.clear()
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


@pytest.fixture
def hook(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with webhook() as hook:
        monkeypatch.setenv("SLUTPRIS_ALERT_WEBHOOK", hook.address)
        yield hook


@pytest.fixture
def post(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    with mail_server() as post:
        monkeypatch.setenv("SLUTPRIS_ALERT_MAIL_TO", "ada@example.se, bo@example.se")
        monkeypatch.setenv("SLUTPRIS_SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("SLUTPRIS_SMTP_PORT", str(post.port))
        yield post


def run(instance: DagsterInstance, *broken: str) -> str:
    """Run the asset, broken so, and look at it once; says what the look did."""
    is_broken.clear()
    is_broken.update(broken)
    dg.materialize([tried], instance=instance, raise_on_error=False)
    return look(instance)


def look(instance: DagsterInstance) -> str:
    return look_and_tell(instance, [], Settings())


def test_nothing_is_told_or_kept_unless_switched_on(
    instance: DagsterInstance, data_dir: Path
) -> None:
    assert run(instance, "step") == OFF
    assert not Settings().alerts_path.exists()


def test_a_failed_step_is_told_with_its_error_and_its_repair(
    instance: DagsterInstance, hook: Webhook
) -> None:
    run(instance, "step")

    (message,) = hook.posted
    (problem,) = message["problems"]
    assert message["kind"] == "problem"
    assert problem["what"].startswith("The step models/tried failed.")
    assert "another process holds it" in problem["error"]
    assert problem["runbook"] == "docs/runbook.md#warehouse-locked"
    assert message["run_id"] in message["text"]
    for part in ("what", "advice", "error", "runbook"):
        assert problem[part] in message["text"]


def test_a_failed_check_is_told_in_its_own_words(
    instance: DagsterInstance, hook: Webhook
) -> None:
    run(instance, "check")

    (problem,) = hook.posted[0]["problems"]
    assert "The check model_bias of models/tried" in problem["what"]
    assert problem["error"] == "Found: 9 %. Expected: 5 %."
    assert problem["advice"] == "train anew."
    assert problem["runbook"].endswith("#model-bias")


def test_the_same_problem_is_told_once_until_it_is_over(
    instance: DagsterInstance, hook: Webhook
) -> None:
    for _ in range(3):
        run(instance, "step")
    assert [message["kind"] for message in hook.posted] == ["problem"]

    run(instance)
    run(instance)
    run(instance, "step")

    kinds = [message["kind"] for message in hook.posted]
    assert kinds == ["problem", "recovery", "problem"]
    assert "The step models/tried failed." in hook.posted[1]["text"]


def test_a_problem_that_lasts_is_told_again_after_some_hours(
    instance: DagsterInstance, hook: Webhook
) -> None:
    run(instance, "step")
    _shift_told_at(Settings(), timedelta(hours=-25))
    run(instance, "step")

    assert len(hook.posted) == 2


def test_a_clock_that_jumped_back_keeps_no_problem_silent(
    instance: DagsterInstance, hook: Webhook
) -> None:
    run(instance, "step")
    _shift_told_at(Settings(), timedelta(days=1))
    run(instance, "step")

    assert len(hook.posted) == 2


def test_what_was_not_taken_waits_for_the_next_look(
    instance: DagsterInstance, hook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    hook.answers[:] = [500]

    assert run(instance, "step") == "0 sent, 1 waiting, 1 open"
    assert "HTTP 500" in caplog.text
    assert "s3cret" not in caplog.text
    assert look(instance) == "1 sent, 0 waiting, 1 open"
    assert len(hook.posted) == 1


def test_one_channel_that_is_down_keeps_nothing_from_the_other(
    instance: DagsterInstance, hook: Webhook, post: MailServer
) -> None:
    hook.answers[:] = [503]

    run(instance, "step")
    look(instance)

    assert len(hook.posted) == len(post.mails) == 1
    assert post.recipients == ["ada@example.se", "bo@example.se"]
    assert "Subject: [Slutpris] The step models/tried failed" in post.mails[0]


def test_what_cannot_be_kept_is_told_all_the_same(
    instance: DagsterInstance, hook: Webhook
) -> None:
    # As on a full disk, the file cannot be put in its place.
    Settings().alerts_path.mkdir(parents=True)

    assert run(instance, "step").startswith("1 sent")

    assert [message["kind"] for message in hook.posted] == ["problem"]


def test_a_damaged_memory_is_begun_anew(
    instance: DagsterInstance, hook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    run(instance, "step")
    Settings().alerts_path.write_text("{", encoding="utf-8")

    look(instance)

    assert len(hook.posted) == 2
    assert "begun anew" in caplog.text


def test_a_test_message_goes_by_every_channel(hook: Webhook, post: MailServer) -> None:
    assert send_test(Settings()) == ["webhook: taken", "mail: taken"]
    assert hook.posted[0]["kind"] == "test"
    assert "This is a test" in post.mails[0]


def test_a_test_message_says_why_it_was_not_taken(
    hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook.answers[:] = [404]
    with pytest.raises(SendError, match="did not take it: HTTP 404"):
        send_test(Settings())

    monkeypatch.setenv("SLUTPRIS_ALERT_WEBHOOK", "file:///etc/s3cret")
    with pytest.raises(SendError, match="no address") as refused:
        send_test(Settings())
    assert "s3cret" not in str(refused.value)

    monkeypatch.delenv("SLUTPRIS_ALERT_WEBHOOK")
    with pytest.raises(SlutprisError, match="alerts are off"):
        send_test(Settings())


def test_secrets_are_not_shown_with_the_settings(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUTPRIS_ALERT_WEBHOOK", "https://x.example/s3cret")
    monkeypatch.setenv("SLUTPRIS_SMTP_PASSWORD", "s3cret")

    assert "s3cret" not in repr(Settings())


def _shift_told_at(settings: Settings, shift: timedelta) -> None:
    kept = json.loads(settings.alerts_path.read_text(encoding="utf-8"))
    for problem in kept["problems"].values():
        problem["told_at"] = (datetime.now(UTC) + shift).isoformat()
    settings.alerts_path.write_text(json.dumps(kept), encoding="utf-8")


def test_the_runbook_has_a_heading_for_whatever_is_told() -> None:
    runbook = (PROJECT_ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    lines = [line for line in runbook.splitlines() if line.startswith("#")]
    headings = {line.lstrip("# ").strip() for line in lines}
    checks = (PROJECT_ROOT / "dagster_assets" / "defs" / "checks.py").read_text()
    names = re.findall(r'check_result\(finding, .*"(\w+)"\)', checks)
    named = {name.replace("_", "-") for name in names}

    assert "crawl-yield" in named
    told = {*named, *ANCHORS, *(anchor for _, anchor in ANCHORS_OF_ERRORS)}
    assert told - headings == set()

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING

import duckdb
import pytest
from tiny_market import publish_market, register_model

from ml.champions import Champions
from ml.dashboards import valuers as module
from ml.dashboards.valuers import Valuers
from ml.valuation.request import ValuationRequest
from warehouse.errors import SlutprisError
from warehouse.serving import current_snapshot_id, publish
from warehouse.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from ml.valuation.valuation import Valuation
    from ml.valuation.value import Valuer

READY_S = 60
HOME = ValuationRequest.of(address="Sveavägen 11", living_area_m2=50, date="2024-06-15")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder to copy: training takes longer than copying."""
    settings = publish_market(tmp_path_factory.mktemp("data"))
    register_model(settings, tmp_path_factory.mktemp("model"))
    return settings.data


@pytest.fixture
def settings(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    monkeypatch.setattr(module, "LOOKED_EVERY_S", 0.0)
    shutil.copytree(published, tmp_path / "data", symlinks=True)
    return Settings(data_dir=tmp_path / "data", threads=1)


@pytest.fixture
def shared(settings: Settings) -> Valuers:
    shared = Valuers(settings)
    shared.borrow().close()
    shared.wait_until_ready(READY_S)
    return shared


def publish_again(settings: Settings, added_sek: int) -> str:
    """Publish the market once more, with every price so much higher."""
    with duckdb.connect(str(settings.warehouse_path)) as connection:
        connection.execute(
            "update marts.price_index "
            f"set price_index_sek_per_m2 = price_index_sek_per_m2 + {added_sek}"
        )
        return publish(connection, settings.serving_dir).snapshot_id


def renew(shared: Valuers) -> None:
    """Notice what is newer, and wait until it is ready."""
    shared.borrow().close()
    shared.wait_until_ready(READY_S)


def test_all_visitors_share_one_valuer(shared: Valuers) -> None:
    with shared.borrow() as one, shared.borrow() as other:
        assert one.valuer is other.valuer


def test_a_visitor_is_served_by_the_old_until_the_new_is_ready(
    settings: Settings, shared: Valuers
) -> None:
    newer = publish_again(settings, 1_000)
    with shared.borrow() as old:
        assert old.valuer.snapshot.snapshot_id != newer
        shared.wait_until_ready(READY_S)
        # what was borrowed stays what it was, and still answers
        before = old.valuer.value(HOME)
        assert before.snapshot_id == old.valuer.snapshot.snapshot_id != newer
    with shared.borrow() as new:
        after = new.valuer.value(HOME)
    assert after.snapshot_id == newer
    assert after.value_sek - before.value_sek == pytest.approx(50 * 1_000, rel=0.2)


def test_a_newer_model_is_served_once_it_is_ready(
    settings: Settings, shared: Valuers, tmp_path: Path
) -> None:
    register_model(settings, tmp_path / "two", mdape_pct=1.0)
    renew(shared)
    with shared.borrow() as borrowed:
        assert borrowed.valuer.value(HOME).model_version == 2


def test_a_champion_that_is_older_is_served_and_so_is_the_next(
    settings: Settings, shared: Valuers, tmp_path: Path
) -> None:
    champions = Champions.of(settings)
    champions.promote("xgboost", 1, by="gate", reason="better")
    register_model(settings, tmp_path / "two", mdape_pct=1.0)
    renew(shared)
    with shared.borrow() as borrowed:
        assert borrowed.valuer.value(HOME).model_version == 1
    champions.promote("xgboost", 2, by="gate", reason="better")
    renew(shared)
    with shared.borrow() as borrowed:
        assert borrowed.valuer.value(HOME).model_version == 2


def test_a_process_that_starts_with_a_damaged_champion_serves_the_one_before(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    register_model(settings, tmp_path / "two", mdape_pct=1.0)
    champions = Champions.of(settings)
    for version in (1, 2):
        champions.promote("xgboost", version, by="gate", reason="better")
    damaged = champions.registry.folder("xgboost", 2) / "model" / "model.json"
    damaged.write_text("{}", encoding="utf-8")

    with Valuers(settings).borrow() as borrowed:
        assert borrowed.valuer.value(HOME).model_version == 1
    assert "Serving xgboost version 1 instead" in caplog.text


def test_the_old_is_closed_when_the_last_valuation_of_it_ends(
    settings: Settings, shared: Valuers
) -> None:
    borrowed = shared.borrow()
    publish_again(settings, 1_000)
    renew(shared)
    assert borrowed.valuer.value(HOME)
    borrowed.close()
    with pytest.raises(SlutprisError, match="value the home again"):
        borrowed.valuer.value(HOME)


def test_before_a_third_the_oldest_is_asked_back(
    settings: Settings, shared: Valuers
) -> None:
    asked_back = threading.Event()
    oldest = shared.borrow(recalled=asked_back.set)
    publish_again(settings, 1_000)
    renew(shared)
    assert not asked_back.is_set()
    newest = publish_again(settings, 1_000)
    shared.borrow().close()
    assert asked_back.wait(READY_S)
    oldest.close()
    shared.wait_until_ready(READY_S)
    with shared.borrow() as borrowed:
        assert borrowed.valuer.snapshot.snapshot_id == newest
    with pytest.raises(SlutprisError):
        oldest.valuer.value(HOME)


def test_a_value_under_way_when_asked_back_is_made_anew_by_the_newest(
    settings: Settings, shared: Valuers
) -> None:
    used: list[str] = []
    asked_back = threading.Event()

    def value_slowly(valuer: Valuer) -> Valuation:
        used.append(valuer.snapshot.snapshot_id)
        if len(used) == 1:
            publish_again(settings, 1_000)
            renew(shared)
            publish_again(settings, 1_000)
            shared.borrow().close()
            assert asked_back.wait(READY_S)
        return valuer.value(HOME)

    borrowed, valuation = shared.lend_for(value_slowly, asked_back.set)
    with borrowed:
        assert valuation.snapshot_id == used[-1] != used[0]
        assert borrowed.valuer.snapshot.snapshot_id == used[-1]
    shared.wait_until_ready(READY_S)


def test_who_does_not_give_back_in_time_is_not_waited_for(
    settings: Settings, shared: Valuers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RECALL_S", 0.1)
    kept = shared.borrow()
    for _ in range(2):
        newest = publish_again(settings, 1_000)
        renew(shared)
    with shared.borrow() as borrowed:
        assert borrowed.valuer.snapshot.snapshot_id == newest
    with pytest.raises(SlutprisError):
        kept.valuer.value(HOME)


def test_damaged_news_leaves_the_old_in_service_and_is_told(
    settings: Settings, shared: Valuers
) -> None:
    publish_again(settings, 1_000)
    snapshot = (
        settings.serving_dir
        / "snapshots"
        / str(current_snapshot_id(settings.serving_dir))
    )
    (snapshot / "sales.parquet").write_bytes(b"not what was published")
    renew(shared)
    with shared.borrow() as borrowed:
        assert borrowed.valuer.value(HOME)
    assert "not as it was published" in str(shared.problem)


def test_a_tampered_model_leaves_the_old_in_service_and_is_told(
    settings: Settings, shared: Valuers, tmp_path: Path
) -> None:
    register_model(settings, tmp_path / "two", mdape_pct=1.0)
    files = settings.registry_dir / "xgboost" / "2"
    model = max(
        (path for path in files.rglob("*") if path.is_file() and "model" in str(path)),
        key=lambda path: path.stat().st_size,
    )
    model.write_bytes(b"{}")
    renew(shared)
    with shared.borrow() as borrowed:
        assert borrowed.valuer.value(HOME).model_version == 1
    assert shared.problem


def test_a_snapshot_of_another_version_is_told_and_leaves_the_old_in_service(
    settings: Settings, shared: Valuers
) -> None:
    with duckdb.connect(str(settings.warehouse_path)) as connection:
        connection.execute("alter table marts.price_index drop standard_error_pct")
        publish(connection, settings.serving_dir)
    renew(shared)
    with shared.borrow() as borrowed:
        assert borrowed.valuer.value(HOME)
    assert "publish again" in str(shared.problem)
    with pytest.raises(SlutprisError, match=r"standard_error_pct.* publish again"):
        Valuers(settings).borrow()


def test_with_nothing_published_the_visitor_is_told(tmp_path: Path) -> None:
    with pytest.raises(SlutprisError, match="nothing is published"):
        Valuers(Settings(data_dir=tmp_path, threads=1)).borrow()

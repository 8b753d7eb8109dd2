"""Backups: of one moment while others write, whole or not at all, and usable again."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import textwrap
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest
from tiny_market import publish_market, register_model

from ml.embedded_feature_store import EmbeddedFeatureStore
from ml.valuation.request import ValuationRequest
from ml.valuation.value import Valuer
from warehouse.backup.__main__ import main
from warehouse.backup.counts import storage_version
from warehouse.backup.make import make_backup
from warehouse.backup.manifest import BackupError, backups_in
from warehouse.backup.restore import restore_backup
from warehouse.backup.upgrade import upgrade_file
from warehouse.backup.verify import verify_backup
from warehouse.errors import WarehouseBusyError
from warehouse.settings import PROJECT_ROOT, Settings
from warehouse.store import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from running_pipeline import Pipeline

    from warehouse.backup.manifest import Backup

HOME = {"address": "Sveavägen 11", "living_area_m2": 50, "date": "2024-06-15"}
TABLES = """
    create schema raw; create schema marts;
    create table raw.sale_cards (booli_id bigint, observed_at timestamp);
    create table raw.landed_sales (
        platform varchar, source_id varchar, observed_at timestamp
    );
    create table marts.sales (sale_id varchar, observed_at timestamp);
    create table marts.rejected_sales (
        sale_id varchar, observed_at timestamp, rule varchar
    );
"""
LAND_TEN_SALES = (
    "insert into raw.sale_cards"
    " select (select count(*) from raw.sale_cards) + n, timestamp '2026-11-29'"
    " from range(10) as numbers (n);"
    "insert into marts.sales"
    " select 'booli:' || booli_id, observed_at from raw.sale_cards"
    " where booli_id % 10 < 7"
    " except select sale_id, observed_at from marts.sales;"
    "insert into marts.rejected_sales"
    " select 'booli:' || booli_id, observed_at,"
    " if(booli_id % 10 = 9, 'duplicate_sale', 'sold_price_range')"
    " from raw.sale_cards where booli_id % 10 >= 7"
    " except select sale_id, observed_at, rule from marts.rejected_sales;"
)
WRITER = f"""
    import time
    from warehouse.errors import WarehouseBusyError
    from warehouse.store import connect, transaction
    while True:
        try:
            with connect() as connection, transaction(connection):
                connection.execute('''{LAND_TEN_SALES}''')
        except WarehouseBusyError:
            pass
        time.sleep(0.02)
"""
PUBLISHER = """
    import time
    from warehouse.errors import WarehouseBusyError
    from warehouse.serving import publish
    from warehouse.settings import Settings
    from warehouse.store import connect
    while True:
        try:
            with connect(read_only=True) as connection:
                publish(connection, Settings().serving_dir)
        except WarehouseBusyError:
            pass
        time.sleep(0.02)
"""


def ignore(_: int) -> None:
    """Take no notice of progress."""


def backup_of(settings: Settings, folder: Path | None = None) -> Backup:
    folder = folder or settings.backups_dir
    return make_backup(settings, folder, wait_s=30, advance=ignore)


@pytest.fixture
def small(settings: Settings) -> Settings:
    """A warehouse of ten sales whose fates are known, and a line of the forward log."""
    with connect(settings.warehouse_path) as connection:
        connection.execute(TABLES)
        connection.execute(LAND_TEN_SALES)
    settings.forward_log_dir.mkdir()
    (settings.forward_log_dir / "2026-11-28.jsonl").write_text('\n{"a":1}\n')
    return settings


@contextmanager
def running(script: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=PROJECT_ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_restored_folder_gives_the_same_rows_and_the_same_value(
    tmp_path: Path, data_dir: Path
) -> None:
    data_dir.mkdir()
    settings = publish_market(data_dir)
    register_model(settings, tmp_path)
    before = Valuer(settings).value(ValuationRequest.of(**HOME)).value_sek

    backup = backup_of(settings)
    restored = restore_backup(
        backup.folder, tmp_path / "other", replace=False, advance=ignore
    )

    moved = settings.over(restored.data)
    assert Valuer(moved).value(ValuationRequest.of(**HOME)).value_sek == before
    counted = backup.manifest.row_counts["warehouse.duckdb"]
    with connect(moved.warehouse_path, read_only=True) as connection:
        assert {
            name: connection.execute(f"select count(*) from {name}").fetchall()[0][0]
            for name in counted
        } == counted
    assert restored.verified.snapshot_id == (
        (settings.serving_dir / "current").readlink().name
    )


def test_backups_are_of_one_moment_while_others_land_and_publish(
    small: Settings,
) -> None:
    moments = []
    with running(WRITER) as writer, running(PUBLISHER) as publisher:
        while not (small.serving_dir / "current").exists():
            assert publisher.poll() is None, publisher.communicate()
            time.sleep(0.05)
        for _ in range(3):
            verified = verify_backup(backup_of(small, _new(small)).folder, ignore)
            moments.append(verified.fates)
            assert verified.snapshot_id
        for process in (writer, publisher):
            assert process.poll() is None, process.communicate()

    # a transaction lands ten sales, whose fates are seven, two and one
    for fates in moments:
        assert fates is not None
        assert (fates.raw % 10, fates.not_raw, fates.not_built) == (0, 0, 0)
        assert (fates.sales, fates.rejected, fates.duplicates) == tuple(
            fates.raw // 10 * share for share in (7, 2, 1)
        )
    assert moments[-1].raw > moments[0].raw >= 10


def test_a_moved_folder_gives_the_same_value(tmp_path: Path, data_dir: Path) -> None:
    data_dir.mkdir()
    settings = publish_market(data_dir)
    register_model(settings, tmp_path)
    before = Valuer(settings).value(ValuationRequest.of(**HOME)).value_sek

    moved = settings.over(data_dir.rename(tmp_path / "elsewhere"))

    assert not data_dir.exists()
    assert Valuer(moved).value(ValuationRequest.of(**HOME)).value_sek == before


@pytest.mark.long
def test_dbt_builds_the_same_in_a_restored_folder(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    backup = backup_of(pipeline.settings, tmp_path / "backups")
    restored = restore_backup(
        backup.folder, tmp_path / "other", replace=False, advance=ignore
    )

    built = subprocess.run(
        [
            *(Path(sys.executable).with_name("dbt"), "build"),
            *("--project-dir", "dbt_project", "--exclude-resource-type", "unit_test"),
        ],
        cwd=PROJECT_ROOT,
        env=pipeline.environment
        | {
            "SLUTPRIS_DATA": str(restored.data),
            "DBT_TARGET_PATH": str(restored.data / "dbt"),
            "DBT_LOG_PATH": str(restored.data / "dbt"),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert built.returncode == 0, built.stdout[-3000:]
    again = backup_of(pipeline.settings.over(restored.data), tmp_path / "again")
    assert _mart_rows(again) == _mart_rows(backup)


def _mart_rows(backup: Backup) -> dict[str, int]:
    counts = backup.manifest.row_counts["warehouse.duckdb"]
    return {name: rows for name, rows in counts.items() if name.startswith("marts.")}


def _new(settings: Settings) -> Path:
    """Give a folder of its own: two backups of one second would have one name."""
    return settings.backups_dir / str(time.monotonic_ns())


def test_a_writer_is_waited_for_and_then_told_of(small: Settings) -> None:
    with running(_HOLD) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(WarehouseBusyError, match=r"PID .*waited 0\.2 s"):
            make_backup(small, small.backups_dir, wait_s=0.2, advance=ignore)

    assert backups_in(small.backups_dir) == []
    assert backup_of(small).manifest.row_counts


def test_what_was_committed_and_not_yet_folded_in_is_in_the_backup(
    small: Settings,
) -> None:
    script = f"""
        import os
        from warehouse.store import connect
        connection = connect()
        connection.execute('''{LAND_TEN_SALES}''')
        os.kill(os.getpid(), 9)
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=PROJECT_ROOT, check=False
    )
    assert list(small.data.glob("warehouse.duckdb.wal"))

    backup = backup_of(small)

    counts = backup.manifest.row_counts["warehouse.duckdb"]
    assert counts["raw.sale_cards"] == 20
    assert not list(backup.data.glob("*.wal"))


def test_a_killed_backup_leaves_nothing_that_verifies(small: Settings) -> None:
    rng = random.Random(8)
    (small.data / "pages").mkdir()
    (small.data / "pages" / "saved.warc").write_bytes(rng.randbytes(60_000_000))
    command = [sys.executable, "-m", "warehouse.backup", "make"]

    for _ in range(5):
        with subprocess.Popen(command, cwd=PROJECT_ROOT) as process:
            while not list(small.backups_dir.glob(".partial-*/data")):
                assert process.poll() is None
                time.sleep(0.001)
            time.sleep(rng.uniform(0, 0.1))
            process.kill()
        unfinished = list(small.backups_dir.glob(".partial-*"))
        for folder in unfinished:
            with pytest.raises(BackupError, match="never finished"):
                verify_backup(folder, ignore)
        for folder in backups_in(small.backups_dir):
            verify_backup(folder, ignore)
        assert unfinished or backups_in(small.backups_dir)

    again = backup_of(small, small.backups_dir)
    assert verify_backup(again.folder, ignore).fates
    assert not list(small.backups_dir.glob(".partial-*"))


@pytest.mark.parametrize(
    "path", ["warehouse.duckdb", "valuations/2026-11-28.jsonl", "nominatim.sqlite"]
)
def test_a_changed_byte_is_found(small: Settings, path: str) -> None:
    subprocess.run(
        [sys.executable, "-c", _MAKE_SQLITE, str(small.data / "nominatim.sqlite")],
        check=True,
    )
    backup = backup_of(small)
    damaged = backup.data / path
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)

    with pytest.raises(BackupError, match=f"{path} is not as it was written"):
        verify_backup(backup.folder, ignore)


_MAKE_SQLITE = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as cache:
    cache.execute("create table answers (question text)")
"""


def test_a_missing_file_and_a_strange_one_are_found(small: Settings) -> None:
    backup = backup_of(small)
    strange = backup.data / "valuations" / "2026-11-30.jsonl"
    strange.write_text("{}")
    with pytest.raises(BackupError, match=r"2026-11-30\.jsonl is not of it"):
        verify_backup(backup.folder, ignore)
    strange.unlink()
    (backup.data / "valuations" / "2026-11-28.jsonl").unlink()
    with pytest.raises(BackupError, match=r"2026-11-28\.jsonl is missing"):
        verify_backup(backup.folder, ignore)


def test_raw_rows_that_were_lost_are_found(small: Settings) -> None:
    with connect(small.warehouse_path) as connection:
        connection.execute("delete from raw.sale_cards where booli_id = 3")

    with pytest.raises(BackupError, match="do not add up: raw 9 = sales 7"):
        verify_backup(backup_of(small).folder, ignore)


def test_rows_that_dbt_has_not_seen_yet_are_no_fault(small: Settings) -> None:
    with connect(small.warehouse_path) as connection:
        connection.execute("insert into raw.sale_cards values (99, '2026-11-29')")

    verified = verify_backup(backup_of(small).folder, ignore)

    assert str(verified.fates) == (
        "raw 11 = sales 7 + rejected 2 + duplicates 1 + not built yet 1"
    )


def test_a_folder_that_holds_something_is_not_replaced_unasked(
    small: Settings, tmp_path: Path
) -> None:
    backup = backup_of(small, tmp_path / "backups")
    (small.data / "newer.txt").write_text("newer")
    with pytest.raises(BackupError, match="is not empty"):
        restore_backup(backup.folder, small.data, replace=False, advance=ignore)
    assert (small.data / "newer.txt").exists()

    restored = restore_backup(backup.folder, small.data, replace=True, advance=ignore)

    assert restored.set_aside is not None
    assert (restored.set_aside / "newer.txt").read_text() == "newer"
    assert not (small.data / "newer.txt").exists()
    assert (small.data / "valuations" / "2026-11-28.jsonl").exists()


def test_a_damaged_backup_replaces_nothing(small: Settings, tmp_path: Path) -> None:
    backup = backup_of(small, tmp_path / "backups")
    (backup.data / "warehouse.duckdb").write_bytes(b"")

    with pytest.raises(BackupError, match="must not be used"):
        restore_backup(backup.folder, small.data, replace=True, advance=ignore)
    assert small.warehouse_path.stat().st_size > 0


def test_a_warehouse_in_use_is_not_replaced(small: Settings, tmp_path: Path) -> None:
    backup = backup_of(small, tmp_path / "backups")
    with running(_HOLD) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(WarehouseBusyError):
            restore_backup(backup.folder, small.data, replace=True, advance=ignore)
    assert small.warehouse_path.exists()


_HOLD = """
    import time
    from warehouse.store import connect
    with connect():
        print('held', flush=True)
        time.sleep(60)
"""


def test_what_is_made_again_or_passing_is_left_out(small: Settings) -> None:
    for name in ("dbt/target", "registry/xgboost/.staging-ab", "registry/xgboost/1"):
        folder = small.data / name
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")
    (small.data / "champions.json").write_text("{}")
    (small.data / "feature_store.duckdb.lock").write_text("")

    kept = [file.path for file in backup_of(small).manifest.files]

    assert kept == [
        "champions.json",
        "registry/xgboost/1/file",
        "valuations/2026-11-28.jsonl",
        "warehouse.duckdb",
    ]


def test_the_newest_backups_are_kept(
    small: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    for old in ("20260101T000000Z", "20260102T000000Z"):
        shutil.copytree(backup_of(small).folder, small.backups_dir / old)
        shutil.rmtree(backups_in(small.backups_dir)[-1])

    main(["make", "--keep", "2"])

    names = [path.name for path in backups_in(small.backups_dir)]
    assert len(names) == 2
    assert names[0] == "20260102T000000Z"
    assert "removed" in capsys.readouterr().out


def test_the_commands_say_what_they_did(
    small: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["make", "--to", str(tmp_path / "to"), "--verify"])
    folder = str(backups_in(tmp_path / "to")[0])
    main(["verify", folder])
    main(["restore", folder, "--into", str(tmp_path / "into")])

    said = capsys.readouterr().out
    assert said.count(f"{folder} is whole") == 3
    assert "raw 10 = sales 7 + rejected 2 + duplicates 1 + not built yet 0" in said
    assert f"next: export SLUTPRIS_DATA={tmp_path / 'into'}" in said
    manifest = json.loads((Path(folder) / "manifest.json").read_text())
    assert manifest["duckdb_version"] == duckdb.__version__
    assert manifest["storage_versions"]["warehouse.duckdb"].startswith("v")


def old_file(path: Path) -> None:
    """Write a file as DuckDB 1.0 wrote them, with all that a warehouse has in it."""
    with duckdb.connect(":memory:") as connection:
        connection.execute(
            f"attach '{path}' as warehouse (storage_version 'v1.0.0'); use warehouse;"
            "create schema raw; create schema marts;"
            "create table raw.sale_cards (booli_id bigint primary key, price bigint);"
            "insert into raw.sale_cards select range, range * 1000 from range(5000);"
            'create view marts.dear as from "warehouse"."raw"."sale_cards"'
            " where price > 4000000;"
            "create macro marts.asked(ids) as table from query_table(ids);"
        )


def test_an_old_file_is_written_anew_with_all_that_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    old_file(path)

    done = upgrade_file(path, "latest", wait_s=5)

    assert done.version_before == "v1.0.0+"
    assert done.version_after == f"v{duckdb.__version__.rsplit('.', 1)[0]}.0+"
    assert done.row_count == 5000
    with connect(path) as connection:
        assert storage_version(connection) == done.version_after
        dear = connection.execute("select count(*) from marts.dear").fetchall()
        assert dear == [(999,)]
        assert connection.execute("from marts.asked('marts.dear')").fetchone()
        with pytest.raises(duckdb.ConstraintException):
            connection.execute("insert into raw.sale_cards values (1, 1)")
    with connect(done.set_aside, read_only=True) as old:
        assert storage_version(old) == "v1.0.0+"


def test_a_version_nobody_knows_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    old_file(path)
    before = path.read_bytes()

    with pytest.raises(BackupError, match=r"cannot write .* anew as v99"):
        upgrade_file(path, "v99.0.0", wait_s=5)

    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["warehouse.duckdb"]


def test_the_feature_store_is_copied_in_its_turn(small: Settings) -> None:
    with duckdb.connect(str(small.feature_store_path)) as store:
        store.execute("create table stored_groups as select 1 as version")
    (small.data / "feature_store.duckdb.lock").write_text("")

    counts = backup_of(small).manifest.row_counts["feature_store.duckdb"]

    assert counts == {"main.stored_groups": 1}
    assert EmbeddedFeatureStore(small.feature_store_path).path.exists()

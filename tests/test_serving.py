"""Publishing and reading snapshots: atomic, verified, never a mix of two."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from typing import TYPE_CHECKING

import duckdb
import pytest

from warehouse.errors import SlutprisError, WarehouseBusyError
from warehouse.serving import (
    KEPT_SNAPSHOTS,
    OpenSnapshot,
    current_snapshot_id,
    open_snapshot,
    publish,
)
from warehouse.settings import PROJECT_ROOT
from warehouse.store import connect

if TYPE_CHECKING:
    from pathlib import Path

    from warehouse.settings import Settings

FEATURES_OF = """
create or replace macro marts.features_of(requests) as table
with asked as (
    select * from query_table(requests)
)

select
    asked.request_id,
    price_index.price_index_sek_per_m2
from asked
asof left join marts.price_index as price_index
    on asked.sold_date >= price_index.known_from
"""


@pytest.fixture
def serving_dir(settings: Settings) -> Path:
    return settings.serving_dir


@pytest.fixture
def marts(settings: Settings) -> duckdb.DuckDBPyConnection:
    """A warehouse with two small marts and the macro, at generation 1."""
    connection = connect(settings.warehouse_path)
    connection.execute("create schema marts; create schema intermediate")
    connection.execute("create table intermediate.private_sales as select 1 as sale_id")
    _build(connection, 1)
    return connection


def _build(connection: duckdb.DuckDBPyConnection, generation: int) -> None:
    connection.execute(
        "create or replace table marts.sales as"
        f" select {generation} as generation, range as sale_id, 'Gata' as street"
        " from range(1000)"
    )
    connection.execute(
        "create or replace table marts.price_index as"
        f" select {generation} as generation, known_from,"
        f" {generation} * 1000.0 + month(known_from) as price_index_sek_per_m2"
        " from generate_series(date '2016-01-01', date '2016-12-01', interval 1 month)"
        " as months(known_from)"
    )
    connection.execute(FEATURES_OF)


def _generations(snapshot: OpenSnapshot) -> set[int]:
    rows = snapshot.connection.execute(
        "select distinct generation from marts.sales"
        " union all select distinct generation from marts.price_index"
    ).fetchall()
    return {generation for (generation,) in rows}


def _snapshot_names(serving_dir: Path) -> list[str]:
    return sorted(path.name for path in (serving_dir / "snapshots").iterdir())


def test_snapshot_reads_as_the_marts_and_only_they(
    marts: duckdb.DuckDBPyConnection, serving_dir: Path
) -> None:
    expected = marts.execute("from marts.sales order by sale_id").fetchall()

    published = publish(marts, serving_dir)

    with open_snapshot(serving_dir) as snapshot:
        assert snapshot.snapshot_id == published.snapshot_id
        rows = snapshot.connection.execute("from marts.sales order by sale_id")
        assert rows.fetchall() == expected
        tables = [table.name for table in snapshot.manifest.tables]
        assert tables == ["price_index", "sales"]
        counts = [table.row_count for table in snapshot.manifest.tables]
        assert counts == [12, 1000]


def test_macro_gives_in_the_snapshot_what_it_gives_in_the_warehouse(
    marts: duckdb.DuckDBPyConnection, serving_dir: Path
) -> None:
    publish(marts, serving_dir)
    requests = (
        "create temp table requests as select 'a' as request_id,"
        " date '2016-03-15' as sold_date"
    )
    query = "from marts.features_of('requests')"

    with open_snapshot(serving_dir) as snapshot:
        for connection in (marts, snapshot.connection):
            connection.execute(requests)
        served = snapshot.connection.execute(query).fetchall()
        assert served == marts.execute(query).fetchall() == [("a", 1003.0)]


def test_reader_works_while_a_writer_holds_the_warehouse(
    marts: duckdb.DuckDBPyConnection, serving_dir: Path, settings: Settings
) -> None:
    publish(marts, serving_dir)
    script = textwrap.dedent("""
        import sys
        from warehouse.errors import WarehouseBusyError
        from warehouse.serving import open_snapshot
        from warehouse.settings import Settings
        from warehouse.store import connect
        try:
            connect(read_only=True)
            sys.exit("the warehouse was not held")
        except WarehouseBusyError:
            pass
        with open_snapshot(Settings().serving_dir) as snapshot:
            rows = snapshot.connection.execute("select count(*) from marts.sales")
            sys.stdout.write(str(rows.fetchall()))
    """)

    marts.execute("begin transaction; delete from marts.sales")
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT_ROOT,
    )

    assert (done.stdout, done.stderr) == ("[(1000,)]", "")


def test_equal_content_in_another_order_makes_no_new_snapshot(
    marts: duckdb.DuckDBPyConnection, serving_dir: Path
) -> None:
    first = publish(marts, serving_dir)
    marts.execute(
        "create or replace table marts.sales as"
        " select * from marts.sales order by sale_id desc"
    )

    second = publish(marts, serving_dir)

    assert second == first
    assert _snapshot_names(serving_dir) == [first.snapshot_id]


@pytest.mark.parametrize(
    "change",
    [
        "update marts.sales set street = 'Torg' where sale_id = 7",
        "delete from marts.sales where sale_id = 7",
        "insert into marts.sales select * from marts.sales where sale_id = 7",
        "alter table marts.sales rename column street to road",
        "create or replace table marts.sales as"
        " select * replace (sale_id::integer as sale_id) from marts.sales",
        "create table marts.places as select 1 as place_key",
        "drop table marts.price_index",
        FEATURES_OF.replace(">=", ">"),
    ],
)
def test_any_change_makes_a_new_snapshot_with_another_fingerprint(
    marts: duckdb.DuckDBPyConnection, serving_dir: Path, change: str
) -> None:
    first = publish(marts, serving_dir)
    marts.execute(change)

    second = publish(marts, serving_dir)

    assert second.snapshot_id > first.snapshot_id
    assert second.manifest.fingerprint != first.manifest.fingerprint
    assert current_snapshot_id(serving_dir) == second.snapshot_id


def test_manifest_proves_the_files(
    marts: duckdb.DuckDBPyConnection, serving_dir: Path
) -> None:
    published = publish(marts, serving_dir)

    manifest = json.loads((serving_dir / "current" / "manifest.json").read_text())

    assert manifest["snapshot_id"] == published.snapshot_id
    assert published.snapshot_id.endswith(manifest["fingerprint"][:12])
    files = {table["file"] for table in manifest["tables"]}
    assert files == {"sales.parquet", "price_index.parquet"}
    for table in manifest["tables"]:
        digest = subprocess.check_output(
            ["sha256sum", str(serving_dir / "current" / table["file"])], text=True
        )
        assert digest.split()[0] == table["sha256"]


# Pruning


def test_only_the_last_snapshots_are_kept(
    marts: duckdb.DuckDBPyConnection, serving_dir: Path
) -> None:
    ids = []
    for generation in range(KEPT_SNAPSHOTS + 3):
        _build(marts, generation)
        ids.append(publish(marts, serving_dir).snapshot_id)

    assert _snapshot_names(serving_dir) == ids[-KEPT_SNAPSHOTS:]
    assert current_snapshot_id(serving_dir) == ids[-1]


def test_snapshot_being_read_is_not_pruned_until_it_is_closed(
    marts: duckdb.DuckDBPyConnection, serving_dir: Path
) -> None:
    publish(marts, serving_dir)
    snapshot = open_snapshot(serving_dir)
    for generation in range(2, 8):
        _build(marts, generation)
        publish(marts, serving_dir)

    assert _generations(snapshot) == {1}
    snapshot.close()
    _build(marts, 8)
    publish(marts, serving_dir)

    assert not snapshot.folder.exists()
    assert len(_snapshot_names(serving_dir)) == KEPT_SNAPSHOTS


def test_unfinished_snapshot_of_a_killed_publish_is_ignored_and_removed(
    marts: duckdb.DuckDBPyConnection, serving_dir: Path
) -> None:
    first = publish(marts, serving_dir)
    unfinished = serving_dir / "snapshots" / ".partial-20261123T180000000000Z-0"
    unfinished.mkdir()
    (unfinished / "sales.parquet").write_bytes(b"PAR1 half")
    (serving_dir / ".partial-current").symlink_to("snapshots/nowhere")

    with open_snapshot(serving_dir) as snapshot:
        assert snapshot.snapshot_id == first.snapshot_id
    _build(marts, 2)
    second = publish(marts, serving_dir)

    assert _snapshot_names(serving_dir) == [first.snapshot_id, second.snapshot_id]
    assert not (serving_dir / ".partial-current").is_symlink()


# What is wrong is said


def test_reading_before_anything_is_published_says_what_to_do(
    serving_dir: Path,
) -> None:
    with pytest.raises(SlutprisError, match=r"nothing is published .* publish again"):
        open_snapshot(serving_dir)


def test_publishing_without_marts_says_what_to_do(
    settings: Settings, serving_dir: Path
) -> None:
    with (
        connect(settings.warehouse_path) as connection,
        pytest.raises(SlutprisError, match="dbt build"),
    ):
        publish(connection, serving_dir)

    assert current_snapshot_id(serving_dir) is None


def _truncate(folder: Path) -> None:
    path = folder / "sales.parquet"
    path.write_bytes(path.read_bytes()[:-20])


def _flip_a_byte(folder: Path) -> None:
    path = folder / "sales.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def _swap_files(folder: Path) -> None:
    (folder / "sales.parquet").write_bytes(
        (folder / "price_index.parquet").read_bytes()
    )


def _change_macro(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace(">=", ">"))


@pytest.mark.parametrize(
    "damage",
    [
        _truncate,
        _flip_a_byte,
        _swap_files,
        _change_macro,
        lambda folder: (folder / "sales.parquet").unlink(),
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: (folder / "manifest.json").write_text("{}"),
        lambda folder: (folder / "manifest.json").write_text('{"format": 99}'),
        lambda folder: (folder / "manifest.json").write_text("[1"),
    ],
)
def test_damaged_snapshot_is_refused_and_publishing_mends_it(
    marts: duckdb.DuckDBPyConnection,
    serving_dir: Path,
    damage: object,
) -> None:
    published = publish(marts, serving_dir)
    assert callable(damage)
    damage(published.folder)

    with pytest.raises(SlutprisError, match="publish again") as caught:
        open_snapshot(serving_dir)
    assert "\n" not in str(caught.value)

    publish(marts, serving_dir)
    with open_snapshot(serving_dir) as snapshot:
        assert _generations(snapshot) == {1}


@pytest.mark.parametrize("name", ["/proc/serving", "a_file"])
def test_serving_folder_that_cannot_be_written_is_named(
    marts: duckdb.DuckDBPyConnection, tmp_path: Path, name: str
) -> None:
    (tmp_path / "a_file").touch()

    with pytest.raises(SlutprisError, match="SLUTPRIS_DATA"):
        publish(marts, tmp_path / name)


def test_failed_publish_leaves_the_warehouse_usable_and_current_as_it_was(
    marts: duckdb.DuckDBPyConnection, serving_dir: Path
) -> None:
    first = publish(marts, serving_dir)
    _build(marts, 2)
    marts.execute("create view marts.broken as select * from marts.price_index")
    marts.execute("drop table marts.price_index")

    with pytest.raises(duckdb.Error):
        publish(marts, serving_dir)

    assert current_snapshot_id(serving_dir) == first.snapshot_id
    marts.execute("drop view marts.broken")
    assert publish(marts, serving_dir).snapshot_id > first.snapshot_id


# Several processes and threads

PUBLISHER = """
import sys
from warehouse.serving import publish
from warehouse.settings import Settings
from warehouse.store import connect
from tests.test_serving import _build

settings = Settings()
with connect(settings.warehouse_path) as connection:
    for generation in range(2, 2 + int(sys.argv[1])):
        _build(connection, generation)
        publish(connection, settings.serving_dir)
"""


def _publisher(times: int) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", PUBLISHER, str(times)], env=environment
    )


def test_readers_never_see_a_mix_while_a_publisher_publishes_fifty_times(
    marts: duckdb.DuckDBPyConnection, serving_dir: Path
) -> None:
    publish(marts, serving_dir)
    marts.close()
    seen: list[set[int]] = []
    failures: list[Exception] = []
    publisher = _publisher(50)

    def read() -> None:
        while publisher.poll() is None:
            try:
                with open_snapshot(serving_dir) as snapshot:
                    seen.append(_generations(snapshot))
            except (SlutprisError, duckdb.Error) as error:
                failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()

    assert publisher.returncode == 0
    assert failures == []
    assert all(len(generations) == 1 for generations in seen)
    assert len({min(generations) for generations in seen}) > 10
    with open_snapshot(serving_dir) as snapshot:
        assert _generations(snapshot) == {51}
    assert len(_snapshot_names(serving_dir)) <= KEPT_SNAPSHOTS + len(readers)


@pytest.mark.parametrize("delay_s", [0.0, 0.05, 0.2])
def test_killed_publisher_leaves_a_whole_snapshot_and_no_lock(
    marts: duckdb.DuckDBPyConnection,
    serving_dir: Path,
    settings: Settings,
    delay_s: float,
) -> None:
    first = publish(marts, serving_dir)
    marts.close()
    publisher = _publisher(1000)
    while current_snapshot_id(serving_dir) == first.snapshot_id:
        time.sleep(0.005)
    time.sleep(delay_s)
    publisher.send_signal(signal.SIGKILL)
    publisher.wait()

    with open_snapshot(serving_dir) as snapshot:
        [generation] = _generations(snapshot)
    with connect(settings.warehouse_path) as connection:
        _build(connection, generation + 1000)
        publish(connection, serving_dir)
    with open_snapshot(serving_dir) as snapshot:
        assert _generations(snapshot) == {generation + 1000}
    assert not any(name.startswith(".") for name in _snapshot_names(serving_dir))


def test_second_publisher_at_once_is_told_to_wait(
    marts: duckdb.DuckDBPyConnection, serving_dir: Path
) -> None:
    publish(marts, serving_dir)
    _build(marts, 2)
    script = (
        "import fcntl, sys\n"
        f"lock = open({str(serving_dir / 'publish.lock')!r}, 'wb')\n"
        "fcntl.flock(lock, fcntl.LOCK_EX)\n"
        "sys.stdout.write('held\\n'); sys.stdout.flush(); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(WarehouseBusyError, match="is publishing"):
            publish(marts, serving_dir)
        holder.communicate()

    assert publish(marts, serving_dir).manifest.fingerprint

"""Opening the warehouse, its one writer, its transactions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from warehouse.errors import SlutprisError, WarehouseBusyError, exit_with
from warehouse.settings import PROJECT_ROOT
from warehouse.store import connect, create_raw_tables, transaction

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse.settings import Settings

INSERT_FILE = """
insert into raw.landed_files
values ('a', 'a.csv', 'csv', 1, 1, 0, '2026-11-23 12:00:00')
"""


def _file_count(connection: duckdb.DuckDBPyConnection) -> int:
    row = connection.execute("select count(*) from raw.landed_files").fetchone()
    assert row is not None
    return row[0]


def test_raw_tables_are_created_again_without_losing_rows(
    warehouse: duckdb.DuckDBPyConnection,
) -> None:
    warehouse.execute(INSERT_FILE)

    create_raw_tables(warehouse)

    assert _file_count(warehouse) == 1


def _insert_and_fail(connection: duckdb.DuckDBPyConnection) -> None:
    with transaction(connection):
        connection.execute(INSERT_FILE)
        raise ZeroDivisionError


def _insert_twice(connection: duckdb.DuckDBPyConnection) -> None:
    with transaction(connection):
        connection.execute(INSERT_FILE)
        connection.execute(INSERT_FILE)


@pytest.mark.parametrize(
    ("write", "error"),
    [
        (_insert_and_fail, ZeroDivisionError),
        (_insert_twice, duckdb.ConstraintException),
    ],
)
def test_transaction_keeps_nothing_after_an_error(
    warehouse: duckdb.DuckDBPyConnection,
    write: Callable[[duckdb.DuckDBPyConnection], None],
    error: type[Exception],
) -> None:
    with pytest.raises(error):
        write(warehouse)

    assert _file_count(warehouse) == 0


def test_transaction_is_seen_after_reopening(settings: Settings) -> None:
    with connect(settings.warehouse_path) as writer:
        create_raw_tables(writer)
        with transaction(writer):
            writer.execute(INSERT_FILE)

    with connect(settings.warehouse_path, read_only=True) as reader:
        assert _file_count(reader) == 1


def test_second_writer_is_told_that_the_warehouse_is_busy(
    settings: Settings, warehouse: duckdb.DuckDBPyConnection
) -> None:
    script = (
        "from warehouse.errors import exit_with\n"
        "from warehouse.store import connect\n"
        "exit_with(lambda: connect() and None)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT_ROOT,
    )

    assert done.returncode == WarehouseBusyError.exit_code
    assert done.stderr.startswith("error: another process is using ")
    assert done.stderr.count("\n") == 1


def test_reading_a_warehouse_that_is_not_there_makes_none(settings: Settings) -> None:
    with pytest.raises(SlutprisError, match="there is no warehouse"):
        connect(settings.warehouse_path, read_only=True)

    assert not settings.warehouse_path.exists()


@pytest.mark.parametrize("folder", ["/proc/slutpris", "/dev/null/data", "/sys/data"])
def test_folder_that_cannot_be_written_is_named(folder: str) -> None:
    with pytest.raises(SlutprisError, match=f"{folder}.*SLUTPRIS_DATA") as caught:
        connect(Path(folder) / "warehouse.duckdb")

    assert "\n" not in str(caught.value)


def test_file_that_is_no_warehouse_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    path.write_text("not a database, but long enough to look like one\n" * 400)

    with pytest.raises(SlutprisError, match="cannot open"):
        connect(path)


def test_known_error_becomes_one_line_and_its_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def command() -> None:
        raise WarehouseBusyError("taken; wait")

    with pytest.raises(SystemExit) as caught:
        exit_with(command)

    assert caught.value.code == 3
    assert capsys.readouterr().err == "error: taken; wait\n"

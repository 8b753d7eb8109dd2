"""Opening the warehouse and writing to it in short transactions.

What belongs here: connections, locks, transactions, the raw tables' creation. What does
not: the meaning of any row (see ``land`` and the crawl's pipelines).
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from warehouse.errors import SlutprisError, WarehouseBusyError
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Generator

RAW_SQL = Path(__file__).with_name("raw.sql")
GAZETTEER_SQL = Path(__file__).parent / "geocoding" / "gazetteer.sql"


def connect(
    path: Path | None = None, *, read_only: bool = False
) -> duckdb.DuckDBPyConnection:
    """Open the warehouse; a busy, missing or unwritable file gets a clear error.

    Parameters
    ----------
    path
        The DuckDB file; the settings' warehouse when None.
    read_only
        Open for reading. Fails, as writing does, while another process writes.

    Raises
    ------
    WarehouseBusyError
        When another process holds the file.
    SlutprisError
        When the file or its folder cannot be opened.
    """
    path = path or Settings().warehouse_path
    if read_only and not path.exists():
        raise SlutprisError(
            f"there is no warehouse at {path}; run `make demo`, crawl, or land a file"
        )
    make_folder(path.parent)
    try:
        return duckdb.connect(str(path), read_only=read_only)
    except duckdb.IOException as error:
        raise _explained(path, error) from error


def make_folder(folder: Path) -> Path:
    """Make a folder for state where it is missing.

    Raises
    ------
    SlutprisError
        When it cannot be made there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SlutprisError(
            f"cannot write to {folder} ({error.strerror}); "
            "set SLUTPRIS_DATA to a folder you may write to"
        ) from error
    return folder


def _explained(path: Path, error: duckdb.IOException) -> SlutprisError:
    first_line = str(error).splitlines()[0]
    if "lock" in first_line.lower():
        return WarehouseBusyError(
            f"another process is using {path} (DuckDB allows one writer); "
            f"wait for it or stop it, then run the same command again [{first_line}]"
        )
    return SlutprisError(
        f"cannot open {path}; set SLUTPRIS_DATA to a folder you may write to "
        f"[{first_line}]"
    )


def create_raw_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create what dbt reads where it is missing; changes nothing that exists."""
    for path in (RAW_SQL, GAZETTEER_SQL):
        connection.execute(path.read_text(encoding="utf-8"))


@contextmanager
def transaction(
    connection: duckdb.DuckDBPyConnection,
) -> Generator[duckdb.DuckDBPyConnection]:
    """Commit what happens inside as one unit; any error rolls it all back."""
    connection.execute("begin transaction")
    try:
        yield connection
    except BaseException:
        # A failed commit, or a full disk, has rolled back already.
        with suppress(duckdb.TransactionException):
            connection.execute("rollback")
        raise
    connection.execute("commit")

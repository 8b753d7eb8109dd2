"""A second warehouse in which some sales are missing, built from the first one's rows.

What belongs here: copying what dbt reads, less some sales, and having dbt build it.
What does not: which sales to leave out, and why.

Leaving a sale out of a table of features is not enough where its price has gone into
the index, the comparables and the quality of others: here it was never observed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from warehouse.errors import SlutprisError
from warehouse.settings import PROJECT_ROOT, Settings
from warehouse.store import connect, create_raw_tables

if TYPE_CHECKING:
    from collections.abc import Iterable

TABLES_DBT_READS = (
    "raw.sale_cards",
    "raw.homes",
    "raw.landed_sales",
    "raw.economy_observations",
    "raw.district_polygons",
    "raw.stops",
    "raw.geocoded_addresses",
    "gazetteer.addresses",
    "gazetteer.centres",
)
SALE_ID = {
    "raw.sale_cards": "'booli:' || booli_id",
    "raw.landed_sales": "platform || ':' || source_id",
}
"""Tables whose rows are observations of sales, and the sale's id as dbt makes it."""

BATCH_ROWS = 100_000
SHOWN_CHARACTERS = 300


def build_without(
    connection: duckdb.DuckDBPyConnection, absent: Iterable[str], folder: Path
) -> Path:
    """Build a warehouse in a folder from all sales but some.

    Parameters
    ----------
    connection
        To the whole warehouse; only read.
    absent
        Ids of the sales to leave out, as in ``marts.sales``. What the whole warehouse
        rejected is left out with them: the duplicate of an absent sale would be taken
        for the sale.
    folder
        An empty folder, the new warehouse's data folder.

    Returns
    -------
    Path
        The new DuckDB file.

    Raises
    ------
    SlutprisError
        When the warehouse holds no raw tables, or dbt fails.
    """
    path = Settings(SLUTPRIS_DATA=folder).warehouse_path
    try:
        absent_ids = {*absent, *_rejected(connection)}
        with connect(path) as copy:
            create_raw_tables(copy)
            ids = pa.table({"sale_id": pa.array(sorted(absent_ids), pa.string())})
            connection.register("absent_sales", ids)
            for table in TABLES_DBT_READS:
                _copy(connection, copy, table)
    except duckdb.CatalogException as error:
        raise SlutprisError(
            f"the warehouse lacks what it was built of [{str(error).splitlines()[0]}]; "
            "crawl or land sales, then `dbt build --project-dir dbt_project`"
        ) from error
    finally:
        connection.unregister("absent_sales")
    _run_dbt(folder)
    return path


def _rejected(connection: duckdb.DuckDBPyConnection) -> set[str]:
    rows = connection.execute(
        "select sale_id from marts.rejected_sales "
        "except select sale_id from marts.sales"
    )
    return {sale_id for (sale_id,) in rows.fetchall()}


def _copy(
    source: duckdb.DuckDBPyConnection, target: duckdb.DuckDBPyConnection, table: str
) -> None:
    kept = f"from {table}"
    if table in SALE_ID:
        kept += f" where {SALE_ID[table]} not in (select sale_id from absent_sales)"
    rows = source.sql(kept).to_arrow_reader(BATCH_ROWS)
    target.register("copied_rows", rows)
    target.execute(f"insert into {table} by name from copied_rows")
    target.unregister("copied_rows")


def _run_dbt(folder: Path) -> None:
    finished = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("dbt")), "--no-use-colors", "build"),
            *("--project-dir", "dbt_project"),
            # The rules were tested where the whole warehouse was built.
            *("--resource-type", "seed", "--resource-type", "model"),
        ],
        cwd=PROJECT_ROOT,
        env={
            **os.environ,
            "SLUTPRIS_DATA": str(folder),
            "DBT_TARGET_PATH": str(folder / "dbt"),
            "DBT_LOG_PATH": str(folder / "dbt"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        said = " ".join((finished.stdout + finished.stderr).split())
        raise SlutprisError(
            f"dbt could not build the warehouse in {folder}: "
            f"{said[-SHOWN_CHARACTERS:]}; run `dbt build --project-dir dbt_project` "
            "on the whole warehouse to see the error"
        )

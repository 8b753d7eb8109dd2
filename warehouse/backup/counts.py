"""What a DuckDB file holds, in numbers: rows by table, format, and whether they add up.

What belongs here: questions to an open file. What does not: what follows from the
answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

NEEDED = ("raw.sale_cards", "raw.landed_sales", "marts.sales", "marts.rejected_sales")
"""Tables without which nothing can be said of what became of the raw rows."""

_TABLES = """
select schema_name, table_name
from duckdb_tables()
where database_name = current_catalog() and not temporary
order by schema_name, table_name
"""
_STORAGE_VERSION = """
select tags['storage_version'] from duckdb_databases()
where database_name = current_catalog()
"""
_FATES = """
with
observed as (
    select 'booli:' || booli_id as sale_id, observed_at from raw.sale_cards
    union all
    select platform || ':' || source_id, observed_at from raw.landed_sales
),

built as (
    select sale_id, observed_at from marts.sales
    union all
    select sale_id, observed_at from marts.rejected_sales
)

select
    (select count(*) from observed),
    (select count(*) from marts.sales),
    (select count(*) from marts.rejected_sales where rule <> 'duplicate_sale'),
    (select count(*) from marts.rejected_sales where rule = 'duplicate_sale'),
    (select count(*) from (from observed except all from built)),
    (select count(*) from (from built except all from observed))
"""


@dataclass(frozen=True)
class Fates:
    """What became of the raw observations of sales: each has exactly one fate."""

    raw: int
    sales: int
    rejected: int
    duplicates: int
    not_built: int
    """Landed since dbt last built; the next build takes them."""
    not_raw: int
    """In a mart without a raw row, or twice: never, in a warehouse that is well."""

    @property
    def add_up(self) -> bool:
        """Whether raw = sales + rejected + duplicates + not built yet."""
        fates = self.sales + self.rejected + self.duplicates + self.not_built
        return self.not_raw == 0 and self.raw == fates

    def __str__(self) -> str:
        return (
            f"raw {self.raw} = sales {self.sales} + rejected {self.rejected} + "
            f"duplicates {self.duplicates} + not built yet {self.not_built}"
        )


def row_counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Count the rows of every table, ``schema.table``."""
    names = connection.execute(_TABLES).fetchall()
    return {
        f"{schema}.{table}": _count(connection, f'"{schema}"."{table}"')
        for schema, table in names
    }


def storage_version(connection: duckdb.DuckDBPyConnection) -> str:
    """Name the version of the file's format, such as ``v1.0.0+``."""
    row = connection.execute(_STORAGE_VERSION).fetchone()
    return str(row[0]) if row else "unknown"


def fates(connection: duckdb.DuckDBPyConnection) -> Fates | None:
    """Count what became of the raw observations; None before anything was built."""
    tables = {
        f"{schema}.{name}" for schema, name in connection.execute(_TABLES).fetchall()
    }
    if not tables.issuperset(NEEDED):
        return None
    row = connection.execute(_FATES).fetchone()
    return Fates(*row) if row else None


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = connection.execute(f"select count(*) from {table}").fetchone()
    return row[0] if row else 0

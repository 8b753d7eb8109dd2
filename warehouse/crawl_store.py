"""The crawl's rows in the warehouse: runs, the ledger of windows, pages, cards, homes.

What belongs here: the SQL that lands them, each unit in one transaction, and what is
still missing. What does not: reading pages, or deciding what to request.
"""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from warehouse.errors import SlutprisError
from warehouse.store import connect, create_raw_tables, transaction

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence
    from datetime import date
    from pathlib import Path

Row = dict[str, Any]

_INSERT_NEW_CARDS = """
insert into raw.sale_cards by name
with latest as (
    select booli_id, arg_max(content_sha256, observed_at) as content_sha256
    from raw.sale_cards
    where booli_id in (select booli_id from incoming)
    group by booli_id
)
select incoming.*
from incoming
where not exists (
    select 1 from latest
    where latest.booli_id = incoming.booli_id
        and latest.content_sha256 = incoming.content_sha256
)
qualify row_number() over (
    partition by incoming.booli_id order by incoming.observed_at desc
) = 1
"""

_INSERT_NEW_HOMES = """
insert into raw.homes by name
with latest as (
    select url, arg_max(content_sha256, observed_at) as content_sha256
    from raw.homes
    where url in (select url from incoming)
    group by url
)
select incoming.*
from incoming
where not exists (
    select 1 from latest
    where latest.url = incoming.url
        and latest.content_sha256 = incoming.content_sha256
)
qualify row_number() over (
    partition by incoming.url order by incoming.observed_at desc
) = 1
"""

_INSERT_ONCE = (
    "insert into raw.{table} by name select * from incoming on conflict do nothing"
)

# A page speaks for the home's newest sale, so a home is read when its page speaks for a
# sale at least as new as the card's. A page without a sale (the home is for sale again,
# or gone) covers every sale up to the day it was read.
_MISSING_LISTINGS = """
with cards as (
    select
        sale_cards.booli_id,
        arg_max(sale_cards.url, sale_cards.observed_at) as url,
        arg_max(sale_cards.sold_date, sale_cards.observed_at) as sold_date
    from raw.sale_cards
    inner join raw.crawl_runs using (run_id)
    where crawl_runs.site = $site and starts_with(sale_cards.page_url, $search_prefix)
    group by sale_cards.booli_id
),
covered as (
    select url, coalesce(sold_date, observed_at::date) as covered_until from raw.homes
    union all
    select url, fetched_at::date as covered_until
    from raw.pages
    where page_kind = 'listing' and http_status = 404
)
select cards.url
from cards
where cards.sold_date between $from_date and $to_date
    and not exists (
        select 1 from covered
        where covered.url = cards.url and covered.covered_until >= cards.sold_date
    )
group by cards.url
order by max(cards.sold_date) desc, cards.url
"""


class WarehouseWriteError(SlutprisError):
    """The warehouse refused a write (disk full, file damaged); the crawl must stop."""

    exit_code = 1


def utc_now() -> datetime:
    """Tell the time as the warehouse holds it: UTC, without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)


@dataclass(frozen=True)
class CrawlRun:
    """One crawl, as ``raw.crawl_runs`` names it."""

    run_id: str
    spider: str
    site: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class SearchScope:
    """What the ledger's windows have in common: site, and query without dates."""

    site: str
    area_ids: str
    object_type: str
    search_prefix: str
    """How the ``raw.pages.url`` of every search page of this query begins."""


class CrawlStore:
    """The warehouse, held open by one crawl.

    Parameters
    ----------
    run
        Every row written carries its id.
    path
        The DuckDB file; the settings' warehouse when None.

    Raises
    ------
    WarehouseBusyError
        When another process holds the file.
    """

    def __init__(self, run: CrawlRun, path: Path | None = None) -> None:
        self.run = run
        self._connection = connect(path)
        self._schemas: dict[str, pa.Schema] = {}
        create_raw_tables(self._connection)
        self._connection.execute(
            "insert into raw.crawl_runs by name select $run_id as run_id, "
            "$spider as spider, $site as site, $arguments as arguments, "
            "$started_at as started_at",
            {
                "run_id": run.run_id,
                "spider": run.spider,
                "site": run.site,
                "arguments": json.dumps(dict(run.arguments), default=str),
                "started_at": utc_now(),
            },
        )

    def window_status(
        self, scope: SearchScope, from_date: date, to_date: date
    ) -> str | None:
        """``complete`` when a landed window covers these dates, else its own status."""
        found = self._connection.execute(
            """
            select status
            from raw.crawl_windows
            where site = $site and area_ids = $area_ids
                and object_type = $object_type
                and (
                    (status = 'complete' and from_date <= $from_date
                        and to_date >= $to_date)
                    or (from_date = $from_date and to_date = $to_date)
                )
            order by status = 'complete' desc
            limit 1
            """,
            {
                "site": scope.site,
                "area_ids": scope.area_ids,
                "object_type": scope.object_type,
                "from_date": from_date,
                "to_date": to_date,
            },
        ).fetchone()
        return found[0] if found else None

    def missing_listings(
        self, scope: SearchScope, from_date: date, to_date: date
    ) -> list[str]:
        """List the pages of sales in these dates not read yet, newest sale first."""
        rows = self._connection.execute(
            _MISSING_LISTINGS,
            {
                "site": scope.site,
                "search_prefix": scope.search_prefix,
                "from_date": from_date,
                "to_date": to_date,
            },
        ).fetchall()
        return [url for (url,) in rows]

    def land_window(
        self,
        scope: SearchScope,
        window: Row,
        *,
        pages: Sequence[Row] = (),
        cards: Sequence[Row] = (),
        quarantined: Sequence[Row] = (),
    ) -> int:
        """Land a window whole, with its line in the ledger, in one transaction.

        Returns
        -------
        int
            New observations of sales; those equal to the latest known are not stored.
        """
        ledger = {
            "site": scope.site,
            "area_ids": scope.area_ids,
            "object_type": scope.object_type,
            **window,
            "completed_at": utc_now(),
            "run_id": self.run.run_id,
        }
        with self._unit():
            new_count = self._land_search(pages, cards, quarantined)
            self._insert(
                "crawl_windows",
                [ledger],
                "insert or replace into raw.crawl_windows by name "
                "select * from incoming",
            )
        return new_count

    def land_search_pages(
        self,
        *,
        pages: Sequence[Row],
        cards: Sequence[Row],
        quarantined: Sequence[Row],
    ) -> int:
        """Land search pages that belong to no window, such as saved ones."""
        with self._unit():
            return self._land_search(pages, cards, quarantined)

    def _land_search(
        self, pages: Sequence[Row], cards: Sequence[Row], quarantined: Sequence[Row]
    ) -> int:
        self._insert("pages", pages)
        self._insert("quarantine", quarantined)
        return self._insert("sale_cards", cards, _INSERT_NEW_CARDS)

    def land_homes(self, *, pages: Sequence[Row], homes: Sequence[Row]) -> int:
        """Land listing pages and the homes on them in one transaction."""
        with self._unit():
            self._insert("pages", pages)
            return self._insert("homes", homes, _INSERT_NEW_HOMES)

    def quarantine(self, rows: Sequence[Row]) -> None:
        """Keep what could not be read, with the reason."""
        with self._unit():
            self._insert("quarantine", rows)

    def close(self, reason: str, statistics: Mapping[str, Any]) -> None:
        """Write how the crawl ended and let the file go."""
        with closing(self._connection):
            self._connection.execute(
                "update raw.crawl_runs set finished_at = $finished_at, "
                "finish_reason = $reason, statistics = $statistics "
                "where run_id = $run_id",
                {
                    "finished_at": utc_now(),
                    "reason": reason,
                    "statistics": json.dumps(dict(statistics), default=str),
                    "run_id": self.run.run_id,
                },
            )

    @contextmanager
    def _unit(self) -> Generator[None]:
        try:
            with transaction(self._connection):
                yield
        except duckdb.Error as error:
            raise WarehouseWriteError(
                f"the warehouse refused a write; what landed before is kept "
                f"[{str(error).splitlines()[0]}]"
            ) from error

    def _schema(self, table: str) -> pa.Schema:
        if table not in self._schemas:
            columns = self._connection.sql(f"select * from raw.{table} limit 0")
            self._schemas[table] = columns.to_arrow_table().schema
        return self._schemas[table]

    def _insert(
        self, table: str, rows: Iterable[Row], statement: str | None = None
    ) -> int:
        rows = list(rows)
        if not rows:
            return 0
        schema = pa.schema(f for f in self._schema(table) if f.name in rows[0])
        # A registered Arrow table lands in one statement; executemany takes a
        # round trip per row.
        self._connection.register("incoming", pa.Table.from_pylist(rows, schema=schema))
        sql = statement or _INSERT_ONCE.format(table=table)
        counted = self._connection.execute(sql).fetchone()
        self._connection.unregister("incoming")
        return counted[0] if counted else 0

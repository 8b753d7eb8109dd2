"""The crawl's rows in the warehouse: runs, the ledger of windows, pages, cards, homes.

What belongs here: the SQL that lands them, each unit in one transaction, and what is
still missing. What does not: reading pages, or deciding what to request.
"""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from warehouse.crawl_statements import (
    COUNT_CHANGES,
    INSERT_NEW_CARDS,
    INSERT_NEW_HOMES,
    INSERT_ONCE,
    LISTINGS_TO_READ,
    NEWEST_TIME,
    REPLACE,
    UNFINISHED_SINCE,
    WINDOW_STATUS,
)
from warehouse.errors import SlutprisError
from warehouse.store import connect, create_raw_tables, transaction

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence
    from datetime import date
    from pathlib import Path

Row = dict[str, Any]

MEMORY_LIMIT = "256MB"
"""Of DuckDB while it crawls; larger queries spill to the folder of the warehouse."""


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


@dataclass(frozen=True)
class CardChanges:
    """What a landing of cards told us, in sales."""

    new: int = 0
    changed: int = 0
    """Known sales of which any field differs from the latest observation."""
    bids_settled: int = 0
    """Of the changed: ``Sista bud`` that became ``Slutpris``."""
    prices_corrected: int = 0
    """Of the changed: another price under the same price type."""


class CrawlStore:
    """The warehouse, held open by one crawl.

    Parameters
    ----------
    run
        Every row written carries its id.
    path
        The DuckDB file; the settings' warehouse when None.

    Attributes
    ----------
    clock_is_behind
        What to add to a time of now, so that it comes after what is known already.

    Raises
    ------
    WarehouseBusyError
        When another process holds the file.
    """

    def __init__(self, run: CrawlRun, path: Path | None = None) -> None:
        self.run = run
        self._connection = connect(path)
        # DuckDB would keep what it wrote in memory: a crawl would grow with its pages.
        self._connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
        self._schemas: dict[str, pa.Schema] = {}
        create_raw_tables(self._connection)
        self.clock_is_behind = self._behind_what_is_known()
        self._started_at = self._now()
        self._connection.execute(
            "insert into raw.crawl_runs by name select $run_id as run_id, "
            "$spider as spider, $site as site, $arguments as arguments, "
            "$started_at as started_at",
            {
                "run_id": run.run_id,
                "spider": run.spider,
                "site": run.site,
                "arguments": json.dumps(dict(run.arguments), default=str),
                "started_at": self._started_at,
            },
        )

    def unfinished_since(self, mode: str) -> datetime:
        """When the first of the runs of this mode started that broke off lately.

        What such a run landed need not be read again, if it is less than a day old.
        The start of this run when the last one came to its end.
        """
        found = self._connection.execute(
            UNFINISHED_SINCE,
            {
                "site": self.run.site,
                "spider": self.run.spider,
                "mode": mode,
                "run_id": self.run.run_id,
            },
        ).fetchall()
        since = found[0][0] or self._started_at
        return max(since, self._started_at - timedelta(days=1))

    def _now(self) -> datetime:
        return utc_now() + self.clock_is_behind

    def _behind_what_is_known(self) -> timedelta:
        """How far our clock is behind what crawls of this site have written.

        Nothing, as a rule. After a clock that was ahead was set right, observations
        would else come before those they follow, a corrected price be taken for the
        older one, and a window for one that has only just landed.
        """
        found = self._connection.execute(NEWEST_TIME, {"site": self.run.site})
        newest, now = found.fetchall()[0][0] or datetime.min, utc_now()
        if newest <= now:
            return timedelta()
        return newest - now + timedelta(microseconds=1)

    def previous_statistics(self, mode: str, limit: int = 5) -> list[dict[str, Any]]:
        """Read the statistics of the latest runs of this mode that finished."""
        found = self._connection.execute(
            """
            select statistics
            from raw.crawl_runs
            where site = $site and spider = $spider and finish_reason = 'finished'
                and arguments->>'mode' = $mode
            order by started_at desc
            limit $limit
            """,
            {
                "site": self.run.site,
                "spider": self.run.spider,
                "mode": mode,
                "limit": limit,
            },
        ).fetchall()
        return [json.loads(statistics) for (statistics,) in found]

    def window_status(
        self,
        scope: SearchScope,
        from_date: date,
        to_date: date,
        *,
        landed_since: datetime = datetime.max,
        again: bool = False,
    ) -> str | None:
        """Tell how these dates stand in the ledger.

        Parameters
        ----------
        landed_since
            A window that landed at this time or later covers its dates whatever its
            status, if it landed whole.
        again
            Do not count windows that landed before as covering.

        Returns
        -------
        str or None
            ``complete`` or ``open`` when a landed window covers the dates, ``split``
            when its halves are to be asked for, None when it is to be read.
        """
        found = self._connection.execute(
            WINDOW_STATUS,
            {
                "site": scope.site,
                "area_ids": scope.area_ids,
                "object_type": scope.object_type,
                "from_date": from_date,
                "to_date": to_date,
                "landed_since": landed_since,
                "again": again,
            },
        ).fetchall()
        return found[0][0] if found else None

    def listings_to_read(
        self, scope: SearchScope, from_date: date, to_date: date
    ) -> list[str]:
        """List the pages of sales in these dates to be read, newest sale first."""
        rows = self._connection.execute(
            LISTINGS_TO_READ,
            {
                "site": scope.site,
                "search_prefix": scope.search_prefix,
                "from_date": from_date,
                "to_date": to_date,
            },
        ).fetchall()
        return [url for (url,) in rows]

    def count_listings_to_read(
        self, scope: SearchScope, from_date: date, to_date: date
    ) -> int:
        """Count what :meth:`listings_to_read` would list."""
        ((count,),) = self._connection.execute(
            f"select count(*) from ({LISTINGS_TO_READ})",
            {
                "site": scope.site,
                "search_prefix": scope.search_prefix,
                "from_date": from_date,
                "to_date": to_date,
            },
        ).fetchall()
        return count

    def land_window(
        self,
        scope: SearchScope,
        window: Row,
        *,
        pages: Sequence[Row] = (),
        cards: Sequence[Row] = (),
        quarantined: Sequence[Row] = (),
    ) -> CardChanges:
        """Land a window whole, with its line in the ledger, in one transaction.

        Observations equal to the latest one of the same sale are not stored again.
        """
        ledger = {
            "site": scope.site,
            "area_ids": scope.area_ids,
            "object_type": scope.object_type,
            **window,
            "completed_at": self._now(),
            "run_id": self.run.run_id,
        }
        with self._unit():
            changes = self._land_search(pages, cards, quarantined)
            self._insert("crawl_windows", [ledger], REPLACE)
        return changes

    def land_search_pages(
        self,
        *,
        pages: Sequence[Row],
        cards: Sequence[Row],
        quarantined: Sequence[Row],
    ) -> CardChanges:
        """Land search pages that belong to no window, such as saved ones."""
        with self._unit():
            return self._land_search(pages, cards, quarantined)

    def _land_search(
        self, pages: Sequence[Row], cards: Sequence[Row], quarantined: Sequence[Row]
    ) -> CardChanges:
        self._insert("pages", pages)
        self._insert("quarantine", quarantined)
        changes = self._count_changes(cards)
        self._insert("sale_cards", cards, INSERT_NEW_CARDS)
        return changes

    def _count_changes(self, cards: Sequence[Row]) -> CardChanges:
        if not cards:
            return CardChanges()
        with self._incoming("sale_cards", cards):
            (counted,) = self._connection.execute(COUNT_CHANGES).fetchall()
        return CardChanges(*counted)

    def land_homes(
        self,
        *,
        pages: Sequence[Row],
        homes: Sequence[Row],
        ledger: Sequence[Row],
    ) -> int:
        """Land listing pages, their homes and their ledger lines in one transaction."""
        with self._unit():
            self._insert("pages", pages)
            self._insert("crawl_listings", ledger, REPLACE)
            return self._insert("homes", homes, INSERT_NEW_HOMES)

    def quarantine(self, rows: Sequence[Row]) -> None:
        """Keep what could not be read, with the reason."""
        with self._unit():
            self._insert("quarantine", rows)

    def close(self, reason: str, statistics: Mapping[str, Any]) -> None:
        """Write how the crawl ended and let the file go."""
        with closing(self._connection), self._unit():
            self._connection.execute(
                "update raw.crawl_runs set finished_at = $finished_at, "
                "finish_reason = $reason, statistics = $statistics "
                "where run_id = $run_id",
                {
                    "finished_at": self._now(),
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
        with self._incoming(table, rows):
            sql = (statement or INSERT_ONCE).format(table=table)
            counted = self._connection.execute(sql).fetchone()
        return counted[0] if counted else 0

    @contextmanager
    def _incoming(self, table: str, rows: Sequence[Row]) -> Generator[None]:
        """Show the rows to SQL as ``incoming``."""
        schema = pa.schema(f for f in self._schema(table) if f.name in rows[0])
        # A registered Arrow table lands in one statement; executemany takes a
        # round trip per row.
        self._connection.register("incoming", pa.Table.from_pylist(rows, schema=schema))
        try:
            yield
        finally:
            self._connection.unregister("incoming")

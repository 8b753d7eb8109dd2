"""Raw tables: what the crawl lands, and what people land from files.

The crawl is a command of its own (``scrapy crawl booli``); the asset runs it and counts
what stands in the warehouse afterwards.
"""

# No `from __future__ import annotations`: Dagster reads the Config class from the
# annotation itself.
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

import dagster as dg
from pydantic import Field

from dagster_assets import children
from dagster_assets.freshness import NIGHTLY_FRESH
from warehouse.settings import Settings
from warehouse.store import connect, create_raw_tables

CRAWLED_TABLES = {
    "pages": "Every page as served, compressed; one row per page and content.",
    "sale_cards": "Sales as the search pages show them; one row per observation.",
    "homes": "Homes as their own pages show them; one row per observation.",
    "crawl_windows": "The ledger: which windows of sold dates have landed whole.",
    "crawl_listings": "The ledger: when each listing page was last read.",
    "crawl_runs": "One row per crawl: how it ended and what it counted.",
}
LANDED_TABLES = {
    "landed_sales": "Sales landed from files with `python -m warehouse.land FILE`.",
    "landed_files": "One row per landed file.",
    "economy_observations": (
        "Figures landed from files with `python -m warehouse.economy FILE`."
    ),
    "stops": "Stations landed from files with `python -m warehouse.places FILE`.",
    "district_polygons": (
        "Districts landed from files with `python -m warehouse.places FILE`."
    ),
    "geocoded_addresses": "Places of sales without a position, by "
    "`python -m warehouse.geocoding --sales`.",
    "quarantine": "Rows of files and pages that could not be read, with the reason.",
}


PASSING_EXIT_CODES = {3, 6}
"""The warehouse was busy, or some pages could not be had: worth another try."""
RETRY_DELAY_S = 60


class Details(StrEnum):
    """Which listing pages to fetch: recent are those sold in the last 12 months."""

    NONE = "none"
    RECENT = "recent"
    ALL = "all"


class Mode(StrEnum):
    """What to read: what has not landed yet, the last days again, or both."""

    BULK = "bulk"
    DAILY = "daily"
    NIGHTLY = "nightly"


class CrawlConfig(dg.Config):
    """Which sales to crawl; in bulk the spider skips windows that landed whole."""

    mode: Mode = Field(
        Mode.BULK,
        description="bulk: what has not landed; daily: the last days again; "
        "nightly: first daily, then what bulk has not landed of the time before.",
    )
    days: int = Field(45, description="Daily: how many days back to read again.")
    from_date: str = Field("2012-01-01", description="Bulk: first sold date.")
    to_date: str = Field("", description="Last sold date; empty means yesterday.")
    details: Details = Field(
        Details.RECENT, description="Which listing pages to fetch after the cards."
    )

    def spider_arguments(self) -> list[dict[str, str]]:
        """The same, as ``scrapy crawl`` takes them, one crawl after another."""
        details = {"details": self.details.value}
        to = {"to": self.to_date} if self.to_date else {}
        daily = {"mode": "daily", "days": str(self.days)} | to | details
        bulk = {"from": self.from_date} | to | details
        match self.mode:
            case Mode.DAILY:
                return [daily]
            case Mode.BULK:
                return [bulk]
        # Daily has just read the last days; bulk takes the time before them.
        last = self._last_day() - timedelta(days=self.days)
        if f"{last}" < self.from_date:
            return [daily]
        return [daily, bulk | {"to": f"{last}"}]

    def _last_day(self) -> date:
        if self.to_date:
            return date.fromisoformat(self.to_date)
        return datetime.now(UTC).date() - timedelta(days=1)


def row_counts(tables: dict[str, str]) -> dict[str, int]:
    """Rows of raw tables, by name."""
    with connect() as connection:
        create_raw_tables(connection)
        return {
            table: connection.execute(f"select count(*) from raw.{table}").fetchall()[
                0
            ][0]
            for table in tables
        }


def crawl(arguments: dict[str, str]) -> None:
    """Run one crawl to its end.

    Raises
    ------
    dagster.Failure
        When it ended before its time; tried again where that may help.
    """
    given = [part for pair in arguments.items() for part in ("-a", "=".join(pair))]
    process = children.start(["scrapy", "crawl", "booli", *given], read_errors=True)
    why = children.last_error(process)
    exit_code = process.wait()
    if exit_code:
        raise dg.Failure(
            f"the crawl ended with exit code {exit_code}: {why or 'it said nothing'}. "
            "What had landed is kept, and the same command goes on from there.",
            allow_retries=exit_code in PASSING_EXIT_CODES,
        )


@dg.multi_asset(
    name="booli_crawl",
    specs=[
        dg.AssetSpec(
            ["raw", table],
            description=description,
            group_name="ingestion",
            kinds={"scrapy", "duckdb"},
            freshness_policy=NIGHTLY_FRESH,
        )
        for table, description in CRAWLED_TABLES.items()
    ],
    retry_policy=dg.RetryPolicy(max_retries=1, delay=RETRY_DELAY_S),
)
def booli_crawl(
    context: dg.AssetExecutionContext, config: CrawlConfig
) -> Iterator[dg.MaterializeResult]:
    """Crawl sold apartments of booli.se, or of the site BOOLI_BASE_URL names."""
    before = row_counts(CRAWLED_TABLES)
    for arguments in config.spider_arguments():
        crawl(arguments)
    after = row_counts(CRAWLED_TABLES)
    for table in CRAWLED_TABLES:
        yield dg.MaterializeResult(
            asset_key=["raw", table],
            metadata={
                "dagster/row_count": after[table],
                "new_rows": after[table] - before[table],
            },
        )
    context.log.info("raw tables: %s", after)


SOLD_MONTHS = dg.MonthlyPartitionsDefinition(
    start_date=f"{Settings().crawl_from:%Y-%m}-01"
)


class MonthConfig(dg.Config):
    """How much of a month to crawl again."""

    details: Details = Field(
        Details.RECENT, description="Which listing pages to fetch after the cards."
    )


@dg.op(tags={"dagster/kind": "scrapy"})
def crawl_sold_month(context: dg.OpExecutionContext, config: MonthConfig) -> None:
    """Crawl the sales of one month again, whatever of it has landed."""
    month = context.partition_time_window
    last = month.end - timedelta(days=1)
    before = row_counts(CRAWLED_TABLES)
    crawl(
        {
            "from": f"{month.start:%Y-%m-%d}",
            "to": f"{last:%Y-%m-%d}",
            "again": "yes",
            "details": config.details.value,
        }
    )
    after = row_counts(CRAWLED_TABLES)
    context.log.info(
        "%s: %s",
        context.partition_key,
        {name: after[name] - before[name] for name in after},
    )


@dg.job(partitions_def=SOLD_MONTHS, executor_def=dg.in_process_executor)
def sold_months() -> None:
    """Crawl months of sales again: one run a month, chosen or backfilled in the UI.

    A job, not an asset: a partitioned asset among the others would keep
    ``dg launch --assets '*'`` from running without a month.
    """
    crawl_sold_month()


landed_files = [
    dg.AssetSpec(
        ["raw", table],
        description=description,
        group_name="ingestion",
        kinds={"duckdb", "file"},
    )
    for table, description in LANDED_TABLES.items()
]
gazetteer_addresses = dg.AssetSpec(
    ["gazetteer", "addresses"],
    description="Addresses of files a user has, with `python -m warehouse.geocoding`.",
    group_name="ingestion",
    kinds={"duckdb", "file"},
)

"""Raw tables: what the crawl lands, and what people land from files.

The crawl is a command of its own (``scrapy crawl booli``); the asset runs it and counts
what stands in the warehouse afterwards.
"""

# No `from __future__ import annotations`: Dagster reads the Config class from the
# annotation itself.
from collections.abc import Iterator
from enum import StrEnum

import dagster as dg
from pydantic import Field

from dagster_assets import children
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


class Details(StrEnum):
    """Which listing pages to fetch: recent are those sold in the last 12 months."""

    NONE = "none"
    RECENT = "recent"
    ALL = "all"


class Mode(StrEnum):
    """What to read: what has not landed yet, or the last days again."""

    BULK = "bulk"
    DAILY = "daily"


class CrawlConfig(dg.Config):
    """Which sales to crawl; in bulk the spider skips windows that landed whole."""

    mode: Mode = Field(
        Mode.BULK, description="bulk: what has not landed; daily: the last days again."
    )
    days: int = Field(45, description="Daily: how many days back to read again.")
    from_date: str = Field("2012-01-01", description="Bulk: first sold date.")
    to_date: str = Field("", description="Last sold date; empty means yesterday.")
    details: Details = Field(
        Details.RECENT, description="Which listing pages to fetch after the cards."
    )

    def spider_arguments(self) -> list[str]:
        """The same, as ``scrapy crawl`` takes them."""
        dates = {"from": self.from_date}
        if self.mode is Mode.DAILY:
            dates = {"mode": "daily", "days": str(self.days)}
        pairs = {**dates, "to": self.to_date, "details": self.details.value}
        return [
            part
            for key, value in pairs.items()
            if value
            for part in ("-a", f"{key}={value}")
        ]


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


@dg.multi_asset(
    name="booli_crawl",
    specs=[
        dg.AssetSpec(
            ["raw", table],
            description=description,
            group_name="ingestion",
            kinds={"scrapy", "duckdb"},
        )
        for table, description in CRAWLED_TABLES.items()
    ],
)
def booli_crawl(
    context: dg.AssetExecutionContext, config: CrawlConfig
) -> Iterator[dg.MaterializeResult]:
    """Crawl sold apartments of booli.se, or of the site BOOLI_BASE_URL names."""
    before = row_counts(CRAWLED_TABLES)
    crawl = ["scrapy", "crawl", "booli", *config.spider_arguments()]
    exit_code = children.start(crawl).wait()
    if exit_code:
        raise dg.Failure(
            f"the crawl ended with exit code {exit_code}; its own last line says why. "
            "What had landed is kept, and the same command goes on from there."
        )
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

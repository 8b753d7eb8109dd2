"""What the tab of data health shows, as state: no Panel, no words.

What belongs here: reading the snapshot's marts, the small reports beside it, the
registry and the versions of what is installed. What does not: judging and showing it.
A mart that an older snapshot lacks is absent, and so is a report never written.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import TYPE_CHECKING, Any

import duckdb

from ml.dashboards.city import PRICE_INDEX
from ml.registry import RegistryError
from ml.serving_models import ServingRegistry
from warehouse.json_files import read_json
from warehouse.serving import Manifest, open_snapshot

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from ml.registry import ModelVersion
    from warehouse.settings import Settings

QUERIES = {
    "crawl_runs": "from marts.crawl_runs order by started_at desc",
    "stage_counts": "from marts.stage_counts order by stage_number",
    "rejections_by_month": """
        from marts.rejections_by_month order by sold_month, rejected_count desc, rule
    """,
    "missing_values": "from marts.missing_values order by column_name, sold_year",
    "geocoding_precision": """
        from marts.geocoding_precision order by sale_count desc, placed_by
    """,
    "sales_per_month": """
        select date_trunc('month', sold_date)::date as month, count(*) as sale_count
        from marts.sales group by month order by month
    """,
    "price_index": PRICE_INDEX,
    "examples": """
        select rule, max(reason) as reason from marts.rejected_sales group by rule
    """,
}
NEWEST_SALE = "select max(sold_date) from marts.sales"
NEWEST_OBSERVATION = """
    select max(observed_at)
    from (
        select observed_at from marts.sales
        union all
        select observed_at from marts.rejected_sales
    )
"""
PACKAGES = (
    "duckdb",
    "dbt-core",
    "dbt-duckdb",
    "dagster",
    "scrapy",
    "pandas",
    "scikit-learn",
    "xgboost",
    "lightgbm",
    "autogluon.tabular",
    "panel",
    "panel-material-ui",
    "bokeh",
)


@dataclass(frozen=True)
class Flow:
    """Everything between the crawl and the page, as it stands."""

    manifest: Manifest
    kept: list[Manifest]
    """The snapshots that are kept, the newest first."""
    tables: Mapping[str, pd.DataFrame]
    """By the names of ``QUERIES``; those that could be read."""
    newest_sale: dt.date | None
    newest_observation: dt.datetime | None
    """UTC, without a zone, as in the warehouse."""
    runs: list[dict[str, Any]] | None
    dbt_tests: dict[str, Any] | None
    drift: dict[str, Any] | None
    models: list[ModelVersion]
    unreadable_models: list[str]
    packages: Mapping[str, str]


def read_flow(settings: Settings) -> Flow:
    """Read the state of the data flow.

    Raises
    ------
    SlutprisError
        When nothing is published yet.
    """
    with open_snapshot(settings.serving_dir) as snapshot:
        connection = snapshot.connection
        found = {name: _table(connection, query) for name, query in QUERIES.items()}
        newest = (
            _value(connection, NEWEST_SALE),
            _value(connection, NEWEST_OBSERVATION),
        )
        manifest = snapshot.manifest
    models, unreadable = _models(settings)
    reports = settings.reports_dir
    return Flow(
        manifest=manifest,
        kept=_kept(settings.serving_dir),
        tables={name: table for name, table in found.items() if table is not None},
        newest_sale=newest[0],
        newest_observation=newest[1],
        runs=(read_json(reports / "runs.json") or {}).get("runs"),
        dbt_tests=read_json(reports / "dbt_tests.json"),
        drift=read_json(reports / "drift.json"),
        models=models,
        unreadable_models=unreadable,
        packages=installed(),
    )


def installed() -> dict[str, str]:
    """Give the versions of what this runs on; what is not installed is left out."""
    found = {"Python": python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _table(connection: duckdb.DuckDBPyConnection, query: str) -> pd.DataFrame | None:
    try:
        return connection.execute(query).df()
    except (duckdb.CatalogException, duckdb.BinderException):
        return None  # published before there was such a mart, or such a column


def _value(connection: duckdb.DuckDBPyConnection, query: str) -> Any:  # noqa: ANN401
    try:
        row = connection.execute(query).fetchone()
    except (duckdb.CatalogException, duckdb.BinderException):
        return None
    return row[0] if row else None


def _kept(serving_dir: Path) -> list[Manifest]:
    found = []
    for path in (serving_dir / "snapshots").glob("[!.]*/manifest.json"):
        try:
            found.append(Manifest.from_json(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # pruned meanwhile, or damaged: then it is not to be relied on
    return sorted(found, key=lambda manifest: manifest.created_at, reverse=True)


def _models(settings: Settings) -> tuple[list[ModelVersion], list[str]]:
    registry = ServingRegistry(settings)
    found, unreadable = [], []
    for name in registry.names():
        try:
            found.append(registry.get(name))
        except RegistryError:
            unreadable.append(name)
    return found, unreadable

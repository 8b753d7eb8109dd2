"""Whether nothing was lost between the raw rows, the marts and the snapshot.

What belongs here: counting and comparing. What does not: publishing (``serving``), and
dbt's own tests, which look at the same promise from inside the build
(docs/decisions/0003).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.errors import SlutprisError
from warehouse.findings import Finding, named
from warehouse.serving import differences, open_snapshot

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

# Every raw row is a sale, a repetition or rejected; every id stands in one place.
_COUNTS = """
select
    (select count(*) from raw.sale_cards)
    + (select count(*) from raw.landed_sales) as raw_rows,
    (
        select count(*) from (
            select 'booli' as platform, cast(booli_id as varchar) as source_id
            from raw.sale_cards
            union
            select platform, source_id from raw.landed_sales
        )
    ) as raw_sales,
    (select count(*) from marts.sales) as sales,
    (
        select count(*) from marts.rejected_sales
        where rule = 'superseded_observation'
    ) as superseded,
    (
        select count(*) from marts.rejected_sales where rule = 'duplicate_sale'
    ) as duplicates,
    (
        select count(*) from marts.rejected_sales
        where rule not in ('superseded_observation', 'duplicate_sale')
    ) as rejected,
    (select count(*) from marts.sale_features) as features
"""


def reconcile(connection: duckdb.DuckDBPyConnection) -> Finding:
    """Compare what was observed with what was made of it, row by row and id by id."""
    cursor = connection.execute(_COUNTS)
    names = [column[0] for column in cursor.description]
    counts = dict(zip(names, cursor.fetchall()[0], strict=True))
    told_apart = counts["sales"] + counts["duplicates"] + counts["rejected"]
    wrong = []
    if counts["raw_rows"] != told_apart + counts["superseded"]:
        wrong.append(
            f"{counts['raw_rows']} raw rows, but {counts['sales']} sales, "
            f"{counts['rejected']} rejected, {counts['duplicates']} duplicates and "
            f"{counts['superseded']} superseded"
        )
    if counts["raw_sales"] != told_apart:
        wrong.append(
            f"{counts['raw_sales']} sales by their ids, but {told_apart} that are "
            "accepted, rejected or duplicates"
        )
    if counts["sales"] != counts["features"]:
        wrong.append(
            f"{counts['sales']} sales, but {counts['features']} rows of features"
        )
    return Finding(
        passed=not wrong,
        found=named(wrong)
        or f"{counts['raw_rows']} raw rows = {counts['sales']} sales + "
        f"{counts['rejected']} rejected + {counts['duplicates']} duplicates + "
        f"{counts['superseded']} superseded",
        expected="every raw row and every sale in one place",
        advice="build anew: dbt build --full-refresh --project-dir dbt_project, then "
        "the job nightly; nothing is published until the counts agree.",
        figures=counts,
    )


def snapshot_agrees(
    connection: duckdb.DuckDBPyConnection, serving_dir: Path
) -> Finding:
    """Compare the published snapshot with the warehouse: tables, rows and content."""
    expected = "every file as published, every table as in the warehouse"
    advice = (
        "materialize serving/snapshot in Dagster, which replaces it; dashboards go on "
        "reading the one they have open."
    )
    try:
        with open_snapshot(serving_dir) as snapshot:
            manifest = snapshot.manifest
            wrong = differences(connection, manifest)
    except SlutprisError as error:
        return Finding(False, str(error), expected, advice)
    rows = sum(table.row_count for table in manifest.tables)
    return Finding(
        passed=not wrong,
        found=named(wrong) or f"{len(manifest.tables)} tables with {rows} rows agree",
        expected=expected,
        advice=advice,
        figures={
            "snapshot_id": manifest.snapshot_id,
            "tables": len(manifest.tables),
            "rows": rows,
            "differing_tables": len(wrong),
        },
    )

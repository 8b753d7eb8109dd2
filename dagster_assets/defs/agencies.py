"""What agencies' sales fetched over values made without sight of either."""

import dagster as dg

from dagster_assets.defs.training import HEDONICS
from dagster_assets.defs.transform import mart
from ml.valuation.agency_report import REPORT, ensure_agency_report
from ml.valuation.agency_table import verdict
from warehouse.settings import Settings
from warehouse.store import connect

SHOWN_FIGURES = (
    "agency_count",
    "first_sold_date",
    "last_sold_date",
    "is_distinguishable_from_chance",
)


@dg.asset(
    key=["reports", "agencies"],
    deps=[HEDONICS, mart("sales"), dg.AssetKey(["reports", "backtest"])],
    group_name="evaluation",
    kinds={"python", "xgboost"},
)
def agency_comparison() -> dg.MaterializeResult:
    """Sold price over value by agency and district, shrunk, with intervals."""
    settings = Settings()
    with connect(read_only=True) as connection:
        report = ensure_agency_report(connection, settings)
    is_enough = report["is_enough"]
    figures = {name: report[name] for name in SHOWN_FIGURES} if is_enough else {}
    needed = {} if is_enough else {"needed_sales": report["needed_sales"]}
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(report.get("agencies", [])),
            "is_enough": is_enough,
            "sales": report["sales"],
            **({"verdict": verdict(report)} if is_enough else {}),
            **figures,
            **needed,
            "path": dg.MetadataValue.path(settings.reports_dir / REPORT),
        }
    )

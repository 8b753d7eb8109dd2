"""How the valuations that were made fared: judged by the sales that came since."""

import dagster as dg

from dagster_assets.defs.transform import mart
from ml.valuation.forward_score import score_log
from warehouse.settings import Settings
from warehouse.store import connect

SHOWN_COUNTS = ("matched", "waiting", "expired", "counted_forward", "damaged_lines")


@dg.asset(
    key=["reports", "forward_log"],
    deps=[
        mart("sales"),
        mart("duplicate_sales"),
        mart("price_index"),
        dg.AssetKey(["serving", "snapshot"]),
    ],
    group_name="evaluation",
    kinds={"python", "parquet"},
)
def forward_log() -> dg.MaterializeResult:
    """Valuations made so far, each beside its sale if there is one; a row each."""
    with connect(read_only=True) as connection:
        scored = score_log(connection, Settings())
    counts = scored.summary["counts"]
    totals = {
        f"{each['model']}_{each['mode']}_mape_pct": round(each["mape_pct"], 2)
        for each in scored.summary["results"]
        if (each["protocol"], each["segment"]) == ("forward", "all")
    }
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": counts["valuations"],
            **{name: counts[name] for name in SHOWN_COUNTS},
            **totals,
            "path": dg.MetadataValue.path(scored.path),
        }
    )

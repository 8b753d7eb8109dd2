"""What SQL cannot say of the night's work, as checks one can read beside each asset.

A check that is ``blocking`` stops what rests on its asset when it fails gravely: what
would be trained on, or published, is then kept from harm. The others warn.
The verdicts are functions of ``warehouse`` and ``ml.valuation``; here they get their
place. dbt's tests are checks too (``transform``), and freshness is a policy
(``dagster_assets.freshness``).
"""

from collections.abc import Iterator

import dagster as dg

from dagster_assets.defs.serving import SNAPSHOT
from dagster_assets.defs.transform import mart
from dagster_assets.findings import check_result
from ml.folder_registry import FolderRegistry
from ml.valuation.drift import REPORT as DRIFT_REPORT
from ml.valuation.kept_reports import read_backtest
from ml.valuation.night_findings import (
    forward_log_is_intact,
    judge_bias,
    judge_drift,
    registry_is_intact,
)
from ml.valuation.registration import served_names
from warehouse.crawl_yield import judge_yield, read_nights
from warehouse.district_prices import judge_district_prices, read_district_prices
from warehouse.errors import SlutprisError
from warehouse.json_files import read_json
from warehouse.reconciling import reconcile, snapshot_agrees
from warehouse.rejected_shares import judge_rejected_shares, read_rejected_shares
from warehouse.settings import Settings
from warehouse.store import connect

BACKTEST = dg.AssetKey(["reports", "backtest"])
DRIFT = dg.AssetKey(["reports", "drift"])
MODELS = [dg.AssetKey(["models", name]) for name in served_names()]


@dg.asset_check(asset=dg.AssetKey(["raw", "crawl_runs"]))
def crawl_yield() -> dg.AssetCheckResult:
    """The night's crawl met about as many cards as earlier nights of its weekday."""
    settings = Settings()
    with connect(read_only=True) as connection:
        nights = read_nights(connection)
    finding = judge_yield(
        nights,
        least_share=settings.crawl_yield_least_share,
        fewest_nights=settings.crawl_yield_fewest_nights,
    )
    return check_result(finding, settings, "crawl_yield")


# One step builds all marts, so a check of one may read the others too.
@dg.asset_check(asset=mart("sale_features"), blocking=True)
def rejected_share() -> dg.AssetCheckResult:
    """No rule and no district has many more sales rejected than the year before."""
    settings = Settings()
    with connect(read_only=True) as connection:
        shares = read_rejected_shares(connection)
    finding = judge_rejected_shares(
        shares,
        jump_pct=settings.rejected_jump_pct,
        block_pct=settings.rejected_block_pct,
    )
    return check_result(finding, settings, "rejected_share")


@dg.asset_check(asset=mart("sale_features"), blocking=True)
def district_prices() -> dg.AssetCheckResult:
    """No district's median price moved as no market does, by a wrong unit or digit."""
    settings = Settings()
    with connect(read_only=True) as connection:
        districts = read_district_prices(connection)
    finding = judge_district_prices(
        districts, most_factor=settings.district_price_factor
    )
    return check_result(finding, settings, "district_prices")


@dg.asset_check(asset=mart("sales"), blocking=True)
def raw_rows_reconcile() -> dg.AssetCheckResult:
    """Every raw row is a sale, rejected, a duplicate or superseded; none is lost."""
    with connect(read_only=True) as connection:
        finding = reconcile(connection)
    return check_result(finding, Settings(), "raw_rows_reconcile")


@dg.asset_check(asset=SNAPSHOT, blocking=True)
def snapshot_agrees_with_warehouse() -> dg.AssetCheckResult:
    """The published snapshot is whole, and holds what the warehouse holds."""
    settings = Settings()
    with connect(read_only=True) as connection:
        finding = snapshot_agrees(connection, settings.serving_dir)
    return check_result(finding, settings, "snapshot_agrees_with_warehouse")


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            "registry_intact",
            asset=key,
            blocking=True,
            description="What serves, and the newest version, are as registered.",
        )
        for key in MODELS
    ],
    can_subset=True,
)
def registry_intact(
    context: dg.AssetCheckExecutionContext,
) -> Iterator[dg.AssetCheckResult]:
    """The sha256 of every file of the served models is the one it was given."""
    settings = Settings()
    for check in sorted(context.selected_asset_check_keys):
        finding = registry_is_intact(settings, check.asset_key.path[-1])
        yield check_result(finding, settings, check.name, asset=check.asset_key)


@dg.asset_check(asset=BACKTEST)
def model_bias() -> dg.AssetCheckResult:
    """In the last month the champion's values lay about as much over as under."""
    settings = Settings()
    finding = judge_bias(
        read_backtest(settings.reports_dir),
        FolderRegistry(settings.registry_dir).names(),
        limit_pct=settings.bias_limit_pct,
    )
    return check_result(finding, settings, "model_bias")


@dg.asset_check(asset=DRIFT)
def important_features_stable() -> dg.AssetCheckResult:
    """The features that move values most have not drifted far in the last quarter."""
    settings = Settings()
    path = settings.reports_dir / DRIFT_REPORT
    report = read_json(path)
    if report is None:
        raise SlutprisError(f"{path} cannot be read; materialize reports/drift again")
    finding = judge_drift(
        report,
        limit_psi=settings.drift_limit_psi,
        least_importance_pct=settings.drift_least_importance_pct,
    )
    return check_result(finding, settings, "important_features_stable")


@dg.asset_check(asset=dg.AssetKey(["reports", "forward_log"]))
def forward_log_intact() -> dg.AssetCheckResult:
    """Every line of the log of valuations is a whole record."""
    settings = Settings()
    finding = forward_log_is_intact(settings.forward_log_dir)
    return check_result(finding, settings, "forward_log_intact")

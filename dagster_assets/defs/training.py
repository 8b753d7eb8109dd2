"""Hedonic features, the models that read them, and their comparison out of time."""

import dagster as dg
from pydantic import Field

from dagster_assets.defs.transform import mart
from dagster_assets.freshness import MODEL_FRESH
from dagster_assets.plots import image_metadata
from ml.folder_registry import FolderRegistry
from ml.valuation.described import read_described_sales
from ml.valuation.evaluation import ensure_backtest
from ml.valuation.features import MARKET_LEVEL, Mode
from ml.valuation.models import MODELS
from ml.valuation.registration import ensure_registered, registered_name
from warehouse.settings import Settings
from warehouse.store import connect

HEDONICS = dg.AssetKey(["hedonics", "sale_features"])
DESCRIPTIONS = {
    "xgboost": "Gradient boosted trees on facts, place and what past sales say.",
    "autogluon": "AutoGluon's ensemble on the same rows, within its time limit.",
    "blend": "The mean of XGBoost, LightGBM and small neural networks.",
    "seed_recipe": "The predecessor's recipe, kept as the mark to beat.",
}
"""The models that are served or kept; others are fitted for a backtest alone."""
LISTED = " For homes with an asking price."
SHOWN_METRICS = ("mape_pct", "mdape_pct", "within_ten_pct", "bias_pct", "mae_sek")


@dg.asset(
    key=HEDONICS,
    deps=[mart("sale_features")],
    group_name="features",
    kinds={"python"},
)
def hedonic_features() -> dg.MaterializeResult:
    """What past sales said of each sale on its day; kept by month, one row per sale."""
    with connect(read_only=True) as connection:
        sales = read_described_sales(connection, Settings())
    months = sales.loc[sales[MARKET_LEVEL].notna(), "sold_date"].dt.to_period("M")
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(sales),
            "described_sales": len(months),
            "months": months.nunique(),
            "first_month": "none" if months.empty else str(months.min()),
            "path": dg.MetadataValue.path(Settings().hedonics_dir),
        }
    )


def model_asset(name: str, mode: Mode = "before_listing") -> dg.AssetsDefinition:
    """The asset of one model: its newest version in the registry."""
    for_whom = LISTED if mode == "listed" else ""

    @dg.asset(
        key=["models", registered_name(name, mode)],
        description=f"{DESCRIPTIONS[name]}{for_whom} Trained again when it is due; "
        "whether the new version serves is the gate's to say.",
        deps=[HEDONICS],
        group_name="models",
        kinds={"python", "autogluon" if name == "autogluon" else "xgboost"},
        freshness_policy=MODEL_FRESH,
    )
    def registered_model() -> dg.MaterializeResult:
        settings = Settings()
        with connect(read_only=True) as connection:
            registration = ensure_registered(name, connection, settings, mode=mode)
        version = registration.version
        plots = FolderRegistry(settings.registry_dir).plots(version)
        return dg.MaterializeResult(
            metadata={
                **{key: round(version.metrics[key], 2) for key in SHOWN_METRICS},
                **{plot.stem: image_metadata(plot) for plot in plots},
                "version": version.version,
                "trained_now": registration.is_new,
                "why": registration.reason,
                "learnt_sales_until": version.lineage["last_sold_date"],
                "dagster/row_count": version.lineage["rows"],
            }
        )

    return registered_model


xgboost_model = model_asset("xgboost")
xgboost_listed_model = model_asset("xgboost", "listed")
autogluon_model = model_asset("autogluon")
autogluon_listed_model = model_asset("autogluon", "listed")
blend_model = model_asset("blend")
blend_listed_model = model_asset("blend", "listed")
seed_recipe_model = model_asset("seed_recipe")


class BacktestConfig(dg.Config):
    """How far back to test."""

    months: int = Field(6, ge=1, description="The last so many whole months of sales.")


@dg.asset(
    key=["reports", "backtest"],
    deps=[HEDONICS, mart("sales")],
    group_name="evaluation",
    kinds={"python"},
    check_specs=[
        dg.AssetCheckSpec(
            "xgboost_beats_the_seed_recipe",
            asset=["reports", "backtest"],
            description="Out of time, XGBoost's median error is below the seed's.",
        )
    ],
)
def model_comparison(config: BacktestConfig) -> dg.MaterializeResult:
    """Models side by side: each month valued by models trained on its past."""
    settings = Settings()
    with connect(read_only=True) as connection:
        report = ensure_backtest(connection, config.months, settings)
    by_model = {figures["model"]: figures for figures in report.totals}
    xgboost, seed = by_model["xgboost"], by_model["seed_recipe"]
    return dg.MaterializeResult(
        metadata={
            "table": dg.MetadataValue.md(report.markdown),
            **{
                f"{name}_mape_pct": round(figures["mape_pct"], 2)
                for name, figures in by_model.items()
            },
            "dagster/row_count": xgboost["n"],
        }
        | {plot.stem: image_metadata(plot) for plot in report.plots},
        check_results=[
            dg.AssetCheckResult(
                check_name="xgboost_beats_the_seed_recipe",
                passed=bool(xgboost["mdape_pct"] < seed["mdape_pct"]),
                severity=dg.AssetCheckSeverity.WARN,
                metadata={
                    "xgboost_mdape_pct": xgboost["mdape_pct"],
                    "seed_recipe_mdape_pct": seed["mdape_pct"],
                },
            )
        ],
    )


assert set(DESCRIPTIONS) <= set(MODELS)

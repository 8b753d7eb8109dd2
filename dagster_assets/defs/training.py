"""Models in the registry, one asset each, and their comparison out of time."""

import dagster as dg
from pydantic import Field

from dagster_assets.defs.transform import mart
from dagster_assets.plots import image_metadata
from ml.valuation.evaluation import ensure_backtest
from ml.valuation.models import MODELS
from ml.valuation.registration import ensure_registered
from warehouse.settings import Settings
from warehouse.store import connect

DESCRIPTIONS = {
    "xgboost": "Gradient boosted trees with street, district and agency as they are.",
    "xgboost_plain": "The same without categories: what they are worth.",
    "autogluon": "AutoGluon's ensemble on the same rows, within its time limit.",
    "seed_recipe": "The predecessor's recipe, kept as the mark to beat.",
}
SHOWN_METRICS = ("mape_pct", "mdape_pct", "within_10_pct", "bias_pct", "mae_sek")


def model_asset(name: str) -> dg.AssetsDefinition:
    """The asset of one model: its newest version in the registry."""

    @dg.asset(
        key=["models", name],
        description=f"{DESCRIPTIONS[name]} One version per change of data or code.",
        deps=[mart("sale_features")],
        group_name="models",
        kinds={"python", "autogluon" if name == "autogluon" else "xgboost"},
    )
    def registered_model() -> dg.MaterializeResult:
        with connect(read_only=True) as connection:
            registration = ensure_registered(name, connection, Settings())
        version = registration.version
        plots = [version.folder / "plots" / name for name in version.plots]
        return dg.MaterializeResult(
            metadata={
                **{key: round(version.metrics[key], 2) for key in SHOWN_METRICS},
                **{plot.stem: image_metadata(plot) for plot in plots},
                "version": version.version,
                "trained_now": registration.is_new,
                "dagster/row_count": version.lineage["rows"],
            }
        )

    return registered_model


xgboost_model = model_asset("xgboost")
xgboost_plain_model = model_asset("xgboost_plain")
autogluon_model = model_asset("autogluon")
seed_recipe_model = model_asset("seed_recipe")


class BacktestConfig(dg.Config):
    """How far back to test."""

    months: int = Field(6, ge=1, description="The last so many whole months of sales.")


@dg.asset(
    key=["reports", "backtest"],
    deps=[mart("sale_features"), mart("sales")],
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
    """All models side by side: each month valued by models trained on its past."""
    settings = Settings()
    with connect(read_only=True) as connection:
        report = ensure_backtest(connection, config.months, settings)
    by_model = {figures["model"]: figures for figures in report.totals}
    xgboost, seed = by_model["xgboost"], by_model["seed_recipe"]
    return dg.MaterializeResult(
        metadata={
            "table": dg.MetadataValue.md(report.markdown),
            "xgboost_mape_pct": round(xgboost["mape_pct"], 2),
            "autogluon_mape_pct": round(by_model["autogluon"]["mape_pct"], 2),
            "seed_recipe_mape_pct": round(seed["mape_pct"], 2),
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


assert set(DESCRIPTIONS) == set(MODELS)

"""Trained models into the registry, when they are due and not oftener.

What belongs here: a model's lineage, and keeping a version with what it was judged by.
What does not: when it is due (``cadence``), how it is trained (``training``), how
versions are kept (``ml.registry``).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, get_args

from ml.folder_registry import FolderRegistry
from ml.valuation.backtest import fingerprint, git_commit
from ml.valuation.cadence import bias_on_last_month, due
from ml.valuation.described import read_described_sales
from ml.valuation.features import FEATURES, KNOWN_FACTS, MODES
from ml.valuation.request import ModelName
from ml.valuation.training import HELD_OUT, check_enough, train

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb
    import pandas as pd

    from ml.registry import ModelVersion
    from ml.valuation.features import Mode
    from warehouse.settings import Settings

MODEL_CODE = (
    "autogluon_model.py",
    "baselines.py",
    "boosted_model.py",
    "confidence.py",
    "error_scale.py",
    "features.py",
    "hyperparameters.json",
    "intervals.py",
    "learners.py",
    "metrics.py",
    "model_files.py",
    "models.py",
    "neural.py",
    "recalibration.py",
    "seed_recipe.py",
    "training.py",
)
"""The files of this folder that decide what a trained model is."""

REGISTERED_METRICS = {
    "within_5_pct": "within_five_pct",
    "within_10_pct": "within_ten_pct",
    "within_20_pct": "within_twenty_pct",
    "p95_ape_pct": "worst_twentieth_ape_pct",
    "residual_log_p05": "residual_log_low",
    "residual_log_p95": "residual_log_high",
}
"""Metrics that a registry knows by another name: one within which no digit stands."""


@dataclass(frozen=True)
class Registration:
    """A registered version, whether it was trained just now, and why or why not."""

    version: ModelVersion
    is_new: bool
    reason: str


def registered_name(name: str, mode: Mode) -> str:
    """Name a model as the registry does: the two modes are two models."""
    return f"{name}_listed" if mode == "listed" else name


def registered_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """Give metrics the names that every registry takes and gives back."""
    return {
        REGISTERED_METRICS.get(name, name): value for name, value in metrics.items()
    }


def served_names() -> list[str]:
    """Name, as the registry does, the models that a valuation can be asked of."""
    return [
        registered_name(name, mode) for name in get_args(ModelName) for mode in MODES
    ]


def ensure_registered(
    name: str,
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    *,
    mode: Mode = "before_listing",
) -> Registration:
    """Train and register a model when it is due, see ``cadence``.

    Raises
    ------
    SlutprisError
        When the marts are not built, or hold too few sales to train on.
    """
    sales = read_described_sales(connection, settings)
    check_enough(sales)
    registry = FolderRegistry(settings.registry_dir)
    lineage = lineage_of(name, sales, settings)
    newest = _newest_judgeable(registered_name(name, mode), registry)
    decided = due(
        newest,
        lineage,
        settings,
        lambda version: bias_on_last_month(version, sales, registry),
    )
    if newest is not None and not decided.is_due:
        return Registration(newest, is_new=False, reason=decided.reason)
    version = _trained(name, mode, sales, settings, registry, lineage)
    return Registration(version, is_new=True, reason=decided.reason)


def lineage_of(name: str, sales: pd.DataFrame, settings: Settings) -> dict[str, Any]:
    """Say what a model is made of; equal ``inputs`` mean the same model again."""
    inputs: dict[str, Any] = {
        "data_fingerprint": fingerprint(sales),
        "code_fingerprint": code_fingerprint(),
    }
    if name == "autogluon":
        inputs["time_limit_s"] = settings.autogluon_time_limit_s
    return {
        "inputs": inputs,
        "git_commit": git_commit(),
        "rows": len(sales),
        "first_sold_date": f"{sales['sold_date'].min():%Y-%m-%d}",
        "last_sold_date": f"{sales['sold_date'].max():%Y-%m-%d}",
    }


def code_fingerprint() -> str:
    """Hash the code and hyperparameters that decide what a model learns (sha256)."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for name in MODEL_CODE:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def read_columns() -> list[str]:
    """Columns of a described sale that models read; facts known are made of others."""
    return [name for name in FEATURES if name not in KNOWN_FACTS]


def example(sales: pd.DataFrame) -> dict[str, Any]:
    """Show what the models take: the newest sale's features, None where unknown."""
    newest = sales[read_columns()].iloc[-1]
    return {
        str(key): None if value != value else value for key, value in newest.items()
    }


def _newest_judgeable(name: str, registry: FolderRegistry) -> ModelVersion | None:
    """Give the newest version, if it is whole and kept what the gate judges it by."""
    newest = registry.newest_whole(name)
    if newest is None:
        return None
    held_out = registry.folder(name, newest.version) / "model" / HELD_OUT
    return newest if held_out.exists() else None


def _trained(
    name: str,
    mode: Mode,
    sales: pd.DataFrame,
    settings: Settings,
    registry: FolderRegistry,
    lineage: dict[str, Any],
) -> ModelVersion:
    with TemporaryDirectory(prefix="slutpris-train-") as scratch:
        folder = Path(scratch)
        trained = train(name, sales, settings, plots_dir=folder / "plots", mode=mode)
        (folder / "model").mkdir()
        trained.model.save(folder / "model")
        trained.held_out.to_parquet(folder / "model" / HELD_OUT, index=False)
        registered = registry.register(
            registered_name(name, mode),
            folder / "model",
            metrics=registered_metrics(trained.metrics),
            lineage=lineage,
            input_schema={key: str(sales[key].dtype) for key in read_columns()},
            input_example=example(sales),
            plots=trained.plots,
        )
    return registered.version

"""Search XGBoost's hyperparameters: ``python -m ml.valuation.search --trials N``.

What belongs here: the space, the folds and the record of a search. What does not:
using the result, which a person reviews and commits as ``hyperparameters.json``. Each
fold trains on the sales before some months and values those months, so a set of
hyperparameters is never praised for knowing the future.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
import pandas as pd
from rich.console import Console

from ml.valuation.backtest import fingerprint, month_of, progress_bar
from ml.valuation.boosted_model import XGBoostModel
from ml.valuation.described import read_described_sales
from ml.valuation.hyperparameters import reviewed_parameters
from ml.valuation.learners import SEED
from ml.valuation.metrics import mape_pct
from warehouse.errors import SlutprisError, exit_with
from warehouse.settings import Settings
from warehouse.store import connect

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

FIXED = {"max_bin": 256}


@dataclass(frozen=True)
class Fold:
    """Sales before some months to learn from, and the sales of those months."""

    train: pd.DataFrame
    test: pd.DataFrame


def time_ordered_folds(
    sales: pd.DataFrame, until: date, *, folds: int, months_per_fold: int
) -> list[Fold]:
    """Cut the last months up to and including ``until`` into folds, oldest first.

    Raises
    ------
    SlutprisError
        When a fold has nothing to learn from or nothing to value.
    """
    after = pd.Timestamp(until) + pd.offsets.MonthBegin(1)
    cut = []
    for remaining in range(folds, 0, -1):
        first = after - pd.DateOffset(months=remaining * months_per_fold)
        last = first + pd.DateOffset(months=months_per_fold)
        sold = sales["sold_date"]
        fold = Fold(sales[sold < first], sales[(sold >= first) & (sold < last)])
        if fold.train.empty or fold.test.empty:
            raise SlutprisError(
                f"no sales to learn from before {first:%Y-%m} or to value from it to "
                f"{last:%Y-%m}; choose fewer folds, or another --until"
            )
        cut.append(fold)
    return cut


def suggested_parameters(trial: optuna.Trial) -> dict[str, Any]:
    """Draw one set of hyperparameters from the space."""
    objectives = ["reg:absoluteerror", "reg:squarederror"]
    return {
        "objective": trial.suggest_categorical("objective", objectives),
        "num_boost_round": trial.suggest_int("num_boost_round", 300, 900, step=100),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.1, log=True),
        "max_depth": trial.suggest_int("max_depth", 5, 10),
        "min_child_weight": trial.suggest_float("min_child_weight", 1, 50, log=True),
        "subsample": trial.suggest_float("subsample", 0.6, 1.0),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.3, 1.0),
        "reg_lambda": trial.suggest_float("reg_lambda", 0.5, 20, log=True),
        **FIXED,
    }


def score(parameters: dict[str, Any], folds: list[Fold], threads: int) -> float:
    """Mean over the folds of the MAPE in per cent."""
    errors = []
    for fold in folds:
        model = XGBoostModel(threads=threads, parameters={"xgboost": parameters})
        model.fit(fold.train)
        actual = fold.test["sold_price_sek"].to_numpy(dtype=float)
        errors.append(mape_pct(actual, model.predict(fold.test)))
    return float(np.mean(errors))


def search(
    folds: list[Fold],
    *,
    trials: int,
    threads: int,
    start_from: dict[str, Any],
    advance: Callable[[], None] = lambda: None,
) -> optuna.Study:
    """Try sets of hyperparameters, ``start_from`` first, and return the study."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=SEED))
    study.enqueue_trial({k: v for k, v in start_from.items() if k not in FIXED})

    def objective(trial: optuna.Trial) -> float:
        return score(suggested_parameters(trial), folds, threads)

    study.optimize(objective, n_trials=trials, callbacks=[lambda *_: advance()])
    return study


def report(study: optuna.Study, folds: list[Fold]) -> dict[str, Any]:
    """Write down the best set and what it rests on, as ``hyperparameters.json``."""
    best = {
        key: round(value, 4) if isinstance(value, float) else value
        for key, value in study.best_params.items()
    }
    sales = pd.concat([folds[0].train, *(fold.test for fold in folds)])
    return {
        "xgboost": {**best, **FIXED},
        "lightgbm": reviewed_parameters()["lightgbm"],
        "provenance": {
            "searched_on": f"{datetime.now(UTC):%Y-%m-%d}",
            "trials": len(study.trials),
            "rows": len(sales),
            "data_fingerprint": fingerprint(sales),
            "folds": [_fold_record(fold) for fold in folds],
            "mape_pct_of_best": round(study.best_value, 3),
            "mape_pct_of_previous": round(study.trials[0].value or np.nan, 3),
        },
    }


def _fold_record(fold: Fold) -> dict[str, Any]:
    sold = fold.test["sold_date"]
    return {
        "trained_on_rows": len(fold.train),
        "valued_rows": len(fold.test),
        "valued_from": f"{sold.min():%Y-%m-%d}",
        "valued_to": f"{sold.max():%Y-%m-%d}",
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m ml.valuation.search", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument(
        "--until",
        required=True,
        help="last month to look at, e.g. 2015-12; keep it before any backtest",
    )
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--months-per-fold", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="OUT", help="default: print it")
    arguments = parser.parse_args()
    for name in ("trials", "folds", "months_per_fold"):
        if getattr(arguments, name) < 1:
            raise SlutprisError(f"--{name.replace('_', '-')} must be at least 1")
    return arguments


def main() -> None:
    """Run the command line."""
    arguments = _arguments()
    settings = Settings()
    with connect(settings.warehouse_path, read_only=True) as connection:
        sales = read_described_sales(connection, settings)
    folds = time_ordered_folds(
        sales,
        month_of(arguments.until),
        folds=arguments.folds,
        months_per_fold=arguments.months_per_fold,
    )
    with progress_bar(Console(stderr=True)) as progress:
        task = progress.add_task("söker", total=arguments.trials)
        study = search(
            folds,
            trials=arguments.trials,
            threads=settings.threads,
            start_from=reviewed_parameters()["xgboost"],
            advance=lambda: progress.advance(task),
        )
    text = json.dumps(report(study, folds), indent=1) + "\n"
    if arguments.json is None:
        sys.stdout.write(text)
        return
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    exit_with(main)

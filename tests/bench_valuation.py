"""What valuations cost: latency, batches, training, and AutoGluon's accuracy for time.

Run ``python tests/bench_valuation.py`` (part of ``make bench``), or parts of it:
``--sizes 50k 1m --parts latency batch``; with ``--folder DIR`` each size is built once
and used again. Every measurement is a process of its own with one thread; CPU time
stands beside the time that passed, since machines are shared.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bench import dbt_build, land, write_market
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from ml.valuation.request import ModelName, ValuationRequest
    from ml.valuation.value import Valuer

ROOT = Path(__file__).resolve().parents[1]
SIZES = {"50k": 281, "200k": 1123, "1m": 5614}
"""Sales per month of the synthetic market, by the size it comes to."""
PARTS = ("latency", "batch", "training", "autogluon")
MODELS: tuple[ModelName, ...] = ("xgboost", "blend", "autogluon")
TRAINED: tuple[ModelName, ...] = ("xgboost", "blend")
SERVED_ON_SALES = 50_000
"""Latency does not depend on how many sales a model was trained on: the newest."""
SERVED_AUTOGLUON_S = 120
VALUATIONS = 300
BATCHES = (1_000, 10_000)
AUTOGLUON_MINUTES = (1.0, 5.0, 20.0)
HELD_OUT_DAYS = 60
console = Console(highlight=False)


@dataclass(frozen=True)
class Cost:
    """What a measured process gave, the seconds it took and its peak memory."""

    figures: dict[str, float]
    seconds: float
    peak_mib: float


# Jobs: each runs in a process of its own, in a data folder of its own


def prepare(_folder: Path, _argument: str) -> dict[str, float]:
    """Land and build a market, and publish it."""
    from warehouse.serving import publish
    from warehouse.settings import Settings
    from warehouse.store import connect

    folder = Settings().data.parent
    sales = write_market(folder, SIZES[folder.name])
    land(folder)
    dbt_build("--resource-type", "seed", "--resource-type", "model")
    with connect(read_only=True) as connection:
        publish(connection, Settings().serving_dir)
    return {"sales": sales}


def register(folder: Path, name: str) -> dict[str, float]:
    """Train a model on the newest sales and register it, to be served."""
    from ml.folder_registry import FolderRegistry
    from ml.valuation.models import new_model
    from warehouse.settings import Settings

    settings = Settings()
    sales = newest_sales(SERVED_ON_SALES)
    model_folder = folder / f"model-{name}"
    new_model(name, settings).fit(sales).save(model_folder)
    FolderRegistry(settings.registry_dir).register(
        name,
        model_folder,
        metrics={},
        lineage={"bench": "latency"},
        input_schema={},
        input_example={},
    )
    return {}


def latency(_folder: Path, name: str) -> dict[str, float]:
    """Whole answers of a warm valuer, one after the other."""
    valuer, requests = opened(VALUATIONS)
    started = time.perf_counter()
    valuer.warm([model_named(name)])
    figures = {"warm_s": time.perf_counter() - started, "warm_mib": peak_mib()}
    passed, used = [], []
    for request in requests:
        asked = request.model_copy(update={"model": name})
        started, started_cpu = time.perf_counter(), time.process_time()
        valuer.value(asked)
        passed.append(1000 * (time.perf_counter() - started))
        used.append(1000 * (time.process_time() - started_cpu))
    # The first answers load what is loaded on first use.
    return figures | percentiles("ms", passed[5:]) | percentiles("cpu_ms", used[5:])


def batch(_folder: Path, count: str) -> dict[str, float]:
    """Rows a second of many homes at once."""
    valuer, requests = opened(int(count))
    valuer.served_model("xgboost")
    started, started_cpu = time.perf_counter(), time.process_time()
    valuer.value_many(requests)
    return {
        "rows_per_s": len(requests) / (time.perf_counter() - started),
        "rows_per_cpu_s": len(requests) / (time.process_time() - started_cpu),
    }


def describing(_folder: Path, _argument: str) -> dict[str, float]:
    """Find the hedonic features of every sale; they are kept, as for any later job."""
    started = time.perf_counter()
    sales = all_sales()
    return {"described_s": time.perf_counter() - started, "rows": len(sales)}


def training(_folder: Path, name: str) -> dict[str, float]:
    """Fit a model once on every sale."""
    from ml.valuation.models import new_model
    from warehouse.settings import Settings

    sales = all_sales()
    started = time.perf_counter()
    new_model(name, Settings()).fit(sales)
    return {"fit_s": time.perf_counter() - started, "rows": len(sales)}


def autogluon(_folder: Path, minutes: str) -> dict[str, float]:
    """Errors on the newest sales of a model given so many minutes; 0 is XGBoost."""
    from ml.valuation.metrics import evaluate
    from ml.valuation.models import new_model
    from warehouse.settings import Settings

    limit_s = round(60 * float(minutes))
    settings = Settings(autogluon_time_limit_s=max(1, limit_s))
    sales = all_sales()
    newest = sales["sold_date"].max()
    is_held_out = sales["sold_date"] > newest - timedelta(days=HELD_OUT_DAYS)
    name = "autogluon" if limit_s else "xgboost"
    started = time.perf_counter()
    model = new_model(name, settings).fit(sales[~is_held_out])
    fit_s = time.perf_counter() - started
    held_out = sales[is_held_out]
    actual_sek = held_out["sold_price_sek"].to_numpy(dtype=float)
    return evaluate(actual_sek, model.predict(held_out)) | {"fit_s": fit_s}


JOBS: dict[str, Callable[[Path, str], dict[str, float]]] = {
    "prepare": prepare,
    "register": register,
    "latency": latency,
    "batch": batch,
    "describing": describing,
    "training": training,
    "autogluon": autogluon,
}


def all_sales() -> pd.DataFrame:
    from ml.valuation.described import read_described_sales
    from warehouse.settings import Settings
    from warehouse.store import connect

    with connect(read_only=True) as connection:
        return read_described_sales(connection, Settings())


def newest_sales(count: int) -> pd.DataFrame:
    """Described sales, the newest alone: those of many years would take minutes."""
    from ml.valuation.described import hedonics_of, with_features
    from ml.valuation.features import read_sale_features
    from warehouse.settings import Settings
    from warehouse.store import connect

    with connect(read_only=True) as connection:
        sales = read_sale_features(connection)
    newest = sales.tail(count)
    hedonics = hedonics_of(sales, Settings())
    found = hedonics.features_of_sales(since=newest["sold_date"].iloc[0])
    return with_features(newest, found.reindex(newest["sale_id"]))


def opened(count: int) -> tuple[Valuer, list[ValuationRequest]]:
    """A valuer, and requests for homes that were sold, as of the last sale's day."""
    from ml.valuation.request import ValuationRequest
    from ml.valuation.value import Valuer
    from warehouse.settings import Settings

    valuer = Valuer(Settings())
    connection = valuer.connection()
    connection.execute("set threads = 1")
    homes = connection.execute(
        """
        select
            address, living_area_m2, rooms, floor,
            (select max(sold_date) from marts.sales) as date
        from marts.sales
        where street_number between 1 and 300 and living_area_m2 between 10 and 300
        order by hash(sale_id) limit ?
        """,
        [count],
    ).fetchall()
    names = ("address", "living_area_m2", "rooms", "floor", "date")
    requests = [
        ValuationRequest.of(**dict(zip(names, home, strict=True))) for home in homes
    ]
    return valuer, requests


def model_named(name: str) -> ModelName:
    return next(model for model in MODELS if model == name)


def percentiles(unit: str, values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100)
    return {f"p{share}_{unit}": cuts[share - 1] for share in (50, 95, 99)}


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# The measuring process


def measured(job: str, folder: Path, argument: str = "", limit_s: int = 60) -> Cost:
    """Run one job in a process of its own."""
    console.print(f"[dim]{folder.name}: {job} {argument}[/dim]")
    started = time.perf_counter()
    result = subprocess.run(
        [sys.executable, __file__, "--job", job, argument, "--folder", str(folder)],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ
        | {
            "SLUTPRIS_DATA": str(folder / "data"),
            "SLUTPRIS_THREADS": "1",
            "SLUTPRIS_AUTOGLUON_TIME_LIMIT_S": str(limit_s),
            "OMP_NUM_THREADS": "1",
            "OMP_WAIT_POLICY": "PASSIVE",
        },
    )
    told = json.loads(result.stdout.splitlines()[-1])
    seconds = time.perf_counter() - started
    return Cost(told["figures"], seconds, told["peak_mib"])


def run_job(job: str, folder: Path, argument: str) -> None:
    """The measured process: run the job and print what it gave."""
    figures = JOBS[job](folder, argument)
    sys.stdout.write(json.dumps({"figures": figures, "peak_mib": peak_mib()}) + "\n")


def prepared(home: Path, size: str) -> Path:
    """The data of a size, built unless it is there already."""
    folder = home / size
    if not (folder / "data" / "serving" / "current").exists():
        folder.mkdir(parents=True, exist_ok=True)
        measured("prepare", folder)
    return folder


def registered(folder: Path) -> None:
    """Register the models that are served, unless they are there already."""
    for name in MODELS:
        if not (folder / f"model-{name}").exists():
            measured("register", folder, name, SERVED_AUTOGLUON_S)


def table_of(title: str, columns: list[str], rows: list[list[str]]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE)
    for position, column in enumerate(columns):
        justify: Literal["left", "right"] = "right" if position else "left"
        table.add_column(column, justify=justify)
    for row in rows:
        table.add_row(*row)
    return table


def shown(figures: dict[str, float], unit: str) -> str:
    return " / ".join(f"{figures[f'p{share}_{unit}']:.1f}" for share in (50, 95, 99))


def latency_table(home: Path, sizes: list[str]) -> Table:
    """Latency by size and model, and what being ready costs."""
    rows = []
    for size in sizes:
        folder = prepared(home, size)
        registered(folder)
        for name in MODELS:
            figures = measured("latency", folder, name).figures
            cost = f"{figures['warm_s']:.1f} s, {figures['warm_mib']:.0f} MiB"
            times = [shown(figures, unit) for unit in ("ms", "cpu_ms")]
            rows.append([f"{size}, {name}", *times, cost])
    columns = ["sales, model", "p50 / p95 / p99 ms", "of them CPU ms", "to be ready"]
    return table_of("One full answer", columns, rows)


def batch_table(home: Path, sizes: list[str]) -> Table:
    """Homes a second in batches, by XGBoost."""
    rows = []
    for size in sizes:
        folder = prepared(home, size)
        registered(folder)
        for count in BATCHES:
            cost = measured("batch", folder, str(count))
            rates = [f"{cost.figures[name]:.0f}" for name in cost.figures]
            rows.append([f"{size}, {count}", *rates, f"{cost.peak_mib:.0f} MiB"])
    columns = ["sales, homes", "homes per s", "per CPU s", "peak memory"]
    return table_of("Batches", columns, rows)


def training_table(home: Path, sizes: list[str]) -> Table:
    """Seconds and memory of describing all sales the first time, and of one fit."""
    rows = []
    for size in sizes:
        folder = prepared(home, size)
        cost = measured("describing", folder)
        rows.append(training_row("described", cost, cost.figures["described_s"]))
        for name in TRAINED:
            cost = measured("training", folder, name)
            rows.append(training_row(name, cost, cost.figures["fit_s"]))
    columns = ["what", "sales", "time", "peak memory"]
    return table_of("Training", columns, rows)


def training_row(what: str, cost: Cost, seconds: float) -> list[str]:
    count = cost.figures["rows"]
    return [what, f"{count:.0f}", f"{seconds:.0f} s", f"{cost.peak_mib:.0f} MiB"]


def autogluon_table(home: Path, minutes: list[float]) -> Table:
    """What AutoGluon makes of more time, on the smallest market."""
    folder = prepared(home, next(iter(SIZES)))
    rows = []
    for limit in (0, *minutes):
        cost = measured("autogluon", folder, f"{limit:g}")
        errors: dict[str, Any] = cost.figures
        rows.append(
            [
                f"AutoGluon, {limit:g} min" if limit else "XGBoost",
                *(f"{errors[name]:.2f}" for name in ("mape_pct", "mdape_pct")),
                f"{errors['within_10_pct']:.1f}",
                f"{errors['fit_s']:.0f} s",
            ]
        )
    title = f"Errors on the last {HELD_OUT_DAYS} days of some 50 000 sales"
    columns = ["model", "MAPE %", "MdAPE %", "±10 %", "fitted in"]
    return table_of(title, columns, rows)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument(
        "--autogluon-minutes", nargs="+", type=float, default=AUTOGLUON_MINUTES
    )
    parser.add_argument("--folder", type=Path, help="keep what is built there")
    parser.add_argument("--job", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure what is asked for, or run one job for the measuring process."""
    options = arguments()
    if options.job:
        run_job(options.job[0], options.folder, options.job[1])
        return
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    console.print(f"{datetime.now(UTC):%Y-%m-%d}, {machine}, {platform.machine()}")
    with tempfile.TemporaryDirectory(prefix="slutpris-bench-") as scratch:
        home = options.folder or Path(scratch)
        tables: dict[str, Callable[[], Table]] = {
            "latency": lambda: latency_table(home, options.sizes),
            "batch": lambda: batch_table(home, options.sizes),
            "training": lambda: training_table(home, options.sizes),
            "autogluon": lambda: autogluon_table(home, options.autogluon_minutes),
        }
        for part in options.parts:
            console.print(tables[part]())


if __name__ == "__main__":
    main()

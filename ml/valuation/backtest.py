"""How well each model would have done: ``python -m ml.valuation.backtest``.

What belongs here: running a plan from rows to figures, and the command line. What does
not: what can be asked for (``plan``), which sales train and which are valued
(``protocols``, ``held_out_districts``), a fit's valuations (``valuing``), figures
(``segments``, ``bootstrap``) and how they are shown (``tables``, ``report``).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ml.valuation.assessment import IAAO_BANDS
from ml.valuation.bootstrap import differences
from ml.valuation.checkpoints import Checkpoints, remove_checkpoints
from ml.valuation.described import read_described_sales
from ml.valuation.features import MODES
from ml.valuation.held_out_districts import (
    district_splits,
    held_out_districts,
    held_out_months,
    label_of,
)
from ml.valuation.models import MODELS
from ml.valuation.plan import (
    DISTRICT_PROTOCOLS,
    PROTOCOLS,
    Plan,
    Protocol,
    month_of,
    names_in,
)
from ml.valuation.plots import MODEL_TITLES
from ml.valuation.protocols import Split, splits
from ml.valuation.provenance import fingerprint, fitting_fingerprint, git_commit
from ml.valuation.report import write_report
from ml.valuation.segments import summarise
from ml.valuation.tables import TABLE_COLUMNS, results_tables
from ml.valuation.valuing import PREDICTION_COLUMNS, valued, with_intervals
from warehouse.errors import SlutprisError, exit_with
from warehouse.settings import Settings
from warehouse.store import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

__all__ = [
    "PREDICTION_COLUMNS",
    "TABLE_COLUMNS",
    "Backtest",
    "Plan",
    "fingerprint",
    "git_commit",
    "month_of",
    "progress_bar",
    "read_backtest_sales",
    "results_tables",
    "run_backtest",
    "run_with_progress",
    "write_report",
]

Watch = Callable[[str, int], None]
"""Told what is being done, and how many fits are finished."""


@dataclass(frozen=True)
class Backtest:
    """Figures per model and segment, every valuation, and what they rest on."""

    results: list[dict[str, Any]]
    differences: list[dict[str, Any]]
    predictions: pd.DataFrame
    provenance: dict[str, Any]

    def to_json(self) -> str:
        """Write the report as JSON; a figure that does not exist is null."""
        report = {
            **self.provenance,
            "results": self.results,
            "differences": self.differences,
        }
        return json.dumps(report, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def run_backtest(
    connection: duckdb.DuckDBPyConnection,
    plan: Plan,
    settings: Settings,
    *,
    watch: Watch = lambda _doing, _finished: None,
    checkpoints_dir: Path | None = None,
) -> Backtest:
    """Fit and value everything in a plan.

    Parameters
    ----------
    connection
        To a warehouse with marts; only read.
    plan
        Months, models, mode and protocols.
    settings
        Threads and AutoGluon's time limit.
    watch
        Called before each fit.
    checkpoints_dir
        Where finished fits are kept, for the caller to remove; an interrupted run,
        started again with the same months, rows and code, does not repeat them. None
        keeps nothing.

    Raises
    ------
    SlutprisError
        When the marts are not built or hold too few sales for the plan.
    """
    sales = read_backtest_sales(connection, plan, settings)
    provenance = _provenance(sales, plan, settings)
    kept = None
    if checkpoints_dir is not None:
        kept = Checkpoints(
            checkpoints_dir,
            provenance["data_fingerprint"],
            fitting_fingerprint(),
            settings.autogluon_time_limit_s,
            plan.mode,
            plan.start,
            plan.end,
        )
    run = _Run(connection, sales, plan, settings, watch, kept)
    predictions = with_intervals(_in_order(run.predictions(), plan))
    return Backtest(
        results=summarise(predictions),
        differences=differences(predictions),
        predictions=predictions,
        provenance=provenance,
    )


def read_backtest_sales(
    connection: duckdb.DuckDBPyConnection, plan: Plan, settings: Settings
) -> pd.DataFrame:
    """Features, labels and identity of the sales up to the end of the plan."""
    after = (pd.Timestamp(plan.end) + pd.offsets.MonthBegin(1)).date()
    sales = read_described_sales(connection, settings, before=after)
    if sales.empty:
        raise SlutprisError(
            f"no sale was sold before {after}; land a file of sales or crawl, "
            "then `dbt build --project-dir dbt_project`"
        )
    identity = connection.execute(
        "select sale_id, platform, source_id, address, url from marts.sales"
    ).df()
    return sales.merge(identity, on="sale_id", validate="one_to_one")


@dataclass
class _Run:
    """One plan under way: what it reads, how far it has come."""

    connection: duckdb.DuckDBPyConnection
    sales: pd.DataFrame
    plan: Plan
    settings: Settings
    watch: Watch
    kept: Checkpoints | None
    finished: int = 0

    def predictions(self) -> pd.DataFrame:
        frames = list(self._valued(splits(self.sales, self.plan)))
        for protocol in DISTRICT_PROTOCOLS:
            if protocol in self.plan.protocols:
                frames += self._of_districts(protocol)
        return pd.concat(frames, ignore_index=True)

    def _valued(self, of_splits: Iterator[Split]) -> Iterator[pd.DataFrame]:
        for split in of_splits:
            for name in self.plan.models:
                yield self._fit(split, name)

    def _fit(self, split: Split, name: str) -> pd.DataFrame:
        self.watch(f"{MODEL_TITLES.get(name, name)}, {split.label}", self.finished)
        key = (split.label, name, *split.is_test)
        if self.kept and self.kept.has(*key):
            rows = self.kept.get(*key)
        else:
            rows = valued(split, name, self.plan.mode, self.settings)
            if self.kept:
                self.kept.put(rows, *key)
        self.finished += 1
        return rows

    def _of_districts(self, protocol: Protocol) -> Iterator[pd.DataFrame]:
        """Yield a district protocol's valuations; all kept, nothing is built."""
        keys = [
            (label_of(protocol, month), name, protocol)
            for month in held_out_months(self.sales, self.plan)
            for name in self.plan.models
        ]
        if self.kept and all(self.kept.has(*key) for key in keys):
            self.finished += len(keys)
            return iter([self.kept.get(*key) for key in keys])
        self.watch(f"dbt, {protocol.replace('_', ' ')}", self.finished)
        of_splits = district_splits(self.connection, self.sales, self.plan, protocol)
        return self._valued(of_splits)


def fit_count(sales: pd.DataFrame, plan: Plan) -> int:
    """Count the fits of a plan."""
    count = sum(1 for _ in splits(sales, plan))
    arriving = [name for name in DISTRICT_PROTOCOLS if name in plan.protocols]
    if arriving:
        count += len(arriving) * len(held_out_months(sales, plan))
    return count * len(plan.models)


def _in_order(predictions: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Sort by protocol, model and day, however fits were shared between protocols."""
    rank = predictions.assign(
        protocol=predictions["protocol"].map(PROTOCOLS.index),
        model=predictions["model"].map(plan.models.index),
    )
    order = rank.sort_values(["protocol", "model", "sold_date", "sale_id"]).index
    return predictions.loc[order].reset_index(drop=True)


def _provenance(sales: pd.DataFrame, plan: Plan, settings: Settings) -> dict[str, Any]:
    of_districts = set(DISTRICT_PROTOCOLS) & set(plan.protocols)
    return {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_commit": git_commit(),
        "start": f"{plan.start:%Y-%m}",
        "end": f"{plan.end:%Y-%m}",
        "mode": plan.mode,
        "rows": len(sales),
        "data_fingerprint": fingerprint(sales),
        "autogluon_time_limit_s": settings.autogluon_time_limit_s,
        "held_out_districts": (
            list(held_out_districts(sales, plan)) if of_districts else []
        ),
        "iaao_bands": {
            name: [band.low, band.high] for name, band in IAAO_BANDS.items()
        },
    }


def progress_bar(console: Console) -> Progress:
    """Make a bar with counts, time spent and time left."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def run_with_progress(
    connection: duckdb.DuckDBPyConnection,
    plan: Plan,
    settings: Settings,
    *,
    checkpoints_dir: Path | None = None,
) -> Backtest:
    """Run a backtest and show on stderr, while it lasts, how far it has come."""
    fits = fit_count(read_backtest_sales(connection, plan, settings), plan)
    with progress_bar(Console(stderr=True)) as progress:
        task = progress.add_task("läser", total=fits)

        def watch(doing: str, finished: int) -> None:
            progress.update(task, description=doing, completed=finished)

        return run_backtest(
            connection, plan, settings, watch=watch, checkpoints_dir=checkpoints_dir
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m ml.valuation.backtest",
        description=__doc__.splitlines()[0],
        epilog="Interrupted, it goes on where it stopped when the same command is "
        "given again.",
    )
    parser.add_argument("--start", required=True, help="first month, e.g. 2016-01")
    parser.add_argument("--end", required=True, help="last month, e.g. 2016-06")
    parser.add_argument(
        "--models",
        default=",".join(MODELS),
        help="several with commas between; all of them by default",
    )
    parser.add_argument(
        "--mode",
        default=MODES[0],
        choices=MODES,
        help="without the asking price (the default) or with it",
    )
    parser.add_argument(
        "--protocols",
        default=PROTOCOLS[0],
        metavar="NAMES",
        help=f"several with commas between, or all: {', '.join(PROTOCOLS)}; "
        f"{PROTOCOLS[0]} by default",
    )
    parser.add_argument(
        "--json", type=Path, required=True, metavar="OUT", help="figures"
    )
    parser.add_argument(
        "--predictions", type=Path, metavar="OUT.parquet", help="every valuation"
    )
    parser.add_argument(
        "--report", type=Path, metavar="DIR", help="folder for report.html and plots"
    )
    return parser.parse_args()


def _make_room_for(path: Path | None) -> None:
    # Before the models are trained, not after.
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab"):
            pass
    except OSError as error:
        raise SlutprisError(
            f"cannot write {path} ({error.strerror}); choose another file"
        ) from error
    if not path.stat().st_size:
        path.unlink()


def main() -> None:
    """Run the command line."""
    arguments = _arguments()
    plan = Plan(
        start=month_of(arguments.start),
        end=month_of(arguments.end),
        models=names_in(arguments.models, tuple(MODELS), "model"),
        mode=arguments.mode,
        protocols=names_in(arguments.protocols, PROTOCOLS, "protocol"),
    )
    report = arguments.report and arguments.report / "report.html"
    for path in (arguments.json, arguments.predictions, report):
        _make_room_for(path)
    settings = Settings()
    out: Path = arguments.json
    checkpoints_dir = out.with_name(f".{out.name}.partial")
    with connect(settings.warehouse_path, read_only=True) as connection:
        backtest = run_with_progress(
            connection, plan, settings, checkpoints_dir=checkpoints_dir
        )
    out.write_text(backtest.to_json(), encoding="utf-8")
    if arguments.predictions:
        backtest.predictions.to_parquet(arguments.predictions, index=False)
    if arguments.report:
        write_report(backtest, arguments.report)
    remove_checkpoints(checkpoints_dir)
    Console().print(*results_tables(backtest.results))


if __name__ == "__main__":
    exit_with(main)

"""How well each model would have done: ``python -m ml.valuation.backtest``.

What belongs here: protocols (which sales train, which are valued) and the tables they
give. The headline is a monthly rolling origin: for each month, train on what was sold
before its first day and value what was sold in it. The random 80/20 split stands
beside it for comparison with others' figures; it flatters. The figures are
``metrics``', the models ``models``'.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from rich.box import SIMPLE
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
from rich.table import Table
from sklearn.model_selection import train_test_split

from ml.valuation.features import MODES, Mode, read_sale_features
from ml.valuation.metrics import evaluate
from ml.valuation.models import MODELS, new_model
from ml.valuation.plots import (
    MODEL_TITLES,
    plot_predicted_against_actual,
    swedish_number,
)
from warehouse.errors import SlutprisError, exit_with
from warehouse.settings import PROJECT_ROOT, Settings
from warehouse.store import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import duckdb

Protocol = Literal["rolling_monthly", "random_80_20"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)

RANDOM_SPLIT_SEED = 7
"""The seed project's; it split without shuffling, so its seed did nothing."""

INTERVAL_QUANTILES = (0.05, 0.95)
PREDICTION_COLUMNS = [
    "platform",
    "source_id",
    "address",
    "living_area_m2",
    "sold_date",
    "sold_price_sek",
    "model",
    "mode",
    "protocol",
    "value_sek",
    "low_sek",
    "high_sek",
    "confidence_class",
]

TABLE_COLUMNS = {
    "n": ("n", 0),
    "mape_pct": ("MAPE %", 2),
    "mdape_pct": ("MdAPE %", 2),
    "within_5_pct": ("±5 %", 1),
    "within_10_pct": ("±10 %", 1),
    "within_20_pct": ("±20 %", 1),
    "bias_pct": ("bias %", 2),
    "mae_sek": ("MAE kr", 0),
    "r2": ("R²", 3),
    "mape_seed_pct": ("seed %", 2),
}
"""Heading and decimals of each figure; the printed table is 80 characters wide."""


@dataclass(frozen=True)
class Plan:
    """What to backtest: the months of ``start`` to ``end``, both given as day one."""

    start: date
    end: date
    models: tuple[str, ...] = tuple(MODELS)
    mode: Mode = "before_listing"
    protocols: tuple[Protocol, ...] = ("rolling_monthly",)

    def __post_init__(self) -> None:
        """Refuse what cannot be run, before anything is trained."""
        if self.start > self.end:
            raise SlutprisError(
                f"start {self.start:%Y-%m} is after end {self.end:%Y-%m}; swap them"
            )
        unknown = [name for name in self.models if name not in MODELS]
        if unknown or not self.models:
            raise SlutprisError(
                f"unknown model {', '.join(unknown) or '(none given)'}; "
                f"choose among {', '.join(MODELS)}"
            )

    @property
    def months(self) -> list[pd.Timestamp]:
        """First days of the months to value."""
        return list(pd.date_range(self.start, self.end, freq="MS"))


@dataclass(frozen=True)
class Split:
    """One fit: the sales to learn from and those to value."""

    protocol: Protocol
    train: pd.DataFrame
    test: pd.DataFrame


@dataclass(frozen=True)
class Backtest:
    """Figures per model and segment, every valuation, and what they rest on."""

    results: list[dict[str, Any]]
    predictions: pd.DataFrame
    provenance: dict[str, Any]

    def to_json(self) -> str:
        """Write the report as JSON; a figure that does not exist is null."""
        report = {**self.provenance, "results": self.results}
        return json.dumps(report, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def run_backtest(
    connection: duckdb.DuckDBPyConnection,
    plan: Plan,
    settings: Settings,
    *,
    advance: Callable[[str], None] = lambda _fitted: None,
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
    advance
        Called with a label before each fit.

    Raises
    ------
    SlutprisError
        When the marts are not built or hold too few sales for the plan.
    """
    sales = read_backtest_sales(connection, plan)
    predictions = pd.concat(
        [
            _valued(split, name, plan.mode, settings, advance)
            for split in splits(sales, plan)
            for name in plan.models
        ],
        ignore_index=True,
    )
    predictions = with_intervals(predictions)
    return Backtest(
        results=summarise(predictions),
        predictions=predictions,
        provenance=_provenance(sales, plan, settings),
    )


def read_backtest_sales(
    connection: duckdb.DuckDBPyConnection, plan: Plan
) -> pd.DataFrame:
    """Features, labels and identity of the sales up to the end of the plan."""
    after = (pd.Timestamp(plan.end) + pd.offsets.MonthBegin(1)).date()
    sales = read_sale_features(connection, before=after)
    if sales.empty:
        raise SlutprisError(
            f"no sale was sold before {after}; land a file of sales or crawl, "
            "then `dbt build --project-dir dbt_project`"
        )
    identity = connection.execute(
        "select sale_id, platform, source_id, address from marts.sales"
    ).df()
    return sales.merge(identity, on="sale_id", validate="one_to_one")


def splits(sales: pd.DataFrame, plan: Plan) -> Iterator[Split]:
    """Yield the fits of a plan: one per month, and one for the random split."""
    if "rolling_monthly" in plan.protocols:
        yield from _monthly_splits(sales, plan)
    if "random_80_20" in plan.protocols:
        train, test = train_test_split(
            sales, test_size=0.2, random_state=RANDOM_SPLIT_SEED
        )
        yield Split(
            "random_80_20",
            train.sort_values(["sold_date", "sale_id"]),
            test.sort_values(["sold_date", "sale_id"]),
        )


def _monthly_splits(sales: pd.DataFrame, plan: Plan) -> Iterator[Split]:
    sold = sales["sold_date"]
    valued = 0
    for month in plan.months:
        is_past, is_later = sold < month, sold >= month + pd.offsets.MonthBegin(1)
        test = sales[~is_past & ~is_later]
        if test.empty:
            continue
        if not is_past.any():
            raise SlutprisError(
                f"no sale was sold before {month:%Y-%m-%d}, so there is nothing to "
                f"train on; start later than {sold.min():%Y-%m}"
            )
        valued += len(test)
        yield Split("rolling_monthly", sales[is_past], test)
    if not valued:
        raise SlutprisError(
            f"no sale was sold from {plan.start:%Y-%m} to {plan.end:%Y-%m}; the "
            f"warehouse has sales from {sold.min():%Y-%m} to {sold.max():%Y-%m}"
        )


def _valued(
    split: Split,
    name: str,
    mode: Mode,
    settings: Settings,
    advance: Callable[[str], None],
) -> pd.DataFrame:
    first = split.test["sold_date"].min()
    advance(f"{MODEL_TITLES.get(name, name)} {split.protocol} {first:%Y-%m}")
    model = new_model(name, settings, mode=mode).fit(split.train)
    identity = ["platform", "source_id", "address", "living_area_m2"]
    return split.test[[*identity, "sold_date", "sold_price_sek"]].assign(
        model=name,
        mode=mode,
        protocol=split.protocol,
        value_sek=model.predict(split.test),
    )


def with_intervals(predictions: pd.DataFrame) -> pd.DataFrame:
    """Add a 90 % range from the same model's errors in the earlier months.

    The first month has no earlier errors and a random split no order: null there.
    No class of confidence is told apart yet.
    """
    predictions = predictions.assign(
        low_sek=np.nan, high_sek=np.nan, confidence_class=None
    )
    rolling = predictions[predictions["protocol"] == "rolling_monthly"]
    for _, rows in rolling.groupby("model"):
        error = np.log(rows["sold_price_sek"] / rows["value_sek"])
        month = rows["sold_date"].dt.to_period("M")
        for current in sorted(month.unique())[1:]:
            low, high = error[month < current].quantile(list(INTERVAL_QUANTILES))
            now = rows.index[month == current]
            value = predictions.loc[now, "value_sek"]
            predictions.loc[now, "low_sek"] = value * np.exp(low)
            predictions.loc[now, "high_sek"] = value * np.exp(high)
    return predictions[PREDICTION_COLUMNS]


def summarise(predictions: pd.DataFrame) -> list[dict[str, Any]]:
    """One record per model, protocol and segment: all sales, then each month."""
    records = []
    groups = predictions.groupby(["protocol", "model"], sort=False)
    for (protocol, model), rows in groups:
        segments = {"all": rows}
        if protocol == "rolling_monthly":
            by_month = rows.groupby(rows["sold_date"].dt.strftime("%Y-%m"))
            segments |= dict(iter(by_month))
        for segment, part in segments.items():
            key = {
                "model": model,
                "mode": part["mode"].iloc[0],
                "protocol": protocol,
                "segment": segment,
            }
            records.append(key | _figures(part))
    return records


def _figures(rows: pd.DataFrame) -> dict[str, Any]:
    figures = evaluate(rows["sold_price_sek"].to_numpy(), rows["value_sek"].to_numpy())
    # JSON has no NaN: R² of one sale is null.
    return {k: None if v != v else v for k, v in figures.items()}


def _provenance(sales: pd.DataFrame, plan: Plan, settings: Settings) -> dict[str, Any]:
    return {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_commit": git_commit(),
        "start": f"{plan.start:%Y-%m}",
        "end": f"{plan.end:%Y-%m}",
        "rows": len(sales),
        "data_fingerprint": fingerprint(sales),
        "autogluon_time_limit_s": settings.autogluon_time_limit_s,
    }


def fingerprint(sales: pd.DataFrame) -> str:
    """Hash every value of a frame (sha256): equal rows, equal fingerprint."""
    hashes = pd.util.hash_pandas_object(sales, index=False).to_numpy()
    return hashlib.sha256(hashes.tobytes()).hexdigest()


def git_commit() -> str | None:
    """Name the commit of the code that runs, None outside a git checkout."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(PROJECT_ROOT), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()


def results_tables(results: list[dict[str, Any]]) -> list[Table]:
    """Lay out the figures over all months: a table per protocol, a row per model."""
    whole = [record for record in results if record["segment"] == "all"]
    protocols = dict.fromkeys(record["protocol"] for record in whole)
    return [
        _table([record for record in whole if record["protocol"] == protocol])
        for protocol in protocols
    ]


def _table(records: list[dict[str, Any]]) -> Table:
    title = f"{records[0]['protocol']}, {records[0]['mode']}"
    table = Table(
        title=title, title_justify="left", box=SIMPLE, show_edge=False, padding=0
    )
    table.add_column("modell", no_wrap=True)
    for heading, _ in TABLE_COLUMNS.values():
        table.add_column(heading, justify="right", no_wrap=True)
    for record in records:
        figures = (
            _cell(record[key], decimals) for key, (_, decimals) in TABLE_COLUMNS.items()
        )
        table.add_row(record["model"], *figures)
    return table


def _cell(figure: float | None, decimals: int) -> str:
    return "–" if figure is None else swedish_number(figure, decimals)


def write_report(backtest: Backtest, folder: Path) -> list[Path]:
    """Draw each protocol's valuations against prices into a folder, as PNG."""
    paths = []
    for protocol, rows in backtest.predictions.groupby("protocol", sort=False):
        first, last = rows["sold_date"].min(), rows["sold_date"].max()
        path = folder / f"predicted_against_actual_{protocol}.png"
        title = f"Värde mot slutpris, {first:%Y-%m} till {last:%Y-%m}"
        paths.append(plot_predicted_against_actual(rows, path, title=title))
    return paths


def month_of(text: str) -> date:
    """Read a month such as 2016-01 as its first day."""
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text):
        raise SlutprisError(f"{text!r} is not a month; write it as 2016-01")
    return date.fromisoformat(f"{text}-01")


def _names(text: str, known: tuple[str, ...], what: str) -> tuple[Any, ...]:
    names = tuple(dict.fromkeys(n.strip() for n in text.split(",") if n.strip()))
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise SlutprisError(
            f"unknown {what} {', '.join(unknown) or '(none given)'}; "
            f"choose among {', '.join(known)}"
        )
    return names


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m ml.valuation.backtest", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--start", required=True, help="first month, e.g. 2016-01")
    parser.add_argument("--end", required=True, help="last month, e.g. 2016-06")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--mode", default=MODES[0], choices=MODES)
    parser.add_argument("--protocols", default=PROTOCOLS[0], help=",".join(PROTOCOLS))
    parser.add_argument("--json", type=Path, required=True, metavar="OUT")
    parser.add_argument("--predictions", type=Path, metavar="OUT.parquet")
    parser.add_argument("--report", type=Path, metavar="DIR", help="folder for plots")
    return parser.parse_args()


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
    connection: duckdb.DuckDBPyConnection, plan: Plan, settings: Settings
) -> Backtest:
    """Run a backtest and show on stderr, while it lasts, how far it has come."""
    fits = len(plan.models) * (
        len(plan.months) * ("rolling_monthly" in plan.protocols)
        + ("random_80_20" in plan.protocols)
    )
    with progress_bar(Console(stderr=True)) as progress:
        task = progress.add_task("läser", total=fits, completed=-1)

        def advance(label: str) -> None:
            progress.update(task, description=label, advance=1)

        return run_backtest(connection, plan, settings, advance=advance)


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
        models=_names(arguments.models, tuple(MODELS), "model"),
        mode=arguments.mode,
        protocols=_names(arguments.protocols, PROTOCOLS, "protocol"),
    )
    for path in (arguments.json, arguments.predictions):
        _make_room_for(path)
    settings = Settings()
    with connect(settings.warehouse_path, read_only=True) as connection:
        backtest = run_with_progress(connection, plan, settings)
    arguments.json.write_text(backtest.to_json(), encoding="utf-8")
    if arguments.predictions:
        backtest.predictions.to_parquet(arguments.predictions, index=False)
    if arguments.report:
        write_report(backtest, arguments.report)
    Console().print(*results_tables(backtest.results))


if __name__ == "__main__":
    exit_with(main)

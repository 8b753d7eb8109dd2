"""How the valuations of the forward log fared, in figures.

What belongs here: the figures by model, version and class, and keeping them as files.
What does not: the log (``forward_log``), which sale judges a valuation
(``forward_matching``), and printing (``forward_report``).

A home that was valued ten times before its sale counts once for each model and mode, by
the last of the ten.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from ml.valuation.forward_log import Log, read_log
from ml.valuation.forward_matching import scored_valuations
from ml.valuation.metrics import bias_pct, evaluate, mape_pct, mdape_pct
from warehouse.errors import SlutprisError
from warehouse.store import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd

    from warehouse.settings import Settings

SCORED = "scored_valuations.parquet"
SUMMARY = "forward_log.json"
PROTOCOLS = {True: "forward", False: "retrospective"}


@dataclass(frozen=True)
class ScoredLog:
    """One row per valuation, and the figures: what is kept of one scoring."""

    valuations: pd.DataFrame
    summary: dict[str, Any]
    path: Path


def score_log(connection: duckdb.DuckDBPyConnection, settings: Settings) -> ScoredLog:
    """Score every valuation of the log, and keep the table and the figures as files.

    The same log and warehouse give the same bytes.

    Parameters
    ----------
    connection
        To the warehouse; only read.
    settings
        Where the log lies and the reports go, and how long a sale may take.

    Raises
    ------
    SlutprisError
        When the marts are not built, or the files cannot be written.
    """
    log = read_log(settings.forward_log_dir)
    valuations = scored_valuations(connection, log, settings.forward_log_match_days)
    known_until = _market_known_until(connection)
    summary = {
        "market_known_until": known_until,
        "match_days": settings.forward_log_match_days,
        "counts": _counts(valuations, log),
        "damaged": [asdict(line) for line in log.damaged],
        "results": list(results(valuations)),
    }
    path = make_folder(settings.reports_dir) / SCORED
    _keep(valuations, summary, path)
    return ScoredLog(valuations, summary, path)


def results(valuations: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Give the figures of each model and mode: whole, by version and by class."""
    counted = valuations[valuations["is_counted"]]
    keys = ["is_forward", "model", "mode"]
    for (is_forward, model, mode), group in counted.groupby(keys, sort=True):
        named = {"model": model, "mode": mode, "protocol": PROTOCOLS[bool(is_forward)]}
        yield {**named, "segment": "all", **_figures(group)}
        for column in ("model_version", "confidence_class"):
            for label in sorted(group[column].dropna().unique()):
                part = group[group[column] == label]
                yield {**named, "segment": f"{column}:{label:.0f}", **_figures(part)}


def _figures(group: pd.DataFrame) -> dict[str, Any]:
    price = group["sold_price_sek"].to_numpy(dtype=float)
    carried = price * (1 + group["error_pct_index_carried"].to_numpy(dtype=float) / 100)
    ranged = group["is_within_range"].dropna()
    figures = evaluate(price, group["value_sek"].to_numpy(dtype=float)) | {
        "mape_pct_index_carried": mape_pct(price, carried),
        "mdape_pct_index_carried": mdape_pct(price, carried),
        "bias_pct_index_carried": bias_pct(price, carried),
        "coverage_90_pct": 100 * float(ranged.mean()) if len(ranged) else None,
        "median_days_between": float(group["days_between"].median()),
    }
    # A figure that does not exist, such as the R² of one sale, is null.
    return {key: None if value != value else value for key, value in figures.items()}


def _counts(valuations: pd.DataFrame, log: Log) -> dict[str, Any]:
    status = valuations["status"].value_counts()
    counts = {
        name: int(status.get(name, 0))
        for name in ("matched", "waiting", "expired", "without_number")
    }
    decided = counts["matched"] + counts["expired"]
    is_matched = valuations["status"] == "matched"
    is_forward = valuations["is_forward"].astype(bool)
    return {
        "valuations": len(valuations),
        **counts,
        "match_rate_pct": 100 * counts["matched"] / decided if decided else None,
        "matched_forward": int((is_matched & is_forward).sum()),
        "matched_retrospective": int((is_matched & ~is_forward).sum()),
        "counted_forward": int((valuations["is_counted"] & is_forward).sum()),
        "repeated_records": log.duplicate_count,
        "damaged_lines": len(log.damaged),
    }


def _market_known_until(connection: duckdb.DuckDBPyConnection) -> str | None:
    rows = connection.execute("select max(sold_date) from marts.sales").fetchall()
    return rows[0][0].isoformat() if rows[0][0] else None


def _keep(valuations: pd.DataFrame, summary: dict[str, Any], path: Path) -> None:
    """Write both files, each whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    text = json.dumps(summary, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    try:
        with duckdb.connect() as connection:
            connection.register("valuations", valuations)
            target = str(partial).replace("'", "''")
            connection.execute(f"copy valuations to '{target}' (format parquet)")
        partial.replace(path)
        partial.write_text(text, encoding="utf-8")
        partial.replace(path.with_name(SUMMARY))
    except (OSError, duckdb.IOException) as error:
        reason = str(error).splitlines()[0]
        raise SlutprisError(
            f"cannot write {path} ({reason}); make room, "
            "or set SLUTPRIS_DATA to a folder you may write to"
        ) from error

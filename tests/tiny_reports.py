"""Reports over the tiny market, as the pipeline leaves them, with errors known by hand.

Each model's values are its factor times the price, one in ten of them off by more, so
that bias, coverage and the worst miss can be told by hand.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import duckdb
import pandas as pd

from ml.valuation.evaluation import PREDICTIONS, REPORT
from ml.valuation.forward_score import SCORED, SUMMARY, results
from ml.valuation.segments import summarise
from ml.valuation.valuing import (
    CONTEXT_COLUMNS,
    PREDICTION_COLUMNS,
    RANGE_COLUMNS,
    with_intervals,
)

if TYPE_CHECKING:
    from warehouse.settings import Settings

MODELS = {"xgboost": 1.02, "blend": 0.97, "seed_recipe": 1.1}
MISS = 1.5
"""Every tenth sale is valued at so many times the model's factor."""
RANGE = 0.1
COLUMNS = [*PREDICTION_COLUMNS, *RANGE_COLUMNS[3:], *CONTEXT_COLUMNS]


def tiny_predictions(
    settings: Settings, models: dict[str, float] | None = None, *, since: str
) -> pd.DataFrame:
    """Valuations of the tiny market's sales on and after a day, a row per model."""
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
        sales = connection.execute(
            "select *, split_part(sale_id, ':', 2) as source_id from marts.sales "
            "where sold_date >= $since order by sold_date, sale_id",
            {"since": since},
        ).df()
    chosen = MODELS if models is None else models
    rows = pd.concat(
        [_valued(sales, model, factor) for model, factor in chosen.items()],
        ignore_index=True,
    )
    return with_intervals(rows.reindex(columns=COLUMNS))


def _valued(sales: pd.DataFrame, model: str, factor: float) -> pd.DataFrame:
    is_miss = sales.index % 10 == 0
    value = sales["sold_price_sek"] * factor * (1 + (MISS - 1) * is_miss)
    return sales.assign(
        sold_date=pd.to_datetime(sales["sold_date"]),
        model=model,
        mode="before_listing",
        protocol="rolling_monthly",
        value_sek=value,
        low_sek=value * (1 - RANGE),
        high_sek=value * (1 + RANGE),
        confidence_class=pd.array(5 - sales.index % 2, dtype="Int64"),
        fsd_pct=8.0,
    )


def write_backtest(
    settings: Settings,
    models: dict[str, float] | None = None,
    *,
    since: str = "2026-08-01",
) -> pd.DataFrame:
    """Keep a standing backtest in the data folder; gives its valuations."""
    predictions = tiny_predictions(settings, models, since=since)
    settings.reports_dir.mkdir(parents=True, exist_ok=True)
    predictions.to_parquet(settings.reports_dir / PREDICTIONS, index=False)
    report = {
        "created_at": "2026-11-01T04:00:00+00:00",
        "git_commit": "abc1234",
        "start": "2026-08",
        "end": "2026-10",
        "mode": "before_listing",
        "results": summarise(predictions),
        "differences": [],
    }
    (settings.reports_dir / REPORT).write_text(json.dumps(report), encoding="utf-8")
    return predictions


def write_scored_log(settings: Settings, *, waiting: int = 3) -> pd.DataFrame:
    """Keep a scored forward log: one valuation made before its sale, one after."""
    sale = tiny_predictions(settings, {"xgboost": 1.0}, since="2026-10-01").iloc[[-1]]
    matched = sale.assign(
        status="matched",
        sale_url=None,
        model_version=1,
        error_pct=4.0,
        error_pct_index_carried=3.0,
        is_within_range=True,
        is_counted=True,
        days_between=30,
        made_at=pd.Timestamp(2026, 9, 1),
        valuation_date=pd.Timestamp(2026, 9, 1),
        value_sek=sale["sold_price_sek"] * 1.04,
    )
    rows = pd.concat(
        [
            matched.assign(is_forward=True, address="Sveavägen <b>99</b>"),
            matched.assign(is_forward=False),
            *(
                [matched.assign(status="waiting", is_forward=True, is_counted=False)]
                * waiting
            ),
        ],
        ignore_index=True,
    )
    counts = {
        "valuations": len(rows),
        "matched": 2,
        "waiting": waiting,
        "expired": 0,
        "without_number": 0,
        "damaged_lines": 0,
    }
    settings.reports_dir.mkdir(parents=True, exist_ok=True)
    rows.to_parquet(settings.reports_dir / SCORED, index=False)
    summary = {
        "market_known_until": "2026-10-27",
        "counts": counts,
        "results": list(results(rows)),
    }
    (settings.reports_dir / SUMMARY).write_text(json.dumps(summary), encoding="utf-8")
    return rows

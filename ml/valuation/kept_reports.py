"""The kept reports as they are read again: the standing backtest and the scored log.

What belongs here: reading the files and refusing, in words a page can show, what is
missing or not what was written. What does not: writing them (``evaluation``,
``forward_score``) and what their rows say (``health``).
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml.valuation.evaluation import PREDICTIONS, REPORT
from ml.valuation.forward_score import SCORED, SUMMARY
from ml.valuation.segments import segment_labels
from ml.valuation.valuing import is_answered
from ml.valuation.words import Words
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from pathlib import Path

PROTOCOL = "rolling_monthly"
"""The protocol that stands for use: each month valued by models of the past."""

KEYS = ["platform", "source_id", "model"]
NUMBERS = [
    "living_area_m2",
    "sold_price_sek",
    "value_sek",
    "low_sek",
    "high_sek",
    "plain_low_sek",
    "plain_high_sek",
    "confidence_class",
    "construction_year",
    "comparables_weight",
]
TEXTS = ["sale_id", "address", "url", "district", "city_district", "mode", "protocol"]
PREDICTION_FIELDS = [*KEYS, *TEXTS, *NUMBERS, "sold_date", "refusal_reason"]

SCORED_FIELDS = [
    *("sale_id", "address", "model", "mode", "status", "sale_url"),
    *("value_sek", "low_sek", "high_sek", "sold_price_sek", "error_pct"),
    *("confidence_class", "is_within_range", "is_forward", "is_counted"),
    *("made_at", "valuation_date", "sold_date"),
]

_KEPT_REPORTS = 2
"""One for each market that a page can show."""
_reading = threading.Lock()


class ReportError(SlutprisError):
    """A report cannot be shown; ``words`` says so in either language."""

    def __init__(self, words: Words) -> None:
        self.words = words
        super().__init__(words.en)


class NoReportError(ReportError):
    """The report was not made yet."""


@dataclass(frozen=True, eq=False)
class Backtested:
    """The standing backtest: where it came from, and a row per sale and model."""

    provenance: dict[str, Any]
    predictions: pd.DataFrame
    labels: pd.DataFrame
    """Where each prediction falls, a column per dimension; rows as predictions'."""
    computed: dict[tuple[Any, ...], Any] = field(default_factory=dict)
    """What was computed of it, kept as long as it is."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    """Held while something is computed: twenty readers at once compute it once."""

    @property
    def models(self) -> list[str]:
        """Names of the compared models."""
        return [str(name) for name in self.predictions["model"].unique()]

    def of(self, model: str) -> pd.DataFrame:
        """Give one model's rows."""
        return self.predictions[self.predictions["model"] == model]

    def answered(self, model: str) -> pd.DataFrame:
        """Give the rows of the sales that a model gave a value for."""
        rows = self.of(model)
        return rows[is_answered(rows)]


@dataclass(frozen=True)
class Scored:
    """The forward log as it was last scored."""

    summary: dict[str, Any]
    valuations: pd.DataFrame


def read_backtest(reports_dir: Path) -> Backtested:
    """Read the standing backtest; many readers of one report share what was read.

    Raises
    ------
    NoReportError
        When no backtest was made yet.
    ReportError
        When a file of it is not what was written.
    """
    paths = reports_dir / REPORT, reports_dir / PREDICTIONS
    if not paths[0].exists():
        raise NoReportError(
            Words(
                f"Ingen jämförelse av modellerna finns ännu ({paths[0]}). Kör make "
                "demo, eller materialisera reports/backtest i Dagster.",
                f"There is no comparison of the models yet ({paths[0]}). Run make "
                "demo, or materialize reports/backtest in Dagster.",
            )
        )
    with _reading:
        return _backtest(*paths, _stamp(*paths))


def read_scored(reports_dir: Path) -> Scored:
    """Read the forward log as it was last scored.

    Raises
    ------
    NoReportError
        When it was not scored yet.
    ReportError
        When a file of it is not what was written.
    """
    paths = reports_dir / SUMMARY, reports_dir / SCORED
    if not paths[0].exists():
        raise NoReportError(
            Words(
                "Loggen över värderingar har inte poängsatts ännu "
                f"({paths[0]}). Kör python -m ml.valuation.forward_log.",
                "The log of valuations was not scored yet "
                f"({paths[0]}). Run python -m ml.valuation.forward_log.",
            )
        )
    with _reading:
        return _scored(*paths, _stamp(*paths))


def report_stamp(reports_dir: Path) -> tuple[int, ...]:
    """Tell one set of reports from the next, without reading any."""
    names = (REPORT, PREDICTIONS, SUMMARY, SCORED)
    return _stamp(*(reports_dir / name for name in names))


@lru_cache(maxsize=_KEPT_REPORTS)
def _backtest(report: Path, predictions: Path, stamp: tuple[int, ...]) -> Backtested:
    del stamp  # a newer report is another one
    content = _json(report)
    provenance = {key: value for key, value in content.items() if key != "results"}
    try:
        rows = _clean(pd.read_parquet(predictions, columns=PREDICTION_FIELDS))
        return Backtested(provenance, rows, segment_labels(rows))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise _damaged(predictions) from error


@lru_cache(maxsize=_KEPT_REPORTS)
def _scored(summary: Path, scored: Path, stamp: tuple[int, ...]) -> Scored:
    del stamp
    content = _json(summary)
    if not isinstance(content.get("counts"), dict):
        raise _damaged(summary)
    try:
        return Scored(content, pd.read_parquet(scored, columns=SCORED_FIELDS))
    except (OSError, ValueError) as error:
        raise _damaged(scored) from error


def _clean(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep the headline's rows whose price can be compared with, each once."""
    rows = rows[rows["protocol"] == PROTOCOL].drop_duplicates(KEYS, keep="last")
    numbers = rows[NUMBERS].apply(pd.to_numeric).astype("float64")
    numbers = numbers.where(np.isfinite(numbers))
    rows = rows.assign(**numbers, sold_date=pd.to_datetime(rows["sold_date"]))
    # A value of nothing is no value.
    rows["value_sek"] = rows["value_sek"].where(rows["value_sek"] > 0)
    rows = rows[(rows["sold_price_sek"] > 0) & rows["sold_date"].notna()]
    if rows.empty:
        raise ValueError("no sale with a price")
    return rows.reset_index(drop=True)


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path) from error
    if not isinstance(content, dict):
        raise _damaged(path)
    return content


def _damaged(path: Path) -> ReportError:
    return ReportError(
        Words(
            f"Filen {path} går inte att läsa: den är skadad, håller på att skrivas "
            "eller kommer från en annan version. Ladda om om en stund; är det likadant "
            "då, ta bort filen och kör make demo eller materialisera rapporterna i "
            "Dagster.",
            f"The file {path} cannot be read: it is damaged, is being written or comes "
            "from another version. Reload in a moment; if nothing changes, remove the "
            "file and run make demo, or materialize the reports in Dagster.",
        )
    )


def _stamp(*paths: Path) -> tuple[int, ...]:
    """Tell one version of some files from the next."""
    return tuple(
        number
        for path in paths
        if path.exists()
        for number in (path.stat().st_mtime_ns, path.stat().st_size)
    )

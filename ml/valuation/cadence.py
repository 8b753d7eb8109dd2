"""When a model is due to be trained again, and why.

What belongs here: the rules. What does not: training (``registration``), and whether
the new version may serve (``gate``).

A rule counts in the time of the data, not of the clock: a night without news, or one
run twice, trains nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pandas as pd

from ml.valuation.metrics import bias_pct
from ml.valuation.unseen import UNUSABLE, opened
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ml.folder_registry import FolderRegistry
    from ml.registry import ModelVersion
    from warehouse.settings import Settings

BIAS_SALES = 30
"""Fewest sales that a version's mean error is told by."""


@dataclass(frozen=True)
class Due:
    """Whether a model is trained again, and why or why not, in words."""

    is_due: bool
    reason: str


def due(
    newest: ModelVersion | None,
    lineage: Mapping[str, Any],
    settings: Settings,
    bias_of: Callable[[ModelVersion], float | None],
) -> Due:
    """Decide whether a model is trained again.

    Parameters
    ----------
    newest
        Its newest version, None where there is none that is whole.
    lineage
        That of a version trained now.
    settings
        The limits.
    bias_of
        Gives a version's mean error on the last month's sales, None where they are few;
        asked last, since the model has to be loaded for it.
    """
    if newest is None:
        return Due(
            True, "there is no whole version of it that kept what to be judged by"
        )
    title = f"version {newest.version}"
    now, then = lineage["inputs"], newest.lineage.get("inputs", {})
    if now == then:
        return Due(False, f"no sale and no code has changed since {title}")
    if _of_code(now) != _of_code(then):
        return Due(True, f"code, hyperparameters or time limit changed since {title}")
    days, rows_pct = _days(newest, lineage), _rows_pct(newest, lineage)
    since = (
        f"the newest sale is {days} days after the newest of {title} (due at "
        f"{settings.retrain_days}), their number has changed by {rows_pct:.1f} % (due "
        f"above {settings.retrain_rows_pct:g} %)"
    )
    if days >= settings.retrain_days or rows_pct > settings.retrain_rows_pct:
        return Due(True, since)
    bias = bias_of(newest)
    if bias is not None and abs(bias) > settings.retrain_bias_pct:
        return Due(
            True,
            f"{title} values the last month's sales {bias:+.1f} % off on average (due "
            f"beyond {settings.retrain_bias_pct:g} %)",
        )
    return Due(False, f"not due: {since}")


def bias_on_last_month(
    version: ModelVersion, sales: pd.DataFrame, registry: FolderRegistry
) -> float | None:
    """Mean error in percent on the last month's sales since a version was trained.

    None where those are few, or the version cannot be asked any more.
    """
    last_sold = pd.Timestamp(version.lineage["last_sold_date"])
    sold = sales["sold_date"]
    month = sold.max() - pd.DateOffset(months=1)
    recent = sales[(sold > last_sold) & (sold > month)]
    if len(recent) < BIAS_SALES:
        return None
    try:
        with TemporaryDirectory(prefix="slutpris-bias-") as scratch:
            folder = Path(scratch) / "model"
            registry.fetch(version.name, version.version, folder)
            value_sek = opened(version, folder).says_itself(recent)["value_sek"]
    except (SlutprisError, *UNUSABLE):
        return None
    price_sek = recent["sold_price_sek"].to_numpy(dtype=float)
    is_valued = value_sek.notna().to_numpy()
    return bias_pct(price_sek[is_valued], value_sek.to_numpy()[is_valued])


def _of_code(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: each for key, each in inputs.items() if key != "data_fingerprint"}


def _days(version: ModelVersion, lineage: Mapping[str, Any]) -> int:
    last = pd.Timestamp(version.lineage["last_sold_date"])
    return (pd.Timestamp(lineage["last_sold_date"]) - last).days


def _rows_pct(version: ModelVersion, lineage: Mapping[str, Any]) -> float:
    then = version.lineage["rows"]
    return 100 * abs(lineage["rows"] - then) / then

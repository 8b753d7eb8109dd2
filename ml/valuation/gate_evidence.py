"""What the gate judges by: the recent sales, and what each contender says of them.

What belongs here: choosing the sales, opening versions, asking them. What does not: the
rules (``gate_rules``).
"""

from __future__ import annotations

import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pandas as pd

from ml.registry import RegistryError
from ml.valuation.baselines import IndexedComparablesModel
from ml.valuation.gate_rules import (
    CHALLENGER,
    CHAMPION,
    COMPARABLES,
    SEED_RECIPE,
    Answers,
)
from ml.valuation.models import new_model
from ml.valuation.training import recent_since, said_of
from ml.valuation.unseen import UNUSABLE, opened
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from ml.champions import Champions
    from ml.registry import ModelVersion
    from ml.valuation.models import PriceModel
    from warehouse.settings import Settings

logger = logging.getLogger(__name__)

SLICED_BY = (
    *("district", "city_district", "living_area_m2", "construction_year"),
    *("comparables_weight", "confidence_class"),
)
"""Columns that slices are cut by; absent ones count as missing."""


class CannotBeJudgedError(SlutprisError):
    """A version carries nothing to judge it by, or cannot be asked; it says why."""


class _NoRivalError(SlutprisError):
    """There is nothing that a version has to beat; it says why."""


def recent_sales(sales: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Give the sales of the last months, or of more where those hold few."""
    sold = sales["sold_date"]
    since = recent_since(sold, settings.gate_months, settings.gate_sales)
    return sales[sold >= since]


def gather(
    challenger: ModelVersion,
    champions: Champions,
    sales: pd.DataFrame,
    settings: Settings,
) -> Answers:
    """Ask every contender of the recent sales.

    Parameters
    ----------
    challenger
        The version that would serve.
    champions
        Its registry, and what serves now.
    sales
        All described sales, oldest first.
    settings
        How many months, and threads.

    Raises
    ------
    SlutprisError
        When the challenger cannot be asked, or has kept nothing to be judged by.
    """
    window = recent_sales(sales, settings)
    missing: dict[str, str] = {}
    with TemporaryDirectory(prefix="slutpris-gate-") as scratch:
        folder = Path(scratch)
        unseen, itself = _challenger(challenger, champions, window, folder)
        said = {CHALLENGER: unseen}
        try:
            said[CHAMPION] = _champion(
                challenger, champions, window, folder, settings.gate_min_sales
            )
        except _NoRivalError as error:
            missing[CHAMPION] = str(error)
        said[COMPARABLES] = _said(IndexedComparablesModel(), window)
        said[SEED_RECIPE] = _seed_recipe(champions, sales, window, settings, folder)
    return _answers(window, said, itself, missing)


def _challenger(
    version: ModelVersion, champions: Champions, window: pd.DataFrame, folder: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give what its recipe said unseen, and what its files say themselves."""
    name, title = version.name, f"{version.name} version {version.version}"
    copy = champions.registry.fetch(name, version.version, folder / CHALLENGER)
    try:
        own = opened(version, copy)
        if own.held_out is None:
            raise CannotBeJudgedError(
                f"{title} has kept nothing that it said of sales unseen, so it cannot "
                f"be judged; train it again: materialize models/{name}"
            )
        return own.says_unseen(window), own.says_itself(window)
    except UNUSABLE as error:
        raise CannotBeJudgedError(
            f"{title} cannot be loaded and asked ({error!r}); train it again: "
            f"materialize models/{name} with SLUTPRIS_RETRAIN_DAYS=0"
        ) from error


def _champion(
    challenger: ModelVersion,
    champions: Champions,
    window: pd.DataFrame,
    folder: Path,
    fewest: int,
) -> pd.DataFrame:
    """Give what the version that serves said of sales unseen."""
    into = folder / CHAMPION
    into.mkdir()
    try:
        found = champions.fetch_incumbent(challenger.name, challenger.version, into)
        if found is None:
            raise _NoRivalError("no version has served before")
        version = found[0].version
        if version.version == challenger.version:
            raise _NoRivalError("it is the version that serves")
        rival = opened(version, found[1])
        said = rival.says_unseen(window)
    except (RegistryError, *UNUSABLE) as error:
        raise _NoRivalError(f"what serves cannot be asked: {error}") from error
    if rival.held_out is None and len(said) < fewest:
        raise _NoRivalError(
            f"version {version.version}, which serves, has kept nothing that it said "
            "of sales unseen, so it cannot be held against"
        )
    return said


def _seed_recipe(
    champions: Champions,
    sales: pd.DataFrame,
    window: pd.DataFrame,
    settings: Settings,
    folder: Path,
) -> pd.DataFrame:
    """Ask its newest version; where there is none to ask, one fitted on the spot."""
    newest = champions.registry.newest_whole(SEED_RECIPE)
    if newest is not None:
        into = folder / SEED_RECIPE
        try:
            copy = champions.registry.fetch(SEED_RECIPE, newest.version, into)
            kept = opened(newest, copy)
            if kept.held_out is not None:
                return kept.says_unseen(window)
        except UNUSABLE as error:
            logger.warning("fits the seed recipe anew, its version fails: %r", error)
    earlier = sales[sales["sold_date"] < window["sold_date"].min()]
    return _said(new_model(SEED_RECIPE, settings).fit(earlier), window)


def _said(model: PriceModel, window: pd.DataFrame) -> pd.DataFrame:
    return said_of(model, window).set_index("sale_id")


def _answers(
    window: pd.DataFrame,
    said: dict[str, pd.DataFrame],
    itself: pd.DataFrame,
    missing: dict[str, str],
) -> Answers:
    sales = window.set_index("sale_id")
    value_sek = pd.DataFrame(
        {name: _answered(each).reindex(sales.index) for name, each in said.items()}
    )
    own = said[CHALLENGER].reindex(sales.index)
    return Answers(
        _sliceable(sales),
        value_sek.where(value_sek > 0),
        own["low_sek"],
        own["high_sek"],
        itself["value_sek"].reindex(sales.index),
        sales.index.intersection(said[CHALLENGER].index),
        missing,
        _most_common(said[CHALLENGER]["refusal_reason"]),
    )


def _most_common(reasons: pd.Series) -> str:
    """Name the reason given most often; empty where none was."""
    counts = reasons.dropna().value_counts()
    return "" if counts.empty else str(counts.index[0])


def _answered(said: pd.DataFrame) -> pd.Series:
    """Give the values of the sales that were not refused."""
    return said["value_sek"].astype(float).where(said["refusal_reason"].isna())


def _sliceable(sales: pd.DataFrame) -> pd.DataFrame:
    """Give sales the columns that segments are told by."""
    platform = sales.index.str.partition(":")
    return sales.reindex(columns=["sold_date", "sold_price_sek", *SLICED_BY]).assign(
        protocol="gate",
        platform=platform.get_level_values(0),
        source_id=platform.get_level_values(2),
    )

"""What a registered version says of sales that it has not learnt from.

What belongs here: opening a version, and asking it about nothing it has seen. What does
not: judging the answers (``gate_rules``, ``cadence``).

A version carries what its recipe said of the newest sales when it was fitted on the
earlier ones (``training.HELD_OUT``). Of sales that came later the model itself is
asked. It learnt from those in between, so about them it is not asked at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pickle import PickleError
from typing import TYPE_CHECKING

import pandas as pd

from ml.valuation.models import load_model
from ml.valuation.training import HELD_OUT, HELD_OUT_COLUMNS, said_of

if TYPE_CHECKING:
    from pathlib import Path

    from ml.registry import ModelVersion
    from ml.valuation.models import PriceModel

UNUSABLE = (
    *(OSError, LookupError, TypeError, ValueError, AttributeError, ImportError),
    *(EOFError, PickleError),
)
"""What loading and asking files raise that another release of the code has written."""


@dataclass(frozen=True)
class OpenedVersion:
    """A version loaded from a verified copy, and what its recipe said when judged."""

    version: ModelVersion
    model: PriceModel
    held_out: pd.DataFrame | None

    @property
    def unseen_since(self) -> pd.Timestamp | None:
        """The first day of whose sales something is known that is not learnt."""
        if self.held_out is not None:
            return self.held_out["sold_date"].min()
        last_sold = self.version.lineage.get("last_sold_date")
        return pd.Timestamp(last_sold) + pd.Timedelta(days=1) if last_sold else None

    def says_unseen(self, sales: pd.DataFrame) -> pd.DataFrame:
        """Give what it says of those sales that it has not learnt from.

        Returns
        -------
        A row per sale of those, as ``training.said_of`` has it, indexed by ``sale_id``.
        """
        since = self.unseen_since
        if since is None:
            return _indexed(said_of(self.model, sales.iloc[:0]))
        kept = self.held_out
        if kept is None:
            return _indexed(said_of(self.model, sales[sales["sold_date"] >= since]))
        is_kept = sales["sale_id"].isin(kept["sale_id"])
        later = sales[~is_kept & (sales["sold_date"] >= since)]
        known = _indexed(kept[kept["sale_id"].isin(sales["sale_id"])])
        if later.empty:
            return known
        return pd.concat([known, _indexed(said_of(self.model, later))])

    def says_itself(self, sales: pd.DataFrame) -> pd.DataFrame:
        """Give what the model that would serve says, of sales it has learnt too."""
        return _indexed(said_of(self.model, sales))


def opened(version: ModelVersion, folder: Path) -> OpenedVersion:
    """Load a version from a verified copy of its files.

    Raises
    ------
    SlutprisError
        When the folder holds no model of ours.
    """
    path = folder / HELD_OUT
    held_out = pd.read_parquet(path) if path.exists() else None
    return OpenedVersion(version, load_model(folder), held_out)


def _indexed(said: pd.DataFrame) -> pd.DataFrame:
    return said.set_index("sale_id")[list(HELD_OUT_COLUMNS)].astype(
        {"value_sek": float, "low_sek": float, "high_sek": float}
    )

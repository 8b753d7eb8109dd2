"""Valuations of a backtest kept fit by fit, so that an interrupted run goes on.

What belongs here: files that a later run of the same plan, rows and code finds again.
What does not: the finished report.
"""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from pathlib import Path


class Checkpoints:
    """A folder of finished fits, below a name made of what they rest on.

    Parameters
    ----------
    folder
        Where to keep them; made at the first ``put``.
    rests_on
        Rows, code and settings: with another of these nothing is found.
    """

    def __init__(self, folder: Path, *rests_on: object) -> None:
        self._folder = folder / _digest(*rests_on)

    def has(self, *key: str) -> bool:
        """Tell whether a fit is kept."""
        return self._path(*key).exists()

    def get(self, *key: str) -> pd.DataFrame:
        """Read the rows of a fit that is kept."""
        return pd.read_parquet(self._path(*key))

    def put(self, rows: pd.DataFrame, *key: str) -> None:
        """Keep the rows of a fit; a file that is there is whole."""
        path = self._path(*key)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        rows.to_parquet(partial, index=False)
        partial.replace(path)

    def _path(self, *key: str) -> Path:
        return self._folder / f"{_digest(*key)}.parquet"


def remove_checkpoints(folder: Path) -> None:
    """Remove all, those of earlier code or rows too, once the report is written."""
    shutil.rmtree(folder, ignore_errors=True)


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

"""Columns of a frame as plain arrays, in microseconds also for a frame of one home.

What belongs here: reading numbers and flags. What does not: which columns there are.
Pandas' own operations cost as much for one row as for ten thousand, and a home is
valued one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def floats(frame: pd.DataFrame, name: str) -> np.ndarray:
    """Read a column as doubles, NaN where it is null; not to be written to."""
    values = frame[name]
    if values.dtype == np.float64:
        return values.to_numpy()
    return values.to_numpy(dtype=np.float64, na_value=np.nan)


def is_imputed(frame: pd.DataFrame, name: str) -> np.ndarray:
    """Tell where a fact is a guess; where that is not said, it is taken to be one."""
    flags = frame[f"is_{name}_imputed"]
    if flags.dtype == np.bool_:
        return flags.to_numpy()
    return flags.to_numpy(dtype=bool, na_value=True)


def known_floats(frame: pd.DataFrame, name: str) -> np.ndarray:
    """Read a column as doubles, NaN also where it is imputed."""
    return np.where(is_imputed(frame, name), np.nan, floats(frame, name))

"""Columns of homes as plain arrays, of a frame of many or of the few of an answer.

What belongs here: rows of a few homes without a frame around them, and reading numbers,
flags and dates of either. What does not: which columns there are. Pandas' own
operations cost as much for one row as for ten thousand, and a home is valued one by
one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pandas.api.extensions import ExtensionArray


class Table(Protocol):
    """Rows that columns are read of by name: a frame, or ``Columns``."""

    @property
    def index(self) -> pd.Index:
        """Labels of the rows."""
        ...

    def __getitem__(self, name: str, /) -> Any:  # noqa: ANN401 - a series or an array
        """Give a column."""
        ...

    def __contains__(self, name: object, /) -> bool:
        """Tell whether there is such a column."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """Give the columns' names."""
        ...

    def __len__(self) -> int:
        """Count the rows."""
        ...


class Columns:
    """The columns of a few homes by name; rows align, and nothing is written to."""

    def __init__(self, arrays: Mapping[str, np.ndarray | ExtensionArray]) -> None:
        self._arrays = arrays

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Columns:
        """Take the columns of a frame."""
        return cls(
            {
                str(name): each.to_numpy() if _is_plain(each.dtype) else each.array
                for name, each in frame.items()
            }
        )

    def frame(self) -> pd.DataFrame:
        """Make the frame of the same rows."""
        return pd.DataFrame(self._arrays, copy=True)

    def row(self, position: int) -> dict[str, Any]:
        """Give one home's values."""
        return {name: values[position] for name, values in self._arrays.items()}

    def only(self, position: int) -> Columns:
        """Give the columns of one home."""
        rows = slice(position, position + 1)
        return Columns({name: values[rows] for name, values in self._arrays.items()})

    def with_columns(self, **arrays: np.ndarray) -> Columns:
        """Add or replace columns."""
        return Columns({**self._arrays, **arrays})

    @property
    def index(self) -> pd.Index:
        """Positions."""
        return pd.RangeIndex(len(self))

    def __getitem__(self, name: str, /) -> np.ndarray | ExtensionArray:
        """Give a column."""
        return self._arrays[name]

    def __contains__(self, name: object, /) -> bool:
        """Tell whether there is such a column."""
        return name in self._arrays

    def __iter__(self) -> Iterator[str]:
        """Give the columns' names."""
        return iter(self._arrays)

    def __len__(self) -> int:
        """Count the rows."""
        return len(next(iter(self._arrays.values()), ()))


def floats(table: Table, name: str) -> np.ndarray:
    """Read a column as doubles, NaN where it is null; not to be written to."""
    values = table[name]
    if values.dtype == np.float64:
        return np.asarray(values)
    if isinstance(values, np.ndarray):
        return values.astype(np.float64)
    return values.to_numpy(dtype=np.float64, na_value=np.nan)


def texts(table: Table, name: str) -> np.ndarray:
    """Read a column of names, empty where there is none."""
    values = np.asarray(table[name], dtype=object)
    return np.where(pd.isna(values), "", values)


def is_imputed(table: Table, name: str) -> np.ndarray:
    """Tell where a fact is a guess; where that is not said, it is taken to be one."""
    flags = table[f"is_{name}_imputed"]
    if flags.dtype == np.bool_:
        return np.asarray(flags)
    return flags.to_numpy(dtype=bool, na_value=True)


def known_floats(table: Table, name: str) -> np.ndarray:
    """Read a column as doubles, NaN also where it is imputed."""
    return np.where(is_imputed(table, name), np.nan, floats(table, name))


def _is_plain(dtype: object) -> bool:
    return isinstance(dtype, np.dtype)

"""A statistical file, read: every figure with the words the file says about it.

What belongs here: what the readers of all formats hand on. What does not: the formats
(``csv_files``, ``json_files``) and what a figure means (``figures``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

MISSING = {"", ".", "..", "...", "-", "–", "n/a", "na", "null"}
"""What stands where a figure is not published."""


@dataclass(frozen=True)
class Cell:
    """One figure; ``row`` counts data rows, or JSON values, from 1."""

    row: int
    period: str
    value: float | None
    facets: tuple[str, ...]
    """Codes and labels of its dimensions and of its contents."""


@dataclass(frozen=True)
class StatisticsFile:
    """A file of Riksbanken or SCB."""

    path: Path
    sha256: str
    title: str
    """The table's, without the names of its dimensions; empty where it has none."""
    published_on: dt.date | None
    """The day the file itself says it was published, if it does."""
    cells: list[Cell]

    def error(self, problem: str, row: int | None = None) -> SlutprisError:
        """Say what is wrong with the file, and in which row."""
        return file_error(self.path, problem, row)


def file_error(path: Path, problem: str, row: int | None = None) -> SlutprisError:
    """Say what is wrong with a file, and in which row."""
    where = f"{path}, row {row}" if row else str(path)
    return SlutprisError(f"{where}: {problem}; nothing of it landed")

"""Reading a file of Riksbanken or SCB, whichever its format.

What belongs here: opening it and telling CSV from JSON. What does not: the formats.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from warehouse.economy.cells import StatisticsFile
from warehouse.economy.csv_files import csv_cells
from warehouse.economy.json_files import json_cells
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from pathlib import Path


def read_file(path: Path) -> StatisticsFile:
    """Read a file of Riksbanken or SCB.

    Raises
    ------
    SlutprisError
        When it cannot be read, or a row is not of the format; nothing is guessed.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SlutprisError(f"cannot read {path}: {error.strerror}") from error
    # SCB has written CSV in either; what is no UTF-8 is Latin 1.
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    sha256 = hashlib.sha256(content).hexdigest()
    if text.lstrip()[:1] in ("{", "["):
        title, published_on, cells = json_cells(path, text)
        return StatisticsFile(path, sha256, title, published_on, cells)
    title, cells = csv_cells(path, text)
    return StatisticsFile(path, sha256, title, None, cells)

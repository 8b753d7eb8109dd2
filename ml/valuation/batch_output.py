"""Results of a file of homes, as bytes of a file that spreadsheets open.

What belongs here: writing, and what a spreadsheet could take for a formula. What does
not: which columns there are (``batch``) and reading (``batch_files``).
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import pandas as pd
from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

if TYPE_CHECKING:
    from openpyxl.cell.cell import Cell
    from openpyxl.worksheet._write_only import WriteOnlyWorksheet

    from ml.valuation.words import Language

LONGEST_CELL = 32_767
"""Characters in a cell of Excel."""
NEGATIVE = re.compile(r"-\d+([.,]\d+)?")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def as_csv(frame: pd.DataFrame, language: Language = "en") -> bytes:
    """Write results as CSV that a spreadsheet opens by itself.

    Swedish spreadsheets want semicolons between cells and commas in numbers.
    """
    is_swedish = language == "sv"
    text = without_formulas(frame).to_csv(
        index=False, sep=";" if is_swedish else ",", decimal="," if is_swedish else "."
    )
    return text.encode("utf-8-sig")


def as_excel(frame: pd.DataFrame) -> bytes:
    """Write results as an Excel file: text is text, never a formula."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Slutpris")
    sheet.freeze_panes = "A2"
    for position, name in enumerate(frame.columns, start=1):
        column = sheet.column_dimensions[get_column_letter(position)]
        column.width = min(max(len(str(name)) + 2, 12), 40)
    sheet.append([_excel_cell(sheet, name, is_bold=True) for name in frame.columns])
    for row in frame.itertuples(index=False, name=None):
        sheet.append([_excel_cell(sheet, value) for value in row])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """Give text that a spreadsheet would run as a formula an apostrophe before it."""
    guarded = frame.rename(columns=_guarded)
    is_text = [frame[name].dtype.kind not in "biufM" for name in frame]
    for name, text in zip(guarded, is_text, strict=True):
        if text:
            guarded[name] = guarded[name].map(_guarded)
    return guarded


def _guarded(value: Any) -> Any:  # noqa: ANN401 - a cell
    if not isinstance(value, str) or not value.startswith(FORMULA_STARTS):
        return value
    return value if NEGATIVE.fullmatch(value) else f"'{value}"


def _excel_cell(
    sheet: WriteOnlyWorksheet,
    value: Any,  # noqa: ANN401 - a cell
    *,
    is_bold: bool = False,
) -> Cell:
    if pd.isna(value):
        return WriteOnlyCell(sheet)
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, str):
        plain = ILLEGAL_CHARACTERS_RE.sub("", plain)[:LONGEST_CELL]
    cell = WriteOnlyCell(sheet, plain)
    if isinstance(plain, str):
        cell.data_type = "s"  # openpyxl takes what begins with = for a formula
    if is_bold:
        cell.font = Font(bold=True)
    return cell

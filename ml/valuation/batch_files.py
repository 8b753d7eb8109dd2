"""Files of homes, as a person has them: from bytes to rows of text.

What belongs here: formats, encodings, headings and limits. What does not: valuing
(``batch``), words of rows (``batch_words``) and files of results (``batch_output``). A
file is a stranger's: nothing in it may cost more memory than its limits say.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from ml.valuation.batch_words import FIELD_HEADINGS, FIELD_OF, heading_key, shortened
from ml.valuation.words import Words
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MOST_BYTES = 5_000_000
MOST_ROWS = 5_000
MOST_COLUMNS = 100
MOST_UNPACKED_BYTES = 20_000_000
"""Of an Excel file, which is packed: a small one may hold gigabytes."""
MOST_PART_BYTES = 2_000_000
"""Of the parts of an Excel file that are read whole."""
STREAMED_PARTS = ("xl/worksheets/", "xl/sharedStrings.xml")
EXCEL_ROWS = 1_048_576
_BROKEN_EXCEL = (
    *(zipfile.BadZipFile, zlib.error, InvalidFileException, SyntaxError, OSError),
    *(ValueError, TypeError, AttributeError, LookupError, EOFError, RuntimeError),
)
"""What openpyxl lets through, of whatever a broken part trips it on."""

DELIMITERS = (";", ",", "\t")
REQUIRED = ("address", "living_area_m2")

TOO_LARGE = Words(
    "Filen är {given_sv} MB; högst {most_sv} MB går att ladda upp. Dela den i flera "
    "filer eller ta bort kolumner som inte behövs.",
    "The file is {given} MB; at most {most} MB can be uploaded. Split it into several "
    "files or drop columns that are not needed.",
)
TOO_MANY_ROWS = Words(
    "Filen har fler än {most} rader. Dela den i flera filer, eller kör "
    "python -m ml.valuation.value --batch, som inte har någon gräns.",
    "The file has more than {most} rows. Split it into several files, or run "
    "python -m ml.valuation.value --batch, which has no limit.",
)
UNPACKS_TOO_LARGE = Words(
    "Excelfilen är för stor när den packas upp. Spara bladet som CSV och försök igen.",
    "The Excel file is too large when unpacked. Save the sheet as CSV and try again.",
)
UNKNOWN_KIND = Words(
    "Filen ska vara CSV (.csv) eller Excel (.xlsx); ”{name}” är ingetdera. Spara om "
    "den i ett av formaten.",
    "The file must be CSV (.csv) or Excel (.xlsx); “{name}” is neither. Save it in one "
    "of these formats.",
)
NOT_EXCEL = Words(
    "Filen går inte att läsa som Excel. Öppna den i ett kalkylprogram och spara den "
    "som .xlsx.",
    "The file cannot be read as Excel. Open it in a spreadsheet program and save it "
    "as .xlsx.",
)
NOT_CSV = Words(
    "Filen går inte att läsa som CSV ({reason}). Öppna den i ett kalkylprogram och "
    "spara om den.",
    "The file cannot be read as CSV ({reason}). Open it in a spreadsheet program and "
    "save it again.",
)
NO_ROWS = Words(
    "Filen har inga rader under rubrikraden.",
    "The file has no rows below its headings.",
)
NO_COLUMN = Words(
    "Filen saknar kolumnen {names_sv}. Rubrikerna som lästes är: {found}.",
    "The file has no column {names_en}. The headings read are: {found}.",
)
TWICE = Words(
    "Två kolumner betyder samma sak: {names}. Ta bort eller döp om en av dem.",
    "Two columns mean the same: {names}. Drop or rename one of them.",
)
TOO_MANY_COLUMNS = Words(
    "Filen har fler än {most} kolumner. Ta bort dem som inte behövs.",
    "The file has more than {most} columns. Drop those that are not needed.",
)


class BatchFileError(SlutprisError):
    """A file that cannot be valued at all; ``words`` says why and what to do."""

    def __init__(self, words: Words, **given: object) -> None:
        self.words = Words(words.sv.format(**given), words.en.format(**given))
        super().__init__(self.words.en)


@dataclass(frozen=True)
class Limits:
    """How much of a file is accepted."""

    most_bytes: int = MOST_BYTES
    most_rows: int = MOST_ROWS


NO_LIMITS = Limits(10**12, 10**12)
"""For who runs it on a machine of their own."""


@dataclass(frozen=True)
class Table:
    """A file's cells as text.

    Attributes
    ----------
    frame
        A column for each heading, a row for each home.
    numbers
        Of the rows, as a spreadsheet counts them: the headings are row 1.
    widths
        How many cells each row had in the file.
    """

    frame: pd.DataFrame
    numbers: list[int]
    widths: list[int]

    @property
    def unused_headings(self) -> list[str]:
        """Columns that are carried along without being read."""
        headings = [str(name) for name in self.frame]
        return [name for name in headings if heading_key(name) not in FIELD_OF]


def read_table(name: str, content: bytes, limits: Limits | None = None) -> Table:
    """Read a CSV or an Excel file, by its name's ending.

    Raises
    ------
    BatchFileError
        When it cannot be read, is too large, or lacks a column that is needed.
    """
    limits = limits or Limits()
    if len(content) > limits.most_bytes:
        raise too_large(len(content), limits.most_bytes)
    ending = name.lower().rpartition(".")[2]
    if ending not in ("csv", "xlsx"):
        raise BatchFileError(UNKNOWN_KIND, name=shortened(name))
    lines = _csv_lines(content) if ending == "csv" else _excel_lines(content)
    table = _table(lines, limits)
    check_columns(table.frame)
    return table


def too_large(size_bytes: int, most_bytes: int = MOST_BYTES) -> BatchFileError:
    """Make the refusal of a file for its size."""
    given, most = (f"{size / 1e6:.1f}" for size in (size_bytes, most_bytes))
    return BatchFileError(
        TOO_LARGE,
        given=given,
        most=most,
        given_sv=given.replace(".", ","),
        most_sv=most.replace(".", ","),
    )


def fields_of(headings: Iterable[object]) -> list[str | None]:
    """Give the field of a request that each column holds, None where it is none."""
    return [FIELD_OF.get(heading_key(str(heading))) for heading in headings]


def check_columns(frame: pd.DataFrame) -> None:
    """Refuse a file without homes or a column that is needed, or with one twice.

    Raises
    ------
    BatchFileError
        It says which.
    """
    fields = fields_of(frame)
    if absent := [name for name in REQUIRED if name not in fields]:
        found = ", ".join(shortened(heading) for heading in frame.columns[:20])
        raise _no_column(absent, found)
    for name in set(fields) - {None}:
        same = [
            shortened(heading)
            for heading, of_heading in zip(frame, fields, strict=True)
            if of_heading == name
        ]
        if len(same) > 1:
            raise BatchFileError(TWICE, names=", ".join(same))
    if frame.empty:
        raise BatchFileError(NO_ROWS)


def _no_column(absent: Sequence[str], found: str) -> BatchFileError:
    titles = [FIELD_HEADINGS[name] for name in absent]
    english = (
        f"{name} (or “{title.en}”)" for name, title in zip(absent, titles, strict=True)
    )
    return BatchFileError(
        NO_COLUMN,
        names_sv=", ".join(f"”{title.sv}”" for title in titles),
        names_en=", ".join(english),
        found=found or "–",
    )


def _table(lines: Iterator[list[str]], limits: Limits) -> Table:
    """Gather numbered rows below the headings; those of blanks are left out."""
    headings = _headings(next(lines, []))
    rows, numbers, widths = [], [], []
    for number, cells in enumerate(lines, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(rows) == limits.most_rows:
            raise BatchFileError(TOO_MANY_ROWS, most=limits.most_rows)
        rows.append((cells + [""] * len(headings))[: len(headings)])
        numbers.append(number)
        widths.append(_filled(cells))
    return Table(pd.DataFrame(rows, columns=headings, dtype=str), numbers, widths)


def _headings(cells: list[str]) -> list[str]:
    """Name every column up to the last with a heading, each by a name of its own."""
    width = _filled(cells)
    if width > MOST_COLUMNS:
        raise BatchFileError(TOO_MANY_COLUMNS, most=MOST_COLUMNS)
    names: list[str] = []
    for position, cell in enumerate(cells[:width], start=1):
        name = cell.strip() or f"({position})"
        names.append(f"{name} ({position})" if name in names else name)
    return names


def _filled(cells: Sequence[str]) -> int:
    """Count cells up to the last that holds something."""
    return max((n for n, cell in enumerate(cells, 1) if cell.strip()), default=0)


def _csv_lines(content: bytes) -> Iterator[list[str]]:
    text = decoded(content)
    delimiter = _delimiter_of(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        yield from reader
    except csv.Error as error:
        raise BatchFileError(NOT_CSV, reason=error) from error


def decoded(content: bytes) -> str:
    """Read text in UTF-8, in UTF-16 that says so, else in Windows-1252."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _delimiter_of(text: str) -> str:
    """Take what splits the first line into the most headings that are known."""
    first = text.lstrip("\r\n").splitlines()[:1]

    def known(delimiter: str) -> tuple[int, int]:
        try:
            headings = next(csv.reader(first, delimiter=delimiter), [])
        except csv.Error:
            return 0, 0
        found = sum(heading_key(heading) in FIELD_OF for heading in headings)
        return found, len(headings)

    return max(DELIMITERS, key=known)


def _excel_lines(content: bytes) -> Iterator[list[str]]:
    """Yield the rows of the first sheet, one at a time."""
    try:
        _check_unpacked_size(content)
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        sheet = book.worksheets[0]
        # The bounds are Excel's and ours: what a file says of its size is not checked.
        for row in sheet.iter_rows(
            max_row=EXCEL_ROWS, max_col=MOST_COLUMNS + 1, values_only=True
        ):
            is_blank = all(value is None for value in row)
            yield [] if is_blank else [_cell_text(value) for value in row]
    except _BROKEN_EXCEL as error:
        raise BatchFileError(NOT_EXCEL) from error


def _check_unpacked_size(content: bytes) -> None:
    """Refuse an Excel file that would fill the memory; zipfile holds it to its word."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = archive.infolist()
    whole = [part for part in parts if not part.filename.startswith(STREAMED_PARTS)]
    if (
        sum(part.file_size for part in parts) > MOST_UNPACKED_BYTES
        or sum(part.file_size for part in whole) > MOST_PART_BYTES
    ):
        raise BatchFileError(UNPACKS_TOO_LARGE)


def _cell_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        return f"{value.date()}" if value.time() == dt.time() else f"{value}"
    if isinstance(value, float) and value.is_integer():
        return f"{value:.0f}"
    return str(value)

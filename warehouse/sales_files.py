"""Recognising and reading files of sales: CSV, Parquet, and the seed's own CSV.

What belongs here: which file is of which shape, what its columns mean, and its rows as
text. What does not: whether a value is good (``sales_checks``), and the warehouse's
tables (``land``).
"""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import parquet

from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator
    from pathlib import Path

COLUMNS = (
    "platform",
    "source_id",
    "url",
    "address",
    "area",
    "municipality",
    "sold_date",
    "sold_price",
    "list_price",
    "living_area",
    "rooms",
    "fee",
    "operating_cost_year",
    "floor",
    "construction_year",
    "lat",
    "lon",
    "object_type",
    "agency",
)
REQUIRED_COLUMNS = ("address", "sold_date", "sold_price", "living_area")

# The seed wrote a street without its spaces and its first number: `Sankt Eriksgatan 2A`
# became `SanktEriksgatanA` and `2`, `Storgatan 1-3` became `Storgatan3` and `1`.
_SEED_STREET = (
    r"regexp_replace(regexp_replace({streetName},"
    r" '([\p{{Ll}}.])(?:(\d+)|(\p{{Lu}}))$', '\1'),"
    r" '(\p{{Ll}})(\p{{Lu}})', '\1 \2', 'g')"
)
_SEED_NUMBER_TAIL = (
    r"coalesce("
    r"nullif('-' || regexp_extract({streetName}, '[\p{{Ll}}.](\d+)$', 1), '-'),"
    r" regexp_extract({streetName}, '[\p{{Ll}}.](\p{{Lu}})$', 1), '')"
)
SEED_EXPRESSIONS = {
    "platform": "'booli'",
    "url": r"regexp_replace({link}, '^-?\d+-', '')",
    "address": (
        "case when {streetName} is null or trim({streetName}) = '' then null"
        " when {streetName} = 'Adresssaknas' then 'Adress saknas'"
        f" else trim({_SEED_STREET} || ' '"
        f" || coalesce(trim({{number}}), '') || {_SEED_NUMBER_TAIL}) end"
    ),
    "area": r"regexp_replace({area}, '(\p{{Ll}})(\p{{Lu}})', '\1 \2', 'g')",
    "sold_date": "{Såld eller borttagen}",
    "sold_price": "{Slutpris}",
    "list_price": "{Utropspris}",
    "living_area": "{sqm}",
    "rooms": "{rooms}",
    "fee": "{Avgift}",
    # Its text that is no number goes through as it is, to be named in the quarantine.
    "operating_cost_year": (
        "coalesce(cast(12 * try_cast({Driftskostnad} as double) as varchar),"
        " {Driftskostnad})"
    ),
    "floor": "{Våning}",
    "construction_year": "{Byggår}",
    "object_type": "{Bostadstyp}",
    "agency": "{agency}",
    "brf_name": "{BRF}",
    "energy_class": "{Energiklass}",
}
"""The columns of :data:`COLUMNS` (and two more) out of the seed's 21, as SQL."""

SEED_COLUMNS = (
    "link",
    "area",
    "streetName",
    "number",
    "sqm",
    "rooms",
    "Slutpris",
    "Utropspris",
    "Prisutveckling",
    "Såld eller borttagen",
    "Slutpris/m²",
    "Dagar på Booli",
    "Avgift",
    "Bostadstyp",
    "Driftskostnad",
    "Våning",
    "Byggår",
    "BRF",
    "brfLink",
    "Energiklass",
    "agency",
)
SEED_REQUIRED_COLUMNS = (
    "streetName",
    "number",
    "sqm",
    "Slutpris",
    "Såld eller borttagen",
)
# They follow from others, or the seed left them blank: there is no raw column for them.
SEED_UNUSED_COLUMNS = ("Prisutveckling", "Slutpris/m²", "Dagar på Booli", "brfLink")

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
ROWS_PER_BATCH = 50_000


@dataclass(frozen=True)
class SalesFile:
    """A file of sales whose shape is known; its rows are not read yet."""

    path: Path
    format: str
    """``csv``, ``parquet`` or ``seed_csv``, as in ``raw.landed_files``."""
    columns: tuple[str, ...]
    """Column names as written; the n-th is staged as ``c<n>``, counted from 0."""

    @property
    def name(self) -> str:
        """The name alone, without its folder."""
        return self.path.name

    @property
    def ignored_columns(self) -> tuple[str, ...]:
        """Columns that are not landed: unknown ones, and the seed's derived ones."""
        known = (
            set(SEED_COLUMNS) - set(SEED_UNUSED_COLUMNS)
            if self.format == "seed_csv"
            else set(COLUMNS)
        )
        return tuple(column for column in self.columns if column not in known)

    def texts(self) -> dict[str, str]:
        """Give the SQL of each landed column's text, over the staged columns."""
        staged = {name: f"c{index}" for index, name in enumerate(self.columns)}
        if self.format == "seed_csv":
            null = dict.fromkeys(SEED_COLUMNS, "cast(null as varchar)")
            return {
                name: expression.format_map({**null, **staged})
                for name, expression in SEED_EXPRESSIONS.items()
            }
        return {name: staged[name] for name in COLUMNS if name in staged}

    def sha256(self) -> str:
        """Digest the file's bytes: the same file is never landed twice."""
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def batches(self) -> Iterator[pa.Table]:
        """Rows in order, in batches: ``row_number, malformed, record, c0, c1, ...``.

        A malformed row (a CSV line with too few or too many fields) says why in
        ``malformed``, and keeps what it held in ``record``.

        Raises
        ------
        SlutprisError
            When the file turns out to be unreadable on the way.
        """
        if self.format == "parquet":
            return _parquet_batches(self)
        return _csv_batches(self)


def recognise(path: Path) -> SalesFile:
    """Look at a file's first bytes and its columns, and say what it is.

    Raises
    ------
    SlutprisError
        When it is absent, no file of sales, or lacks a required column.
    """
    head = _head(path)
    extension = path.suffix.lower()
    if extension == ".parquet":
        return _recognise_parquet(path, head)
    if extension == ".csv":
        return _recognise_csv(path, head)
    raise SlutprisError(
        f"{path} has the extension '{path.suffix}'; expected .csv or .parquet"
    )


def _head(path: Path) -> bytes:
    if not path.exists():
        raise SlutprisError(f"there is no file {path}")
    if not path.is_file():
        raise SlutprisError(f"{path} is a folder; expected a file, .csv or .parquet")
    try:
        with path.open("rb") as stream:
            head = stream.read(4096)
    except OSError as error:
        raise SlutprisError(f"cannot read {path} ({error.strerror})") from error
    if not head.strip():
        raise SlutprisError(f"{path} is empty; expected a file of sales")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        raise SlutprisError(
            f"{path} looks like HTML (a saved web page?), not like "
            f"{path.suffix.lstrip('.') or 'a file of sales'}; download the file itself"
        )
    return head


def _recognise_parquet(path: Path, head: bytes) -> SalesFile:
    if not head.startswith(b"PAR1"):
        raise SlutprisError(
            f"{path} is not Parquet (it does not begin with PAR1); "
            "if it is CSV, name it .csv"
        )
    try:
        names = parquet.read_schema(path).names
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error
    columns = _checked_columns(path, names, REQUIRED_COLUMNS)
    return SalesFile(path, "parquet", columns)


def _recognise_csv(path: Path, head: bytes) -> SalesFile:
    if head.startswith(b"PAR1"):
        raise SlutprisError(f"{path} is Parquet named .csv; name it .parquet")
    if b"\0" in head:
        raise SlutprisError(f"{path} is not UTF-8 text; save it as CSV in UTF-8")
    headers = {mark: _csv_header(path, mark) for mark in DELIMITERS}
    if {"streetName", "Slutpris"} <= set(headers[";"]):
        columns = _checked_columns(path, headers[";"], SEED_REQUIRED_COLUMNS)
        return SalesFile(path, "seed_csv", columns)
    for mark in (";", "\t", "|"):
        if set(REQUIRED_COLUMNS) <= {name.lower() for name in headers[mark]}:
            raise SlutprisError(
                f"{path} separates its columns by {DELIMITERS[mark]}; expected commas "
                "(decimals with a point): save it as comma separated CSV"
            )
    return SalesFile(
        path, "csv", _checked_columns(path, headers[","], REQUIRED_COLUMNS)
    )


def _csv_header(path: Path, delimiter: str) -> list[str]:
    try:
        with _open_text(path) as stream:
            return next(csv.reader(stream, delimiter=delimiter), [])
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error) from error
    except csv.Error as error:
        raise _unreadable(path, error) from error


def _checked_columns(
    path: Path, names: list[str], required: tuple[str, ...]
) -> tuple[str, ...]:
    lower = {name.lower(): name for name in (*COLUMNS, *required)}
    stripped = (name.strip() for name in names)
    columns = [lower.get(name.lower(), name) for name in stripped]
    has = ", ".join(column or "(unnamed)" for column in columns)
    missing = [name for name in required if name not in columns]
    if missing:
        raise SlutprisError(
            f"{path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; "
            f"it has: {has}; needed: {', '.join(required)}"
        )
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise SlutprisError(f"{path} has the column {twice[0]} twice; it has: {has}")
    return tuple(columns)


def _parquet_batches(file: SalesFile) -> Iterator[pa.Table]:
    seen = 0
    try:
        with parquet.ParquetFile(file.path) as reader:
            for batch in reader.iter_batches(ROWS_PER_BATCH):
                arrays = [_readable(column) for column in batch.columns]
                yield _batch(seen, batch.num_rows, arrays)
                seen += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(file.path, error) from error


def _readable(column: pa.Array) -> pa.Array:
    # Some writers leave text unmarked: Parquet then calls it binary.
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return column.cast(pa.large_string())
    return column


def _csv_batches(file: SalesFile) -> Iterator[pa.Table]:
    width, seen = len(file.columns), 0
    with _open_text(file.path) as stream:
        rows = _csv_rows(file, stream)
        while records := list(islice(rows, ROWS_PER_BATCH)):
            faults = [_fault(record, width) for record in records]
            blank = [None] * width
            whole = [
                blank if fault else record
                for record, fault in zip(records, faults, strict=True)
            ]
            columns = list(zip(*whole, strict=True))
            arrays = [pa.array(column, pa.string()) for column in columns]
            kept = [
                json.dumps(record, ensure_ascii=False) if fault else None
                for record, fault in zip(records, faults, strict=True)
            ]
            yield _batch(seen, len(records), arrays, faults, kept)
            seen += len(records)


def _csv_rows(file: SalesFile, stream: io.TextIOBase) -> Iterator[list[str]]:
    delimiter = ";" if file.format == "seed_csv" else ","
    reader = csv.reader(stream, delimiter=delimiter, strict=True)
    start = 1
    try:
        next(reader)
        for record in reader:
            start = reader.line_num + 1
            if record:
                yield record
    except UnicodeDecodeError as error:
        raise _not_utf8(file.path, error) from error
    except csv.Error as error:
        raise SlutprisError(
            f"{file.path} has a stray or unclosed quote in the row that begins on line "
            f"{start}, so that where rows end is unknown ({error}); mend that line"
        ) from error


def _fault(record: list[str], width: int) -> str | None:
    if len(record) == width:
        return None
    return f"the row has {len(record)} fields, expected {width} as in the header"


def _batch(
    seen: int,
    row_count: int,
    arrays: list[pa.Array],
    faults: list[str | None] | None = None,
    records: list[str | None] | None = None,
) -> pa.Table:
    absent = [None] * row_count
    leading = {
        "row_number": pa.array(range(seen + 1, seen + row_count + 1), pa.int64()),
        "malformed": pa.array(faults or absent, pa.string()),
        "record": pa.array(records or absent, pa.string()),
    }
    staged = {f"c{index}": array for index, array in enumerate(arrays)}
    return pa.table({**leading, **staged})


def _open_text(path: Path) -> io.TextIOWrapper:
    return path.open(encoding="utf-8-sig", newline="")


def _not_utf8(path: Path, error: UnicodeDecodeError) -> SlutprisError:
    byte = error.object[error.start]
    return SlutprisError(
        f"{path} is not UTF-8 (byte 0x{byte:02x} does not fit; Latin-1 or "
        "Windows-1252?); expected UTF-8: save it again with that encoding"
    )


def _unreadable(path: Path, error: Exception) -> SlutprisError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return SlutprisError(
        f"{path} cannot be read (cut short or damaged?); fetch it again [{reason}]"
    )

"""Valuing a file of homes: read, check each row, value the good ones, write all.

What belongs here: files of requests. What does not: valuing (``value``).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd

from ml.valuation.request import InvalidRequestError, ValuationRequest
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from pathlib import Path

    from ml.valuation.places import AddressNotFoundError
    from ml.valuation.value import PlainValue, Valuer

READERS = {
    ".csv": "select * from read_csv($path, all_varchar = true, header = true)",
    ".parquet": "select * from read_parquet($path)",
}
WRITERS = {
    ".csv": "copy valued to '{}' (format csv, header)",
    ".parquet": "copy valued to '{}' (format parquet)",
}
REQUIRED = ("address", "living_area_m2")
RESULT_COLUMNS = (
    "row_number",
    "value_sek",
    "low_sek",
    "high_sek",
    "confidence_class",
    "refusal_reason",
    "is_extrapolation",
    "place_level",
    "valued_date",
    "valued_by",
    "error",
)
SHOWN_ERRORS = 20


def value_file(
    valuer: Valuer, batch: Path, out: Path, *, defaults: dict[str, str]
) -> int:
    """Value every row of a file and write it with its value beside it.

    Columns are named as the fields of a request; others are carried along. A row that
    cannot be valued gets its reason in column ``error`` and on stderr, with its number.

    Parameters
    ----------
    valuer
        What values.
    batch, out
        Files, ``.csv`` or ``.parquet``.
    defaults
        Fields for rows that leave them out.

    Returns
    -------
    int
        Exit code: 0, or 1 when no row could be valued.

    Raises
    ------
    SlutprisError
        When a file cannot be read or written, or a required column is absent.
    """
    rows = _read(batch)
    records = [defaults | _given(record) for record in _records(rows)]
    outcomes = _outcomes(valuer, records)
    valued = pd.concat([_input_columns(rows), pd.DataFrame(outcomes)], axis=1)
    _write(valued, out)
    failed = [outcome for outcome in outcomes if outcome["error"]]
    _report(failed, len(rows), out)
    return 1 if len(failed) == len(rows) else 0


def _read(batch: Path) -> pd.DataFrame:
    reader = READERS.get(batch.suffix.lower())
    if reader is None:
        raise SlutprisError(f"{batch} must be a .csv or a .parquet file")
    if not batch.is_file():
        raise SlutprisError(f"there is no file {batch}")
    try:
        with duckdb.connect() as connection:
            rows = connection.execute(reader, {"path": str(batch)}).df()
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise SlutprisError(f"cannot read {batch}: {reason}") from error
    absent = [name for name in REQUIRED if name not in rows]
    if absent or rows.empty:
        raise SlutprisError(
            f"{batch} has no {'column ' + ', '.join(absent) if absent else 'rows'}; "
            f"columns are {', '.join(ValuationRequest.model_fields)}"
        )
    return rows


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(name): value for name, value in record.items()}
        for record in rows.to_dict("records")
    ]


def _given(record: dict[str, Any]) -> dict[str, Any]:
    """Keep the request's own fields that hold something."""
    return {
        name: value.date() if isinstance(value, pd.Timestamp) else value
        for name, value in record.items()
        if name in ValuationRequest.model_fields and not pd.isna(value) and value != ""
    }


def _outcomes(valuer: Valuer, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give one record of results for each row, in order."""
    requests: dict[int, ValuationRequest] = {}
    outcomes: dict[int, dict[str, Any]] = {}
    for number, record in enumerate(records, start=1):
        try:
            requests[number] = ValuationRequest.of(**record)
        except InvalidRequestError as error:
            outcomes[number] = _outcome(number, error)
    values = valuer.value_many(list(requests.values()))
    for (number, request), value in zip(requests.items(), values, strict=True):
        outcomes[number] = _outcome(number, value, request)
    return [outcomes[number] for number in range(1, len(records) + 1)]


def _outcome(
    number: int,
    value: PlainValue | AddressNotFoundError | InvalidRequestError,
    request: ValuationRequest | None = None,
) -> dict[str, Any]:
    outcome = dict.fromkeys(RESULT_COLUMNS) | {"row_number": number}
    if isinstance(value, SlutprisError) or request is None:
        return outcome | {"error": str(value)}
    is_listed = " listed" if request.mode == "listed" else ""
    return outcome | {
        "value_sek": value.value_sek,
        "low_sek": value.low_sek,
        "high_sek": value.high_sek,
        "confidence_class": value.confidence_class,
        "refusal_reason": value.refusal_reason,
        "is_extrapolation": value.is_extrapolation,
        "place_level": value.place.level,
        "valued_date": request.date,
        "valued_by": f"{request.model}{is_listed} {value.model_version}",
    }


def _input_columns(rows: pd.DataFrame) -> pd.DataFrame:
    """Leave out columns of an earlier output, so that a file can be valued again."""
    return rows[[name for name in rows if name not in RESULT_COLUMNS]]


def _write(valued: pd.DataFrame, out: Path) -> None:
    writer = WRITERS.get(out.suffix.lower())
    if writer is None:
        raise SlutprisError(f"{out} must be a .csv or a .parquet file")
    typed = valued.convert_dtypes()
    try:
        with duckdb.connect() as connection:
            connection.register("valued", typed)
            connection.execute(writer.format(str(out).replace("'", "''")))
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise SlutprisError(f"cannot write {out}: {reason}") from error


def _report(failed: list[dict[str, Any]], row_count: int, out: Path) -> None:
    for outcome in failed[:SHOWN_ERRORS]:
        sys.stderr.write(f"row {outcome['row_number']}: {outcome['error']}\n")
    if len(failed) > SHOWN_ERRORS:
        more = len(failed) - SHOWN_ERRORS
        sys.stderr.write(f"and {more} more; see column error\n")
    sys.stderr.write(f"valued {row_count - len(failed)} of {row_count} rows to {out}\n")

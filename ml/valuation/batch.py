"""Valuing a file of homes: check each row, value the good ones, explain the bad.

What belongs here: rows, as requests and as results. What does not: valuing (``value``),
the formats of files (``batch_files``, ``batch_output``) and words (``batch_words``).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd

from ml.valuation.batch_files import (
    NO_LIMITS,
    check_columns,
    fields_of,
    read_table,
)
from ml.valuation.batch_output import as_excel, without_formulas
from ml.valuation.batch_words import (
    PLACE_LEVELS,
    RESULT_HEADINGS,
    YES_OR_NO,
    refusal_words,
    row_problem,
)
from ml.valuation.request import FieldProblem, InvalidRequestError, ValuationRequest
from ml.valuation.typed import as_date, as_number
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ml.valuation.batch_files import Table
    from ml.valuation.value import PlainValue, Valuer
    from ml.valuation.words import Language

PARQUET = "select * from read_parquet($path)"
WRITERS = {
    ".csv": "copy valued to '{}' (format csv, header)",
    ".parquet": "copy valued to '{}' (format parquet)",
}
KINDS = ".csv, .xlsx or .parquet"
RESULT_COLUMNS = tuple(RESULT_HEADINGS)
SHOWN_ERRORS = 20
CHUNK_ROWS = 200
"""Valued at a time, so that a bar can tell how far it is."""


@dataclass(frozen=True)
class Outcome:
    """What came of a row: a value, refused or not, or what was wrong with it."""

    request: ValuationRequest | None
    value: PlainValue | None
    error: SlutprisError | None

    @property
    def is_refused(self) -> bool:
        """Whether the row is right and there is too little to go on."""
        return self.value is not None and self.value.refusal_reason is not None


def value_file(
    valuer: Valuer, batch: Path, out: Path, *, defaults: dict[str, str]
) -> int:
    """Value every row of a file and write it with its value beside it.

    Columns are named as the fields of a request, or headed in Swedish; others are
    carried along. A row that cannot be valued gets its reason in column ``error`` and
    on stderr, with its number.

    Parameters
    ----------
    valuer
        What values.
    batch, out
        Files, ``.csv``, ``.xlsx`` or ``.parquet``.
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
    _check_kind(out)
    records = [defaults | given for given in given_fields(rows)]
    outcomes = [each for part in valued_in_chunks(valuer, records) for each in part]
    valued = with_results(rows, outcomes)
    _write(valued, out)
    failed = [
        (number, each.error) for number, each in enumerate(outcomes, 1) if each.error
    ]
    _report(failed, len(rows), out)
    return 1 if len(failed) == len(rows) else 0


def given_fields(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Give the fields of a request that each row holds, as they are to be checked."""
    fields = fields_of(rows)
    return [
        {
            name: _cleaned(name, value)
            for name, value in zip(fields, row, strict=True)
            if name is not None and not pd.isna(value) and str(value).strip() != ""
        }
        for row in rows.itertuples(index=False, name=None)
    ]


def with_asking_price(
    records: Sequence[dict[str, Any]], *, is_used: bool
) -> list[dict[str, Any]]:
    """Say of rows that do not say it themselves whether their asking price counts."""
    return [
        record if "mode" in record else _in_mode(record, is_used) for record in records
    ]


def checked(records: Sequence[dict[str, Any]], table: Table) -> list[Outcome | None]:
    """Find rows with more cells than headings: their cells stand in wrong columns."""
    most = table.frame.shape[1]
    return [
        Outcome(None, None, _too_wide(width, most)) if width > most else None
        for width, _ in zip(table.widths, records, strict=True)
    ]


def valued_in_chunks(
    valuer: Valuer,
    records: Sequence[dict[str, Any]],
    known: Sequence[Outcome | None] = (),
) -> Iterator[list[Outcome]]:
    """Value rows some at a time, in their order.

    Parameters
    ----------
    valuer
        What values.
    records
        The fields of each row.
    known
        What is known already of each row, if anything is.
    """
    settled = list(known) or [None] * len(records)
    for start in range(0, len(records), CHUNK_ROWS):
        part = slice(start, start + CHUNK_ROWS)
        yield _outcomes(valuer, records[part], settled[part])


def with_results(
    rows: pd.DataFrame, outcomes: Sequence[Outcome], language: Language | None = None
) -> pd.DataFrame:
    """Put what came of each row beside it.

    Without a language the columns are named, and errors told, as on a command line.
    """
    results = pd.DataFrame(
        [_record(number, each, language) for number, each in enumerate(outcomes, 1)],
        columns=list(RESULT_COLUMNS),
    )
    if language is not None:
        headings = {name: words.to(language) for name, words in RESULT_HEADINGS.items()}
        results = results.drop(columns="row_number").rename(columns=headings)
        results = results.convert_dtypes()
    return pd.concat([_input_columns(rows).reset_index(drop=True), results], axis=1)


def _read(batch: Path) -> pd.DataFrame:
    if batch.suffix.lower() not in (*WRITERS, ".xlsx"):
        raise SlutprisError(f"{batch} must be a {KINDS} file")
    if not batch.is_file():
        raise SlutprisError(f"there is no file {batch}")
    try:
        if batch.suffix.lower() != ".parquet":
            return read_table(batch.name, batch.read_bytes(), NO_LIMITS).frame
        with duckdb.connect() as connection:
            rows = connection.execute(PARQUET, {"path": str(batch)}).df()
        check_columns(rows)
    except (duckdb.Error, OSError, SlutprisError) as error:
        reason = str(error).splitlines()[0]
        raise SlutprisError(f"cannot read {batch}: {reason}") from error
    return rows


def _cleaned(name: str, value: Any) -> Any:  # noqa: ANN401 - a cell
    if isinstance(value, pd.Timestamp):
        return value.date()
    if not isinstance(value, str):
        return value
    if name == "date":
        return as_date(value)
    if name in ("model", "mode"):
        return value.strip().lower()
    if name in ("address", "agency"):
        return value.strip()
    return as_number(value, is_amount="sek" in name)


def _in_mode(record: dict[str, Any], is_used: bool) -> dict[str, Any]:
    if is_used:
        mode = "listed" if "list_price_sek" in record else "before_listing"
        return record | {"mode": mode}
    return {name: value for name, value in record.items() if name != "list_price_sek"}


def _too_wide(width: int, most: int) -> InvalidRequestError:
    message = f"the row has {width} cells and the file {most} headings"
    return InvalidRequestError([FieldProblem("row", width, message, most, most)])


def _outcomes(
    valuer: Valuer,
    records: Sequence[dict[str, Any]],
    known: Sequence[Outcome | None],
) -> list[Outcome]:
    """Give what came of each row, in order."""
    outcomes = dict(enumerate(known))
    requests: dict[int, ValuationRequest] = {}
    for position, record in enumerate(records):
        if outcomes[position] is None:
            try:
                request = ValuationRequest.of(**record)
                valuer.served_model(request.model, request.mode)
                requests[position] = request
            except SlutprisError as error:
                outcomes[position] = Outcome(None, None, error)
    values = valuer.value_many(list(requests.values()))
    for (position, request), value in zip(requests.items(), values, strict=True):
        outcomes[position] = (
            Outcome(request, None, value)
            if isinstance(value, SlutprisError)
            else Outcome(request, value, None)
        )
    return [each for each in outcomes.values() if each is not None]


def _record(number: int, outcome: Outcome, language: Language | None) -> dict[str, Any]:
    record: dict[str, Any] = dict.fromkeys(RESULT_COLUMNS) | {"row_number": number}
    value, request = outcome.value, outcome.request
    if outcome.error is not None:
        said = str(outcome.error)
        return record | {
            "error": row_problem(outcome.error, language) if language else said
        }
    if value is None or request is None:
        return record
    is_listed = " listed" if request.mode == "listed" else ""
    record |= {
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
    return record if language is None else _told(record, language)


def _told(record: dict[str, Any], language: Language) -> dict[str, Any]:
    """Say it as a page does, which shows no value that is refused."""
    reason, level = record["refusal_reason"], record["place_level"]
    return record | {
        "value_sek": None if reason else record["value_sek"],
        "refusal_reason": refusal_words(reason, language),
        "is_extrapolation": YES_OR_NO[record["is_extrapolation"]].to(language),
        "place_level": PLACE_LEVELS[level].to(language),
    }


def _input_columns(rows: pd.DataFrame) -> pd.DataFrame:
    """Leave out columns of an earlier output, so that a file can be valued again."""
    earlier = {
        name for words in RESULT_HEADINGS.values() for name in (words.sv, words.en)
    }
    earlier |= set(RESULT_COLUMNS)
    return rows[[name for name in rows if name not in earlier]]


def _check_kind(out: Path) -> None:
    if out.suffix.lower() not in (*WRITERS, ".xlsx"):
        raise SlutprisError(f"{out} must be a {KINDS} file")


def _write(valued: pd.DataFrame, out: Path) -> None:
    suffix = out.suffix.lower()
    try:
        if suffix == ".xlsx":
            out.write_bytes(as_excel(valued))
            return
        typed = without_formulas(valued) if suffix == ".csv" else valued
        with duckdb.connect() as connection:
            connection.register("valued", typed.convert_dtypes())
            connection.execute(WRITERS[suffix].format(str(out).replace("'", "''")))
    except (duckdb.Error, OSError) as error:
        reason = str(error).splitlines()[0]
        raise SlutprisError(f"cannot write {out}: {reason}") from error


def _report(failed: list[tuple[int, SlutprisError]], row_count: int, out: Path) -> None:
    for number, error in failed[:SHOWN_ERRORS]:
        sys.stderr.write(f"row {number}: {error}\n")
    if len(failed) > SHOWN_ERRORS:
        more = len(failed) - SHOWN_ERRORS
        sys.stderr.write(f"and {more} more; see column error\n")
    sys.stderr.write(f"valued {row_count - len(failed)} of {row_count} rows to {out}\n")

"""What the snapshot's macros say of homes at dates, by the faster of two ways.

A few homes are answered by the macros compiled to Python (``warehouse.row_sql``), once
the path is warm; many, and a single one of a short-lived process, by DuckDB. Both run
the same SQL and give the same rows. What belongs here: choosing between the two and
reading their answers. What does not: the SQL of features (dbt's), and models.
"""

from __future__ import annotations

import atexit
import gc
import logging
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from ml.valuation.hedonic.columns import Columns
from ml.valuation.places import (
    SPELT_RIGHT_SQL,
    exact_uncertainty_m,
    locate,
    spelt_right,
)
from warehouse.row_sql.program import Program, Programs
from warehouse.row_sql.syntax import UnsupportedSqlError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Generator, Mapping, Sequence

    import duckdb
    from pandas.api.extensions import ExtensionArray, ExtensionDtype

    from ml.valuation.places import Place
    from ml.valuation.request import ValuationRequest
    from warehouse.serving import OpenSnapshot

logger = logging.getLogger(__name__)

COMPILED_ROWS = 100
"""More homes at dates than this are answered sooner by DuckDB."""

REQUEST_TYPES = {
    "request_id": "VARCHAR",
    "sold_date": "DATE",
    "address": "VARCHAR",
    "district": "VARCHAR",
    "agency": "VARCHAR",
    "brf_name": "VARCHAR",
    "residence_id": "BIGINT",
    "living_area_m2": "DOUBLE",
    "rooms": "DOUBLE",
    "floor": "DOUBLE",
    "construction_year": "INTEGER",
    "fee_sek_per_month": "DOUBLE",
    "operating_cost_sek_per_month": "DOUBLE",
    "latitude": "DOUBLE",
    "longitude": "DOUBLE",
}
_ARROW_TYPES = {
    "VARCHAR": pa.string(),
    "DATE": pa.date32(),
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "DOUBLE": pa.float64(),
}
FEATURE_REQUEST_SCHEMA = pa.schema(
    {name: _ARROW_TYPES[duckdb_type] for name, duckdb_type in REQUEST_TYPES.items()}
)
NULLABLE_TYPES: dict[str, ExtensionDtype] = {
    "int": pd.Int64Dtype(),
    "bool": pd.BooleanDtype(),
}
"""Pandas' types of columns that hold NULL; without NULL they are NumPy's."""

FEATURES_SQL = "select * from marts.features_of({requests})"
REQUESTS = "feature_requests"


class HomeAtDate(NamedTuple):
    """A home that was located, and the day it is valued at."""

    request: ValuationRequest
    place: Place
    date: dt.date


@dataclass(frozen=True)
class _Compiled:
    features: Program | None = None
    places: Program | None = None


class ServingPath:
    """Features of homes at dates, from one open snapshot.

    Safe to use from several threads, each with a connection of its own.
    """

    def __init__(self, snapshot: OpenSnapshot) -> None:
        self._snapshot = snapshot
        self._compiled = _Compiled()
        self._lock = threading.Lock()
        self._is_warm = False
        self._uncertainty_m = exact_uncertainty_m(snapshot.connection.cursor())

    def warm(self) -> None:
        """Compile the macros and read what they need into memory; later calls do not.

        Takes seconds and memory in proportion to the sales, and makes each valuation
        ten times faster.
        """
        with self._lock:
            if self._is_warm:
                return
            macros = self._snapshot.manifest.macros
            programs = Programs(
                self._snapshot.connection.cursor(),
                REQUEST_TYPES,
                {each.name: each.definition for each in macros},
            )
            compiled = _Compiled(
                features=_program(programs, FEATURES_SQL.format(requests="requests")),
                places=_program(
                    programs, SPELT_RIGHT_SQL.format(requests="query_table(requests)")
                ),
            )
            programs.load()
            self._compiled = compiled
            self._is_warm = True
            leave_to_stay()

    def forget(self) -> None:
        """Drop what was read into memory; DuckDB answers what is asked after it."""
        self._compiled = _Compiled()

    def features(
        self, connection: duckdb.DuckDBPyConnection, homes: Sequence[HomeAtDate]
    ) -> Columns:
        """Compute the features of homes, a row each, in their order."""
        program = self._compiled.features
        if program is not None and len(homes) <= COMPILED_ROWS:
            return _columns(program.ask(_request_rows(homes))[0], program.kinds[0])
        with _registered(connection, homes) as requests:
            frame = connection.execute(
                f"{FEATURES_SQL.format(requests=requests)} order by request_id::integer"
            ).df()
        return Columns.of(frame)

    def places(
        self, connection: duckdb.DuckDBPyConnection, addresses: Sequence[str]
    ) -> list[Place | None]:
        """Find each address; None where nothing is known."""
        return locate(connection, addresses, places=self._spelt_right(addresses))

    def _spelt_right(self, addresses: Sequence[str]) -> dict[int, Place] | None:
        program = self._compiled.places
        if program is None or len(addresses) > COMPILED_ROWS:
            return None
        rows = [
            {"request_id": str(position), "address": address}
            for position, address in enumerate(addresses)
        ]
        return {
            int(known.pop("request_id")): spelt_right(known, self._uncertainty_m)
            for known in _records(program.ask(rows)[0])
        }


def leave_to_stay() -> None:
    """Keep the garbage collector from walking all that is loaded, again and again.

    It would stop every hundredth answer for a tenth of a second. What was left before
    is looked at once more, so that a path that was dropped since is freed.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    atexit.unregister(gc.unfreeze)
    atexit.register(gc.unfreeze)


def _program(programs: Programs, *queries: str) -> Program | None:
    """Compile queries; DuckDB answers what cannot be compiled, and that is told."""
    try:
        return programs.compiled(*queries)
    except UnsupportedSqlError as error:
        logger.warning("not compiled (%s); DuckDB answers, slowly: %s", error, queries)
        return None


def _request_rows(homes: Sequence[HomeAtDate]) -> list[dict[str, Any]]:
    return [_request_row(position, home) for position, home in enumerate(homes)]


def _request_row(position: int, home: HomeAtDate) -> dict[str, Any]:
    request, place, date = home
    return {
        "request_id": str(position),
        "sold_date": date,
        # as it is spelt by those who know: a typo would find no history
        "address": place.address or request.address,
        "district": place.district,
        "agency": request.agency,
        "living_area_m2": request.living_area_m2,
        "rooms": request.rooms,
        "floor": request.floor,
        "construction_year": request.construction_year,
        "fee_sek_per_month": request.fee_sek_per_month,
        "operating_cost_sek_per_month": request.operating_cost_sek_per_month,
        # a street's or district's middle is imputed by the macro, and flagged so
        "latitude": place.latitude if place.is_sure else None,
        "longitude": place.longitude if place.is_sure else None,
    }


@contextmanager
def _registered(
    connection: duckdb.DuckDBPyConnection, homes: Sequence[HomeAtDate]
) -> Generator[str]:
    """Put requests where the snapshot's macros can read them, by name."""
    table = pa.Table.from_pylist(_request_rows(homes), schema=FEATURE_REQUEST_SCHEMA)
    connection.register(REQUESTS, table)
    try:
        yield f"'{REQUESTS}'"
    finally:
        connection.unregister(REQUESTS)


def _records(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    names = list(columns)
    return [
        dict(zip(names, row, strict=True))
        for row in zip(*columns.values(), strict=True)
    ]


def _columns(columns: Mapping[str, Sequence[Any]], kinds: Mapping[str, str]) -> Columns:
    """Make the columns that DuckDB makes of the same rows, in the requests' order."""
    ids = [int(request_id) for request_id in columns["request_id"]]
    order = sorted(range(len(ids)), key=ids.__getitem__)
    return Columns(
        {
            name: _array([values[n] for n in order], kinds[name])
            for name, values in columns.items()
        }
    )


def _array(values: list[Any], kind: str) -> np.ndarray | ExtensionArray:
    if kind == "date":
        return np.array(values, dtype="datetime64[us]")
    if kind == "float":
        return np.array(values, dtype="float64")
    if kind in NULLABLE_TYPES and None in values:
        return pd.Series(values, dtype=NULLABLE_TYPES[kind]).array
    if kind in NULLABLE_TYPES:
        return np.array(values, dtype=kind)
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array

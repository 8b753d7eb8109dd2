"""Valuing a home, or a file of homes, from the published snapshot and the registry.

What belongs here: putting a request, its place, its features and a model together, and
the command line. What does not: computing features (the snapshot's own macro does),
choosing the sales shown beside (``comparables``), and files of requests (``batch``).
"""

from __future__ import annotations

import argparse
import datetime as dt
import math
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, NoReturn, get_args

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from ml.registry import ModelRegistry, ModelVersion
from ml.valuation.comparables import ComparableSale, comparable_sales
from ml.valuation.features import assumed_economy
from ml.valuation.models import PriceModel, load_model
from ml.valuation.places import (
    AddressNotFoundError,
    Place,
    build_gazetteer,
    locate,
    nearest_spellings,
)
from ml.valuation.request import ModelName, ValuationRequest
from warehouse.errors import SlutprisError, exit_with
from warehouse.serving import open_snapshot
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import duckdb
    import pandas as pd

BEFORE_INVASION = dt.date(2022, 2, 23)
"""The day before Russia's full-scale invasion of Ukraine."""

When = Literal["three_years_ago", "before_invasion", "one_year_ago", "in_one_year"]

FEATURE_REQUEST_SCHEMA = pa.schema(
    {
        "request_id": pa.string(),
        "sold_date": pa.date32(),
        "address": pa.string(),
        "district": pa.string(),
        "agency": pa.string(),
        "brf_name": pa.string(),
        "residence_id": pa.int64(),
        "living_area_m2": pa.float64(),
        "rooms": pa.float64(),
        "floor": pa.float64(),
        "construction_year": pa.int32(),
        "fee_sek_per_month": pa.float64(),
        "operating_cost_sek_per_month": pa.float64(),
        "latitude": pa.float64(),
        "longitude": pa.float64(),
    }
)


class ValueAtDate(BaseModel):
    """What the home would have been worth on another day, against the value itself.

    ``is_extrapolation`` says that no price index of that time is known: the latest
    known price level stands in.
    """

    model_config = ConfigDict(frozen=True)

    when: When
    date: dt.date
    value_sek: int
    difference_sek: int
    difference_pct: float
    is_extrapolation: bool


class Valuation(BaseModel):
    """A value, its range, and what it rests on.

    Nine of ten prices of the sales the model was judged on lay between ``low_sek`` and
    ``high_sek``; both are None when the model's version does not know. The value stands
    on the price level of the half-month that began on ``price_index_period_start``.
    ``assumed_economy`` names the features of the economy that are assumed, the date
    being after their last published figure. ``comparables`` are the sales whose
    residuals the model was given, heaviest first.
    """

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    value_sek: int
    value_sek_per_m2: int
    low_sek: int | None
    high_sek: int | None
    is_extrapolation: bool
    price_index_period_start: dt.date | None
    assumed_economy: list[str]
    at_other_dates: list[ValueAtDate]
    place: Place
    comparables: list[ComparableSale]
    request: ValuationRequest
    model: ModelName
    model_version: int
    snapshot_id: str
    latency_ms: float


@dataclass(frozen=True)
class ServedModel:
    """A verified, loaded model and the version it is."""

    version: ModelVersion
    model: PriceModel

    def range_sek(self, value_sek: float) -> tuple[int, int] | tuple[None, None]:
        """Give where nine of ten prices lie, by the version's holdout residuals."""
        low = self.version.metrics.get("residual_log_p05")
        high = self.version.metrics.get("residual_log_p95")
        if low is None or high is None:
            return None, None
        return round(value_sek * math.exp(low)), round(value_sek * math.exp(high))


@dataclass(frozen=True)
class PlainValue:
    """A home's value at its date, without what a page shows beside it."""

    value_sek: int
    low_sek: int | None
    high_sek: int | None
    is_extrapolation: bool
    place: Place
    model_version: int


class Valuer:
    """Values homes from one snapshot; snapshot and models stay open between calls.

    Safe to call from several threads. A snapshot published later is not seen: make
    another valuer for it.

    Parameters
    ----------
    settings
        Where the snapshots and the registry are.

    Raises
    ------
    SlutprisError
        When nothing is published yet.
    """

    def __init__(self, settings: Settings) -> None:
        self.snapshot = open_snapshot(settings.serving_dir)
        build_gazetteer(self.connection())
        self._registry = ModelRegistry(settings.registry_dir)
        self._fetched = TemporaryDirectory(prefix="slutpris-models-")
        self._served: dict[ModelName, ServedModel] = {}
        self._lock = threading.Lock()
        self._periods = self._index_periods()

    def connection(self) -> duckdb.DuckDBPyConnection:
        """Give a connection of one's own to the snapshot."""
        return self.snapshot.connection.cursor()

    def served_model(self, name: ModelName) -> ServedModel:
        """Load the newest version of a model, verified, the first time it is asked for.

        Not the one of least error: versions are judged on different months, and an
        older one on an easier month would hide every later one.

        Raises
        ------
        RegistryError
            When none is registered, or its files are not what was registered.
        """
        with self._lock:
            if name not in self._served:
                version = self._registry.get(name)
                folder = Path(self._fetched.name) / f"{name}-{version.version}"
                copy = self._registry.fetch(name, version.version, folder)
                self._served[name] = ServedModel(version, load_model(copy))
            return self._served[name]

    def value(self, request: ValuationRequest) -> Valuation:
        """Value a home at its date and at the other dates, in one prediction.

        Raises
        ------
        AddressNotFoundError
            When no known place is spelt so; it carries the nearest spellings.
        RegistryError
            When the model is not registered.
        """
        started = time.perf_counter()
        served = self.served_model(request.model)
        connection = self.connection()
        place = locate(connection, [request.address])[0]
        if place is None:
            raise _not_found(connection, request)
        others = other_dates(request.date)
        dates = [request.date, *others.values()]
        features = _features(connection, [(request, place, date) for date in dates])
        value_sek, *other_sek = served.model.predict(features).tolist()
        low_sek, high_sek = served.range_sek(value_sek)
        return Valuation(
            value_sek=round(value_sek),
            value_sek_per_m2=round(value_sek / request.living_area_m2),
            low_sek=low_sek,
            high_sek=high_sek,
            is_extrapolation=self._is_extrapolation(request.date),
            price_index_period_start=self._price_index_period(request.date),
            assumed_economy=assumed_economy(features.iloc[0]),
            at_other_dates=[
                self._value_at_date(when, date, other, value_sek)
                for (when, date), other in zip(others.items(), other_sek, strict=True)
            ],
            place=place,
            comparables=_comparables(connection, request, place),
            request=request,
            model=request.model,
            model_version=served.version.version,
            snapshot_id=self.snapshot.snapshot_id,
            latency_ms=round(1000 * (time.perf_counter() - started), 1),
        )

    def value_many(
        self, requests: Sequence[ValuationRequest]
    ) -> list[PlainValue | AddressNotFoundError]:
        """Value homes, each at its own date, in one prediction for each model.

        A home whose address is not found gets the error in its place.
        """
        connection = self.connection()
        places = locate(connection, [request.address for request in requests])
        located = [
            _Located(position, request, place)
            for position, (request, place) in enumerate(
                zip(requests, places, strict=True)
            )
            if place is not None
        ]
        values: dict[int, PlainValue] = {}
        for name in get_args(ModelName):
            values |= self._value_located(
                connection,
                name,
                [home for home in located if home.request.model == name],
            )
        return [
            values[position] if position in values else _not_found(connection, request)
            for position, request in enumerate(requests)
        ]

    def _value_located(
        self,
        connection: duckdb.DuckDBPyConnection,
        name: ModelName,
        homes: list[_Located],
    ) -> dict[int, PlainValue]:
        if not homes:
            return {}
        served = self.served_model(name)
        features = _features(
            connection,
            [(home.request, home.place, home.request.date) for home in homes],
        )
        values_sek = served.model.predict(features).tolist()
        return {
            home.position: self._plain_value(served, home, value_sek)
            for home, value_sek in zip(homes, values_sek, strict=True)
        }

    def _plain_value(
        self, served: ServedModel, home: _Located, value_sek: float
    ) -> PlainValue:
        low_sek, high_sek = served.range_sek(value_sek)
        return PlainValue(
            value_sek=round(value_sek),
            low_sek=low_sek,
            high_sek=high_sek,
            is_extrapolation=self._is_extrapolation(home.request.date),
            place=home.place,
            model_version=served.version.version,
        )

    def _value_at_date(
        self, when: When, date: dt.date, other_sek: float, value_sek: float
    ) -> ValueAtDate:
        return ValueAtDate(
            when=when,
            date=date,
            value_sek=round(other_sek),
            difference_sek=round(other_sek - value_sek),
            difference_pct=round(100 * (other_sek / value_sek - 1), 1),
            is_extrapolation=self._is_extrapolation(date),
        )

    def _index_periods(self) -> list[tuple[dt.date, dt.date]]:
        """Give the half-months of the price index and the day each became known."""
        return (
            self.snapshot.connection.cursor()
            .execute(
                "select period_start::date, known_from::date from marts.price_index "
                "order by known_from"
            )
            .fetchall()
        )

    def _price_index_period(self, date: dt.date) -> dt.date | None:
        known = [start for start, known_from in self._periods if known_from <= date]
        return known[-1] if known else None

    def _is_extrapolation(self, date: dt.date) -> bool:
        """Tell a date before the first index, or so late that its own is not known."""
        if not self._periods:
            return True
        first, last = self._periods[0][1], self._periods[-1][1]
        return not first <= date < _next_month(last)


@dataclass(frozen=True)
class _Located:
    position: int
    request: ValuationRequest
    place: Place


def other_dates(date: dt.date) -> dict[When, dt.date]:
    """Give the other days a home is valued at, for a valuation of ``date``."""
    return {
        "three_years_ago": _years_later(date, -3),
        "before_invasion": BEFORE_INVASION,
        "one_year_ago": _years_later(date, -1),
        "in_one_year": _years_later(date, 1),
    }


def _years_later(date: dt.date, years: int) -> dt.date:
    is_leap_day = (date.month, date.day) == (2, 29)
    return date.replace(year=date.year + years, day=28 if is_leap_day else date.day)


def _next_month(date: dt.date) -> dt.date:
    return (date.replace(day=1) + dt.timedelta(days=32)).replace(day=1)


def _not_found(
    connection: duckdb.DuckDBPyConnection, request: ValuationRequest
) -> AddressNotFoundError:
    suggestions = nearest_spellings(connection, request.address)
    return AddressNotFoundError(request.address, suggestions)


def _features(
    connection: duckdb.DuckDBPyConnection,
    homes: Sequence[tuple[ValuationRequest, Place, dt.date]],
) -> pd.DataFrame:
    """Compute the features of homes at dates, in one call of the snapshot's macro."""
    with _asked(connection, homes) as requests:
        return connection.execute(
            f"select * from marts.features_of('{requests}') "
            "order by request_id::integer"
        ).df()


def _comparables(
    connection: duckdb.DuckDBPyConnection, request: ValuationRequest, place: Place
) -> list[ComparableSale]:
    with _asked(connection, [(request, place, request.date)]) as requests:
        return comparable_sales(connection, requests)


@contextmanager
def _asked(
    connection: duckdb.DuckDBPyConnection,
    homes: Sequence[tuple[ValuationRequest, Place, dt.date]],
) -> Generator[str]:
    """Put homes at dates where the snapshot's macros can read them, by name."""
    rows = [_feature_request(position, *home) for position, home in enumerate(homes)]
    table = pa.Table.from_pylist(rows, schema=FEATURE_REQUEST_SCHEMA)
    connection.register("feature_requests", table)
    try:
        yield "feature_requests"
    finally:
        connection.unregister("feature_requests")


def _feature_request(
    position: int, request: ValuationRequest, place: Place, date: dt.date
) -> dict[str, object]:
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


class _OneLineParser(argparse.ArgumentParser):
    """Reports a wrong command line as our other errors: in one line."""

    def error(self, message: str) -> NoReturn:
        raise SlutprisError(f"{message}; see --help")


def _parser() -> argparse.ArgumentParser:
    parser = _OneLineParser(
        prog="python -m ml.valuation.value",
        description="Value a home, as JSON on stdout, or a file of homes.",
    )
    parser.add_argument("--address", help="e.g. 'Sveavägen 98'")
    parser.add_argument("--living-area", dest="living_area_m2", metavar="M2")
    parser.add_argument("--rooms")
    parser.add_argument("--floor", help="0 is the ground floor")
    parser.add_argument("--fee", dest="fee_sek_per_month", metavar="SEK_PER_MONTH")
    parser.add_argument(
        "--operating-cost",
        dest="operating_cost_sek_per_month",
        metavar="SEK_PER_MONTH",
    )
    parser.add_argument("--construction-year", metavar="YEAR")
    parser.add_argument("--agency")
    parser.add_argument("--date", help="YYYY-MM-DD; today when left out")
    parser.add_argument("--model", help=" or ".join(get_args(ModelName)))
    parser.add_argument("--batch", type=Path, metavar="FILE", help="csv or parquet")
    parser.add_argument("--out", type=Path, help="csv or parquet, with --batch")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    options = vars(_parser().parse_args(arguments))
    batch, out = options.pop("batch"), options.pop("out")
    fields = {name: value for name, value in options.items() if value is not None}
    if batch is not None:
        return _value_file(batch, out, fields)
    if out is not None:
        raise SlutprisError("--out goes with --batch; one valuation is printed")
    request = ValuationRequest.of(**fields)
    valuation = Valuer(Settings()).value(request)
    text = valuation.model_dump_json(indent=2) + "\n"
    sys.stdout.buffer.write(text.encode("utf-8"))
    return 0


def _value_file(batch: Path, out: Path | None, fields: dict[str, str]) -> int:
    from ml.valuation.batch import value_file

    if out is None:
        raise SlutprisError("--batch needs --out FILE (.csv or .parquet)")
    unfit = sorted(set(fields) - {"model", "date"})
    if unfit:
        raise SlutprisError(f"with --batch, {', '.join(unfit)} come from the file")
    return value_file(Valuer(Settings()), batch, out, defaults=fields)


if __name__ == "__main__":
    exit_with(main)

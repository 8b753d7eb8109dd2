"""Valuing a home, or many, from the published snapshot and the registry.

``python -m ml.valuation.value`` does so from the command line. What belongs here:
putting a request, its place, its features and a model together. What does not: what a
valuation says (``valuation``), the features and comparables (``serving_path``), and the
command line (``value_command``).
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, get_args

from ml.registry import ModelRegistry, ModelVersion
from ml.valuation.features import assumed_economy
from ml.valuation.models import PriceModel, load_model
from ml.valuation.places import (
    AddressNotFoundError,
    build_gazetteer,
    nearest_spellings,
)
from ml.valuation.price_levels import PriceLevels, other_dates
from ml.valuation.request import ModelName, ValuationRequest
from ml.valuation.serving_path import HomeAtDate, ServingPath
from ml.valuation.valuation import PlainValue, Valuation, ValueAtDate, When
from warehouse.errors import exit_with
from warehouse.serving import open_snapshot

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

    import duckdb

    from ml.valuation.places import Place
    from warehouse.settings import Settings

__all__ = ["PlainValue", "Valuation", "ValueAtDate", "Valuer", "When"]


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
class _Located:
    position: int
    home: HomeAtDate


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
        self._path = ServingPath(self.snapshot)
        self._levels = PriceLevels(self.connection())
        self._registry = ModelRegistry(settings.registry_dir)
        self._fetched = TemporaryDirectory(prefix="slutpris-models-")
        self._served: dict[ModelName, ServedModel] = {}
        self._lock = threading.Lock()

    def connection(self) -> duckdb.DuckDBPyConnection:
        """Give a connection of one's own to the snapshot."""
        return self.snapshot.connection.cursor()

    def warm(self, models: Iterable[ModelName] = ()) -> None:
        """Get ready to answer in milliseconds: for a process that values many homes.

        Takes seconds, and memory in proportion to the sales; valuations made meanwhile
        are right, and slow.

        Raises
        ------
        RegistryError
            When one of the models is not registered.
        """
        for name in models:
            self.served_model(name)
        self._path.warm()

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
        place = self._place(connection, request)
        others = other_dates(request.date)
        homes = [
            HomeAtDate(request, place, date)
            for date in (request.date, *others.values())
        ]
        answer = self._path.answer(connection, homes)
        features = answer.features
        value_sek, *other_sek = served.model.predict(features).tolist()
        low_sek, high_sek = served.range_sek(value_sek)
        return Valuation(
            value_sek=round(value_sek),
            value_sek_per_m2=round(value_sek / request.living_area_m2),
            low_sek=low_sek,
            high_sek=high_sek,
            is_extrapolation=self._levels.is_extrapolation(request.date),
            price_index_period_start=self._levels.period_start(request.date),
            assumed_economy=assumed_economy(features.iloc[0]),
            at_other_dates=self._at_other_dates(others, other_sek, value_sek),
            place=place,
            comparables=answer.comparables,
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
        places = self._path.places(
            connection, [request.address for request in requests]
        )
        located = [
            _Located(position, HomeAtDate(request, place, request.date))
            for position, (request, place) in enumerate(
                zip(requests, places, strict=True)
            )
            if place is not None
        ]
        values: dict[int, PlainValue] = {}
        for name in get_args(ModelName):
            asked = [each for each in located if each.home.request.model == name]
            values |= self._value_located(connection, name, asked)
        return [
            values[position] if position in values else _not_found(connection, request)
            for position, request in enumerate(requests)
        ]

    def _place(
        self, connection: duckdb.DuckDBPyConnection, request: ValuationRequest
    ) -> Place:
        place = self._path.places(connection, [request.address])[0]
        if place is None:
            raise _not_found(connection, request)
        return place

    def _value_located(
        self,
        connection: duckdb.DuckDBPyConnection,
        name: ModelName,
        located: list[_Located],
    ) -> dict[int, PlainValue]:
        if not located:
            return {}
        served = self.served_model(name)
        features = self._path.features(connection, [each.home for each in located])
        values_sek = served.model.predict(features).tolist()
        return {
            each.position: self._plain_value(served, each.home, value_sek)
            for each, value_sek in zip(located, values_sek, strict=True)
        }

    def _plain_value(
        self, served: ServedModel, home: HomeAtDate, value_sek: float
    ) -> PlainValue:
        low_sek, high_sek = served.range_sek(value_sek)
        return PlainValue(
            value_sek=round(value_sek),
            low_sek=low_sek,
            high_sek=high_sek,
            is_extrapolation=self._levels.is_extrapolation(home.date),
            place=home.place,
            model_version=served.version.version,
        )

    def _at_other_dates(
        self, dates: dict[When, dt.date], other_sek: list[float], value_sek: float
    ) -> list[ValueAtDate]:
        return [
            ValueAtDate(
                when=when,
                date=date,
                value_sek=round(other),
                difference_sek=round(other - value_sek),
                difference_pct=round(100 * (other / value_sek - 1), 1),
                is_extrapolation=self._levels.is_extrapolation(date),
            )
            for (when, date), other in zip(dates.items(), other_sek, strict=True)
        ]


def _not_found(
    connection: duckdb.DuckDBPyConnection, request: ValuationRequest
) -> AddressNotFoundError:
    suggestions = nearest_spellings(connection, request.address)
    return AddressNotFoundError(request.address, suggestions)


if __name__ == "__main__":
    from ml.valuation.value_command import main

    exit_with(main)

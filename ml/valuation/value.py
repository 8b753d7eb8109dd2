"""Valuing a home, or many, from the published snapshot and the registry.

``python -m ml.valuation.value`` does so from the command line. What belongs here:
putting a request, its place, its features and a model together. What does not: what a
valuation says (``valuation``), the features (``serving_path``, ``past_market``), what a
model says (``served``) and the command line (``value_command``).
"""

from __future__ import annotations

import datetime as dt
import itertools
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, get_args

import numpy as np
import pandas as pd

from ml.serving_models import ServingRegistry
from ml.valuation.boosted_model import BoostedModel
from ml.valuation.features import MODES, Mode, assumed_economy
from ml.valuation.forward_log import ForwardLog, LoggedValuation
from ml.valuation.models import PriceModel, load_model
from ml.valuation.past_market import (
    PastMarket,
    carried_to_each_day,
    market_sek_per_m2,
)
from ml.valuation.places import (
    AddressNotFoundError,
    build_gazetteer,
    nearest_spellings,
)
from ml.valuation.price_levels import PriceLevels, other_dates
from ml.valuation.reasons import Reasons
from ml.valuation.registration import registered_name
from ml.valuation.request import ModelName, ValuationRequest
from ml.valuation.served import Said, ServedModel
from ml.valuation.serving_path import HomeAtDate, ServingPath
from ml.valuation.valuation import PlainValue, Valuation, ValueAtDate, When
from warehouse.errors import SlutprisError, exit_with
from warehouse.serving import open_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import duckdb

    from ml.valuation.explain import Explanation
    from ml.valuation.hedonic.columns import Columns
    from ml.valuation.hedonic.market import NearSales
    from ml.valuation.places import Place
    from ml.valuation.words import Language
    from warehouse.settings import Settings

__all__ = ["PlainValue", "Valuation", "ValueAtDate", "Valuer", "When"]


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
        self._is_closed = False
        self.snapshot = open_snapshot(settings.serving_dir)
        build_gazetteer(self.connection())
        self._settings = settings
        self._path = ServingPath(self.snapshot)
        self._levels = PriceLevels(self.connection())
        self._registry = ServingRegistry(settings)
        self._log = ForwardLog(settings, self.snapshot.snapshot_id)
        self._fetched = TemporaryDirectory(prefix="slutpris-models-")
        self._served: dict[str, ServedModel] = {}
        self._past: PastMarket | None = None
        self._past_lock = threading.Lock()
        # one for each model: a slow one must not hold up what the others answer
        self._loading: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def connection(self) -> duckdb.DuckDBPyConnection:
        """Give a connection of one's own to the snapshot.

        Raises
        ------
        SlutprisError
            When the valuer is closed.
        """
        self._refuse_if_closed()
        return self.snapshot.connection.cursor()

    def close(self) -> None:
        """Let the snapshot be pruned and forget all that was read; value no more."""
        self._is_closed = True
        self.snapshot.close()
        self._served.clear()
        self._past = None
        self._path.forget()
        self._fetched.cleanup()

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
        today = dt.date.today()
        self.past_market().make_ready([today, *other_dates(today).values()])
        self._path.warm()

    def past_market(self) -> PastMarket:
        """Give what past sales say, read the first time it is asked for."""
        with self._past_lock:
            if self._past is None:
                self._past = PastMarket(self.connection(), self._settings)
            return self._past

    def served_model(
        self, name: ModelName, mode: Mode = "before_listing"
    ) -> ServedModel:
        """Load the champion of a model, verified, the first time it is asked for.

        Not the version of least error: versions are judged on different months, and an
        older one on an easier month would hide every later one.

        Raises
        ------
        RegistryError
            When none is registered, or its files are not what was registered.
        """
        # Closed, it has no folder to fetch a model into any more.
        self._refuse_if_closed()
        registered = registered_name(name, mode)
        with self._loading[registered]:
            if registered not in self._served:
                version, copy = self._registry.fetch_served(
                    registered, Path(self._fetched.name)
                )
                model = load_model(copy)
                reasons = self._reasons_of(model)
                self._served[registered] = ServedModel(version, model, reasons)
            return self._served[registered]

    def home_features(self, request: ValuationRequest) -> tuple[Place, pd.Series]:
        """Locate a home and compute its features; those imputed are flagged so.

        Raises
        ------
        AddressNotFoundError
            When no known place is spelt so; it carries the nearest spellings.
        """
        connection = self.connection()
        place = self._place(connection, request)
        home = HomeAtDate(request, place, request.date)
        return place, self._path.features(connection, [home]).frame().iloc[0]

    def value(self, request: ValuationRequest) -> Valuation:
        """Value a home at its date and at the other dates, in one prediction.

        Raises
        ------
        AddressNotFoundError
            When no known place is spelt so; it carries the nearest spellings.
        RegistryError
            When the model is not registered for the mode.
        """
        started = time.perf_counter()
        served = self.served_model(request.model, request.mode)
        connection = self.connection()
        place = self._place(connection, request)
        others = other_dates(request.date)
        days = [request.date, *others.values()]
        homes = [HomeAtDate(request, place, day) for day in days]
        features, near = self._features(connection, homes)
        features = carried_to_each_day(features)
        (said, *other_said), logs = served.says_why(features)
        home, year_ago = features.row(0), days.index(others["one_year_ago"])
        compared = self.past_market().comparables.of(home, near)
        self._log.append(_logged(request, homes[0], said, served))
        return Valuation(
            **said.fields(),
            fsd_pct=said.fsd_pct,
            value_sek_per_m2=round(said.value_sek / request.living_area_m2),
            is_extrapolation=self._levels.is_extrapolation(request.date),
            price_index_period_start=self._levels.period_start(request.date),
            assumed_economy=assumed_economy(home),
            at_other_dates=[
                self._value_at_date(when, date, other.value_sek, said.value_sek)
                for (when, date), other in zip(others.items(), other_said, strict=True)
            ],
            place=place,
            comparables=compared.sales,
            comparables_estimate=compared.estimate,
            explanation=served.explanation(
                features.only(0),
                round(said.value_sek),
                features.row(year_ago),
                days[year_ago],
                logs=logs,
            ),
            request=request,
            model=request.model,
            model_version=served.version.version,
            snapshot_id=self.snapshot.snapshot_id,
            latency_ms=round(1000 * (time.perf_counter() - started), 1),
        )

    def explanation(
        self, valuation: Valuation, language: Language
    ) -> Explanation | None:
        """Say why a home has the value it was given, in another language."""
        served = self.served_model(valuation.model, valuation.request.mode)
        request = valuation.request
        days = [request.date, other_dates(request.date)["one_year_ago"]]
        features = self._carried(valuation.place, request, days)
        return served.explanation(
            features.only(0),
            valuation.value_sek,
            features.row(1),
            days[1],
            language,
        )

    def value_at_days(
        self, request: ValuationRequest, days: Sequence[dt.date]
    ) -> pd.DataFrame:
        """Value one home as of several days, each by what was known then.

        Nothing is logged: nobody asked for each of them.

        Parameters
        ----------
        request
            The home; an asking price is that of its own date.
        days
            In any order.

        Returns
        -------
        pandas.DataFrame
            A row each day, in their order: ``date``, ``value_sek``, ``low_sek`` and
            ``high_sek`` (missing where no range is given), ``market_sek_per_m2`` (the
            city's price level as it was known; missing where it was not) and
            ``is_extrapolation``.

        Raises
        ------
        AddressNotFoundError
            When no known place is spelt so; it carries the nearest spellings.
        """
        served = self.served_model(request.model, request.mode)
        place = self._place(self.connection(), request)
        features = self._carried(place, request, [request.date, *days])
        said = served.says(features)[1:]
        return pd.DataFrame(
            {
                "date": list(days),
                "value_sek": [each.value_sek for each in said],
                "low_sek": np.array([each.low_sek for each in said], dtype=float),
                "high_sek": np.array([each.high_sek for each in said], dtype=float),
                "market_sek_per_m2": market_sek_per_m2(features)[1:],
                "is_extrapolation": [
                    self._levels.is_extrapolation(day) for day in days
                ],
            }
        )

    def value_many(
        self, requests: Sequence[ValuationRequest], *, is_logged: bool = True
    ) -> list[PlainValue | AddressNotFoundError]:
        """Value homes, each at its own date, in one prediction for each model.

        A home whose address is not found gets the error in its place. What is not
        asked in earnest, such as a home with another fee, is not to be logged.
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
        for name, mode in itertools.product(get_args(ModelName), MODES):
            asked = [
                each
                for each in located
                if (each.home.request.model, each.home.request.mode) == (name, mode)
            ]
            if asked:
                served = self.served_model(name, mode)
                values |= self._value_located(
                    connection, served, asked, is_logged=is_logged
                )
        return [
            values[position] if position in values else _not_found(connection, request)
            for position, request in enumerate(requests)
        ]

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            raise SlutprisError("newer data are published; value the home again")

    def _place(
        self, connection: duckdb.DuckDBPyConnection, request: ValuationRequest
    ) -> Place:
        place = self._path.places(connection, [request.address])[0]
        if place is None:
            raise _not_found(connection, request)
        return place

    def _reasons_of(self, model: PriceModel) -> Reasons | None:
        if not isinstance(model, BoostedModel):
            return None
        return Reasons(model, self.past_market().latest(self.connection()))

    def _features(
        self, connection: duckdb.DuckDBPyConnection, homes: Sequence[HomeAtDate]
    ) -> tuple[Columns, NearSales]:
        asked_sek = [home.request.list_price_sek for home in homes]
        features = self._path.features(connection, homes)
        return self.past_market().described(features, asked_sek)

    def _carried(
        self, place: Place, request: ValuationRequest, days: Sequence[dt.date]
    ) -> Columns:
        """Compute one home's features on days, its own date's first."""
        homes = [HomeAtDate(request, place, day) for day in days]
        return carried_to_each_day(self._features(self.connection(), homes)[0])

    def _value_located(
        self,
        connection: duckdb.DuckDBPyConnection,
        served: ServedModel,
        located: list[_Located],
        *,
        is_logged: bool,
    ) -> dict[int, PlainValue]:
        features, _ = self._features(connection, [each.home for each in located])
        valued = list(zip(located, served.says(features), strict=True))
        if is_logged:
            self._log.append(
                *(
                    _logged(each.home.request, each.home, said, served)
                    for each, said in valued
                )
            )
        return {
            each.position: PlainValue(
                **said.fields(),
                is_extrapolation=self._levels.is_extrapolation(each.home.date),
                place=each.home.place,
                model_version=served.version.version,
            )
            for each, said in valued
        }

    def _value_at_date(
        self, when: When, date: dt.date, other_sek: float, value_sek: float
    ) -> ValueAtDate:
        return ValueAtDate(
            when=when,
            date=date,
            value_sek=round(other_sek),
            difference_sek=round(other_sek - value_sek),
            difference_pct=round(100 * (other_sek / value_sek - 1), 1),
            is_extrapolation=self._levels.is_extrapolation(date),
        )


def _logged(
    request: ValuationRequest, home: HomeAtDate, said: Said, served: ServedModel
) -> LoggedValuation:
    fields = said.fields()
    return LoggedValuation(
        request,
        home.place,
        fields["value_sek"],
        fields["low_sek"],
        fields["high_sek"],
        served.version.version,
        mode=request.mode,
        confidence_class=said.confidence_class,
    )


def _not_found(
    connection: duckdb.DuckDBPyConnection, request: ValuationRequest
) -> AddressNotFoundError:
    suggestions = nearest_spellings(connection, request.address)
    return AddressNotFoundError(request.address, suggestions)


if __name__ == "__main__":
    from ml.valuation.value_command import main

    exit_with(main)

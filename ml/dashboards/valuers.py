"""The shared valuer of a process, renewed behind its visitors' backs.

What belongs here: which snapshot and models visitors are served from, making the next
ones ready while the old still answer, and forgetting the old. What does not: valuing,
and anything of one visitor.

A visitor borrows the valuer for one valuation and all that is shown of it, and never
waits for a newer one. At most two are in memory: before a third is made ready, those
who still hold the oldest are asked to give it back.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Self, TypeVar, get_args

import duckdb

from ml.dashboards.city import City, read_city
from ml.serving_models import ServingRegistry, keep_models_fresh
from ml.valuation.features import MODES
from ml.valuation.registration import registered_name, served_names
from ml.valuation.request import ModelName
from ml.valuation.serving_path import leave_to_stay
from ml.valuation.suggestions import AddressSuggestions
from ml.valuation.value import Valuer
from warehouse.errors import SlutprisError
from warehouse.serving import current_snapshot_id

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from warehouse.settings import Settings

logger = logging.getLogger(__name__)

HEADLINE: ModelName = "xgboost"
"""The model that must be there: without it there is nothing to show."""
LOOKED_EVERY_S = 1.0
RECALL_S = 30.0
"""Time that those who are asked to give a valuer back have for it."""
RETRIED_AFTER_S = 60.0

CANNOT = (SlutprisError, duckdb.Error, OSError)
"""What may go wrong in the middle of a session: files that were removed or damaged."""
OTHER_SHAPE = (
    "the published snapshot is not in the shape this version reads [{reason}]; "
    "build and publish again (`dg launch --assets '*'`)"
)

Key = tuple[str, ...]
Found = TypeVar("Found")


@dataclass(eq=False)
class _Generation:
    """One snapshot and its models, and who is using them."""

    key: Key
    valuer: Valuer
    city: City
    suggestions: AddressSuggestions
    borrowed: set[Borrowed] = field(default_factory=set)


class Borrowed:
    """A valuer, for one valuation and what is shown of it; close it when done.

    ``city`` and ``suggestions`` are of the same snapshot. ``is_recalled`` once it must
    be given back soon: what is made of it then is made anew of a newer one.
    """

    def __init__(
        self,
        generation: _Generation,
        give_back: Callable[[Borrowed], None],
        recalled: Callable[[], None] | None,
    ) -> None:
        self.valuer = generation.valuer
        self.city = generation.city
        self.suggestions = generation.suggestions
        self.is_recalled = False
        self._recalled = recalled
        self._generation: _Generation | None = generation
        self._give_back = give_back

    def close(self) -> None:
        """Give the valuer back; a second time does nothing."""
        self._give_back(self)

    def recall(self) -> None:
        """Ask for it back."""
        self.is_recalled = True
        if self._recalled is not None:
            self._recalled()

    def left(self) -> _Generation | None:
        """Leave what was borrowed; give it the first time only."""
        generation, self._generation = self._generation, None
        return generation

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Valuers:
    """The valuer of the newest snapshot and models, for all visitors of a process.

    Parameters
    ----------
    settings
        Where the snapshots and the registry are.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._current: _Generation | None = None
        self._previous: _Generation | None = None
        self._preparing: threading.Thread | None = None
        self._looked_at = 0.0
        self._failed: tuple[Key, float] | None = None
        self._lock = threading.Lock()
        self._first = threading.Lock()
        self._returned = threading.Condition(self._lock)
        self.problem: str | None = None
        """Why the newest snapshot or models could not be used; None when they are."""

    def borrow(self, recalled: Callable[[], None] | None = None) -> Borrowed:
        """Lend the newest valuer that is ready; waits for the very first one alone.

        Parameters
        ----------
        recalled
            Called, from another thread, when the valuer must be given back soon.

        Raises
        ------
        SlutprisError
            When nothing is published, or no model is registered.
        """
        if self._current is None:
            self._make_first()
        self._look_for_newer()
        with self._lock:
            if self._current is None:
                raise SlutprisError("nothing is published")
            borrowed = Borrowed(self._current, self._give_back, recalled)
            self._current.borrowed.add(borrowed)
            return borrowed

    def lend_for(
        self,
        work: Callable[[Valuer], Found],
        recalled: Callable[[], None] | None = None,
    ) -> tuple[Borrowed, Found]:
        """Lend the newest valuer with what is found by it.

        What it was asked back from meanwhile is found anew by a newer one: whoever
        asked gets an answer. Raises what ``work`` raises, and what ``borrow`` does.
        """
        while True:
            borrowed = self.borrow(recalled)
            is_lent = False
            try:
                found = work(borrowed.valuer)
                is_lent = not borrowed.is_recalled
            except CANNOT:
                if not borrowed.is_recalled:
                    raise
            finally:
                if not is_lent:
                    borrowed.close()
            if is_lent:
                return borrowed, found

    def wait_until_ready(self, timeout_s: float) -> None:
        """Wait for what is being made ready, if anything is."""
        preparing = self._preparing
        if preparing is not None:
            preparing.join(timeout_s)

    def _make_first(self) -> None:
        with self._first:
            if self._current is not None:
                return
            keep_models_fresh(self._settings, tuple(served_names()))
            self._current = _made(self._settings)
            # The first visitors wait for DuckDB rather than for this.
            self._start(self._warm_first)

    def _warm_first(self) -> None:
        if self._current is not None:
            _warm(self._current.valuer, self._settings)

    def _look_for_newer(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < LOOKED_EVERY_S or self._is_preparing():
            return
        self._looked_at = now
        key = _newest(self._settings)
        current = self._current
        if current is None or key == current.key or self._failed_lately(key, now):
            if current is not None and key == current.key:
                self.problem = None
            return
        self._start(lambda: self._renew(key))

    def _failed_lately(self, key: Key, now: float) -> bool:
        return (
            self._failed is not None
            and self._failed[0] == key
            and now - self._failed[1] < RETRIED_AFTER_S
        )

    def _is_preparing(self) -> bool:
        return self._preparing is not None and self._preparing.is_alive()

    def _start(self, work: Callable[[], None]) -> None:
        with self._lock:
            if not self._is_preparing():
                self._preparing = threading.Thread(
                    target=work, name="warm-valuer", daemon=True
                )
                self._preparing.start()

    def _renew(self, key: Key) -> None:
        self._recall_previous()
        self._failed = (key, time.monotonic())
        try:
            newer = _made(self._settings)
        except SlutprisError as error:
            logger.warning("goes on with the former snapshot and models: %s", error)
            self.problem = str(error)
            return
        _warm(newer.valuer, self._settings)
        with self._lock:
            old, self._current = self._current, newer
            self._previous = old
        self._failed, self.problem = None, None
        self._forget_unused()

    def _recall_previous(self) -> None:
        """Make room for the next: ask for the oldest back, and close it."""
        with self._lock:
            previous = self._previous
            held = list(previous.borrowed) if previous else []
        for borrowed in held:
            borrowed.recall()
        with self._returned:
            self._returned.wait_for(
                lambda: previous is None or not previous.borrowed, RECALL_S
            )
            forgotten, self._previous = self._previous, None
        _close(forgotten)

    def _give_back(self, borrowed: Borrowed) -> None:
        with self._returned:
            generation = borrowed.left()
            if generation is None:
                return
            generation.borrowed.discard(borrowed)
            self._returned.notify_all()
        self._forget_unused()

    def _forget_unused(self) -> None:
        with self._lock:
            previous = self._previous
            if previous is None or previous.borrowed:
                return
            self._previous = None
        _close(previous)


@cache
def valuers(settings: Settings) -> Valuers:
    """Give the valuers that all visitors of this process share."""
    return Valuers(settings)


def current_valuer(settings: Settings) -> Valuer:
    """Give the shared valuer of the newest snapshot and models that are ready.

    For a quick question: who goes on using it borrows it.

    Raises
    ------
    SlutprisError
        When nothing is published, or no model is registered.
    """
    with valuers(settings).borrow() as borrowed:
        return borrowed.valuer


def registered_models(settings: Settings) -> list[ModelName]:
    """Name the models a visitor can choose."""
    registered = ServingRegistry(settings).names()
    return [name for name in get_args(ModelName) if name in registered]


def _newest(settings: Settings) -> Key:
    """Name the newest snapshot and models: what a valuer is stale without."""
    registry = ServingRegistry(settings)
    names = [name for name in registry.names() if name in served_names()]
    models = [f"{name} {_number(registry, name)}" for name in names]
    return (current_snapshot_id(settings.serving_dir) or "", *models)


def _number(registry: ServingRegistry, name: str) -> str:
    # a version that cannot be read is no reason not to serve the others
    with suppress(SlutprisError):
        return str(registry.get(name).version)
    return "unreadable"


def _made(settings: Settings) -> _Generation:
    key = _newest(settings)
    valuer = Valuer(settings)
    try:
        valuer.served_model(HEADLINE)
        city = read_city(valuer.connection())
        suggestions = AddressSuggestions(valuer.connection())
    except SlutprisError:
        valuer.close()
        raise
    except duckdb.Error as error:
        valuer.close()
        reason = str(error).splitlines()[0]
        raise SlutprisError(OTHER_SHAPE.format(reason=reason)) from error
    # what was opened, should something have been published since the key was read
    key = (valuer.snapshot.snapshot_id, *key[1:])
    return _Generation(key, valuer, city, suggestions)


def _warm(valuer: Valuer, settings: Settings) -> None:
    """Load every registered model and what answers in milliseconds."""
    valuer.warm()
    registered = ServingRegistry(settings).names()
    for name in get_args(ModelName):
        for mode in MODES:
            if registered_name(name, mode) in registered:
                # who asks for the model is told what is wrong with it
                with suppress(SlutprisError):
                    valuer.served_model(name, mode)


def _close(generation: _Generation | None) -> None:
    if generation is None:
        return
    generation.valuer.close()
    # models hang in cycles, which the frozen heap would keep
    leave_to_stay()

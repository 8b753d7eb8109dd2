"""What a home would be worth with another fact: one floor up, a lower fee.

What belongs here: which changes are tried and what they do to the value. What does not:
valuing. Every answer is by the same model, day and snapshot as the value itself, and
none is logged as a valuation somebody asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pandas as pd

from ml.valuation.request import InvalidRequestError, ValuationRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.valuation.value import Valuer

Fact = Literal[
    "floor",
    "fee_sek_per_month",
    "rooms",
    "living_area_m2",
    "construction_year",
    "operating_cost_sek_per_month",
]
Changes = dict[Fact, float]

READY_STEPS: tuple[tuple[Fact, float], ...] = (
    ("floor", -1),
    ("floor", 1),
    ("floor", 3),
    ("fee_sek_per_month", -500),
    ("fee_sek_per_month", 500),
    ("living_area_m2", -5),
    ("living_area_m2", 5),
)
"""What is tried unasked: a fact, and how far it is moved."""
STATED_FIRST: tuple[Fact, ...] = ("rooms", "floor", "fee_sek_per_month")


@dataclass(frozen=True)
class WhatIf:
    """A home with some facts changed: its value, and what the change makes of it.

    The value is None where such a home cannot be asked about.
    """

    changes: Changes
    value_sek: int | None
    difference_sek: int | None
    difference_pct: float | None


@dataclass(frozen=True)
class ReadyAnswers:
    """The changes that are tried unasked, and the facts and value they start from.

    ``assumed`` holds what was taken for facts that were left out: had it not been
    stated first, a step would tell a guess from a fact as well.
    """

    what_ifs: list[WhatIf]
    assumed: Changes
    stated_value_sek: int | None


def ready_answers(valuer: Valuer, request: ValuationRequest) -> ReadyAnswers:
    """Try the steps of ``READY_STEPS``, but those out of the allowed range.

    Raises
    ------
    AddressNotFoundError
        When no known place is spelt so.
    """
    assumed = _assumed_facts(valuer, request)
    stated = changed_request(request, assumed)
    changes: list[Changes] = []
    for fact, step in READY_STEPS:
        value = getattr(stated, fact)
        if value is not None:
            changes.append({fact: value + step})
    valid = [each for each in changes if _changed(stated, each) is not None]
    unchanged, *tried = differences(valuer, stated, [{}, *valid])
    return ReadyAnswers(tried, assumed, unchanged.value_sek)


def differences(
    valuer: Valuer, request: ValuationRequest, changes: Sequence[Changes]
) -> list[WhatIf]:
    """Value a home with each set of changes, against the home as it is.

    Raises
    ------
    AddressNotFoundError
        When no known place is spelt so.
    """
    asked = [_changed(request, each) for each in changes]
    valid = [each for each in asked if each is not None]
    values: list[int] = []
    for valued in valuer.value_many([request, *valid], is_logged=False):
        if isinstance(valued, Exception):
            raise valued
        values.append(valued.value_sek)
    now_sek, *others = values
    found = iter(others)
    return [
        _what_if(each, now_sek, next(found) if wanted is not None else None)
        for each, wanted in zip(changes, asked, strict=True)
    ]


def changed_request(request: ValuationRequest, changes: Changes) -> ValuationRequest:
    """Give the request with other facts.

    Raises
    ------
    InvalidRequestError
        When a fact is out of range.
    """
    return ValuationRequest.of(**(request.model_dump() | changes))


def _changed(request: ValuationRequest, changes: Changes) -> ValuationRequest | None:
    try:
        return changed_request(request, changes)
    except InvalidRequestError:
        return None


def _assumed_facts(valuer: Valuer, request: ValuationRequest) -> Changes:
    """Give what the features of a home take for facts that were left out."""
    _, features = valuer.home_features(request)
    assumed: Changes = {
        fact: float(features[fact])
        for fact in STATED_FIRST
        if getattr(request, fact) is None and pd.notna(features.get(fact))
    }
    return assumed if _changed(request, assumed) is not None else {}


def _what_if(changes: Changes, now_sek: int, value_sek: int | None) -> WhatIf:
    if value_sek is None:
        return WhatIf(changes, None, None, None)
    return WhatIf(
        changes,
        value_sek,
        value_sek - now_sek,
        round(100 * (value_sek / now_sek - 1), 2),
    )

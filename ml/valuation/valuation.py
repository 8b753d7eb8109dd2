"""What a valuation says: the value, its range, and what it rests on.

What belongs here: the fields a page, a log or a command line reads. What does not: how
any of them is found (``value``).
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - pydantic reads the annotations
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ml.valuation.comparables import ComparableSale  # noqa: TC001 - pydantic reads it
from ml.valuation.comparables_estimate import (
    ComparablesEstimate,  # noqa: TC001 - pydantic reads it
)
from ml.valuation.confidence import RefusalReason  # noqa: TC001 - pydantic reads it
from ml.valuation.explain import Explanation  # noqa: TC001 - pydantic reads it
from ml.valuation.places import Place  # noqa: TC001 - pydantic reads it
from ml.valuation.request import ModelName, ValuationRequest  # noqa: TC001

When = Literal["three_years_ago", "before_invasion", "one_year_ago", "in_one_year"]


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

    Nine of ten prices lie between ``low_sek`` and ``high_sek``; ``confidence_class`` is
    0 to 7 and ``fsd_pct`` the forecast standard deviation behind it. They are None when
    there is too little to go on, with ``refusal_reason`` saying what is missing (the
    value is then a guess, not to be relied on), or when the model is not calibrated.
    The value stands on the price level of the half-month that began on
    ``price_index_period_start``.
    ``assumed_economy`` names the features of the economy that are assumed, the date
    being after their last published figure. ``comparables`` are the sales whose
    residuals the model was given, heaviest first, and ``comparables_estimate`` what
    they say by themselves. ``explanation`` is the value in parts that add up to it.
    """

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    value_sek: int
    value_sek_per_m2: int
    low_sek: int | None
    high_sek: int | None
    confidence_class: int | None
    fsd_pct: float | None
    refusal_reason: RefusalReason | None
    is_extrapolation: bool
    price_index_period_start: dt.date | None
    assumed_economy: list[str]
    at_other_dates: list[ValueAtDate]
    place: Place
    comparables: list[ComparableSale]
    comparables_estimate: ComparablesEstimate | None
    explanation: Explanation | None
    request: ValuationRequest
    model: ModelName
    model_version: int
    snapshot_id: str
    latency_ms: float


@dataclass(frozen=True)
class PlainValue:
    """A home's value at its date, without what a page shows beside it."""

    value_sek: int
    low_sek: int | None
    high_sek: int | None
    confidence_class: int | None
    refusal_reason: str | None
    is_extrapolation: bool
    place: Place
    model_version: int

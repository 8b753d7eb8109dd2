"""What to backtest: months, models, mode and protocols, as a person asks for them.

What belongs here: the names of the protocols and what can be refused before anything
is read or trained. What does not: which sales a protocol trains on, see ``protocols``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, get_args

import pandas as pd

from ml.valuation.models import MODELS
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ml.valuation.features import Mode

Protocol = Literal[
    "rolling_monthly",
    "last_10_pct",
    "random_80_20",
    "unseen_buildings",
    "unseen_districts",
    "unseen_districts_arriving",
    "frozen_0_months",
    "frozen_3_months",
    "frozen_6_months",
    "frozen_12_months",
]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)

DISTRICT_PROTOCOLS: tuple[Protocol, ...] = (
    "unseen_districts",
    "unseen_districts_arriving",
)
"""Those that need a warehouse of their own, without the sales of some districts."""

FROZEN_MONTHS: dict[Protocol, int] = {
    "frozen_0_months": 0,
    "frozen_3_months": 3,
    "frozen_6_months": 6,
    "frozen_12_months": 12,
}


@dataclass(frozen=True)
class Plan:
    """What to backtest: the months of ``start`` to ``end``, both given as day one."""

    start: date
    end: date
    models: tuple[str, ...] = tuple(MODELS)
    mode: Mode = "before_listing"
    protocols: tuple[Protocol, ...] = ("rolling_monthly",)

    def __post_init__(self) -> None:
        """Refuse what cannot be run, before anything is trained."""
        if self.start > self.end:
            raise SlutprisError(
                f"start {self.start:%Y-%m} is after end {self.end:%Y-%m}; swap them"
            )
        _check_known(self.models, tuple(MODELS), "model")
        _check_known(self.protocols, PROTOCOLS, "protocol")

    @property
    def months(self) -> list[pd.Timestamp]:
        """First days of the months to value."""
        return list(pd.date_range(self.start, self.end, freq="MS"))


def month_of(text: str) -> date:
    """Read a month such as 2016-01 as its first day."""
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text):
        raise SlutprisError(f"{text!r} is not a month; write it as 2016-01")
    return date.fromisoformat(f"{text}-01")


def names_in(text: str, known: Sequence[str], what: str) -> tuple[Any, ...]:
    """Read names separated by commas; ``all`` stands for every known one.

    Raises
    ------
    SlutprisError
        When one is not known, or there is none.
    """
    names = tuple(dict.fromkeys(n.strip() for n in text.split(",") if n.strip()))
    if names == ("all",):
        return tuple(known)
    _check_known(names, known, what)
    return names


def _check_known(names: Sequence[str], known: Sequence[str], what: str) -> None:
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise SlutprisError(
            f"unknown {what} {', '.join(unknown) or '(none given)'}; "
            f"choose among {', '.join(known)}, or all"
        )

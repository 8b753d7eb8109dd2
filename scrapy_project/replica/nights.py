"""One day after another: a drawn market goes on, and its level may turn.

What belongs here: the sales that a new day brings, on the day or late, and the price
level they are drawn at. What does not: what happens to sales that are there already
(``changes``).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from scrapy_project.replica.changes import next_booli_id
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scrapy_project.replica.market import Market


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A change of the price level, even by the day, that then stays."""

    first: date
    days: int
    pct: float

    def factor(self, day: date) -> float:
        """Give the level of a day against the level without the turn."""
        share = min(1.0, max(0.0, (day - self.first).days / self.days))
        return (1 + self.pct / 100) ** share


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """What the site learns when a day is over."""

    day: date
    sales: int = 0
    """Sold on the day."""
    late_sales: int = 0
    """Sold in the weeks before, and told only now."""
    late_days: int = 35
    seed: int = 1
    turn: Turn | None = None

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Night:
        """Read a night from JSON; ``turn`` as ``{"first", "days", "pct"}``.

        Raises
        ------
        SlutprisError
            If a name is not known or a date is none.
        """
        try:
            values: dict[str, Any] = {**given, "day": date.fromisoformat(given["day"])}
            if turn := given.get("turn"):
                first = date.fromisoformat(turn["first"])
                values["turn"] = Turn(first=first, days=turn["days"], pct=turn["pct"])
            return cls(**values)
        except (KeyError, TypeError, ValueError) as error:
            raise SlutprisError(
                f"this is no night ({error}); expected day=YYYY-MM-DD and any of "
                "sales, late_sales, late_days, seed, turn={first, days, pct}"
            ) from error


def fall(market: Market, night: Night) -> dict[str, list[int]]:
    """Let a day pass: its sales and the late ones appear; give their ids.

    Raises
    ------
    SlutprisError
        If the market is read from a file, or the day is before its today.
    """
    if market.draw is None or night.day < market.today:
        raise SlutprisError(
            f"no night can fall: {market.name} is at {market.today}; "
            "only a synthetic market goes on, and only forwards"
        )
    market.today = night.day
    rng = random.Random(f"{night.seed}/night/{night.day}")
    late = [
        night.day - timedelta(days=rng.randint(2, night.late_days))
        for _ in range(night.late_sales)
    ]
    return {
        "sales": _sell(market, rng, [night.day] * night.sales, night.turn),
        "late_sales": _sell(market, rng, late, night.turn),
    }


def _sell(
    market: Market, rng: random.Random, days: list[date], turn: Turn | None
) -> list[int]:
    added: list[int] = []
    if market.draw is None:
        return added
    for day in days:
        factor = turn.factor(day) if turn else 1.0
        sale = market.draw(rng, day, next_booli_id(market), factor)
        market.add(sale)
        added.append(sale.booli_id)
    return added

"""New sales that appear while somebody is paging, after every few page requests.

Which sales these are belongs to ``changes``.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from scrapy_project.replica.changes import add_sales
from scrapy_project.replica.limits import is_never_limited

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from scrapy_project.replica.market import Market


@dataclass
class Drift:
    """How the market grows under the visitors' feet; off at the start."""

    market: Market
    every_requests: int = 0
    """0 leaves the market in peace."""
    sales: int = 1
    first: date | None = None
    last: date | None = None
    """Sold dates of the new sales; both default to the market's today."""
    seed: int = 1
    inserted: list[int] = field(default_factory=list)
    _asked: int = 0

    def restart(self) -> None:
        """Count the requests from here."""
        self._asked = 0

    def described(self) -> dict[str, Any]:
        """Give the settings and the sales it has brought so far."""
        return {
            "drift_every_requests": self.every_requests,
            "drift_sales": self.sales,
            "drift_from": (self.first or self.market.today).isoformat(),
            "drift_to": (self.last or self.market.today).isoformat(),
            "drift_seed": self.seed,
            "drift_inserted": self.inserted,
        }

    def after_request(self) -> None:
        """Count an answered page request; bring new sales when it is time."""
        self._asked += 1
        if self.every_requests and self._asked % self.every_requests == 0:
            rng = random.Random(f"{self.seed}/drift/{self._asked}")
            self.inserted += add_sales(self.market, rng, self._days(rng))

    def _days(self, rng: random.Random) -> list[date]:
        first = self.first or self.market.today
        span = ((self.last or self.market.today) - first).days
        return [
            first + timedelta(days=rng.randint(0, max(0, span)))
            for _ in range(self.sales)
        ]


class DriftMiddleware:
    """Lets the market grow after the pages it has served."""

    def __init__(self, app: ASGIApp, drift: Drift) -> None:
        self._app = app
        self._drift = drift

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, then let the market grow."""
        await self._app(scope, receive, send)
        if scope["type"] == "http" and not is_never_limited(scope["path"]):
            self._drift.after_request()

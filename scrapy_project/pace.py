"""How fast to ask a site that says 429: learn what it allows, then keep to it.

What belongs here: the decision when the next request may be sent. What does not: any
clock, any sleeping, any Scrapy (``retry_after``). ``docs/decisions`` says why so.
"""

from __future__ import annotations

import math
from collections import deque

import attrs

from scrapy_project.token_bucket import MAX_RATE_PER_S, MAX_REMEMBERED, Stretch

# The wait after a 429 without Retry-After; it doubles while nothing is accepted.
MISSING_WAIT_S = 60.0
# An own guess of the rate is at least so fast: the search costs less from there.
FIRST_GUESS_PER_S = 0.2
FIRST_GROWTH = 2.0
# How far inside its bounds a search begins, and by how much of their width it grows.
START_SHARE, GROWTH_SHARE = 0.15, 0.1
MAX_GROWTH = 1.5
# Bounds as close as this are not narrowed further: each step costs a refusal.
CLOSE_ENOUGH = 1.03
# How many refusals after the first the search for the rate may cost.
FREE_REFUSALS = 3
MAX_REFUSED_SHARE = 0.008
SLOWER, SLIGHTLY_SLOWER = 1.5, 1.03
# Bounds that cross by less are the clocks' doing, not a site that changed.
CROSSING = 1.03


@attrs.define
class Pace:
    """When the next request may be sent, learnt from which were refused.

    Until the first refusal only ``delay_s`` counts. From then on the site is taken for
    a token bucket, whose tokens are counted here at a rate between proven bounds. A
    site that is none only makes the pace slower.

    Attributes
    ----------
    delay_s
        Seconds that must lie between two requests in any case.
    rate_per_s
        The rate kept; None while nothing was refused.
    """

    delay_s: float = 0.0
    rate_per_s: float | None = None
    wait_until_s: float = float("-inf")
    requests: int = 0
    refusals: int = 0
    _low: float = 0.0
    _high: float = MAX_RATE_PER_S
    _proven: float = 0.0
    _growth: float = 1.0
    _capacity: float = 1.0
    _tokens: float = 0.0
    _counted_s: float = 0.0
    _last_s: float = float("-inf")
    _at_first: deque[float] = attrs.field(factory=lambda: deque(maxlen=MAX_REMEMBERED))
    _first_refused_s: float = 0.0
    _missing_wait_s: float = MISSING_WAIT_S
    _stretch: Stretch = attrs.field(factory=lambda: Stretch(0.0))

    def send_at(self, now_s: float) -> float:
        """Tell when the next request may be sent: now, or a later time."""
        soonest_s = max(now_s, self.wait_until_s, self._last_s + self.delay_s)
        if self.rate_per_s is None:
            return soonest_s
        missing = max(0.0, 1 - self._tokens)
        return max(soonest_s, self._counted_s + missing / self.rate_per_s)

    def accepted(self, sent_s: float, received_s: float) -> None:
        """Note a request that was not refused, whatever else its answer was."""
        now_s = self._note(sent_s, received_s)
        self._stretch.accept(now_s)
        self._missing_wait_s = MISSING_WAIT_S
        if self.rate_per_s is None:
            self._at_first.append(now_s)
            return
        refilled = self.rate_per_s * (now_s - self._counted_s)
        tokens = min(self._capacity, self._tokens + refilled)
        self._tokens, self._counted_s = max(0.0, tokens - 1), now_s
        self._proven = max(self._proven, self._stretch.proven_rate())
        # Saved tokens are spent faster than they come; only after them is it a test.
        if tokens < 1.5 and self._may_search:
            faster = self.rate_per_s * self._growth
            self.rate_per_s = min(faster, max(self._high * 0.99, self.rate_per_s))
        self.rate_per_s = max(self.rate_per_s, self._proven)

    def unanswered(self, sent_s: float, received_s: float) -> None:
        """Note a request that failed on the way: it may have cost a token."""
        self._note(sent_s, received_s)
        self._tokens = max(0.0, self._tokens - 1)

    def refused(self, sent_s: float, received_s: float, wait_s: float | None) -> float:
        """Note a 429 and the wait it asked for; return the seconds to wait from now."""
        now_s = self._note(sent_s, received_s)
        self.refusals += 1
        if wait_s is None:
            wait_s = self._missing_wait_s
            self._missing_wait_s *= 2
        elif wait_s > 1:
            # A whole number of seconds, rounded up, until one token is there.
            self._high = min(self._high, 1 / (wait_s - 1))
        if self.rate_per_s is None:
            self._guess(now_s, wait_s)
        elif self._stretch.count == 0:
            self._slow_down()
        else:
            self._learn(now_s)
        self._stretch = Stretch(now_s)
        self._tokens, self._counted_s = 0.0, now_s
        self.wait_until_s = max(self.wait_until_s, received_s + wait_s)
        return wait_s

    @property
    def _may_search(self) -> bool:
        allowed = max(FREE_REFUSALS, MAX_REFUSED_SHARE * self.requests)
        return self.refusals - 1 < allowed

    def _note(self, sent_s: float, received_s: float) -> float:
        self.requests += 1
        now_s = (sent_s + received_s) / 2
        self._last_s = sent_s
        return now_s

    def _guess(self, now_s: float, wait_s: float) -> None:
        """Begin at one request a wait, and double."""
        self._first_refused_s = now_s
        if self._at_first and now_s > self._at_first[-1]:
            self._high = min(self._high, 1 / (now_s - self._at_first[-1]))
        guess = max(1 / max(wait_s, 0.1), FIRST_GUESS_PER_S if wait_s > 30 else 0.0)
        self.rate_per_s = min(guess, self._high)
        self._growth = FIRST_GROWTH

    def _slow_down(self) -> None:
        """Answer a refusal right after a wait: the site is no honest bucket."""
        assert self.rate_per_s is not None
        self.rate_per_s /= SLOWER
        self._capacity = 1.0
        self._proven = min(self._proven, self.rate_per_s)
        self._low = min(self._low, self.rate_per_s)

    def _learn(self, refused_s: float) -> None:
        """Narrow the bounds by what happened since the refusal before."""
        assert self.rate_per_s is not None
        before = self.rate_per_s
        found = self._bounds(refused_s)
        low, high = max(found[0], self._low), min(found[1], self._high)
        if low > high * CROSSING:
            low, high = found
        if low > high * CROSSING:
            # No bucket as fast as before explains it: the site has become slower.
            high = min(before, found[1])
            low = self._proven = high / SLOWER
        self._low, self._high = min(low, high), high
        low = self._low or high / 10
        width = high / low
        self._growth = min(MAX_GROWTH, 1 + (width - 1) * GROWTH_SHARE)
        if width < CLOSE_ENOUGH:
            self._growth = 1.0
        rate = min(before, low * (1 + START_SHARE * (width - 1)))
        if not self._may_search:
            # Refused more often than the search for the rate accounts for.
            rate = min(rate, low) / SLIGHTLY_SLOWER
            self._proven = min(self._proven, rate)
        self.rate_per_s = max(rate, min(self._proven, high))

    def _bounds(self, refused_s: float) -> tuple[float, float]:
        """Bounds of the rate; the capacity, known but for the rate, narrows them."""
        low, high = self._proven, self._high
        for _ in range(4):
            high = self._stretch.largest_rate(refused_s, self._capacity_at(high))
            found = self._stretch.smallest_rate(self._capacity_at(low))
            low = max(self._proven, found)
            if low > high:
                break
        self._capacity = self._capacity_at(high)
        return low, high

    def _capacity_at(self, rate: float) -> float:
        """Capacity that a bucket of that rate had to have before the first refusal.

        So many tokens were taken, since whichever request, more than came back.
        """
        taken = [
            number - rate * (self._first_refused_s - accepted_s)
            for number, accepted_s in enumerate(reversed(self._at_first), start=1)
        ]
        return max(1.0, math.ceil(max(taken, default=1.0)))

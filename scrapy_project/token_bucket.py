"""What the answers of a token bucket tell about its rate.

What belongs here: the stretch between two refusals, and the rates that explain it. What
does not: what to do with that knowledge (``pace``), any clock, any request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

# Beyond so many acceptances their number says as much as their times.
MAX_REMEMBERED = 2000
MIN_RATE_PER_S, MAX_RATE_PER_S = 1e-4, 1e4
BISECTIONS = 30


@attrs.define
class Stretch:
    """The accepted requests since a refusal, at which the bucket held under one token.

    Attributes
    ----------
    began_s, accepted_s
        When the refusal and the requests after it met the bucket, as far as known.
    """

    began_s: float
    count: int = 0
    accepted_s: list[float] = attrs.field(factory=list)
    last_s: float = float("-inf")

    def accept(self, now_s: float) -> None:
        """Note an accepted request."""
        self.count += 1
        self.last_s = now_s
        if len(self.accepted_s) < MAX_REMEMBERED:
            self.accepted_s.append(now_s)

    def proven_rate(self) -> float:
        """Rate below which the bucket cannot have filled, whatever its capacity."""
        elapsed_s = self.last_s - self.began_s
        return (self.count - 1) / elapsed_s if self.count > 1 else 0.0

    def smallest_rate(self, capacity: float) -> float:
        """Smallest rate with which such a bucket could have accepted every request."""
        return _bisect(lambda rate: not self._accepts_all(rate, capacity))

    def largest_rate(self, refused_s: float, capacity: float) -> float:
        """Largest rate with which such a bucket could have refused a request now."""
        if not self.count:
            return MAX_RATE_PER_S
        if self.count > len(self.accepted_s):
            return (self.count + 1) / (refused_s - self.began_s)
        return _bisect(lambda rate: self._refuses(rate, capacity, refused_s))

    def _accepts_all(self, rate: float, capacity: float) -> bool:
        tokens, at_s = 1.0, self.began_s
        for accepted_s in self.accepted_s:
            tokens = min(capacity, tokens + rate * (accepted_s - at_s)) - 1
            if tokens < 0:
                return False
            at_s = accepted_s
        return True

    def _refuses(self, rate: float, capacity: float, refused_s: float) -> bool:
        tokens, at_s = 0.0, self.began_s
        for accepted_s in self.accepted_s:
            tokens = max(0.0, min(capacity, tokens + rate * (accepted_s - at_s)) - 1)
            at_s = accepted_s
        return min(capacity, tokens + rate * (refused_s - at_s)) < 1


def _bisect(is_too_small: Callable[[float], bool]) -> float:
    """Find the rate where the answer turns; 0 when no rate is too small."""
    low, high = MIN_RATE_PER_S, MAX_RATE_PER_S
    if not is_too_small(low):
        return 0.0
    for _ in range(BISECTIONS):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if is_too_small(middle) else (low, middle)
    return low

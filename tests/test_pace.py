"""The pace against a token bucket, in virtual time: no sleeping, no network.

The bucket is the test's own, so that a mistake in the product's idea of one shows.
"""

from __future__ import annotations

import math
import random
from typing import Literal

import attrs
import pytest

from scrapy_project.pace import MISSING_WAIT_S, Pace

Header = Literal["seconds", "date", "none"]


@attrs.define
class Bucket:
    """A site's limit; remembers requests that came while it had asked to wait."""

    rate_per_s: float
    capacity: float
    header: Header
    tokens: float = attrs.field(init=False)
    at_s: float = 0.0
    wait_until_s: float = -1.0
    came_inside_a_wait: int = 0

    def __attrs_post_init__(self) -> None:
        self.tokens = self.capacity

    def answer(self, now_s: float) -> float | None:
        """Take a token and give None, or give the moment until which to wait."""
        gained = self.rate_per_s * (now_s - self.at_s)
        self.tokens, self.at_s = min(self.capacity, self.tokens + gained), now_s
        self.came_inside_a_wait += now_s < self.wait_until_s
        if self.tokens >= 1 - 1e-9:
            self.tokens -= 1
            return None
        missing_s = (1 - self.tokens) / self.rate_per_s
        if self.header == "seconds":
            self.wait_until_s = now_s + math.ceil(missing_s)
        elif self.header == "date":
            self.wait_until_s = math.ceil(now_s + missing_s)
        return self.wait_until_s


@attrs.define
class Run:
    """What a simulated crawl came to."""

    bucket: Bucket
    pace: Pace
    pages: int = 0
    began_s: float = 0.0
    ended_s: float = 0.0

    @property
    def share_of_allowed(self) -> float:
        elapsed_s = self.ended_s - self.began_s
        allowed = self.bucket.capacity + self.bucket.rate_per_s * elapsed_s
        return self.pages / allowed

    @property
    def share_refused_after_the_first(self) -> float:
        return max(0, self.pace.refusals - 1) / self.pace.requests


def simulate(
    rate_per_s: float, capacity: float, header: Header = "seconds", *,
    pages: int = 300, latency_s: float = 0.005, seed: int = 0, delay_s: float = 0.0,
    idle_s: float = 0.0,
) -> Run:  # fmt: skip
    """Fetch pages one at a time; the round trip varies by 30 %."""
    rng = random.Random(seed)
    run = Run(Bucket(rate_per_s, capacity, header, at_s=100.3), Pace(delay_s))
    now_s = run.began_s = 100.3
    while run.pages < pages:
        now_s = sent_s = max(now_s, run.pace.send_at(now_s))
        trip_s = latency_s * rng.uniform(0.7, 1.3)
        came_s = sent_s + trip_s * rng.uniform(0.4, 0.6)
        until_s = run.bucket.answer(came_s)
        now_s = sent_s + trip_s
        if until_s is None:
            run.pages += 1
            run.ended_s = came_s
            run.pace.accepted(sent_s, now_s)
        else:
            asked_s = {
                "seconds": until_s - came_s, "date": until_s - now_s, "none": None,
            }[header]  # fmt: skip
            run.pace.refused(sent_s, now_s, asked_s)
        # A crawl reads its first search pages slowly, while the bucket is full.
        now_s += 0.002 + idle_s * (run.pages == 5)
    return run


EVERY_BUCKET = [
    (rate, capacity)
    for rate in (0.2, 0.5, 1, 2, 5, 10, 20, 50, 200)
    for capacity in (1, 2, 5, 10, 30, 100)
]


@pytest.mark.parametrize("header", ["seconds", "date"])
@pytest.mark.parametrize("latency_s", [0.0, 0.005, 0.05, 0.3])
@pytest.mark.parametrize("pages", [300, 5000])
def test_nothing_is_sent_inside_a_wait_and_refusals_stay_rare(
    header: Header, latency_s: float, pages: int
) -> None:
    for rate, capacity in EVERY_BUCKET:
        run = simulate(rate, capacity, header, pages=pages, latency_s=latency_s)
        assert run.bucket.came_inside_a_wait == 0, (rate, capacity)
        assert run.share_refused_after_the_first <= 0.01, (rate, capacity)


# One wait costs rate x wait - capacity pages, and the site asks for whole seconds: of
# few pages at a high rate the first wait alone may cost more than one in twenty.
@pytest.mark.parametrize("header", ["seconds", "date"])
@pytest.mark.parametrize("latency_s", [0.005, 0.05])
@pytest.mark.parametrize(
    ("rate", "capacity"),
    [
        (rate, capacity)
        for rate, capacity in EVERY_BUCKET
        if rate <= 10 and capacity >= 2 * max(1, rate / 2)
    ],
)
def test_nearly_all_that_is_allowed_is_fetched(
    header: Header, latency_s: float, rate: float, capacity: float
) -> None:
    run = simulate(rate, capacity, header, pages=5000, latency_s=latency_s)
    assert run.share_of_allowed >= 0.95


@pytest.mark.parametrize("header", ["seconds", "date"])
@pytest.mark.parametrize(
    ("rate", "capacity"), [(0.2, 2), (0.5, 10), (1, 5), (2, 10), (5, 10), (10, 100)]
)
def test_short_crawl_fetches_nearly_all_that_is_allowed(
    header: Header, rate: float, capacity: float
) -> None:
    run = simulate(rate, capacity, header, pages=300)
    assert run.share_of_allowed >= 0.95


@pytest.mark.parametrize("idle_s", [0.5, 1.5])
@pytest.mark.parametrize(("rate", "capacity"), [(5, 10), (10, 20), (20, 40)])
def test_crawl_that_begins_slowly_still_learns_the_rate(
    rate: float, capacity: float, idle_s: float
) -> None:
    run = simulate(rate, capacity, pages=2000, idle_s=idle_s)
    assert run.share_of_allowed >= 0.95
    assert run.share_refused_after_the_first <= 0.01


def test_without_retry_after_the_search_stays_within_the_hundredth() -> None:
    for rate, capacity in EVERY_BUCKET:
        run = simulate(rate, capacity, "none", pages=1000)
        assert run.share_refused_after_the_first <= 0.01, (rate, capacity)


def test_wait_without_retry_after_doubles_until_something_is_accepted() -> None:
    pace = Pace()
    waits = [pace.refused(at, at, None) for at in (0.0, 100.0, 300.0)]
    assert waits == [MISSING_WAIT_S, 2 * MISSING_WAIT_S, 4 * MISSING_WAIT_S]
    pace.accepted(1000.0, 1000.0)
    assert pace.refused(1001.0, 1001.0, None) == MISSING_WAIT_S


def test_second_refusal_in_a_row_slows_down_by_half() -> None:
    pace = Pace()
    pace.accepted(0.0, 0.0)
    pace.refused(1.0, 1.0, 2.0)
    before = pace.rate_per_s
    pace.refused(3.0, 3.0, 2.0)
    assert before is not None
    assert pace.rate_per_s == pytest.approx(before / 1.5)


def test_delay_is_kept_where_the_site_would_allow_more() -> None:
    pace = Pace(delay_s=2.0)
    pace.accepted(10.0, 10.1)
    assert pace.send_at(10.2) == 12.0
    pace.refused(12.0, 12.1, 1.0)
    for sent_s in (14.0, 16.0, 18.0):
        pace.accepted(sent_s, sent_s + 0.1)
        assert pace.send_at(sent_s + 0.2) >= sent_s + 2.0


def test_site_with_a_quota_a_minute_is_not_refused_more_and_more() -> None:
    """Not a bucket: 100 requests in each minute of the clock, then none."""
    pace, now_s, refusals, asked = Pace(), 0.0, [], 0
    used: dict[int, int] = {}
    while asked < 3000:
        now_s = max(now_s, pace.send_at(now_s))
        minute, asked = int(now_s // 60), asked + 1
        if used.setdefault(minute, 0) < 100:
            used[minute] += 1
            pace.accepted(now_s, now_s)
        else:
            refusals.append(asked)
            pace.refused(now_s, now_s, 60 * (minute + 1) - now_s)
        now_s += 0.01
    assert len(refusals) - 1 <= 30


def test_site_that_becomes_slower_is_followed() -> None:
    run = simulate(5, 10, pages=500)
    pace, bucket = run.pace, Bucket(1, 10, "seconds", at_s=run.ended_s)
    bucket.tokens = 0.0
    now_s, refused_lately = run.ended_s, 0
    for number in range(1000):
        now_s = max(now_s + 0.005, pace.send_at(now_s))
        until_s = bucket.answer(now_s)
        if until_s is None:
            pace.accepted(now_s, now_s)
        else:
            refused_lately += number >= 200
            pace.refused(now_s, now_s, until_s - now_s)
    assert bucket.came_inside_a_wait == 0
    assert refused_lately <= 10

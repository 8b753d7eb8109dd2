"""Whether last night's crawl found about as many sales as its weekday does.

What belongs here: which nights are compared, and the verdict. What does not: whether
what was found can be trusted (``scrapy_project.judgement``, within the crawl itself).

A daily crawl reads the last days again, so it meets about the same number of cards
every night; the weekday matters because sales are published on working days.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from warehouse.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    import duckdb

STOCKHOLM = ZoneInfo("Europe/Stockholm")
WEEKDAYS = (
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
)
WEEKS = 8
ADVICE = (
    "look at the site's own search for these days; if it shows more sales, read the "
    "end of the crawl's log and raw.pages, and crawl again (job nightly)."
)

# The nights of the site and the depth of the newest one, which came to their end. One
# that went on after another that broke off has fewer windows to read, and says nothing.
_NIGHTS = f"""
with nights as (
    select
        started_at at time zone 'UTC' as started_at,
        site,
        arguments->>'days' as days,
        coalesce(cast(statistics->>'booli/cards' as bigint), 0) as card_count
    from raw.crawl_runs
    where arguments->>'mode' = 'daily'
        and finish_reason in ('finished', 'monitors')
        and coalesce(
            cast(statistics->>'booli/windows_already_complete' as bigint), 0
        ) = 0
),
newest as (
    select * from nights order by started_at desc limit 1
)
select nights.started_at, nights.card_count
from nights
inner join newest
    on nights.site = newest.site and nights.days is not distinct from newest.days
where nights.started_at > newest.started_at - interval {7 * WEEKS + 1} days
order by nights.started_at desc
"""


@dataclass(frozen=True)
class Night:
    """One daily crawl that came to its end."""

    started_at: datetime
    card_count: int

    @property
    def weekday(self) -> int:
        """Monday is 0; on the Swedish clock."""
        return self.started_at.astimezone(STOCKHOLM).weekday()


def read_nights(connection: duckdb.DuckDBPyConnection) -> list[Night]:
    """Read the nights that can be compared, newest first."""
    connection.execute("set timezone = 'UTC'")
    return [Night(*row) for row in connection.execute(_NIGHTS).fetchall()]


def judge_yield(
    nights: list[Night], *, least_share: float, fewest_nights: int
) -> Finding:
    """Compare the newest night with earlier ones of its weekday.

    Parameters
    ----------
    nights
        As :func:`read_nights` gives them.
    least_share
        Of the median of the earlier nights: fewer cards are too few.
    fewest_nights
        With fewer earlier nights nothing is judged.
    """
    if not nights:
        return Finding(True, "no daily crawl yet", "one every night", "", {"nights": 0})
    newest = nights[0]
    earlier = [
        night.card_count for night in _one_a_day(nights) if _is_earlier(night, newest)
    ]
    day = WEEKDAYS[newest.weekday]
    if len(earlier) < fewest_nights:
        return Finding(
            True,
            f"{newest.card_count} cards; too few nights to judge: {len(earlier)} "
            f"earlier {day}s",
            f"{fewest_nights} to compare with",
            "",
            {"cards": newest.card_count, "nights": len(earlier)},
        )
    usual = median(earlier)
    return Finding(
        passed=newest.card_count >= least_share * usual,
        found=f"{newest.card_count} cards last night, a {day}",
        expected=f"at least {least_share:.0%} of {usual:g}, the median of "
        f"{len(earlier)} earlier {day}s",
        advice=ADVICE,
        figures={
            "cards": newest.card_count,
            "usual_cards": usual,
            "nights": len(earlier),
        },
        is_grave=False,
    )


def _is_earlier(night: Night, newest: Night) -> bool:
    is_same_day = _date(night) == _date(newest)
    return night.weekday == newest.weekday and not is_same_day


def _one_a_day(nights: Iterable[Night]) -> list[Night]:
    """Keep the fullest crawl of each day: one that was run twice counts once."""
    best: dict[object, Night] = {}
    for night in nights:
        day = _date(night)
        if day not in best or best[day].card_count < night.card_count:
            best[day] = night
    return list(best.values())


def _date(night: Night) -> object:
    return night.started_at.astimezone(STOCKHOLM).date()

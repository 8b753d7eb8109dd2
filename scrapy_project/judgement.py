"""What a crawl's statistics say about it: plain functions, for any reader of them.

:func:`judge` reads the statistics of one run as they land in
``raw.crawl_runs.statistics``. What belongs here: the limits and what each is for. What
does not: when it is judged and what follows (``monitors``), counting (spider, pages).

The limits are Scrapy settings, ``MONITORS_`` and the field's name in capitals:
``MONITORS_MIN_ITEMS``, ``MONITORS_COVERAGE``, ``MONITORS_COVERAGE_OF_PREVIOUS``,
``MONITORS_MAX_429_SHARE``, ``MONITORS_MAX_UNKNOWN_SHAPE_SHARE``,
``MONITORS_MAX_QUARANTINED_SHARE``, ``MONITORS_MAX_SQM_FAILED_SHARE``,
``MONITORS_MAX_NOT_RECONCILED_SHARE``.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from scrapy.settings import BaseSettings

ITEMS = "spidermon_item_scraped_count"
ITEM_COUNTS = {"SaleCard": "cards", "Home": "homes"}

# Of all items of a class, how many must have the field. They hold for every release of
# the site and for sales since 2012, of which a quarter have no floor and an eighth no
# year; a field with no line here is judged against the runs before.
COVERAGE: dict[str, dict[str, float]] = {
    "SaleCard": {
        "sold_price_sek": 0.99,
        "sold_date": 0.99,
        "sold_price_type": 0.99,
        "object_type": 0.99,
        "latitude": 0.99,
        "longitude": 0.99,
        "living_area_m2": 0.98,
        "price_per_m2_sek": 0.98,
        "street_address": 0.95,
        "descriptive_area_name": 0.95,
        "municipality_name": 0.95,
        "rooms": 0.9,
        "floor": 0.6,
        "list_price_sek": 0.5,
    },
    "Home": {
        "street_address": 0.95,
        "object_type": 0.95,
        "latitude": 0.95,
        "living_area_m2": 0.95,
        "rooms": 0.9,
        "fee_sek_per_month": 0.8,
        # A home that is for sale again shows no sale and the new agency.
        "sold_price_sek": 0.7,
        "sold_date": 0.7,
        "agency_id": 0.7,
        "construction_year": 0.6,
        "floor": 0.6,
    },
}


@attrs.frozen
class Objection:
    """What one monitor found wrong with a crawl."""

    monitor: str
    expected: str
    got: str
    advice: str


@attrs.frozen(kw_only=True)
class Limits:
    """How much may be wrong before a monitor objects; shares are of 1.

    One odd thing in a small crawl is no share: a share is judged from the second on.
    """

    min_items: int = 35
    """One search page: of fewer items no coverage is judged."""
    coverage: Mapping[str, Mapping[str, float]] = attrs.field(
        factory=lambda: dict(COVERAGE)
    )
    """By item class and field; a class that is set replaces that class's floors."""
    coverage_of_previous: float = 0.5
    """A field must be known this often, as a share of how often it was before."""
    max_429_share: float = 0.05
    """Of all answers, the first 429 apart; a small crawl spends some on the pace."""
    max_unknown_shape_share: float = 0.01
    max_quarantined_share: float = 0.01
    max_sqm_failed_share: float = 0.01
    max_not_reconciled_share: float = 0.05

    @classmethod
    def from_settings(cls, settings: BaseSettings) -> Limits:
        """Read the limits that are set; the others keep their defaults."""
        given: dict[str, Any] = {}
        for field in attrs.fields(cls):
            name = f"MONITORS_{field.name.upper()}"
            if settings.get(name) is None:
                continue
            if field.name == "coverage":
                given["coverage"] = COVERAGE | settings.getdict(name)
            elif field.name == "min_items":
                given["min_items"] = settings.getint(name)
            else:
                given[field.name] = settings.getfloat(name)
        return cls(**given)


@attrs.frozen
class Run:
    """One run's statistics, with what they are judged by."""

    stats: Mapping[str, Any]
    limits: Limits = attrs.field(factory=Limits)
    previous: Sequence[Mapping[str, Any]] = ()
    """Statistics of earlier runs that came to their end."""

    def counted(self, name: str) -> int:
        """How often the crawl counted this; 0 when it never did."""
        return int(self.stats.get(f"booli/{name}", 0))

    def counts_below(self, prefix: str) -> dict[str, int]:
        """Everything counted whose name starts so, by the rest of its name."""
        start = f"booli/{prefix}"
        return {
            name.removeprefix(start): int(count)
            for name, count in sorted(self.stats.items())
            if name.startswith(start) and count
        }


def judge(
    stats: Mapping[str, Any],
    limits: Limits | None = None,
    previous: Sequence[Mapping[str, Any]] = (),
) -> list[Objection]:
    """Say what is wrong with a crawl, by its statistics alone.

    Parameters
    ----------
    stats
        As in ``raw.crawl_runs.statistics``, with ``finish_reason`` among them.
    limits
        The defaults when None.
    previous
        Statistics of earlier runs of the same kind, for what has no floor of its own.

    Returns
    -------
    list of Objection
        Empty when the crawl can be trusted.
    """
    run = Run(stats, limits or Limits(), previous)
    return [objection for check in CHECKS.values() for objection in check(run)]


def finish_reason(run: Run) -> Iterator[Objection]:
    """Look whether the crawl came to its end."""
    reason = run.stats.get("finish_reason")
    if reason not in ("finished", "monitors"):
        yield Objection(
            "finish_reason",
            expected="a crawl that finished",
            got=str(reason or "no end at all"),
            advice="run the same command again: it resumes where this one stopped",
        )


def echo_mismatch(run: Run) -> Iterator[Objection]:
    """Look whether the site answered another question than was asked."""
    if count := run.counted("echo_mismatch"):
        yield Objection(
            "echo_mismatch",
            expected="every search page repeats the question it answers",
            got=f"{count} that answer another",
            advice="the site may ignore a parameter now: compare windows.SearchQuery "
            "with the address bar of a browser",
        )


def challenge(run: Run) -> Iterator[Objection]:
    """Look whether the site asked who we are."""
    if kinds := run.counts_below("challenge/"):
        yield Objection(
            "challenge",
            expected="no challenge",
            got=_listed(kinds),
            advice="do not go on: ask Booli for consent or an API key, or read saved "
            "pages with -a pages=DIR",
        )


def too_many_requests(run: Run) -> Iterator[Objection]:
    """Look whether the crawl kept running into the site's limit."""
    yield from _share(
        "too_many_requests",
        max(0, run.counted("429") - 1),
        int(run.stats.get("downloader/response_count", 0)),
        run.limits.max_429_share,
        "answers are 429 after the first",
        "raise DOWNLOAD_DELAY: the site allows less than it is asked",
    )


def unknown_shape(run: Run) -> Iterator[Objection]:
    """Look whether pages hold what the page objects do not understand."""
    odd = run.counts_below("odd_pages/")
    unread = run.counted("searches_quarantined") + run.counted("listings_quarantined")
    unknown = run.counts_below("unknown_")
    yield from _share(
        "unknown_shape",
        sum(odd.values()) + unread,
        run.counted("pages"),
        run.limits.max_unknown_shape_share,
        "pages are not understood" + (f" ({_listed(unknown)})" if unknown else ""),
        "the site has changed: look at these pages in raw.pages and raw.quarantine "
        "and teach scrapy_project.pages; no page need be asked for again",
    )


def cards_quarantined(run: Run) -> Iterator[Objection]:
    """Look whether cards could not be read."""
    bad = run.counted("cards_quarantined")
    yield from _share(
        "cards_quarantined",
        bad,
        run.counted("cards") + bad,
        run.limits.max_quarantined_share,
        "cards could not be read",
        "select reason, count(*) from raw.quarantine group by all says why",
    )


def sqm_check_failed(run: Run) -> Iterator[Objection]:
    """Look whether prices and areas agree with the price per m² that is shown."""
    yield from _share(
        "sqm_check_failed",
        run.counted("sqm_check_failed"),
        run.counted("cards") + run.counted("homes"),
        run.limits.max_sqm_failed_share,
        "prices per m² are not price by area",
        "a price or an area is read from the wrong place: compare raw.sale_cards with "
        "its page in raw.pages",
    )


def windows_not_reconciled(run: Run) -> Iterator[Objection]:
    """Look whether windows hold as many sales as the site said."""
    yield from _share(
        "windows_not_reconciled",
        run.counted("windows_not_reconciled"),
        run.counted("windows"),
        run.limits.max_not_reconciled_share,
        "windows do not hold as many sales as the site says",
        "run the same command again: these windows stay open in raw.crawl_windows",
    )


def field_coverage(run: Run) -> Iterator[Objection]:
    """Look whether fields are known as often as they should be."""
    for item_class, floors in run.limits.coverage.items():
        known = coverage(run.stats, item_class, run.limits.min_items)
        counted = run.counted(ITEM_COUNTS.get(item_class, ""))
        if not known and counted >= run.limits.min_items:
            yield _objection_to_coverage(
                item_class, "its fields counted", "no counts", "set SPIDERMON_ENABLED"
            )
        for field, floor in floors.items() if known else ():
            if known.get(field, 0.0) < floor:
                yield _objection_to_coverage(
                    f"{item_class}.{field}",
                    f"known in {floor:.0%} or more",
                    f"{known.get(field, 0.0):.1%}",
                )


def coverage_of_previous(run: Run) -> Iterator[Objection]:
    """Look whether a field is known much less often than in the runs before."""
    for item_class in run.limits.coverage:
        known = coverage(run.stats, item_class, run.limits.min_items)
        usual = usual_coverage(run.previous, item_class, run.limits.min_items)
        for field, share in usual.items() if known else ():
            if known.get(field, 0.0) < run.limits.coverage_of_previous * share:
                yield attrs.evolve(
                    _objection_to_coverage(
                        f"{item_class}.{field}",
                        f"known about as often as before, in {share:.0%}",
                        f"{known.get(field, 0.0):.1%}",
                    ),
                    monitor="coverage_of_previous",
                )


def coverage(
    stats: Mapping[str, Any], item_class: str, min_items: int
) -> dict[str, float]:
    """Share of items that have each field; nothing for fewer items than the least."""
    total = int(stats.get(f"{ITEMS}/{item_class}", 0))
    if total < max(1, min_items):
        return {}
    prefix = f"{ITEMS}/{item_class}/"
    return {
        name.removeprefix(prefix): count / total
        for name, count in stats.items()
        if name.startswith(prefix)
    }


def usual_coverage(
    previous: Sequence[Mapping[str, Any]], item_class: str, min_items: int
) -> dict[str, float]:
    """Median coverage of earlier runs; a field that few items had says nothing."""
    runs = [coverage(stats, item_class, min_items) for stats in previous]
    runs = [known for known in runs if known]
    fields = sorted({field for known in runs for field in known})
    usual = {field: median(known.get(field, 0.0) for known in runs) for field in fields}
    return {field: share for field, share in usual.items() if share >= 0.2}


def _objection_to_coverage(
    subject: str, expected: str, got: str, advice: str | None = None
) -> Objection:
    return Objection(
        "field_coverage",
        expected=f"{subject} {expected}",
        got=got,
        advice=advice
        or "the site may have moved it: open a page of raw.pages, teach the page "
        "object where it is now",
    )


def _share(
    monitor: str, count: int, total: int, limit: float, what: str, advice: str
) -> Iterator[Objection]:
    allowed = max(1.0, limit * total) if limit else 0
    if count > allowed:
        yield Objection(
            monitor,
            expected=f"at most {limit:.1%} where {what}",
            got=f"{count} of {total}",
            advice=advice,
        )


def _listed(counts: Mapping[str, int]) -> str:
    most = sorted(counts.items(), key=lambda named: -named[1])[:5]
    return ", ".join(f"{name}: {count}" for name, count in most)


CHECKS: dict[str, Callable[[Run], Iterator[Objection]]] = {
    check.__name__: check
    for check in (
        finish_reason,
        field_coverage,
        coverage_of_previous,
        echo_mismatch,
        unknown_shape,
        too_many_requests,
        challenge,
        cards_quarantined,
        sqm_check_failed,
        windows_not_reconciled,
    )
}

"""The crawl's monitors: a spidermon suite, run before the run's statistics land.

What belongs here: running the suite, marking the run and saying what is wrong. What
does not: the judgement itself (``judgement``).

spidermon's own extension counts the fields of every item (``SPIDERMON_…`` in the
settings), but it would run a suite too late: Scrapy calls a spider's ``closed()``,
which writes ``raw.crawl_runs``, before any extension. So the spider runs the suite
there. Any other suite, one that sends a message for instance, can be added as
spidermon's manual says and finds ``monitors/failed`` in the statistics.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
from spidermon import Monitor, MonitorSuite
from spidermon.runners import MonitorRunner

from scrapy_project.judgement import CHECKS, Limits, Objection, Run
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from scrapy.crawler import Crawler

logger = logging.getLogger(__name__)

FAILED_STAT = "monitors/failed"
OBJECTIONS_STAT = "monitors/objections"


class MonitorsError(SlutprisError):
    """The crawl finished and landed, but its monitors object to what it found."""

    exit_code = 8

    def __init__(self, objections: Sequence[Objection]) -> None:
        self.objections = tuple(objections)
        super().__init__(
            f"the crawl has landed, but its monitors object: "
            f"{', '.join(names(objections))}; the log above says what to do"
        )


class CrawlMonitor(Monitor):
    """One check of the judgement, as spidermon runs it."""

    check: ClassVar[str]
    longMessage = False

    def test_no_objection(self) -> None:
        """Fail with every objection of this check."""
        data = self.data
        run = Run(data.stats, data.limits, data.stats_history)
        objections = [*CHECKS[self.check](run)]
        data.objections.extend(objections)
        if objections:
            self.fail("\n".join(map(sentence, objections)))


def _monitor(name: str) -> type[CrawlMonitor]:
    title = "".join(part.capitalize() for part in name.split("_"))
    return type(f"{title}Monitor", (CrawlMonitor,), {"check": name})


class CrawlMonitorSuite(MonitorSuite):
    """Every check of the judgement, each a monitor of its own."""

    monitors = tuple(_monitor(name) for name in CHECKS)


def run_monitors(
    crawler: Crawler, reason: str, previous: Sequence[Mapping[str, Any]] = ()
) -> list[Objection]:
    """Judge the crawl that is about to end, and mark its statistics.

    Parameters
    ----------
    crawler
        The running crawler; ``finish_reason`` and, where a monitor objects,
        ``monitors/failed`` and ``monitors/objections`` are added to its statistics.
    reason
        How the crawl ends, as ``closed()`` is told.
    previous
        Statistics of earlier runs of the same kind.

    Returns
    -------
    list of Objection
        Empty when every monitor is content.
    """
    # Scrapy sets it too, but after closed(): too late for what lands.
    crawler.stats.set_value("finish_reason", reason)
    limits = Limits.from_settings(crawler.settings)
    objections = judge_with_suite(crawler.stats.get_stats(), limits, previous)
    if objections:
        crawler.stats.set_value(FAILED_STAT, names(objections))
        crawler.stats.set_value(OBJECTIONS_STAT, [attrs.asdict(o) for o in objections])
    # How a crawl ended the command says itself; this is about what it found.
    found = [each for each in objections if each.monitor != "finish_reason"]
    if found:
        logger.error(report(found))
    return objections


def judge_with_suite(
    stats: Mapping[str, Any],
    limits: Limits | None = None,
    previous: Sequence[Mapping[str, Any]] = (),
) -> list[Objection]:
    """Run the suite over statistics; the same as ``judgement.judge``."""
    objections: list[Objection] = []
    result = MonitorRunner().run(
        CrawlMonitorSuite(),
        stats=dict(stats),
        limits=limits or Limits(),
        stats_history=previous,
        objections=objections,
    )
    for monitor, error in result.errors:
        # spidermon records what a monitor raises and goes on; a bug must not pass.
        objections.append(
            Objection(
                monitor.check,
                expected="a verdict",
                got=error.strip().splitlines()[-1],
                advice="the monitor itself is broken: mend scrapy_project.judgement",
            )
        )
    return objections


def names(objections: Iterable[Objection]) -> list[str]:
    """Name the monitors that object, each once."""
    return list(dict.fromkeys(objection.monitor for objection in objections))


def sentence(objection: Objection) -> str:
    """Say an objection in two lines."""
    return (
        f"{objection.monitor}: expected {objection.expected}; got {objection.got}\n"
        f"    {objection.advice}"
    )


def report(objections: Sequence[Objection]) -> str:
    """Write the objections as one block for a person."""
    head = f"the monitors object to what the crawl found ({len(objections)}):"
    return "\n".join([head, *(f"  {sentence(each)}" for each in objections)])

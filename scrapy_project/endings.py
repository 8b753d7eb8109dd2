"""How a crawl can end before its work is done, and the word each ending is kept under.

The words are ``finish_reason`` in ``raw.crawl_runs``; the exit codes are the errors'.
What does not belong here: deciding that a crawl ends.
"""

from __future__ import annotations

from scrapy_project.middlewares import (
    ChallengedError,
    LongWaitError,
    RobotsForbidError,
    RobotsUnreachableError,
)
from scrapy_project.monitors import MonitorsError
from scrapy_project.pages.next_data import UnknownShapeError
from scrapy_project.windows import EchoMismatchError
from warehouse.crawl_store import WarehouseWriteError
from warehouse.errors import SlutprisError, WarehouseBusyError


class IncompleteCrawlError(SlutprisError):
    """Some pages could not be had; what landed is whole, the rest is still to do."""

    exit_code = 6


REASONS: dict[type[SlutprisError], str] = {
    WarehouseBusyError: "warehouse_busy",
    WarehouseWriteError: "warehouse_failed",
    ChallengedError: "challenged",
    LongWaitError: "long_wait",
    EchoMismatchError: "echo_mismatch",
    UnknownShapeError: "unknown_shape",
    IncompleteCrawlError: "incomplete",
    MonitorsError: "monitors",
    RobotsForbidError: "robots_forbid",
    RobotsUnreachableError: "robots_unreachable",
}


def reason_of(error: SlutprisError) -> str:
    """Name the ending; ``failed`` when it has no name of its own."""
    known = (reason for kind, reason in REASONS.items() if isinstance(error, kind))
    return next(known, "failed")

"""What happens between the spider and the site, in the order of ``settings``.

What belongs here: the names Scrapy loads, and the check before a crawl. What does not:
how each works, which is in a module of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy_project.challenge import ChallengedError, ChallengeMiddleware
from scrapy_project.crawl_hours import CrawlHours, CrawlHoursError
from scrapy_project.retry_after import LongWaitError, RetryAfterMiddleware
from scrapy_project.robots import (
    RobotsForbidError,
    RobotsMiddleware,
    RobotsUnreachableError,
)

if TYPE_CHECKING:
    from scrapy.settings import BaseSettings

__all__ = [
    "ChallengeMiddleware",
    "ChallengedError",
    "CrawlHoursError",
    "LongWaitError",
    "RetryAfterMiddleware",
    "RobotsForbidError",
    "RobotsMiddleware",
    "RobotsUnreachableError",
    "check_settings",
]


def check_settings(settings: BaseSettings) -> None:
    """Find out whether the settings can be read before anything is started.

    Raises
    ------
    CrawlHoursError
        When ``CRAWL_HOURS`` are no hours.
    """
    CrawlHours.parse(settings.get("CRAWL_HOURS") or "")

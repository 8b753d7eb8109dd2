"""Obeys robots.txt, also where Scrapy would go on: without one, or against it.

What does not belong here: its Crawl-delay (``retry_after``), a challenge in its place
(``challenge``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.exceptions import IgnoreRequest

from scrapy_project.challenge import is_robots
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Response
    from scrapy.robotstxt import RobotParser


class RobotsForbidError(SlutprisError):
    """robots.txt forbids the pages the crawl needs."""


class RobotsUnreachableError(SlutprisError):
    """The site's robots.txt cannot be had, so nothing else may be asked for."""

    exit_code = 6


class RobotsMiddleware(RobotsTxtMiddleware):
    """Scrapy's own, but a rule against us or a missing answer ends the crawl.

    RFC 9309, 2.3.1: without the file (4xx) all is allowed; while the server fails
    (5xx, no connection) all is forbidden. Scrapy allows both.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self._ended: RobotsUnreachableError | None = None

    def process_request_2(self, rp: RobotParser | None, request: Request) -> None:
        """Let a request pass that robots.txt allows; Scrapy calls it when it knows.

        Raises
        ------
        RobotsForbidError
            When it is forbidden.
        RobotsUnreachableError
            When robots.txt cannot be had.
        """
        if self._ended is not None:
            raise self._ended
        try:
            super().process_request_2(rp, request)
        except IgnoreRequest as error:
            raise RobotsForbidError(
                f"the site's robots.txt forbids {request.url} to us; ask Booli "
                "(api@booli.se) for consent or for its API"
            ) from error

    def process_response(self, request: Request, response: Response) -> Response:
        """Note a server that fails to give robots.txt, after all retries."""
        if is_robots(request) and response.status >= 500:
            self._end(request, f"{response.status}")
        return response

    def process_exception(self, request: Request, exception: Exception) -> None:
        """Note that robots.txt could not be had, after all retries."""
        if is_robots(request) and not isinstance(exception, SlutprisError):
            self._end(request, str(exception) or type(exception).__name__)

    def _end(self, request: Request, why: str) -> None:
        self._ended = RobotsUnreachableError(
            f"{request.url} cannot be reached ({why}), and without robots.txt nothing "
            "else may be asked for; check the network and BOOLI_BASE_URL, then run the "
            "same command again"
        )

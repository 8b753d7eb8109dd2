"""Requests to a Nominatim server: no more than it bears, repeated where that helps.

What belongs here: HTTP, pace and retries. What does not: what is asked and answered.

API: https://nominatim.org/release-docs/latest/api/Overview/; the public server's terms:
https://operations.osmfoundation.org/policies/nominatim/.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from threading import Lock
from typing import IO, TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Generator
    from http.client import HTTPMessage

    from warehouse.geocoding.nominatim_cache import NominatimCache
    from warehouse.settings import Settings

_PUBLIC_DOMAIN = "openstreetmap.org"
_SEARCH = (
    "/search?format=jsonv2&addressdetails=1&layer=address&countrycodes=se&limit=10&"
)
_STATUS = "/status?format=json"
_TRIES = 5
_TIMEOUT_S = 30
_LONGEST_WAIT_S = 600


@dataclass(frozen=True)
class Server:
    """A Nominatim server, and how it may be asked.

    `connections` requests at a time, at most `requests_per_s` a second (0: no limit),
    each naming `user_agent`.
    """

    url: str
    connections: int
    requests_per_s: float
    user_agent: str

    @classmethod
    def of(cls, settings: Settings) -> Server:
        """The server of the settings; the public one never gets more than it allows.

        Raises
        ------
        SlutprisError
            When the address is missing or none, or the public server is to be asked
            by nobody in particular.
        """
        url = settings.nominatim_url.rstrip("/")
        host = _host(url)
        contact = settings.contact
        agent = f"slutpris/0.1 (geocoding of apartments{'; ' * bool(contact)}{contact})"
        per_s = settings.nominatim_requests_per_s
        if host != _PUBLIC_DOMAIN and not host.endswith(f".{_PUBLIC_DOMAIN}"):
            return cls(url, settings.nominatim_connections, per_s, agent)
        if not contact:
            raise SlutprisError(
                f"{host} wants to know who asks; set SLUTPRIS_CONTACT to your address "
                "or page, or SLUTPRIS_NOMINATIM_URL to a server of your own"
            )
        return cls(url, 1, min(per_s or 1, 1), agent)


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower().rstrip(".")
        valid = parts.scheme in ("http", "https") and host and not parts.query
    except ValueError:
        valid, host = False, ""
    if not valid:
        raise SlutprisError(
            f"SLUTPRIS_NOMINATIM_URL is {url!r}; set it to the root of a Nominatim "
            "server, like http://localhost:8088, or leave SLUTPRIS_GEOCODER embedded"
        )
    return host


class NominatimClient:
    """Asks one server; may be used by several threads.

    Parameters
    ----------
    server
        Whom to ask.
    cache
        Where every process that asks the server writes down when it did.
    backoff_s
        The pause before the first repetition, in seconds; doubled for each one more.
    """

    def __init__(
        self, server: Server, cache: NominatimCache, backoff_s: float = 1
    ) -> None:
        self.server = server
        self._cache = cache
        self._backoff_s = backoff_s
        self._turn = Lock()
        self._closed_until_s = 0.0
        # A redirection may lead from one's own server to the public one.
        self._opener = build_opener(_NoRedirection)

    def data_version(self) -> str:
        """Which data the server answers from: their date, else the database's version.

        Raises
        ------
        SlutprisError
            When there is no working Nominatim at the address.
        """
        status = self._parsed(_STATUS, self._get(_STATUS))
        if not isinstance(status, dict) or status.get("status") != 0:
            raise SlutprisError(
                f"{self.server.url}{_STATUS} does not report a working Nominatim: "
                f"{str(status)[:200]}; see the server's log"
            )
        version = status.get("data_updated") or status.get("database_version")
        return str(version or "unknown")

    def search(self, query: str) -> str:
        """The server's answer to a query string, a JSON list.

        Raises
        ------
        SlutprisError
            When the server refuses, is gone, or answers with something else.
        """
        text = self._get(_SEARCH + query)
        if not isinstance(self._parsed(_SEARCH + query, text), list):
            raise SlutprisError(
                f"{self.server.url}{_SEARCH}{query} answered {text[:200]!r} where a "
                "list was expected; is it a Nominatim?"
            )
        return text

    def _parsed(self, path: str, text: str) -> Any:  # noqa: ANN401 - any JSON
        try:
            return json.loads(text)
        except ValueError as error:
            raise SlutprisError(
                f"{self.server.url}{path} did not answer with JSON but with "
                f"{text[:80]!r}; is SLUTPRIS_NOMINATIM_URL the root of a Nominatim?"
            ) from error

    def _get(self, path: str) -> str:
        for tries in range(1, _TRIES + 1):
            pause_s = self._backoff_s * 2 ** (tries - 1)
            try:
                with self._turn_to_ask():
                    return self._fetched(path)
            except HTTPError as error:
                if error.code != 429 and error.code < 500:
                    raise self._refused(path, error) from error
                why = f"HTTP {error.code}"
                self._hold(_retry_after_s(error) or pause_s)
            except (OSError, HTTPException) as error:
                why = str(error.reason if isinstance(error, URLError) else error)
                self._hold(pause_s)
        raise SlutprisError(
            f"the Nominatim server {self.server.url} did not answer {_TRIES} times "
            f"({why}); start it, or correct SLUTPRIS_NOMINATIM_URL. What it has "
            "answered is kept: the same command goes on from there"
        )

    def _fetched(self, path: str) -> str:
        request = Request(
            self.server.url + path, headers={"User-Agent": self.server.user_agent}
        )
        with self._opener.open(request, timeout=_TIMEOUT_S) as answer:
            return answer.read().decode("utf-8", errors="replace")

    def _refused(self, path: str, error: HTTPError) -> SlutprisError:
        reason = error.read(200).decode("utf-8", errors="replace").strip()
        return SlutprisError(
            f"{self.server.url}{path} was refused (HTTP {error.code}: {reason!r}); "
            "is SLUTPRIS_NOMINATIM_URL the root of a Nominatim that lets you in?"
        )

    def _hold(self, seconds: float) -> None:
        """Let every thread wait: the server is not theirs alone."""
        if seconds > _LONGEST_WAIT_S:
            raise SlutprisError(
                f"the Nominatim server {self.server.url} asks for a pause of "
                f"{seconds:,.0f} s; run the same command again after it"
            )
        self._closed_until_s = max(self._closed_until_s, time.monotonic() + seconds)

    @contextmanager
    def _turn_to_ask(self) -> Generator[None]:
        with self._turn:
            while (pause_s := self._pause_s()) > 0:
                time.sleep(pause_s)
        try:
            yield
        finally:
            # Alone with the server, count from the answer: it is never pressed.
            if self.server.requests_per_s and self.server.connections == 1:
                self._cache.asked()

    def _pause_s(self) -> float:
        closed_s = self._closed_until_s - time.monotonic()
        if closed_s > 0 or not self.server.requests_per_s:
            return closed_s
        return self._cache.seconds_until_free(1 / self.server.requests_per_s)


class _NoRedirection(HTTPRedirectHandler):
    def redirect_request(
        self,
        req: Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        """Follow nothing: the redirection is an error then."""


def _retry_after_s(error: HTTPError) -> float | None:
    """Seconds or a date (RFC 9110, 10.2.3); None where there is neither."""
    text = error.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        then = parsedate_to_datetime(text)
    except ValueError:
        return None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return max((then - datetime.now(UTC)).total_seconds(), 0)

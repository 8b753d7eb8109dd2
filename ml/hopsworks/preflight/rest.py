"""Plain HTTPS questions to a cluster, with a deadline, and no client between.

The client hides what an answer was: a wrong key and a server in trouble both look like
a project that is not there. What belongs here: asking, and the words for refusals. What
does not: what is asked (``questions``).
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests
from requests.auth import AuthBase

from ml.hopsworks.preflight.outcomes import NotWellError

if TYPE_CHECKING:
    from ml.hopsworks.address import ClusterAddress

BASE = "hopsworks-api/api"
TIMEOUT_S = 10.0
NEW_KEY = "make a key in Hopsworks (Account settings, API) and set HOPSWORKS_API_KEY"
WAIT = "wait, or tell the cluster's administrator; then run this again"


@dataclass(frozen=True)
class Answer:
    """An answer: its status and, when it was JSON, its body."""

    status: int
    body: Any

    @property
    def is_ok(self) -> bool:
        """Whether it is what was asked for."""
        return self.status < HTTPStatus.MULTIPLE_CHOICES and self.body is not None

    @property
    def is_refused(self) -> bool:
        """Whether the key may not ask this."""
        return self.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)

    @property
    def code(self) -> int | None:
        """Hopsworks' own code of a refusal."""
        return self.body.get("errorCode") if isinstance(self.body, dict) else None

    @property
    def text(self) -> str:
        """The refusal in the server's words, and its numbers."""
        numbers = f"HTTP {self.status}"
        if not isinstance(self.body, dict):
            return numbers
        said = self.body.get("usrMsg") or self.body.get("errorMsg")
        code = f", code {self.code}" if self.code else ""
        return f"{numbers}{code}: {said}" if said else f"{numbers}{code}"


class _KeyAuth(AuthBase):
    """As the client does it; set by name, a .netrc would replace the header."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.headers["Authorization"] = f"ApiKey {self._key}"
        return r


class Rest:
    """The REST interface of a cluster, asked as the client asks it."""

    def __init__(self, address: ClusterAddress) -> None:
        self._root = f"https://{address.host}:{address.port}/{BASE}"
        trusted = address.trust_store_path
        self._verify = True if trusted is None else str(trusted)
        self._auth = _KeyAuth(address.api_key.get_secret_value())
        self._session = requests.Session()

    def get(self, *segments: str | int, **query: str) -> Answer:
        """Ask for a path below the interface's root.

        Raises
        ------
        NotWellError
            When there is no answer.
        """
        path = "/".join(quote(str(each), safe="") for each in segments)
        request = requests.Request(
            "GET", f"{self._root}/{path}", params=query, auth=self._auth
        )
        prepared = self._session.prepare_request(request)
        try:
            response = self._session.send(
                prepared,
                verify=self._verify,
                timeout=TIMEOUT_S,
                allow_redirects=False,
            )
        except requests.exceptions.SSLError as error:
            raise NotWellError(
                "the cluster's certificate cannot be verified",
                "set HOPSWORKS_TRUST_STORE_PATH to the authority's PEM file",
            ) from error
        except requests.exceptions.RequestException as error:
            kind = type(error).__name__
            raise NotWellError(f"the cluster gave no answer ({kind})", WAIT) from error
        return Answer(response.status_code, _json(response))


def _json(response: requests.Response) -> Any:  # noqa: ANN401
    try:
        return response.json()
    except requests.exceptions.JSONDecodeError:
        return None


def server_in_trouble(answer: Answer) -> NotWellError:
    """Give the words for an answer that nobody foresaw."""
    if answer.body is None:
        return NotWellError(
            f"HTTP {answer.status} with a page instead of JSON, so this is no "
            "Hopsworks cluster, or a proxy stands before it",
            "check HOPSWORKS_HOST and HOPSWORKS_PORT",
        )
    return NotWellError(f"the cluster answers {answer.text}", WAIT)

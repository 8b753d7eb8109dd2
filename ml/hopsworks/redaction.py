"""Taking out of recorded traffic what must not be shown, by stable placeholders.

What belongs here: which values are secret or personal, and what stands in their place.
What does not: recording (``worker.recorder``). Names of projects, feature groups and
models are kept: requests are made of them.

A value is recognised by the key it stands under, by its form (a PEM block, an address
of mail or machine, ``password=``), or because it was met before: what was once seen as
a user or a host is replaced wherever it occurs, in paths and within words too.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

REDACTED = "REDACTED"
"""Stands for every secret; it happens to be Base64, so key stores can be decoded."""
SHORTEST_SECRET = 6
"""A shorter value is replaced where its key says so, and not wherever it occurs."""

SECRET_KEY = re.compile(
    r"passw|passphrase|secret|token|credential|signature|(api|access|account|private|"
    r"client|cert|encryption)_?key|client_?cert|ca_?chain|^[kt]_?store$|^key$",
    re.IGNORECASE,
)
USER_KEY = re.compile(r"user_?name$|hdfs_?user$|^(creator|owner|user)$", re.IGNORECASE)
PERSON_KEY = re.compile(
    r"(first|last|full)_?name$|^[fl]name$|phone|^picture$", re.IGNORECASE
)
HOST_KEY = re.compile(r"host|servers|domain|endpoint", re.IGNORECASE)
PEM = re.compile(r"-----BEGIN [^-]+-----.*?-----END [^-]+-----\n?", re.DOTALL)
MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}")
AUTHORITY = re.compile(r"(?<=://)[^/\s\"'?#,;\\]+")
ADDRESS = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
ASSIGNED = re.compile(
    r"(?i)\b(password|passwd|pwd|secret|token|accountkey|sig|apikey)=([^;&\s\"']+)"
)
PORT = re.compile(r":\d+$")


class Redactor:
    """Replaces values, each by the same placeholder every time it occurs.

    Parameters
    ----------
    secrets, hosts
        What is known before anything was said.
    """

    def __init__(self, secrets: Iterable[str] = (), hosts: Iterable[str] = ()) -> None:
        self._known: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        for secret in secrets:
            self._learn_secret(secret)
        for host in hosts:
            self._learn_host(host)

    def learn(self, value: Any, key: str = "") -> None:  # noqa: ANN401
        """Meet the secrets, users and hosts of a body before any of it is replaced."""
        if isinstance(value, dict):
            for name, each in value.items():
                self.learn(each, _inner_key(key, value, name))
        elif isinstance(value, list):
            for each in value:
                self.learn(each, key)
        elif isinstance(value, str) and value:
            self._learn_text(value, key)

    def body(self, value: Any, key: str = "") -> Any:  # noqa: ANN401
        """Give a JSON body with everything replaced."""
        if isinstance(value, dict):
            return {
                self.text(name): self.body(each, _inner_key(key, value, name))
                for name, each in value.items()
            }
        if isinstance(value, list):
            return [self.body(each, key) for each in value]
        if not isinstance(value, str) or not value:
            return value
        if SECRET_KEY.search(key):
            return REDACTED
        if PERSON_KEY.search(key):
            return "person"
        inner = _json_inside(value)
        return self.text(value) if inner is None else json.dumps(self.body(inner))

    def text(self, text: str) -> str:
        """Give a text with everything that is known, or shows by its form, replaced."""
        text = PEM.sub(REDACTED, text)
        text = ASSIGNED.sub(rf"\1={REDACTED}", text)
        text = MAIL.sub(lambda found: self._mail(found.group()), text)
        for found in AUTHORITY.findall(text):
            self._learn_host(found)
        for found in ADDRESS.findall(text):
            self._learn_host(found)
        return self._replaced(text)

    def path(self, path: str) -> str:
        """Give a path with the values in its segments replaced, encoded as before."""
        parts = path.split("/")
        return "/".join(quote(self.text(unquote(part)), safe="") for part in parts)

    def _learn_text(self, value: str, key: str) -> None:
        inner = _json_inside(value)
        if inner is not None:
            self.learn(inner, key)
        elif SECRET_KEY.search(key):
            self._learn_secret(value)
        elif USER_KEY.search(key):
            self._learn_user(value)
        elif HOST_KEY.search(key):
            for each in re.split(r"[,\s]+", value):
                self._learn_host(each.rpartition("://")[2])

    def _learn_secret(self, value: str) -> None:
        if len(value) >= SHORTEST_SECRET:
            self._known.setdefault(value, REDACTED)

    def _learn_user(self, value: str) -> None:
        name = MAIL.sub("", value).rpartition("__")[2]
        self._number(name, "user", lambda number: f"user{number}")

    def _learn_host(self, value: str) -> None:
        host = PORT.sub("", value.rpartition("@")[2].partition("/")[0])
        self._number(host, "host", lambda number: f"host{number}.example")

    def _mail(self, address: str) -> str:
        if address.endswith(".example"):
            return address
        self._number(address, "mail", lambda number: f"mail{number}@mail.example")
        return self._known[address]

    def _number(self, value: str, kind: str, named: Callable[[int], str]) -> None:
        is_placeholder = value.endswith(".example") or value == REDACTED
        if not value or value in self._known or is_placeholder:
            return
        self._counts[kind] = self._counts.get(kind, 0) + 1
        self._known[value] = named(self._counts[kind])

    def _replaced(self, text: str) -> str:
        for value in sorted(self._known, key=len, reverse=True):
            if value in text:
                whole = rf"(?<![A-Za-z0-9]){re.escape(value)}(?![A-Za-z0-9])"
                text = re.sub(whole, self._known[value], text)
        return text


def _inner_key(key: str, pair: dict[str, Any], name: str) -> str:
    """Give the key a value goes by: what lies under a secret is secret.

    An option is {"name": …, "value": …}.
    """
    if SECRET_KEY.search(key):
        return key
    named = pair.get("name")
    return named if name == "value" and isinstance(named, str) else name


def _json_inside(text: str) -> Any:  # noqa: ANN401
    """Read a text that is itself a JSON object or array, as queries are."""
    if text[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None

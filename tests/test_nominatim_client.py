"""How a Nominatim server is asked: pace, retries, cache and errors, over real HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from running_nominatim import free_port

from warehouse.errors import SlutprisError
from warehouse.geocoding.nominatim import NominatimGeocoder
from warehouse.geocoding.nominatim_client import Server
from warehouse.geocoding.protocol import GeocodeRequest, GeocodeResult
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

BACKOFF_S = 0.01
HOUSE = {
    "osm_type": "node",
    "category": "place",
    "type": "house",
    "addresstype": "place",
    "lat": "59.5",
    "lon": "18.5",
    "boundingbox": ["59.5", "59.5", "18.5", "18.5"],
    "licence": "made up",
}


@dataclass
class Asked:
    """What the server was asked, and what it does next.

    It knows the houses 1 to 99 of Tomtevägen. `script` holds answers that go first:
    (status, headers, body).
    """

    url: str = ""
    updated: str = "2026-01-31"
    latency_s: float = 0
    script: list[tuple[int, dict[str, str], str]] = field(default_factory=list)
    streets: list[str] = field(default_factory=list)
    starts_s: list[float] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    open_now: int = 0
    most_open: int = 0
    lock: Lock = field(default_factory=Lock)

    def answer(self, path: str, query: str) -> tuple[int, dict[str, str], str]:
        if path == "/status":
            return 200, {}, json.dumps({"status": 0, "data_updated": self.updated})
        street = parse_qs(query)["street"][0]
        with self.lock:
            self.streets.append(street)
            self.starts_s.append(time.monotonic())
            if self.script:
                return self.script.pop(0)
        name, _, number = street.partition(" ")
        address = {"road": "Tomtevägen", "house_number": number}
        is_known = name == "tomtevägen" and number.isdigit()
        return 200, {}, json.dumps([{**HOUSE, "address": address}] if is_known else [])

    def gaps_s(self) -> list[float]:
        return [b - a for a, b in zip(self.starts_s, self.starts_s[1:], strict=False)]


@contextmanager
def serving(asked: Asked) -> Iterator[Asked]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with asked.lock:
                asked.open_now += 1
                asked.most_open = max(asked.most_open, asked.open_now)
            asked.agents.add(self.headers["User-Agent"])
            parts = urlsplit(self.path)
            status, headers, body = asked.answer(parts.path, parts.query)
            time.sleep(asked.latency_s)
            with asked.lock:
                asked.open_now -= 1
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    asked.url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield asked
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def asked(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    """A server of houses that counts what it is asked; the settings name it."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(Asked()) as asked:
        monkeypatch.setenv("SLUTPRIS_NOMINATIM_URL", asked.url)
        yield asked


def ask(*addresses: str) -> list[GeocodeResult]:
    requests = [GeocodeRequest(address) for address in addresses]
    return NominatimGeocoder(Settings(), BACKOFF_S).geocode(requests)


def houses(count: int) -> list[str]:
    return [f"Tomtevägen {n}" for n in range(1, count + 1)]


def test_answers_keep_the_order_of_the_questions(asked: Asked) -> None:
    results = ask("Tomtevägen 9", "Nyvägen 1", "Tomtevägen 1", "Tomtevägen 9")

    assert [r.number for r in results] == ["9", None, "1", "9"]
    assert results[1] == GeocodeResult()
    assert results[0].gazetteer_version == f"{asked.url} 2026-01-31"
    assert results[0].attribution == "made up"
    assert ask() == []


def test_a_letter_and_then_the_number_are_left_out(asked: Asked) -> None:
    assert ask("Nyvägen 4B")[0] == GeocodeResult()
    assert asked.streets == ["nyvägen 4b", "nyvägen 4", "nyvägen"]


def test_nothing_is_asked_twice_not_even_a_miss(asked: Asked) -> None:
    first = ask("Tomtevägen 5", "Tomtevägen 5, 2 tr", "Nyvägen")
    assert sorted(asked.streets) == ["nyvägen", "tomtevägen 5"]

    assert ask("Tomtevägen 5", "Tomtevägen 5, 2 tr", "Nyvägen") == first
    assert len(asked.streets) == 2


def test_newer_data_are_asked_once_the_cache_is_old(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask("Tomtevägen 5")
    asked.updated = "2026-02-28"
    assert ask("Tomtevägen 5")[0].gazetteer_version == f"{asked.url} 2026-01-31"

    monkeypatch.setenv("SLUTPRIS_NOMINATIM_CACHE_DAYS", "0")
    assert ask("Tomtevägen 5")[0].gazetteer_version == f"{asked.url} 2026-02-28"
    assert ask("Tomtevägen 5")[0].gazetteer_version == f"{asked.url} 2026-02-28"
    assert len(asked.streets) == 2


def test_as_many_connections_as_are_set(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked.latency_s = 0.05
    monkeypatch.setenv("SLUTPRIS_NOMINATIM_CONNECTIONS", "3")
    ask(*houses(12))

    assert asked.most_open == 3


def test_no_more_requests_a_second_than_are_set(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUTPRIS_NOMINATIM_REQUESTS_PER_S", "20")
    ask(*houses(10))

    # A request may reach the server late, and the next one in time.
    assert asked.starts_s[-1] - asked.starts_s[0] >= 9 / 20 - 0.03


def test_two_processes_share_the_pace(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUTPRIS_NOMINATIM_REQUESTS_PER_S", "2")
    monkeypatch.setenv("SLUTPRIS_NOMINATIM_CONNECTIONS", "1")
    monkeypatch.setenv("SLUTPRIS_GEOCODER", "nominatim")
    command = [sys.executable, "-m", "warehouse.geocoding", "--geocode"]
    both = [subprocess.Popen([*command, f"Nyvägen {n}"]) for n in (1, 2)]

    assert [process.wait() for process in both] == [0, 0]
    # Six requests: two numbers, then their street twice unless it was known by then.
    assert len(asked.streets) >= 3
    assert min(asked.gaps_s()) >= 0.45


def test_the_public_server_gets_one_request_a_second_from_a_named_person(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("SLUTPRIS_NOMINATIM_URL", "https://Nominatim.OpenStreetMap.org/"),
        ("SLUTPRIS_NOMINATIM_CONNECTIONS", "8"),
        ("SLUTPRIS_NOMINATIM_REQUESTS_PER_S", "100"),
    ):
        monkeypatch.setenv(name, value)
    with pytest.raises(SlutprisError, match="SLUTPRIS_CONTACT"):
        NominatimGeocoder(Settings())
    monkeypatch.setenv("SLUTPRIS_CONTACT", "me@example.org")
    server = Server.of(Settings())
    assert (server.connections, server.requests_per_s) == (1, 1)

    # The same pace, seen from a server of our own.
    for setting in ("CONNECTIONS", "REQUESTS_PER_S"):
        monkeypatch.setenv(f"SLUTPRIS_NOMINATIM_{setting}", "1")
    monkeypatch.setenv("SLUTPRIS_NOMINATIM_URL", asked.url)
    ask(*houses(3))
    assert min(asked.gaps_s()) >= 1
    assert asked.most_open == 1
    assert asked.agents == {server.user_agent}
    assert "me@example.org" in server.user_agent


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_trouble_is_waited_for(asked: Asked, status: int) -> None:
    asked.script = [(status, {}, "busy")] * 3

    assert ask("Tomtevägen 5")[0].precision == "exact"
    assert len(asked.streets) == 4
    assert asked.gaps_s()[2] >= 4 * BACKOFF_S


def test_retry_after_is_obeyed_by_every_connection(asked: Asked) -> None:
    asked.latency_s = 0.05
    asked.script = [(429, {"Retry-After": "1"}, "slower")]
    ask(*houses(12))

    # The other three were under way when it came, and each may have had its answer just
    # before and asked once more; nothing else follows for a second.
    assert asked.starts_s[7] - asked.starts_s[0] >= 1


def test_a_long_retry_after_ends_the_run(asked: Asked) -> None:
    asked.script = [(503, {"Retry-After": "3600"}, "later")]

    with pytest.raises(SlutprisError, match="pause of 3,600 s"):
        ask("Tomtevägen 5")


def test_a_lasting_trouble_is_told_and_what_was_answered_is_kept(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUTPRIS_NOMINATIM_CONNECTIONS", "1")
    ask("Tomtevägen 1")
    asked.script = [(200, {}, "[]")] + [(500, {}, "broken")] * 5
    with pytest.raises(SlutprisError, match=r"did not answer 5 times \(HTTP 500\)"):
        ask("Tomtevägen 1", "Nyvägen 2", "Tomtevägen 3", "Tomtevägen 4")
    asked.streets.clear()
    ask("Tomtevägen 1", "Nyvägen 2", "Tomtevägen 3", "Tomtevägen 4")

    assert sorted(asked.streets) == ["nyvägen", "tomtevägen 3", "tomtevägen 4"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((403, {}, "blocked"), r"HTTP 403: 'blocked'"),
        ((404, {}, ""), "root of a Nominatim"),
        ((302, {"Location": "https://nominatim.openstreetmap.org/"}, ""), "HTTP 302"),
        ((200, {}, "<html>"), "did not answer with JSON"),
        ((200, {}, "{}"), "a list was expected"),
    ],
)
def test_what_is_no_nominatim_is_told(
    asked: Asked, answer: tuple[int, dict[str, str], str], message: str
) -> None:
    asked.script = [answer]

    with pytest.raises(SlutprisError, match=message):
        ask("Tomtevägen 5")


@pytest.mark.parametrize(
    "url", ["", "nominatim.local", "ftp://x", "http://", "http://["]
)
def test_an_address_that_cannot_be_is_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("SLUTPRIS_NOMINATIM_URL", url)

    with pytest.raises(SlutprisError, match="SLUTPRIS_NOMINATIM_URL is"):
        NominatimGeocoder(Settings())


def test_a_server_that_is_not_there_is_told_on_the_command_line(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("SLUTPRIS_NOMINATIM_URL", f"http://127.0.0.1:{free_port()}")

    with pytest.raises(SlutprisError, match=r"did not answer.*refused"):
        ask("Tomtevägen 5")


def test_a_cache_that_is_no_cache_is_told(asked: Asked, settings: Settings) -> None:
    settings.data.mkdir()
    settings.nominatim_cache_path.write_text("not a database at all" * 100)

    with pytest.raises(SlutprisError, match=r"nominatim\.sqlite"):
        ask("Tomtevägen 5")

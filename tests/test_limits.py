"""What the crawl does when a site says wait, no, or nothing at all: over real HTTP.

A spider of a few lines asks for pages under the project's own settings, so that what
is measured here is the middlewares alone.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.http import TextResponse
from scrapy.settings import Settings

from scrapy_project.crawl_hours import CrawlHours
from scrapy_project.middlewares import CrawlHoursError, check_settings
from scrapy_project.retry_after import retry_after_s

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = Path(__file__).parent / "samples"
SCRAPY = Path(sys.executable).with_name("scrapy")
SPIDER = """
import json
from pathlib import Path
from scrapy import Request, Spider, signals
from scrapy.exceptions import CloseSpider

class Asker(Spider):
    name = "asker"
    failures = []

    async def start(self):
        self.crawler.signals.connect(self.write, signals.spider_closed)
        for number in range(int(self.pages)):
            yield Request(
                f"{self.site}/page/{number}", callback=self.parse,
                errback=self.fail, meta={"is_page": self.marked == "yes"})

    def parse(self, response):
        pass

    def fail(self, failure):
        self.failures.append([type(failure.value).__name__, str(failure.value)])
        if hasattr(failure.value, "exit_code"):
            raise CloseSpider("stopped")

    def write(self):
        stats = {k: v for k, v in self.crawler.stats.get_stats().items()
                 if isinstance(v, (int, float, str))}
        Path(self.report).write_text(
            json.dumps({"failures": self.failures, "stats": stats}))
"""
QUICKLY = {"DOWNLOAD_DELAY": "0", "AUTOTHROTTLE_ENABLED": "0"}

Answer = tuple[int, dict[str, str], bytes]
PAGE: Answer = (
    200,
    {"Content-Type": "text/html; charset=utf-8"},
    b'<script id="__NEXT_DATA__" type="application/json">'
    + (SAMPLES / "search_page.next_data.json").read_bytes()
    + b"</script>",
)


class Site:
    """Answers what the test says; remembers when each request came."""

    def __init__(self, answer: Callable[[str, int], Answer], robots: Answer) -> None:
        self.answer = answer
        self.robots = robots
        self.came: list[tuple[float, str]] = []
        self.lock = Lock()
        self.address = ""

    @property
    def pages_asked(self) -> list[str]:
        return [path for _, path in self.came if path != "/robots.txt"]

    def gaps_s(self) -> list[float]:
        times = [at for at, _ in self.came]
        return [after - before for before, after in pairwise(times)]

    def respond(self, path: str) -> Answer:
        with self.lock:
            self.came.append((time.monotonic(), path))
            if path == "/robots.txt":
                return self.robots
            return self.answer(path, len(self.pages_asked))


ALLOWING: Answer = (200, {"Content-Type": "text/plain"}, b"User-agent: *\nDisallow:\n")


@contextmanager
def serving(
    answer: Callable[[str, int], Answer], robots: Answer = ALLOWING
) -> Generator[Site]:
    site = Site(answer, robots)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            status, headers, body = site.respond(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = "Content-Length" in headers

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the test's output to itself."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    site.address = f"http://127.0.0.1:{server.server_port}"
    yield site
    server.shutdown()


def command(site: Site, folder: Path, pages: int, **settings: str) -> list[str]:
    spider = folder / "asker.py"
    spider.write_text(SPIDER)
    marked = settings.pop("marked", "yes")
    options = {
        "site": site.address, "pages": str(pages), "marked": marked,
        "report": str(folder / "report.json"),
    }  # fmt: skip
    words = [str(SCRAPY), "runspider", str(spider)]
    for name, value in options.items():
        words += ["-a", f"{name}={value}"]
    for name, value in (QUICKLY | settings).items():
        words += ["-s", f"{name}={value}"]
    return words


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}


def ask(site: Site, folder: Path, pages: int = 1, **settings: str) -> dict[str, Any]:
    """Crawl so many pages; give the failures and the statistics."""
    done = subprocess.run(
        command(site, folder, pages, **settings), cwd=ROOT, env=environment(),
        text=True, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    report = folder / "report.json"
    assert report.exists(), done.stderr
    return json.loads(report.read_text()) | {"log": done.stderr}


# Too many requests


class LimitedSite:
    """A token bucket; remembers what came inside a wait it had asked for."""

    def __init__(self, rate_per_s: float, capacity: float, header: str) -> None:
        self.rate_per_s, self.capacity, self.header = rate_per_s, capacity, header
        self.tokens, self.at_s, self.began_s = capacity, 0.0, 0.0
        self.wait_until = 0.0
        self.granted = self.refused = self.came_inside_a_wait = 0

    def answer(self, path: str, count: int) -> Answer:
        now_s = time.time()
        if not self.began_s:
            self.began_s = self.at_s = now_s
        self.came_inside_a_wait += now_s < self.wait_until
        gained = (now_s - self.at_s) * self.rate_per_s
        self.tokens, self.at_s = min(self.capacity, self.tokens + gained), now_s
        if self.tokens >= 1 - 1e-9:
            self.tokens -= 1
            self.granted += 1
            return 200, {}, b"page"
        self.refused += 1
        missing_s = (1 - self.tokens) / self.rate_per_s
        return 429, self.wait_header(now_s, missing_s), b""

    def wait_header(self, now_s: float, missing_s: float) -> dict[str, str]:
        if self.header == "seconds":
            self.wait_until = now_s + math.ceil(missing_s)
            return {"Retry-After": str(math.ceil(missing_s))}
        self.wait_until = math.ceil(now_s + missing_s)
        until = datetime.fromtimestamp(self.wait_until, UTC)
        return {"Retry-After": format_datetime(until, usegmt=True)}

    @property
    def grantable(self) -> float:
        return self.capacity + self.rate_per_s * (self.at_s - self.began_s)


@pytest.mark.parametrize(
    ("rate", "capacity", "header"), [(20, 40, "seconds"), (25, 50, "date")]
)
def test_limited_site_is_crawled_at_the_rate_it_allows(
    tmp_path: Path, rate: float, capacity: float, header: str
) -> None:
    limited = LimitedSite(rate, capacity, header)
    with serving(limited.answer) as site:
        report = ask(site, tmp_path, pages=400, marked="no")
    assert limited.granted == 400
    assert limited.came_inside_a_wait == 0
    assert limited.refused - 1 <= 0.01 * (400 + limited.refused)
    assert limited.granted / limited.grantable >= 0.95
    assert report["stats"]["booli/429"] == limited.refused
    assert report["stats"]["booli/wait_s"] >= limited.refused


def test_nothing_at_all_is_sent_inside_a_wait_though_many_may_be_under_way(
    tmp_path: Path,
) -> None:
    limited = LimitedSite(5, 3, "seconds")
    with serving(limited.answer) as site:
        ask(
            site, tmp_path, pages=30, marked="no",
            CONCURRENT_REQUESTS="8", CONCURRENT_REQUESTS_PER_DOMAIN="8",
        )  # fmt: skip
    assert limited.granted == 30
    assert limited.refused >= 1
    assert limited.came_inside_a_wait == 0


def test_wait_and_its_end_are_told_in_one_line(tmp_path: Path) -> None:
    def answer(path: str, count: int) -> Answer:
        return (429, {"Retry-After": "2"}, b"") if count == 1 else PAGE

    with serving(answer) as site:
        report = ask(site, tmp_path)
    told = [line for line in report["log"].splitlines() if "asks us to wait" in line]
    assert len(told) == 1
    assert "wait 2 s, until 20" in told[0]
    assert report["failures"] == []
    assert site.gaps_s()[-1] >= 2


def test_wait_asked_for_instead_of_robots_txt_is_kept(tmp_path: Path) -> None:
    with serving(lambda *_: PAGE) as site:
        refusal: Answer = (429, {"Retry-After": "1"}, b"")
        original = site.respond

        def respond(path: str) -> Answer:
            is_first = not site.came
            answer = original(path)
            return refusal if is_first else answer

        site.respond = respond  # type: ignore[method-assign]
        report = ask(site, tmp_path)
    assert [path for _, path in site.came][:2] == ["/robots.txt"] * 2
    assert site.gaps_s()[0] >= 1
    assert report["failures"] == []


def test_wait_of_over_a_quarter_of_an_hour_ends_the_crawl(tmp_path: Path) -> None:
    with serving(lambda *_: (429, {"Retry-After": "901"}, b"")) as site:
        report = ask(site, tmp_path, pages=20)
    (kind, message), *_ = report["failures"]
    assert kind == "LongWaitError"
    assert "wait until 20" in message
    assert len(site.pages_asked) == 1


def test_interrupted_wait_ends_at_once(tmp_path: Path) -> None:
    with serving(lambda *_: (429, {"Retry-After": "600"}, b"")) as site:
        with subprocess.Popen(
            command(site, tmp_path, 5), cwd=ROOT, env=environment(),
            stderr=subprocess.PIPE, text=True,
        ) as crawl:  # fmt: skip
            assert crawl.stderr is not None
            assert any("asks us to wait" in line for line in crawl.stderr)
            crawl.send_signal(signal.SIGINT)
            crawl.communicate(timeout=20)
        assert len(site.pages_asked) == 1


NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def http_date(seconds: float) -> str:
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": http_date(30)}, 30.0),
        ({"Retry-After": http_date(30), "Date": http_date(-1)}, 30.0),
        ({"Retry-After": http_date(30), "Date": http_date(-60)}, 90.0),
        ({"Retry-After": http_date(30), "Date": http_date(20)}, 10.0),
        ({"Retry-After": http_date(-5)}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": ""}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read(headers: dict[str, str], expected: float | None) -> None:
    answer = TextResponse("http://localhost/", status=429, headers=headers)
    assert retry_after_s(answer, NOW) == expected


# Politeness


def test_delay_lies_between_requests_and_between_retries(tmp_path: Path) -> None:
    def answer(path: str, count: int) -> Answer:
        return (503, {}, b"") if count == 1 else PAGE

    with serving(answer) as site:
        ask(site, tmp_path, pages=3, DOWNLOAD_DELAY="0.4", DOWNLOAD_DELAY_JITTER="0.5")
    assert len(site.pages_asked) == 4
    # A late arrival lengthens one gap and shortens the next; their sum stays.
    assert sum(site.gaps_s()) >= 3 * 0.19


def test_redirect_keeps_the_delay(tmp_path: Path) -> None:
    def answer(path: str, count: int) -> Answer:
        return (307, {"Location": "/elsewhere"}, b"") if count == 1 else PAGE

    with serving(answer) as site:
        ask(site, tmp_path, DOWNLOAD_DELAY="0.4", DOWNLOAD_DELAY_JITTER="0")
    assert site.pages_asked == ["/page/0", "/elsewhere"]
    # Far from the gap of a forgotten delay, with room for a busy machine.
    assert min(site.gaps_s()) >= 0.3


def test_autothrottle_cannot_undo_the_slow_down(tmp_path: Path) -> None:
    limited = LimitedSite(4, 2, "seconds")
    with serving(limited.answer) as site:
        ask(
            site, tmp_path, pages=24, marked="no", AUTOTHROTTLE_ENABLED="1",
            AUTOTHROTTLE_START_DELAY="0.01", DOWNLOAD_DELAY="0.01",
        )  # fmt: skip
    assert limited.granted == 24
    assert limited.came_inside_a_wait == 0
    assert limited.refused <= 4


def test_crawl_delay_of_robots_txt_lifts_the_delay(tmp_path: Path) -> None:
    robots: Answer = (200, {}, b"User-agent: *\nCrawl-delay: 0.7\nDisallow: /auth/\n")
    with serving(lambda *_: PAGE, robots) as site:
        ask(site, tmp_path, pages=4)
    assert len(site.came) == 5
    gaps_s = site.gaps_s()
    # A request that came late on a busy machine leaves the next gap the shorter.
    assert sum(gaps_s) / len(gaps_s) >= 0.65
    assert min(gaps_s) >= 0.4


def test_crawl_delay_for_us_by_name_is_the_one_kept(tmp_path: Path) -> None:
    robots: Answer = (
        200, {}, b"User-agent: *\nDisallow: /\n\nUser-agent: slutpris\nCrawl-delay: 0.5"
    )  # fmt: skip
    with serving(lambda *_: PAGE, robots) as site:
        report = ask(site, tmp_path, pages=2)
    assert report["failures"] == []
    assert min(site.gaps_s()) >= 0.45


# robots.txt


def test_robots_txt_that_forbids_us_ends_the_crawl_in_one_line(tmp_path: Path) -> None:
    robots: Answer = (200, {}, b"User-agent: *\nDisallow: /page/\n")
    with serving(lambda *_: PAGE, robots) as site:
        report = ask(site, tmp_path, pages=5)
    kind, message = report["failures"][0]
    assert kind == "RobotsForbidError"
    assert "robots.txt forbids" in message
    assert "\n" not in message
    assert site.pages_asked == []


def test_server_that_fails_to_give_robots_txt_is_not_crawled(tmp_path: Path) -> None:
    with serving(lambda *_: PAGE, (500, {}, b"")) as site:
        report = ask(site, tmp_path, pages=5)
    kind, message = report["failures"][0]
    assert kind == "RobotsUnreachableError"
    assert "500" in message
    assert site.pages_asked == []
    assert len(site.came) == 3


def test_site_that_cannot_be_reached_is_named_so(tmp_path: Path) -> None:
    site = Site(lambda *_: PAGE, ALLOWING)
    site.address = "http://127.0.0.1:9"
    kind, message = ask(site, tmp_path)["failures"][0]
    assert kind == "RobotsUnreachableError"
    assert "cannot be reached" in message


@pytest.mark.parametrize("status", [404, 410])
def test_site_without_robots_txt_allows_all(tmp_path: Path, status: int) -> None:
    missing: Answer = (status, {"Content-Type": "text/html"}, b"<html>no</html>")
    with serving(lambda *_: PAGE, missing) as site:
        report = ask(site, tmp_path, pages=2)
    assert report["failures"] == []
    assert len(site.pages_asked) == 2


@pytest.mark.parametrize(
    "robots",
    [
        (403, {"cf-mitigated": "challenge"}, b"<title>Just a moment...</title>"),
        (202, {"x-amzn-waf-action": "challenge"}, b""),
        (200, {"Content-Type": "text/html"}, b"<!DOCTYPE html><html></html>"),
    ],
    ids=["403", "202", "200 HTML"],
)
def test_challenge_in_place_of_robots_txt_ends_the_crawl(
    tmp_path: Path, robots: Answer
) -> None:
    with serving(lambda *_: PAGE, robots) as site:
        report = ask(site, tmp_path, pages=5)
    assert {kind for kind, _ in report["failures"]} == {"ChallengedError"}
    assert len(site.came) == 1


# Challenges

CLOUDFLARE = {"cf-mitigated": "challenge", "server": "cloudflare", "cf-ray": "8f0c-ARN"}
NO_STATE = b'<script id="__NEXT_DATA__">{"props":{"pageProps":{}}}</script>'
SEARCH_ERROR = (
    PAGE[2]
    .replace(b'"initialSearchError":""', b'"initialSearchError":"Internal error"')
    .replace(b'"initialSearchError": ""', b'"initialSearchError": "Internal error"')
)


@pytest.mark.parametrize(
    ("answer", "kind", "named", "asked"),
    [
        ((403, CLOUDFLARE, b"Just a moment..."), "403", "403: a Cloudflare", 1),
        ((403, {}, "<title>Vänta…</title>".encode()), "403", "a Cloudflare", 1),
        ((403, {}, b"Forbidden"), "403", "403: the site does not let us in", 1),
        ((202, {"x-amzn-waf-action": "challenge"}, b""), "202", "an AWS WAF", 1),
        ((202, {}, b""), "202", "202: the site does not let us in", 1),
        ((405, {"x-amzn-waf-action": "captcha"}, b""), "405", "an AWS WAF", 1),
        ((503, CLOUDFLARE, b""), "503", "a Cloudflare", 1),
        ((200, {}, b"<title>Just a moment...</title>"), "no_next_data", "Cloud", 1),
        ((200, {}, b"<html>welcome</html>"), "no_next_data", "soft block", 2),
        ((200, {}, NO_STATE), "no_apollo_state", "an empty page", 2),
        ((200, {}, SEARCH_ERROR), "search_error", "'Internal error'", 2),
        ((200, {"Content-Type": "application/json"}, b"{}"), "no_apollo_state",
         "soft block", 2),
    ],
)  # fmt: skip
def test_challenge_ends_the_crawl_and_nothing_is_sent_after_it(
    tmp_path: Path, answer: Answer, kind: str, named: str, asked: int
) -> None:
    with serving(lambda _, count: PAGE if count <= 3 else answer) as site:
        report = ask(site, tmp_path, pages=12)
    failed, message = report["failures"][0]
    assert failed == "ChallengedError"
    assert named in message
    assert "api@booli.se" in message
    assert "pages=DIR" in message
    assert report["stats"][f"booli/challenge/{kind}"] == 1
    assert len(site.pages_asked) == 3 + asked


def test_page_without_data_is_had_at_the_second_try(tmp_path: Path) -> None:
    def answer(path: str, count: int) -> Answer:
        return (200, {}, b"<html>welcome</html>") if count == 1 else PAGE

    with serving(answer) as site:
        report = ask(site, tmp_path, pages=2)
    assert report["failures"] == []
    assert sorted(site.pages_asked) == ["/page/0", "/page/0", "/page/1"]


def test_missing_page_is_no_challenge(tmp_path: Path) -> None:
    with serving(lambda *_: (404, {}, b"<html>gone</html>")) as site:
        report = ask(site, tmp_path, pages=2)
    assert {kind for kind, _ in report["failures"]} == {"HttpError"}
    assert len(site.pages_asked) == 2


@pytest.mark.parametrize(
    "cut",
    [
        (200, {}, PAGE[2][: len(PAGE[2]) // 2]),
        (200, {"Content-Length": str(len(PAGE[2]))}, PAGE[2][: len(PAGE[2]) // 2]),
        (200, {}, PAGE[2][:-400] + b"</script>"),
        (200, {"Content-Type": "application/json"}, b'{"pageProps":{"a":1}'),
    ],
    ids=["short", "connection closed", "JSON cut off", "JSON document cut off"],
)
def test_page_cut_short_is_asked_for_again(tmp_path: Path, cut: Answer) -> None:
    with serving(lambda _, count: cut if count <= 2 else PAGE) as site:
        report = ask(site, tmp_path)
    assert report["failures"] == []
    assert len(site.pages_asked) == 3


def test_page_always_cut_short_is_a_failed_download(tmp_path: Path) -> None:
    cut = (200, {}, PAGE[2][: len(PAGE[2]) // 2])
    with serving(lambda *_: cut) as site:
        report = ask(site, tmp_path)
    assert report["failures"][0][0] == "ResponseDataLossError"
    assert len(site.pages_asked) == 3


def test_json_document_of_the_site_is_a_page(tmp_path: Path) -> None:
    payload = json.loads((SAMPLES / "search_page.next_data.json").read_text("utf-8"))
    body = json.dumps(payload["props"]).encode()
    answer = (200, {"Content-Type": "application/json"}, body)
    with serving(lambda *_: answer) as site:
        report = ask(site, tmp_path)
    assert report["failures"] == []


# Night hours


@pytest.mark.parametrize(
    ("hours", "now", "opens"),
    [
        ("22-06", "2026-11-23T22:00+01:00", None),
        ("22-06", "2026-11-23T05:59+01:00", None),
        ("22-06", "2026-11-23T06:00+01:00", "2026-11-23T22:00+01:00"),
        ("22-06", "2026-07-01T12:00+00:00", "2026-07-01T22:00+02:00"),
        ("22:30-05:45", "2026-11-23T22:15+01:00", "2026-11-23T22:30+01:00"),
        ("08-16", "2026-11-23T15:59+01:00", None),
        ("08-16", "2026-11-23T16:00+01:00", "2026-11-24T08:00+01:00"),
        ("18-24", "2026-11-23T23:59+01:00", None),
        # The night the clocks go back: from 2:00 to 22:00 is 20 hours and one more.
        ("22-02", "2026-10-25T02:00+02:00", "2026-10-25T22:00+01:00"),
    ],
)
def test_hours_open_on_the_swedish_clock(
    hours: str, now: str, opens: str | None
) -> None:
    parsed = CrawlHours.parse(hours)
    assert parsed is not None
    expected = None if opens is None else datetime.fromisoformat(opens)
    assert parsed.opens_at(datetime.fromisoformat(now)) == expected


def test_no_hours_are_any_hour() -> None:
    assert CrawlHours.parse("") is None


@pytest.mark.parametrize("text", ["night", "22", "25-06", "22-22", "22:70-06", "0-24"])
def test_hours_that_are_none_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(CrawlHoursError, match="CRAWL_HOURS=") as refusal:
        check_settings(Settings({"CRAWL_HOURS": text}))
    assert "\n" not in str(refusal.value)
    assert refusal.value.exit_code == 2


def test_outside_the_hours_nothing_is_sent_and_the_crawl_says_until_when(
    tmp_path: Path,
) -> None:
    closed = (datetime.now(UTC) + timedelta(hours=6)).hour
    with serving(lambda *_: PAGE) as site:
        hours = f"{closed:02}-{(closed + 1) % 24:02}"
        with subprocess.Popen(
            command(site, tmp_path, 1, CRAWL_HOURS=hours), cwd=ROOT,
            env=environment(), stderr=subprocess.PIPE, text=True,
        ) as crawl:  # fmt: skip
            assert crawl.stderr is not None
            told = next(line for line in crawl.stderr if "outside CRAWL_HOURS" in line)
            crawl.send_signal(signal.SIGINT)
            crawl.communicate(timeout=20)
        assert f"{hours[:2]}:00:00 (Swedish time)" in told
        assert site.came == []

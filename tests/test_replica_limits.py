"""The replica's limits: every way it refuses, when that begins, and when it ends."""

from __future__ import annotations

import json
import re
import time
from email.utils import parsedate_to_datetime
from http.client import IncompleteRead
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from running_replica import FLATS, NEXT_DATA, Site, running

if TYPE_CHECKING:
    from collections.abc import Iterator

SEARCH = f"/sok/slutpriser?{FLATS}"


@pytest.fixture(scope="module")
def replica() -> Iterator[Site]:
    with running("--sales-per-month", "2") as site:
        yield site


@pytest.fixture
def site(replica: Site) -> Iterator[Site]:
    replica.control("mode", mode="open")
    replica.send("/__replica__/log", None, "DELETE")
    yield replica
    replica.control("mode", mode="open", crawl_delay_s=None)


def statuses(site: Site, count: int, path: str = SEARCH) -> list[int]:
    return [site.get(path)[0] for _ in range(count)]


def test_token_bucket_grants_its_capacity_then_says_how_long_to_wait(
    site: Site,
) -> None:
    site.control("mode", mode="token_bucket", rate_per_s=0.4, capacity=3)
    assert statuses(site, 3) == [200, 200, 200]
    status, headers, _ = site.get(SEARCH)
    # Two and a half seconds a token, less what has passed, rounded up.
    assert (status, headers["retry-after"]) == (429, "3")


def test_token_bucket_lets_in_who_waited_as_told(site: Site) -> None:
    site.control("mode", mode="token_bucket", rate_per_s=2, capacity=1)
    assert statuses(site, 2) == [200, 429]
    wait_s = int(site.get(SEARCH)[1]["retry-after"])
    assert wait_s == 1
    time.sleep(wait_s)
    assert site.get(SEARCH)[0] == 200


def test_token_bucket_can_name_a_date(site: Site) -> None:
    site.control(
        "mode", mode="token_bucket", rate_per_s=0.1, capacity=1, retry_after="date"
    )
    site.get(SEARCH)
    before = time.time()
    told = parsedate_to_datetime(site.get(SEARCH)[1]["retry-after"])
    assert before + 9 <= told.timestamp() <= before + 12


def test_token_bucket_can_leave_the_wait_unsaid(site: Site) -> None:
    site.control("mode", mode="token_bucket", capacity=1, retry_after="none")
    site.get(SEARCH)
    status, headers, _ = site.get(SEARCH)
    assert status == 429
    assert "retry-after" not in headers


def test_all_page_requests_count_against_the_bucket(site: Site) -> None:
    site.control("mode", mode="token_bucket", rate_per_s=0.01, capacity=2)
    assert site.get("/bostad/1")[0] == 404
    assert site.get("/slutpriser/sodermalm/115341")[0] == 307
    assert site.get(SEARCH)[0] == 429


def test_bucket_counts_what_it_granted_and_could_have_granted(site: Site) -> None:
    site.control("mode", mode="token_bucket", rate_per_s=0.01, capacity=2)
    statuses(site, 3)
    mode = json.loads(site.get("/__replica__/mode")[2])
    counters = mode["counters"]
    assert mode["mode"] == "token_bucket"
    assert (counters["seen"], counters["refused"]) == (3, 1)
    assert (counters["granted"], counters["grantable"]) == (2, 2)


def test_robots_txt_and_the_controls_are_never_limited(site: Site) -> None:
    site.control("mode", mode="challenge_403")
    assert site.get("/robots.txt")[0] == 200
    assert site.get("/__replica__/truth.jsonl")[0] == 200


def test_aws_challenge_is_an_empty_success(site: Site) -> None:
    site.control("mode", mode="challenge_202")
    status, headers, body = site.get(SEARCH)
    assert (status, body) == (202, b"")
    assert headers["x-amzn-waf-action"] == "challenge"


@pytest.mark.parametrize(
    ("language", "title"), [("en", "Just a moment..."), ("sv", "Vänta…")]
)
def test_cloudflare_challenge_has_its_marks(
    site: Site, language: str, title: str
) -> None:
    site.control("mode", mode="challenge_403", language=language)
    status, headers, body = site.get(SEARCH)
    assert status == 403
    assert headers["cf-mitigated"] == "challenge"
    assert headers["server"] == "cloudflare"
    assert headers["cf-ray"]
    assert f"<title>{title}</title>" in body.decode()


def test_plain_refusal_has_no_marks(site: Site) -> None:
    site.control("mode", mode="forbidden_403")
    status, headers, body = site.get(SEARCH)
    assert status == 403
    assert not {"cf-mitigated", "cf-ray", "server"} & headers.keys()
    assert b"moment" not in body


def test_page_can_come_without_its_data(site: Site) -> None:
    site.control("mode", mode="no_data_200")
    status, _, body = site.get(SEARCH)
    assert status == 200
    assert b"</html>" in body
    assert b"__NEXT_DATA__" not in body


def test_body_can_be_cut_in_the_middle_of_its_json(site: Site) -> None:
    whole = site.get(SEARCH)[2]
    site.control("mode", mode="truncated")
    status, headers, body = site.get(SEARCH, **{"Accept-Encoding": "gzip, br"})
    assert (status, int(headers["content-length"])) == (200, len(body))
    assert whole.startswith(body)
    assert b"__NEXT_DATA__" in body
    assert NEXT_DATA.search(body.decode(errors="ignore")) is None


def test_line_can_be_closed_before_the_body_is_whole(site: Site) -> None:
    site.control("mode", mode="truncated", length="broken")
    with pytest.raises(IncompleteRead):
        site.get(SEARCH)


def test_server_can_fail(site: Site) -> None:
    site.control("mode", mode="error_500")
    assert site.get(SEARCH)[0] == 500


def test_slow_answer_is_still_the_page(site: Site) -> None:
    whole = site.get(SEARCH)[2]
    site.control("mode", mode="slow", delay_s=0.3)
    began = time.monotonic()
    assert site.get(SEARCH)[2] == whole
    assert time.monotonic() - began >= 0.3


def test_mode_begins_after_some_requests_and_ends_after_some_answers(
    site: Site,
) -> None:
    site.control("mode", mode="error_500", after_requests=2, for_requests=3)
    assert statuses(site, 7) == [200, 200, 500, 500, 500, 200, 200]


def test_mode_can_be_for_some_paths_only(site: Site) -> None:
    site.control("mode", mode="error_500", path="/bostad/", for_requests=1)
    assert site.get(SEARCH)[0] == 200
    assert statuses(site, 2, "/bostad/1") == [500, 404]


@pytest.mark.parametrize(
    "header", [{"X-Replica-Mode": "open"}, {"Cookie": "mode=open"}]
)
def test_nothing_a_visitor_sends_switches_a_mode(
    site: Site, header: dict[str, str]
) -> None:
    site.control("mode", mode="forbidden_403")
    assert site.get(f"{SEARCH}&mode=open", **header)[0] == 403


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"mode": "closed"}, "expected open, token_bucket"),
        ({"mode": "slow", "delay": 2}, "delay is no option of a mode"),
        ({"mode": "slow", "delay_s": "2"}, "expected a positive number"),
        ({"mode": "token_bucket", "rate_per_s": 0}, "expected a positive number"),
        ({"mode": "open", "path": "bostad"}, "expected the beginning of a path"),
        ({"rate_per_s": 3}, "give a mode too"),
        ({"shape": "2031-01"}, "expected 2023-06, 2023-12, 2025-10, 2026-06"),
        ({"crawl_delay_s": -1}, "expected seconds or null"),
        ({"drift_from": "today"}, "expected YYYY-MM-DD"),
        ([], "expected {...}"),
    ],
    ids=str,
)
def test_mistaken_wish_is_explained_and_changes_nothing(
    site: Site, wishes: object, words: str
) -> None:
    before = json.loads(site.get("/__replica__/mode")[2])
    status, answer = site.ask("mode", wishes)
    assert status == 400
    assert words in answer["error"]
    assert json.loads(site.get("/__replica__/mode")[2]) == before


def test_log_tells_the_answer_and_the_wait(site: Site) -> None:
    site.control("mode", mode="token_bucket", rate_per_s=0.25, capacity=1)
    statuses(site, 2)
    first, second = site.log()
    assert (first["status"], first["retry_after_s"]) == (200, None)
    assert (second["status"], second["retry_after_s"]) == (429, 4)
    assert second["query"] == SEARCH.partition("?")[2]


def test_log_counts_the_seconds_to_a_date(site: Site) -> None:
    site.control(
        "mode", mode="token_bucket", rate_per_s=0.05, capacity=1, retry_after="date"
    )
    statuses(site, 2)
    assert 19 <= site.log()[-1]["retry_after_s"] <= 21


def test_log_can_be_asked_from_a_moment_on_and_forgotten(site: Site) -> None:
    site.get("/bostad/1")
    moment = time.time()
    site.get("/bostad/2")
    later = site.get(f"/__replica__/log?{urlencode({'since': moment})}")[2]
    assert [record["path"] for record in json.loads(later)] == ["/bostad/2"]
    assert site.send("/__replica__/log", None, "DELETE")[0] == 204
    assert site.log() == []


def test_robots_txt_can_ask_for_a_delay(site: Site) -> None:
    site.control("mode", crawl_delay_s=2.5)
    assert site.get("/robots.txt")[2].decode().endswith("\nCrawl-delay: 2.5\n")
    site.control("mode", crawl_delay_s=None)
    assert b"Crawl-delay" not in site.get("/robots.txt")[2]


def test_delay_of_robots_txt_can_be_given_at_the_start() -> None:
    with running("--sales-per-month", "1", "--crawl-delay", "3") as site:
        assert re.search(rb"^Crawl-delay: 3$", site.get("/robots.txt")[2], re.MULTILINE)


def settings(site: Site) -> dict[str, Any]:
    return json.loads(site.get("/__replica__/mode")[2])


def test_what_is_not_named_stays(site: Site) -> None:
    site.control("mode", mode="slow", delay_s=0)
    site.control("mode", crawl_delay_s=1)
    assert (settings(site)["mode"], settings(site)["crawl_delay_s"]) == ("slow", 1)

"""The spider as a person runs it: ``scrapy crawl`` over HTTP, into a real warehouse.

Two sites: the bundled replica for whole crawls, and a site of a few hand-made answers
for what the replica does not do.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import pytest

from scrapy_project.arguments import CrawlArgumentError, CrawlArguments

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = Path(__file__).parent / "samples"
SCRAPY = Path(sys.executable).with_name("scrapy")
CRAWL = ["-a", "from=2025-09-01", "-a", "to=2026-03-31", "-a", "details=all"]
MARCH = ["-a", "from=2016-03-01", "-a", "to=2016-03-31"]

Answer = tuple[int, dict[str, str], bytes]


def environment(data_dir: Path, site: str) -> dict[str, str]:
    return os.environ | {"SLUTPRIS_DATA": str(data_dir), "BOOLI_BASE_URL": site}


def crawl(
    data_dir: Path, site: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRAPY, "crawl", "booli", *arguments],
        env=environment(data_dir, site), cwd=ROOT, text=True,
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip


def rows(data_dir: Path, query: str) -> list[tuple]:
    path = data_dir / "warehouse.duckdb"
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(query).fetchall()


def landed(data_dir: Path) -> dict[str, list[tuple]]:
    """What a crawl leaves behind, but for when and by which run."""
    run = "observed_at, run_id"
    return {
        "cards": rows(data_dir, f"select * exclude ({run}) from raw.sale_cards"),
        "homes": rows(data_dir, f"select * exclude ({run}) from raw.homes"),
        "pages": rows(data_dir, "select url, payload_sha256 from raw.pages"),
        "windows": rows(
            data_dir, "select * exclude (completed_at, run_id) from raw.crawl_windows"
        ),
    }


def in_order(tables: dict[str, list[tuple]]) -> dict[str, list[tuple]]:
    return {name: sorted(found, key=repr) for name, found in tables.items()}


# The replica


@pytest.fixture(scope="module")
def replica(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A replica's address, and the file of its truth."""
    truth = tmp_path_factory.mktemp("replica") / "truth.jsonl"
    command = [
        sys.executable, "-m", "scrapy_project.replica", "--port", "0",
        "--sales-per-month", "25", "--today", "2026-06-30", "--truth", str(truth),
        "--exit-with-parent",
    ]  # fmt: skip
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        said = (re.search(r"http://\S+", line) for line in server.stdout)
        yield next(address[0] for address in said if address), truth
        server.terminate()


@pytest.fixture(scope="module")
def undisturbed(
    replica: tuple[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The data folder of one whole crawl."""
    data_dir = tmp_path_factory.mktemp("undisturbed")
    done = crawl(data_dir, replica[0], *CRAWL)
    assert done.returncode == 0, done.stderr
    return data_dir


def test_crawl_finds_every_sale_and_no_other(
    undisturbed: Path, replica: tuple[str, Path]
) -> None:
    asked = (
        f"select booli_id from read_json('{replica[1]}') "
        "where sold_date between '2025-09-01' and '2026-03-31' order by all"
    )
    expected = duckdb.execute(asked).fetchall()
    found = rows(undisturbed, "select booli_id from raw.sale_cards order by all")
    assert len(found) > 100
    assert found == expected


def test_fields_of_cards_and_homes_are_the_truth(
    undisturbed: Path, replica: tuple[str, Path]
) -> None:
    on_cards = (
        "booli_id, url, street_address, object_type, sold_price_type, sold_date,"
        " sold_price_sek, list_price_sek, price_per_m2_sek, living_area_m2,"
        " additional_area_m2, rooms, floor, latitude, longitude"
    )
    on_homes = (
        "booli_id, first_price_sek, fee_sek_per_month, operating_cost_sek_per_month,"
        " construction_year, energy_class, apartment_number, brf_id, brf_name"
    )
    truth = f"from read_json('{replica[1]}')"
    for columns, table in ((on_cards, "sale_cards"), (on_homes, "homes")):
        found = rows(
            undisturbed,
            f"select {columns} from raw.{table} where booli_id is not null",
        )
        known = duckdb.execute(f"select {columns} {truth}").fetchall()
        assert len(found) > 100
        assert set(found) <= set(known)


def test_homes_of_old_and_of_new_sales_are_read(undisturbed: Path) -> None:
    read = dict(
        rows(undisturbed, "select detail_typename, count(*) from raw.homes group by 1")
    )
    assert read["SoldProperty"] > 50
    missing = rows(
        undisturbed,
        "select url from raw.sale_cards where url not in (select url from raw.homes)",
    )
    assert missing == []


def test_second_crawl_adds_no_row(undisturbed: Path, replica: tuple[str, Path]) -> None:
    before = landed(undisturbed)
    again = crawl(undisturbed, replica[0], *CRAWL)
    assert again.returncode == 0, again.stderr
    assert in_order(landed(undisturbed)) == in_order(before)
    counted = rows(
        undisturbed,
        "select statistics->'booli/windows_already_complete', statistics->'booli/pages'"
        " from raw.crawl_runs order by started_at desc limit 1",
    )
    assert counted == [("7", "0")]


def test_killed_crawl_run_again_ends_in_the_same_rows(
    undisturbed: Path, replica: tuple[str, Path], tmp_path: Path
) -> None:
    command = [SCRAPY, "crawl", "booli", *CRAWL, "-s", "PROGRESS_INTERVAL_S=0.1"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(tmp_path, replica[0]), text=True,
        stderr=subprocess.PIPE,
    ) as first:  # fmt: skip
        assert first.stderr is not None
        for line in first.stderr:
            if " homes; " in line and int(line.split(" homes; ")[0].split()[-1]) > 20:
                break
        first.send_signal(signal.SIGKILL)
    assert first.returncode == -signal.SIGKILL
    cut_off = len(landed(tmp_path)["homes"])
    assert cut_off < len(landed(undisturbed)["homes"])
    again = crawl(tmp_path, replica[0], *CRAWL)
    assert again.returncode == 0, again.stderr
    assert in_order(landed(tmp_path)) == in_order(landed(undisturbed))


# Before the first request


def test_unknown_argument_is_named_in_one_line_and_nothing_starts(
    tmp_path: Path,
) -> None:
    done = crawl(tmp_path, "http://127.0.0.1:9", "-a", "form=2016-01-01")
    assert done.returncode == 2
    assert "unknown argument form=2016-01-01" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("from", "2016", "no date YYYY-MM-DD"),
        ("from", "2031-01-01", "is after to="),
        ("details", "some", "details=some"),
        ("areas", "Stockholm", "areas=Stockholm"),
        ("pages", "/no/such/folder", "no folder with .html files"),
    ],
)
def test_bad_argument_is_refused_in_one_line(
    name: str, value: str, complaint: str
) -> None:
    with pytest.raises(CrawlArgumentError, match=complaint) as refusal:
        CrawlArguments.parse({name: value})
    assert "\n" not in str(refusal.value)


def test_busy_warehouse_is_named_in_one_line(tmp_path: Path) -> None:
    holder = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); "
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path / "warehouse.duckdb")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        other.stdout.readline()
        done = crawl(tmp_path, "http://127.0.0.1:9", *MARCH)
        other.terminate()
    assert done.returncode == 3
    assert "another process is using" in done.stderr
    assert done.stderr.count("\n") == 1


# A site of hand-made answers


class HandMadeSite:
    """Answers each path with what the test says; remembers what was asked."""

    def __init__(self, answer: Callable[[str, int], Answer]) -> None:
        self.answer = answer
        self.asked: list[tuple[float, str]] = []

    @property
    def paths(self) -> list[str]:
        return [path for _, path in self.asked]


@contextmanager
def serving(
    answer: Callable[[str, int], Answer],
) -> Generator[tuple[str, HandMadeSite]]:
    site = HandMadeSite(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/robots.txt":
                status, headers, body = 200, {}, b"User-agent: *\nDisallow: /auth/\n"
            else:
                site.asked.append((time.monotonic(), self.path))
                status, headers, body = site.answer(self.path, len(site.asked))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the test's output to itself."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", site
    server.shutdown()


def html(payload: Any) -> bytes:
    text = json.dumps(payload, ensure_ascii=False)
    return (
        f'<script id="__NEXT_DATA__" type="application/json">{text}</script>'.encode()
    )


def search_answer(
    path: str, *, area: str | None = None, pages: int = 1, total: int | None = None,
    spoil: Callable[[dict[str, Any]], Any] | None = None,
) -> Answer:  # fmt: skip
    """The sample search page, as if it were the answer to this path."""
    asked = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
    payload = json.loads((SAMPLES / "search_page.next_data.json").read_text("utf-8"))
    cache = payload["props"]["pageProps"]["__APOLLO_STATE__"]
    root = cache["ROOT_QUERY"]
    (key,) = [key for key in root if key.startswith("searchSold(")]
    result = root.pop(key)
    names = ("objectType", "minSoldDate", "maxSoldDate")
    echo = {
        "areaId": area or asked["areaIds"], "page": int(asked.get("page", 1)),
        "filters": [{"key": n, "value": asked[n]} for n in names], "sort": "",
    }  # fmt: skip
    result |= {"pages": pages, "totalCount": 4 if total is None else total}
    root[f"searchSold({json.dumps({'input': echo})})"] = result
    if spoil:
        spoil(cache)
    return 200, {"Content-Type": "text/html"}, html(payload)


def test_answer_to_another_question_stops_the_crawl_and_lands_nothing(
    tmp_path: Path,
) -> None:
    with serving(lambda path, _: search_answer(path, area="77104")) as (address, _):
        done = crawl(tmp_path, address, *MARCH)
    assert done.returncode == 5
    assert "77104" in done.stderr
    assert rows(tmp_path, "select count(*) from raw.sale_cards") == [(0,)]
    assert rows(tmp_path, "select finish_reason from raw.crawl_runs") == [
        ("echo_mismatch",)
    ]


@pytest.mark.parametrize(
    "challenge",
    [
        (403, {"cf-mitigated": "challenge"}, b"<title>Just a moment...</title>"),
        (202, {"x-amzn-waf-action": "challenge"}, b""),
        (200, {"Content-Type": "text/html"}, "<title>Vänta…</title>".encode()),
    ],
    ids=["403", "202", "200 without a page"],
)
def test_challenge_stops_the_crawl_and_says_what_to_do(
    tmp_path: Path, challenge: Answer
) -> None:
    with serving(lambda *_: challenge) as (address, site):
        done = crawl(
            tmp_path, address, "-a", "from=2012-01-01", "-s", "CONCURRENT_REQUESTS=1"
        )
    assert done.returncode == 4
    assert "consent" in done.stderr
    assert len(site.asked) <= 2


def test_wait_asked_for_by_429_is_kept_and_the_page_still_lands(tmp_path: Path) -> None:
    def answer(path: str, count: int) -> Answer:
        return (429, {"Retry-After": "1"}, b"") if count == 1 else search_answer(path)

    with serving(answer) as (address, site):
        done = crawl(tmp_path, address, *MARCH)
    assert done.returncode == 0, done.stderr
    assert len(site.asked) == 2
    assert site.asked[1][0] - site.asked[0][0] >= 1
    assert rows(tmp_path, "select count(*) from raw.sale_cards") == [(4,)]


def test_window_of_too_many_pages_is_split_in_two(tmp_path: Path) -> None:
    def answer(path: str, _count: int) -> Answer:
        return search_answer(path, pages=31 if "maxSoldDate=2016-03-31" in path
                             and "minSoldDate=2016-03-01" in path else 1)  # fmt: skip

    with serving(answer) as (address, site):
        done = crawl(tmp_path, address, *MARCH)
        first_asked = list(site.paths)
        crawl(tmp_path, address, *MARCH)
    assert done.returncode == 0, done.stderr
    ledger = (
        "select from_date::varchar, to_date::varchar, status from raw.crawl_windows"
    )
    assert rows(tmp_path, f"{ledger} order by all") == [
        ("2016-03-01", "2016-03-16", "complete"),
        ("2016-03-01", "2016-03-31", "split"),
        ("2016-03-17", "2016-03-31", "complete"),
    ]
    assert site.paths == first_asked


def test_window_whose_pages_do_not_add_up_is_read_again(tmp_path: Path) -> None:
    with serving(lambda path, _: search_answer(path, total=5)) as (address, site):
        done = crawl(tmp_path, address, *MARCH)
        crawl(tmp_path, address, *MARCH)
    assert done.returncode == 0
    assert rows(tmp_path, "select status, card_count from raw.crawl_windows") == [
        ("open", 4)
    ]
    assert len(site.asked) == 2


def test_unreadable_card_is_quarantined_and_the_others_land(tmp_path: Path) -> None:
    def spoil(cache: dict[str, Any]) -> None:
        cache["SoldProperty:9000004"]["soldPrice"] = None

    with serving(lambda path, _: search_answer(path, spoil=spoil)) as (address, _):
        done = crawl(tmp_path, address, *MARCH)
    assert done.returncode == 0, done.stderr
    assert rows(tmp_path, "select count(*) from raw.sale_cards") == [(3,)]
    (bad,) = rows(
        tmp_path,
        "select source, field, reason, record->>'$.booliId' from raw.quarantine",
    )
    assert bad[0].startswith("/sok/slutpriser?areaIds=1&")
    assert bad[1:] == ("soldPrice", "expected soldPrice, got None", "9000004")
    assert rows(tmp_path, "select status from raw.crawl_windows") == [("complete",)]


def test_page_of_unknown_shape_stops_the_crawl_and_is_kept(tmp_path: Path) -> None:
    def spoil(cache: dict[str, Any]) -> None:
        root = cache["ROOT_QUERY"]
        (key,) = [key for key in root if key.startswith("searchSold(")]
        root["searchSoldV2({})"] = root.pop(key)

    with serving(lambda path, _: search_answer(path, spoil=spoil)) as (address, _):
        done = crawl(tmp_path, address, *MARCH)
    assert done.returncode == 5
    assert "searchSold" in done.stderr
    kept = rows(
        tmp_path,
        "select record.props.pageProps.__APOLLO_STATE__.ROOT_QUERY is not null"
        " from raw.quarantine",
    )
    assert kept == [(True,)]


def test_home_that_is_gone_is_not_asked_for_again(tmp_path: Path) -> None:
    def answer(path: str, _count: int) -> Answer:
        return search_answer(path) if path.startswith("/sok/") else (404, {}, b"")

    with serving(answer) as (address, site):
        # The sample's sales carry dates of their own, outside the window.
        dates = ["-a", "from=2019-03-01", "-a", "to=2019-03-31", "-a", "details=all"]
        done = crawl(tmp_path, address, *dates)
        crawl(tmp_path, address, *dates)
    assert done.returncode == 0, done.stderr
    assert site.paths.count("/bostad/800001") == 1
    gone = rows(
        tmp_path, "select url, http_status from raw.pages where page_kind = 'listing'"
    )
    assert gone == [("/bostad/800001", 404)]


def test_failing_page_makes_the_crawl_incomplete(tmp_path: Path) -> None:
    def answer(path: str, _count: int) -> Answer:
        return (500, {}, b"") if "2016-02" in path else search_answer(path)

    with serving(answer) as (address, _):
        done = crawl(tmp_path, address, "-a", "from=2016-02-01", "-a", "to=2016-03-31")
    assert done.returncode == 6
    assert "run the same command again" in done.stderr
    assert rows(tmp_path, "select from_date::varchar from raw.crawl_windows") == [
        ("2016-03-01",)
    ]


# Saved pages


def test_saved_pages_land_without_a_request(tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    for name in ("search_page", "listing_page_several_sales"):
        payload = json.loads((SAMPLES / f"{name}.next_data.json").read_text("utf-8"))
        (pages / f"{name}.html").write_bytes(html(payload))
    for _ in range(2):
        done = crawl(tmp_path, "http://127.0.0.1:9", "-a", f"pages={pages}")
        assert done.returncode == 0, done.stderr
    assert rows(tmp_path, "select count(*) from raw.sale_cards") == [(4,)]
    assert rows(tmp_path, "select url, booli_id from raw.homes") == [
        ("/bostad/800001", 9000004)
    ]


def test_saved_page_of_another_site_is_named(tmp_path: Path) -> None:
    (tmp_path / "other.html").write_text("<title>Hemnet</title>")
    done = crawl(tmp_path, "http://127.0.0.1:9", "-a", f"pages={tmp_path}")
    assert done.returncode == 5
    assert "other.html" in done.stderr


def test_captured_pages_land(tmp_path: Path, real_data_dir: Path) -> None:
    done = crawl(
        tmp_path, "http://127.0.0.1:9", "-a", f"pages={real_data_dir / 'pages'}"
    )
    assert done.returncode == 0, done.stderr
    assert rows(tmp_path, "select count(*) from raw.sale_cards") == [(35,)]
    assert rows(tmp_path, "select url, fee_sek_per_month from raw.homes") == [
        ("/annons/5848556", 1587)
    ]

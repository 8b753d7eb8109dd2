"""Crawls as a person starts them, sites to crawl, and what a crawl left behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import duckdb

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = Path(__file__).parent / "samples"
SCRAPY = Path(sys.executable).with_name("scrapy")

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


@contextmanager
def replica(folder: Path, *options: str) -> Generator[tuple[str, Path]]:
    """Serve a replica; gives its address and the file of its truth."""
    truth = folder / "truth.jsonl"
    command = [
        sys.executable, "-m", "scrapy_project.replica", "--port", "0",
        "--truth", str(truth), "--exit-with-parent", *options,
    ]  # fmt: skip
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        said = (re.search(r"http://\S+", line) for line in server.stdout)
        try:
            yield next(address[0] for address in said if address), truth
        finally:
            server.terminate()


def post(address: str, what: str, **asked: Any) -> Any:
    """Switch the replica: ``mode`` or ``change``."""
    request = urllib.request.Request(
        f"{address}/__replica__/{what}",
        json.dumps(asked).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def fetch_truth(address: str, path: Path) -> Path:
    """Write the replica's present truth to a file."""
    urllib.request.urlretrieve(f"{address}/__replica__/truth.jsonl", path)
    return path


def request_log(address: str) -> list[dict[str, Any]]:
    """Read what the replica was asked, oldest first, robots.txt apart."""
    with urllib.request.urlopen(f"{address}/__replica__/log") as answer:
        asked = json.load(answer)
    return [one for one in asked if one["path"] != "/robots.txt"]


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

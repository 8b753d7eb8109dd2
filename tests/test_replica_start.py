"""Starting the replica: what it says, what it serves from a file, how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from running_replica import COMMAND, FLATS, ROOT, running


def test_start_says_market_count_span_and_address() -> None:
    with running() as site:
        said = site.said
    market, sales, deeds, span, address = said
    assert market == "market: synthetic market, seed 7, as of 2026-06-30"
    assert re.fullmatch(r"sales: \d{4}", sales)
    assert re.fullmatch(r"deeds of houses: \d{3}", deeds)
    assert re.fullmatch(r"span: 2012-01-\d\d to 2026-0[56]-\d\d", span)
    assert re.fullmatch(r"address: http://127\.0\.0\.1:\d+", address)


def test_file_is_served_whole_and_its_truth_can_be_written(tmp_path: Path) -> None:
    path, out = tmp_path / "sales.parquet", tmp_path / "truth.jsonl"
    count = 40
    table = {
        "source_id": ["77", *[str(n) for n in range(77, 76 + count)]],
        "url": [None, *[f"https://www.booli.se/annons/{n}" for n in range(1, count)]],
        "address": [f"Provgatan {n}" for n in range(count)],
        "sold_date": [date(2015, 1, 1 + n % 28) for n in range(count)],
        "sold_price": [2_000_000.0 + n for n in range(count)],
        "living_area": [40.0] * count,
    }
    pq.write_table(pa.table(table), path)
    with running("--sales", str(path), "--truth", str(out)) as site:
        first, second = (site.search(f"{FLATS}&page={n}")[2] for n in (1, 2))
        assert "1 rows repeat" in " ".join(site.said)
        roots = [site.root(card["url"]) for card in first + second]
    assert (len(first), len(second)) == (35, 5)
    prices = {root["soldPrice"]["raw"] for root in roots}
    assert prices == {2_000_000 + n for n in range(count)}
    assert {root["rent"] for root in roots} == {None}
    written = [json.loads(line) for line in out.read_text().splitlines()]
    assert {sale["sold_price_sek"] for sale in written} == prices


def failing(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


def test_taken_port_is_told_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = failing("--port", str(port))
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert f"cannot serve on 127.0.0.1:{port}" in ended.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "there is no file"), (b"<html><body>Hej</body></html>", "cannot read")],
    ids=["no file", "HTML"],
)
def test_file_that_is_no_parquet_is_told_in_one_line(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "sales.parquet"
    if content is not None:
        path.write_bytes(content)
    ended = failing("--port", "0", "--sales", str(path))
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert f"{words} {path}" in ended.stderr


def test_unknown_shape_is_told_in_one_line() -> None:
    ended = failing("--port", "0", "--shape", "2031-01")
    assert ended.returncode == 1
    assert (
        ended.stderr == "error: --shape 2031-01 is not known; "
        "choose one of: 2023-06, 2023-12, 2025-10, 2026-06, unknown\n"
    )


def test_replica_ends_when_its_parent_is_killed() -> None:
    script = (
        "import subprocess, sys, time;"
        f"p = subprocess.Popen({[*COMMAND, '--port', '0', '--exit-with-parent']!r},"
        "stdout=subprocess.PIPE);"
        "p.stdout.readline(); print(p.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    replica = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20
    while is_running(replica) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_running(replica)


def is_running(process_id: int) -> bool:
    """Whether the process lives; one that ended but was not waited for does not."""
    try:
        status = Path(f"/proc/{process_id}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(") ")[2][0] != "Z"

"""Killed, interrupted, out of disk: a crawl run again ends in the same rows."""

from __future__ import annotations

import json
import random
import re
import resource
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from crawling import (
    ROOT,
    SAMPLES,
    SCRAPY,
    crawl,
    environment,
    html,
    in_order,
    landed,
    replica,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CRAWL = ["-a", "from=2024-04-01", "-a", "to=2026-03-31", "-a", "details=all"]
KILLS = 20


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("replica")
    options = ("--sales-per-month", "25", "--today", "2026-06-30")
    with replica(folder, *options) as (address, _):
        yield address


@pytest.fixture(scope="module")
def undisturbed(site: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of one whole crawl."""
    data_dir = tmp_path_factory.mktemp("undisturbed")
    done = crawl(data_dir, site, *CRAWL)
    assert done.returncode == 0, done.stderr
    return data_dir


def units(line: str) -> int:
    """Windows and homes that the progress line says are done."""
    told = re.search(r"(\d+)/\d+ windows, .* (\d+) homes;", line)
    return int(told[1]) + int(told[2]) if told else 0


def crawl_until(
    data_dir: Path, site: str, count: int, how: signal.Signals, *options: str
) -> int | None:
    """Start a crawl and send it a signal when so much is done; gives its exit code."""
    command = [SCRAPY, "crawl", "booli", *CRAWL, "-s", "PROGRESS_INTERVAL_S=0.02"]
    with subprocess.Popen(
        [*command, *options], env=environment(data_dir, site), cwd=ROOT, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    ) as running:  # fmt: skip
        assert running.stderr is not None
        for line in running.stderr:
            if units(line) >= count:
                break
        running.send_signal(how)
        # What it says last must find a reader, or Python ends with a code of its own.
        running.stderr.read()
    return running.returncode


def assert_same_in_the_end(
    data_dir: Path, undisturbed: Path, site: str, *options: str
) -> None:
    again = crawl(data_dir, site, *CRAWL, *options)
    assert again.returncode == 0, again.stderr
    assert in_order(landed(data_dir)) == in_order(landed(undisturbed))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(KILLS))
def test_crawl_killed_at_any_moment_ends_in_the_same_rows(
    seed: int, undisturbed: Path, site: str, tmp_path: Path
) -> None:
    moments = random.Random(seed)
    whole = landed(undisturbed)
    all_units = len(whole["windows"]) + len(whole["homes"])
    crawl_until(tmp_path, site, moments.randrange(all_units), signal.SIGKILL)
    assert_same_in_the_end(tmp_path, undisturbed, site)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_crawl_says_so_and_goes_on_when_run_again(
    how: signal.Signals, undisturbed: Path, site: str, tmp_path: Path
) -> None:
    assert crawl_until(tmp_path, site, 60, how) == 130
    assert_same_in_the_end(tmp_path, undisturbed, site)


def test_full_disk_is_named_and_nothing_that_landed_is_lost(
    undisturbed: Path, site: str, tmp_path: Path
) -> None:
    def no_file_above_1_mib() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))

    done = subprocess.run(
        [SCRAPY, "crawl", "booli", *CRAWL], preexec_fn=no_file_above_1_mib,
        env=environment(tmp_path, site), cwd=ROOT, text=True, capture_output=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "the warehouse refused a write; what landed before is kept" in done.stderr
    assert "Traceback" not in done.stderr
    assert_same_in_the_end(tmp_path, undisturbed, site)


def test_job_folder_is_a_convenience_and_not_the_truth(
    undisturbed: Path, site: str, tmp_path: Path
) -> None:
    job = ["-s", f"JOBDIR={tmp_path / 'job'}"]
    crawl_until(tmp_path / "data", site, 60, signal.SIGKILL, *job)
    assert_same_in_the_end(tmp_path / "data", undisturbed, site, *job)


def test_full_disk_is_named_while_saved_pages_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    payload = (SAMPLES / "search_page.next_data.json").read_text("utf-8")
    (folder / "search.html").write_bytes(html(json.loads(payload)))

    def no_file_above_64_kib() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, resource.RLIM_INFINITY))

    # The tables fit, the page does not.
    crawl(tmp_path / "data", "http://127.0.0.1:9", "-a", f"pages={folder}")
    for number in range(40):
        spoiled = json.dumps({"no": "page", "number": number, "of": "x" * 9_000})
        (folder / f"other{number}.html").write_text(spoiled)
    done = subprocess.run(
        [SCRAPY, "crawl", "booli", "-a", f"pages={folder}"],
        preexec_fn=no_file_above_64_kib, cwd=ROOT, text=True, capture_output=True,
        env=environment(tmp_path / "data", "http://127.0.0.1:9"),
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "the warehouse refused a write" in done.stderr

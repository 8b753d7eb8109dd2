"""The demo keeps one market per data folder, and its children die with it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dagster_assets import children, market
from warehouse.errors import SlutprisError
from warehouse.store import connect

if TYPE_CHECKING:
    import duckdb

    from warehouse.settings import Settings

LANDED = """
    insert into raw.landed_sales by name
    select 'file' as platform, '1' as source_id, timestamp '2026-01-01' as observed_at,
        'x' as content_sha256, true as has_own_id, 'y' as file_sha256,
        1 as row_number, 'Storgatan 1' as address, date '2025-05-05' as sold_date,
        3000000 as sold_price_sek, 50 as living_area_m2
"""


def test_an_empty_folder_is_claimed_and_marked(settings: Settings) -> None:
    assert market.claim(settings, "synthetic") is None
    marker = json.loads((settings.data / "demo.json").read_text())
    assert marker == {"market": "synthetic"}


def test_the_same_market_keeps_its_data(settings: Settings) -> None:
    market.claim(settings, "synthetic")
    (settings.data / "warehouse.duckdb").write_text("kept")
    assert market.claim(settings, "synthetic") is None
    assert (settings.data / "warehouse.duckdb").read_text() == "kept"


def test_another_market_is_set_aside_whole(settings: Settings) -> None:
    market.claim(settings, "synthetic")
    (settings.data / "warehouse.duckdb").write_text("synthetic sales")
    aside = market.claim(settings, "sales-abc")
    assert aside is not None
    assert (aside / "warehouse.duckdb").read_text() == "synthetic sales"
    assert not settings.warehouse_path.exists()
    again = market.claim(settings, "synthetic")
    assert again is not None
    assert again != aside
    assert (aside / "warehouse.duckdb").exists()


def test_landed_sales_are_not_mixed_with_a_synthetic_market(
    settings: Settings, warehouse: duckdb.DuckDBPyConnection
) -> None:
    warehouse.execute(LANDED)
    warehouse.close()
    with pytest.raises(SlutprisError, match="SLUTPRIS_DATA"):
        market.claim(settings, market.SYNTHETIC)
    assert market.claim(settings, "sales-abc") is None
    with connect(settings.warehouse_path, read_only=True) as connection:
        assert connection.execute("select 1 from raw.landed_sales").fetchall()


def test_a_market_of_a_file_is_named_by_its_content(tmp_path: Path) -> None:
    first, second = tmp_path / "sales.parquet", tmp_path / "other" / "sales.parquet"
    second.parent.mkdir()
    first.write_bytes(b"one")
    second.write_bytes(b"two")
    assert market.market_name(first) != market.market_name(second)
    assert market.market_name(None) == market.SYNTHETIC


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux' parent-death signal")
def test_a_child_dies_with_its_killed_parent() -> None:
    parent_code = (
        "from dagster_assets import children\n"
        "child = children.start(['http.server', '0', '--bind', '127.0.0.1'])\n"
        "print(child.pid, flush=True)\n"
        "child.wait()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", parent_code], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child_pid = int(parent.stdout.readline())
    assert not _is_gone(child_pid, tries=5)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert _is_gone(child_pid)


def test_a_child_s_output_can_be_read() -> None:
    output, _ = children.start(["this"], read_output=True).communicate()
    assert output.startswith("The Zen of Python")


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dagster_assets.demo", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_missing_sales_file_is_one_line(settings: Settings) -> None:
    result = demo("--sales", "nowhere.parquet")
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "error: there is no file nowhere.parquet; give SALES a Parquet file"
    ]
    assert not settings.data.exists()


def test_a_data_folder_that_cannot_be_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SLUTPRIS_DATA", str(tmp_path / "file" / "data"))
    result = demo("--no-serve")
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "set SLUTPRIS_DATA" in result.stderr


def test_a_taken_dashboard_port_is_refused_before_any_work(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = demo("--port", str(taken.getsockname()[1]))
    assert result.returncode == 1
    assert "make demo PORT=" in result.stderr
    assert not settings.data.exists()


def test_a_sales_file_that_is_none_touches_no_data(
    settings: Settings, tmp_path: Path
) -> None:
    page = tmp_path / "sales.parquet"
    page.write_text("<!doctype html><title>not a table</title>")
    result = demo("--no-serve", "--sales", str(page))
    assert result.returncode == 1
    assert "cannot read" in result.stderr
    assert list(settings.data.iterdir()) == []


def _is_gone(pid: int, tries: int = 100) -> bool:
    for _ in range(tries):
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat").read_text().split()[2]
        except (ProcessLookupError, FileNotFoundError):
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False

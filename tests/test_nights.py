"""A handful of the sixty nights, one of them with a site that nobody knows."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from running_replica import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.long
def test_every_night_holds_and_the_missed_one_is_caught_up(tmp_path: Path) -> None:
    result = tmp_path / "nights.json"
    command = [sys.executable, "tests/sixty_nights.py", "--nights", "4"]
    done = subprocess.run(
        [*command, "--folder", str(tmp_path), "--json", str(result)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    nights = json.loads(result.read_text())["nights"]
    assert [night["wrong"] for night in nights] == [[], [], [], []]
    redesigned, after = nights[1], nights[2]
    assert any("exit code 5" in text for text in redesigned["said"])
    # The night after has the sales of two days.
    assert after["counts"]["shown"] > redesigned["counts"]["cards"] + 7

"""Each fault drill holds; all of them share one history, which takes minutes."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from fault_drills import DRILLS
from running_replica import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the history lies that every drill starts from; the first one builds it."""
    return tmp_path_factory.mktemp("drills")


@pytest.mark.long
@pytest.mark.parametrize("name", [*DRILLS])
def test_drill_holds(name: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "tests/fault_drills.py", "--only", name, "--folder", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

"""What a child process said of its end reaches whoever reads why a run failed."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from dagster_assets import children

if TYPE_CHECKING:
    import pytest


def said(*lines: str) -> str:
    code = "import sys\n" + "".join(
        f"print({line!r}, file=sys.stderr)\n" for line in lines
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True
    ) as process:
        return children.last_error(process)


def test_the_line_that_says_why_is_found_and_all_is_passed_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = ("reading …", "error: no room on /data (28)", "crawl ended", "")
    assert said(*lines) == "no room on /data (28)"
    assert capsys.readouterr().err == "\n".join(lines) + "\n"


def test_without_such_a_line_it_is_the_last_one() -> None:
    assert said("Traceback", "OSError: no room") == "OSError: no room"


def test_who_says_nothing_is_told_as_such() -> None:
    assert said() == ""

"""The import contract holds, and fails when somebody breaks it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("warehouse", "scrapy_project", "ml", "dagster_assets")
VIOLATIONS = {
    "the warehouse imports the models": (
        "warehouse/planted.py",
        "from ml import registry\n",
    ),
    "the models import the crawl": (
        "ml/planted.py",
        "from scrapy_project import items\n",
    ),
    "the crawl imports Dagster": ("scrapy_project/planted.py", "import dagster\n"),
    "the registry knows of housing": (
        "ml/registry.py",
        "from ml.valuation import metrics\n",
    ),
    "the models import Panel": ("ml/valuation/planted.py", "import panel\n"),
    "the adapter imports the client": ("ml/hopsworks/planted.py", "import hsml\n"),
}


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copied_project(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contract_is_kept(copied_project: Path) -> None:
    result = lint_imports(copied_project)
    assert result.returncode == 0, result.stdout
    assert "0 broken" in result.stdout


@pytest.mark.parametrize("violation", VIOLATIONS)
def test_a_planted_violation_breaks_the_contract(
    copied_project: Path, violation: str
) -> None:
    path, line = VIOLATIONS[violation]
    with (copied_project / path).open("a", encoding="utf-8") as module:
        module.write(line)
    result = lint_imports(copied_project)
    assert result.returncode != 0
    assert "1 broken" in result.stdout or "2 broken" in result.stdout

"""The runbook has a heading for everything that code and pages send a reader to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from dagster_assets import problems
from dagster_assets.problems import ANCHORS_OF_CHECKS, ANCHORS_OF_STEPS
from warehouse.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOCS = PROJECT_ROOT / "docs"
EXPECTED = {
    "crawl-yield",
    "crawl-challenged",
    "crawl-shape-changed",
    "crawl-killed",
    "disk-full",
    "warehouse-locked",
    "dbt-test-failed",
    "gate",
    "roll-back",
    "snapshot-missing",
    "publishing-failed",
    "freshness",
    "run-hangs",
    "clock-jumped",
    "dashboards-down",
    "geocoder-down",
    "restore",
}


def anchors(path: Path) -> set[str]:
    """Give a page's anchors, as GitHub makes them of its headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def named_in_code() -> Iterator[str]:
    """Give the anchors that checks, alerts and text in the code name."""
    # Read, not imported: importing definitions has dbt parse its project.
    checks = (PROJECT_ROOT / "dagster_assets" / "defs" / "checks.py").read_text("utf-8")
    for name in re.findall(r"^def (\w+)\(", checks, re.MULTILINE):
        yield name.replace("_", "-")
    yield from ANCHORS_OF_CHECKS.values()
    yield from ANCHORS_OF_STEPS.values()
    yield from (
        problems.CHECK_FAILED,
        problems.RUN_CUT_OFF,
        problems.STALE,
        problems.STEP_FAILED,
    )
    for package in ("warehouse", "scrapy_project", "ml", "dagster_assets"):
        for path in (PROJECT_ROOT / package).rglob("*.py"):
            yield from re.findall(r"runbook\.md#([a-z-]+)", path.read_text("utf-8"))


def test_every_anchor_that_code_names_is_a_heading() -> None:
    named = set(named_in_code())

    assert named - anchors(DOCS / "runbook.md") == set()
    assert {"crawl-yield", "registry-intact", "crawl-failed"} <= named


def test_every_failure_has_its_section() -> None:
    assert EXPECTED - anchors(DOCS / "runbook.md") == set()


def test_every_repair_says_when_it_is_done() -> None:
    text = (DOCS / "runbook.md").read_text(encoding="utf-8")
    sections = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    # those that only point to others
    leading_on = {"check-failed", "step-failed", "Moving", "Upgrading"}
    silent = [
        section.split()[0]
        for section in sections
        if not re.search(r"\*Repaired\s+when\*", section)
    ]
    assert set(silent) <= leading_on


@pytest.mark.parametrize("page", ["runbook.md", "deployment.md"])
def test_links_between_pages_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#]*)(?:#([^)]+))?\)", (DOCS / page).read_text("utf-8"))
    broken = [
        (target, anchor)
        for target, anchor in links
        if not target.startswith("http") and not _leads(DOCS / page, target, anchor)
    ]
    assert broken == []


def _leads(page: Path, target: str, anchor: str) -> bool:
    path = page.parent / target if target else page
    return path.is_file() and (not anchor or anchor in anchors(path))

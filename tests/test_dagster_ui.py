"""Dagster in a real browser: run all, read plots and the gate, fail a check, mend it.

One walk, so the tests go in order and rest on one another; it takes many minutes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from dagster_walk import (
    PATIENCE_MS,
    WINDOW,
    RunningDagster,
    Walk,
    land,
    running_dagster,
    write_sales,
)
from visited_pages import running_browser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.long

PROMOTE = """\
ops:
  promote:
    config:
      name: xgboost
      version: 1
      reason: To see that a person can.
      by: Ada Lovelace
"""


@pytest.fixture(scope="module")
def dagster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDagster]:
    with running_dagster(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(scope="module")
def walk(dagster: RunningDagster) -> Iterator[Walk]:
    with running_browser() as browser:
        page = browser.new_page(viewport=WINDOW)
        page.set_default_timeout(PATIENCE_MS)
        yield Walk(page, dagster.url)


def test_everything_is_materialized_by_one_button(walk: Walk) -> None:
    run_id = walk.materialize_all()
    assert walk.watch(run_id, "dagster-run") == "Success"


def test_plot_opens_from_the_metadata_of_the_model(walk: Walk) -> None:
    assert walk.plot("models/xgboost", "predicted_against_actual") > 400


def test_gate_shows_its_numbers(walk: Walk) -> None:
    said = walk.check("champions/xgboost", "gate", "dagster-gate")
    assert "Passed" in said
    assert "xgboost version 1 serves" in said
    for rule in ("beats seed recipe", "coverage", "cod", "prd", "prb"):
        assert f"{rule}\tmet" in said


def test_failed_check_stops_what_rests_on_it_and_says_what_to_do(
    walk: Walk, dagster: RunningDagster, tmp_path: Path
) -> None:
    write_sales(tmp_path / "spoilt.csv", is_spoilt=True)
    land(tmp_path / "spoilt.csv", dagster.environment)
    assert walk.watch(walk.materialize_all(), "dagster-stopped") == "Failure"
    assert walk.steps_not_executed() > 20
    said = walk.check("marts/sale_features", "rejected_share", "dagster-failed-check")
    assert "Failed" in said
    assert "read marts.rejected_sales of these sales" in said


def test_mended_file_lets_the_next_run_through(
    walk: Walk, dagster: RunningDagster, tmp_path: Path
) -> None:
    write_sales(tmp_path / "mended.csv", is_spoilt=False)
    land(tmp_path / "mended.csv", dagster.environment)
    assert walk.watch(walk.materialize_all(), "dagster-mended") == "Success"


def test_a_person_overrules_the_gate_from_the_launchpad(walk: Walk) -> None:
    run_id = walk.launch("promote_model", PROMOTE)
    assert walk.watch(run_id, "dagster-promoted") == "Success"
    assert "xgboost version 1 serves" in walk.page.locator("body").inner_text()

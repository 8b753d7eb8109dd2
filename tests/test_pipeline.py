"""The whole data flow, as an engineer runs it: ``dg launch --assets '*'``, twice."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from running_pipeline import ROOT

from ml.folder_registry import FolderRegistry
from ml.valuation.evaluation import COMPARED
from warehouse.serving import open_snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from running_pipeline import Pipeline

REGISTERED = [
    "autogluon",
    "autogluon_listed",
    "blend",
    "blend_listed",
    "seed_recipe",
    "xgboost",
    "xgboost_listed",
]


def value(environment: dict[str, str], *arguments: str) -> dict[str, Any]:
    result = subprocess.run(
        [sys.executable, "-m", "ml.valuation.value", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_every_card_is_a_sale_or_rejected(pipeline: Pipeline) -> None:
    first_counts = pipeline.first_counts
    assert first_counts["raw.sale_cards"] > 500
    assert (
        first_counts["marts.sales"] + first_counts["marts.rejected_sales"]
        == first_counts["raw.sale_cards"]
    )
    assert first_counts["marts.sale_features"] == first_counts["marts.sales"]


def test_listing_pages_were_read_and_windows_closed(pipeline: Pipeline) -> None:
    assert pipeline.first_counts["raw.homes"] > 300
    assert pipeline.first_counts["windows"] == 96


def test_every_model_is_registered_and_verified(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    registry = FolderRegistry(pipeline.settings.registry_dir)
    assert registry.names() == REGISTERED
    for name in REGISTERED:
        assert registry.get(name).metrics["mape_pct"] < 30
        assert (registry.fetch(name, 1, tmp_path / name) / "model.json").exists()


def test_the_report_compares_models(pipeline: Pipeline) -> None:
    reports = pipeline.settings.reports_dir
    report = json.loads((reports / "backtest.json").read_text())
    totals = [r for r in report["results"] if r["segment"] == "all"]
    assert [r["model"] for r in totals] == list(COMPARED)
    assert report["start"] == report["end"] == "2026-06"
    assert list(reports.glob("*.png"))


@pytest.mark.parametrize("model", ["xgboost", "autogluon"])
def test_a_known_address_gets_a_value(pipeline: Pipeline, model: str) -> None:
    with open_snapshot(pipeline.settings.serving_dir) as snapshot:
        address, area, rooms, price = snapshot.connection.execute(
            """
            select address, living_area_m2, rooms, sold_price_sek
            from marts.sales where rooms is not null order by sold_date desc limit 1
            """
        ).fetchall()[0]
    answer = value(
        pipeline.environment,
        *("--address", address, "--living-area", str(area), "--rooms", str(rooms)),
        *("--date", "2026-06-30", "--model", model),
    )
    assert price / 2 < answer["value_sek"] < price * 2
    assert answer["low_sek"] < answer["value_sek"] < answer["high_sek"]
    assert [other["when"] for other in answer["at_other_dates"]] == [
        "three_years_ago",
        "before_invasion",
        "one_year_ago",
        "in_one_year",
    ]


def test_a_second_run_changes_no_count_and_trains_nothing(
    pipeline: Pipeline,
) -> None:
    assert pipeline.run_again() == pipeline.first_counts
    registry = FolderRegistry(pipeline.settings.registry_dir)
    versions = {name: len(registry.versions(name)) for name in REGISTERED}
    assert versions == dict.fromkeys(REGISTERED, 1)

"""The whole data flow, as an engineer runs it: ``dg launch --assets '*'``, twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ml.folder_registry import FolderRegistry
from ml.valuation.evaluation import COMPARED
from warehouse.serving import open_snapshot
from warehouse.settings import Settings
from warehouse.store import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
CONFIG = {
    "ops": {
        "booli_crawl": {
            "config": {
                "from_date": "2024-06-01",
                "to_date": "2026-06-30",
                "details": "ALL",
            }
        },
        "reports__backtest": {"config": {"months": 1}},
    }
}
REGISTERED = [
    "autogluon",
    "autogluon_listed",
    "blend",
    "blend_listed",
    "seed_recipe",
    "xgboost",
    "xgboost_listed",
]
COUNTS = {
    "raw.sale_cards": "select count(*) from raw.sale_cards",
    "raw.homes": "select count(*) from raw.homes",
    "marts.sales": "select count(*) from marts.sales",
    "marts.rejected_sales": "select count(*) from marts.rejected_sales",
    "marts.sale_features": "select count(*) from marts.sale_features",
    "windows": "select count(*) from raw.crawl_windows",
    "quarantine": "select count(*) from raw.quarantine",
}


@pytest.fixture(scope="module")
def replica_url() -> Iterator[str]:
    command = [sys.executable, "-m", "scrapy_project.replica", "--port", "0"]
    options = ["--sales-per-month", "25", "--today", "2026-07-15"]
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        announced = next(line for line in lines if line.startswith("address: "))
        yield announced.split()[1]
        process.terminate()


@pytest.fixture(scope="module")
def environment(
    replica_url: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    return os.environ | {
        "SLUTPRIS_DATA": str(tmp_path_factory.mktemp("pipeline")),
        "BOOLI_BASE_URL": replica_url,
        "SLUTPRIS_AUTOGLUON_TIME_LIMIT_S": "6",
        "SLUTPRIS_THREADS": "2",
        "OMP_WAIT_POLICY": "PASSIVE",
    }


def launch(environment: dict[str, str]) -> dict[str, int]:
    """Run every asset; gives the row counts that stand afterwards."""
    dg = Path(sys.executable).with_name("dg")
    home = Path(environment["SLUTPRIS_DATA"]) / "dagster"
    home.mkdir(exist_ok=True)
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    result = subprocess.run(
        [dg, "launch", "--assets", "*", "--config-json", json.dumps(CONFIG)],
        cwd=ROOT,
        env=environment | {"DAGSTER_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, (result.stdout + result.stderr)[-6000:]
    with connect(settings_of(environment).warehouse_path, read_only=True) as warehouse:
        return {
            name: warehouse.execute(query).fetchall()[0][0]
            for name, query in COUNTS.items()
        }


def settings_of(environment: dict[str, str]) -> Settings:
    return Settings(data_dir=Path(environment["SLUTPRIS_DATA"]))


@pytest.fixture(scope="module")
def first_counts(environment: dict[str, str]) -> dict[str, int]:
    return launch(environment)


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


def test_every_card_is_a_sale_or_rejected(first_counts: dict[str, int]) -> None:
    assert first_counts["raw.sale_cards"] > 500
    assert (
        first_counts["marts.sales"] + first_counts["marts.rejected_sales"]
        == first_counts["raw.sale_cards"]
    )
    assert first_counts["marts.sale_features"] == first_counts["marts.sales"]


def test_listing_pages_were_read_and_windows_closed(
    first_counts: dict[str, int],
) -> None:
    assert first_counts["raw.homes"] > 300
    assert first_counts["windows"] == 25


@pytest.mark.usefixtures("first_counts")
def test_every_model_is_registered_and_verified(
    environment: dict[str, str], tmp_path: Path
) -> None:
    registry = FolderRegistry(settings_of(environment).registry_dir)
    assert registry.names() == REGISTERED
    for name in REGISTERED:
        assert registry.get(name).metrics["mape_pct"] < 30
        assert (registry.fetch(name, 1, tmp_path / name) / "model.json").exists()


@pytest.mark.usefixtures("first_counts")
def test_the_report_compares_models(environment: dict[str, str]) -> None:
    reports = settings_of(environment).reports_dir
    report = json.loads((reports / "backtest.json").read_text())
    totals = [r for r in report["results"] if r["segment"] == "all"]
    assert [r["model"] for r in totals] == list(COMPARED)
    assert report["start"] == report["end"] == "2026-06"
    assert list(reports.glob("*.png"))


@pytest.mark.usefixtures("first_counts")
@pytest.mark.parametrize("model", ["xgboost", "autogluon"])
def test_a_known_address_gets_a_value(environment: dict[str, str], model: str) -> None:
    with open_snapshot(settings_of(environment).serving_dir) as snapshot:
        address, area, rooms, price = snapshot.connection.execute(
            """
            select address, living_area_m2, rooms, sold_price_sek
            from marts.sales where rooms is not null order by sold_date desc limit 1
            """
        ).fetchall()[0]
    answer = value(
        environment,
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
    environment: dict[str, str], first_counts: dict[str, int]
) -> None:
    assert launch(environment) == first_counts
    registry = FolderRegistry(settings_of(environment).registry_dir)
    versions = {name: len(registry.versions(name)) for name in REGISTERED}
    assert versions == dict.fromkeys(REGISTERED, 1)

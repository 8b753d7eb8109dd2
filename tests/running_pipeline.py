"""The whole data flow over a small market of the replica, as an engineer runs it.

The market is the demo's in small: the same replica, spider, dbt models and training,
over eight years of twelve sales a month instead of sixteen years of thirty. Fewer years
would have no values out of sample to compare agencies by, and no economy to learn from.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dagster_assets import market
from warehouse.settings import Settings
from warehouse.store import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
CONFIG = {
    "ops": {
        "booli_crawl": {
            "config": {
                "from_date": "2018-07-01",
                "to_date": "2026-06-30",
                "details": "ALL",
            }
        },
        "reports__backtest": {"config": {"months": 1}},
    }
}
COUNTS = {
    "raw.sale_cards": "select count(*) from raw.sale_cards",
    "raw.homes": "select count(*) from raw.homes",
    "marts.sales": "select count(*) from marts.sales",
    "marts.rejected_sales": "select count(*) from marts.rejected_sales",
    "marts.sale_features": "select count(*) from marts.sale_features",
    "windows": "select count(*) from raw.crawl_windows",
    "quarantine": "select count(*) from raw.quarantine",
}


@dataclass(frozen=True)
class Pipeline:
    """A data folder that the data flow has filled, and how to run the flow again."""

    environment: dict[str, str]
    first_counts: dict[str, int]
    """The row counts that stood when it had run once."""

    @property
    def settings(self) -> Settings:
        return _settings(self.environment)

    def run_again(self) -> dict[str, int]:
        """Run every asset again; gives the row counts that stand afterwards."""
        return _launch(self.environment)


def demo_data(pipeline: Pipeline, folder: Path) -> Settings:
    """Copy what pages show of a filled folder, marked as the demo marks its own."""
    settings = Settings(data_dir=folder, threads=1)
    market.claim(settings, market.SYNTHETIC)
    shutil.copytree(
        pipeline.settings.data,
        folder,
        symlinks=True,
        ignore=shutil.ignore_patterns("dagster", "feature_store.*", "*.lock"),
        dirs_exist_ok=True,
    )
    return settings


@contextmanager
def ran_pipeline(folder: Path) -> Iterator[Pipeline]:
    """Fill a data folder; the replica stays up, so that the flow can run again."""
    command = [sys.executable, "-m", "scrapy_project.replica", "--port", "0"]
    options = ["--sales-per-month", "12", "--today", "2026-07-15"]
    with subprocess.Popen(
        [*command, *options, "--exit-with-parent"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as replica:
        assert replica.stdout is not None
        lines = iter(replica.stdout.readline, "")
        announced = next(line for line in lines if line.startswith("address: "))
        environment = os.environ | {
            "SLUTPRIS_DATA": str(folder),
            "BOOLI_BASE_URL": announced.split()[1],
            "SLUTPRIS_AUTOGLUON_TIME_LIMIT_S": "6",
            "SLUTPRIS_THREADS": "2",
            "OMP_WAIT_POLICY": "PASSIVE",
        }
        try:
            yield Pipeline(environment, _launch(environment))
        finally:
            replica.terminate()


def _launch(environment: dict[str, str]) -> dict[str, int]:
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
    path = _settings(environment).warehouse_path
    with connect(path, read_only=True) as warehouse:
        return {
            name: warehouse.execute(query).fetchall()[0][0]
            for name, query in COUNTS.items()
        }


def _settings(environment: dict[str, str]) -> Settings:
    return Settings(data_dir=Path(environment["SLUTPRIS_DATA"]))

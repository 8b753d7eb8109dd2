"""Shared fixtures: a data folder of the test's own, a warehouse in it, real data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fake_hopsworks import FakeCluster
from running_pipeline import Pipeline, ran_pipeline

from warehouse.settings import Settings
from warehouse.store import connect, create_raw_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

# As make sets it: waiting threads that spin make a busy machine ten times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

REAL_DATA_DIR = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for all state, set as SLUTPRIS_DATA for this test."""
    folder = tmp_path / "data"
    monkeypatch.setenv("SLUTPRIS_DATA", str(folder))
    monkeypatch.setenv("SLUTPRIS_THREADS", "2")
    return folder


@pytest.fixture
def settings(data_dir: Path) -> Settings:
    """Settings whose state lies in the test's own folder."""
    return Settings()


@pytest.fixture
def warehouse(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """An open warehouse file with empty raw tables; it holds the writer's lock."""
    with connect(settings.warehouse_path) as connection:
        create_raw_tables(connection)
        yield connection


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """The whole data flow over a small market, run once for all tests that look at it.

    It takes a minute or two. Who would change what lies in its folder copies it.
    """
    with ran_pipeline(tmp_path_factory.mktemp("pipeline")) as ran:
        yield ran


@pytest.fixture(scope="module")
def running_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeCluster]:
    """The fake Hopsworks cluster of a module; ask for `hopsworks_cluster`."""
    with FakeCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def hopsworks_cluster(running_cluster: FakeCluster) -> FakeCluster:
    """A fake Hopsworks cluster, empty and well."""
    running_cluster.reset()
    return running_cluster


@pytest.fixture(scope="session")
def real_data_dir() -> Path:
    """The folder of real sales and pages beside the project; skips without it."""
    if not REAL_DATA_DIR.is_dir():
        pytest.skip(f"needs the real data in {REAL_DATA_DIR}, which is not here")
    return REAL_DATA_DIR

"""Settings come from the environment, and only from there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from warehouse.settings import PROJECT_ROOT, Settings

if TYPE_CHECKING:
    from pathlib import Path


def test_state_lies_in_the_project_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SLUTPRIS_DATA", raising=False)

    assert Settings().warehouse_path == PROJECT_ROOT / "data" / "warehouse.duckdb"


def test_all_state_moves_with_slutpris_data(settings: Settings, data_dir: Path) -> None:
    places = (
        settings.warehouse_path,
        settings.serving_dir,
        settings.registry_dir,
        settings.feature_store_path,
        settings.dagster_home,
        settings.reports_dir,
    )

    assert all(place.parent == data_dir for place in places)
    assert len(set(places)) == len(places)


def test_relative_data_folder_becomes_absolute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLUTPRIS_DATA", "here")

    assert Settings().warehouse_path == tmp_path.resolve() / "here/warehouse.duckdb"


def test_reading_settings_makes_no_folder(settings: Settings, data_dir: Path) -> None:
    assert settings.serving_dir

    assert not data_dir.exists()


def test_no_threads_at_all_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUTPRIS_THREADS", "0")

    with pytest.raises(ValidationError, match="SLUTPRIS_THREADS"):
        Settings()

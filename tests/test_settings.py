"""Settings come from the environment, and only from there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from warehouse.errors import SlutprisError
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


def test_synthetic_market_lies_in_the_data_folder_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path
) -> None:
    assert settings.synthetic_data == settings.data / "synthetic"

    monkeypatch.setenv("SLUTPRIS_SYNTHETIC_DATA", str(tmp_path / "other"))

    assert Settings().synthetic_data == (tmp_path / "other").resolve()


def test_settings_over_another_folder_differ_in_the_folder_alone(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOPSWORKS_API_KEY", "kept")
    here = Settings(data_dir=settings.data, threads=3)
    assert here.data == settings.data

    there = here.over(tmp_path / "other")

    assert there.serving_dir == (tmp_path / "other").resolve() / "serving"
    assert there.threads == 3
    assert there.hopsworks_api_key.get_secret_value() == "kept"


def test_reading_settings_makes_no_folder(settings: Settings, data_dir: Path) -> None:
    assert settings.serving_dir

    assert not data_dir.exists()


@pytest.mark.parametrize("text", ["0", "many", ""])
def test_setting_that_cannot_be_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("SLUTPRIS_THREADS", text)

    with pytest.raises(SlutprisError, match=f"SLUTPRIS_THREADS is '{text}'") as caught:
        Settings()
    assert "\n" not in str(caught.value)

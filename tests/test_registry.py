from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from ml.registry import ModelRegistry, RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def model_folder(parent: Path, text: str = "weights") -> Path:
    folder = parent / "trained"
    (folder / "trees").mkdir(parents=True, exist_ok=True)
    (folder / "model.json").write_text(json.dumps({"model": "tiny"}))
    (folder / "trees" / "0.bin").write_text(text)
    return folder


def register(root: Path, parent: Path, **metrics: float) -> int:
    version = ModelRegistry(root).register(
        "tiny",
        model_folder(parent),
        metrics=metrics,
        lineage={
            "git_commit": "abc",
            "snapshot": "2026-11-23T10",
            "parameters": {"n": 3},
        },
        input_schema={"rooms": "double", "street": "varchar"},
        input_example={"rooms": 2, "street": "Sveavägen"},
    )
    return version.version


def test_a_registered_version_keeps_everything_beside_the_model(tmp_path: Path) -> None:
    plot = tmp_path / "predicted.png"
    plot.write_bytes(b"png")
    registry = ModelRegistry(tmp_path / "registry")
    registry.register(
        "tiny",
        model_folder(tmp_path),
        metrics={"mape_pct": 7.5},
        lineage={"git_commit": "abc"},
        input_schema={"street": "varchar"},
        input_example={"street": "Sveavägen"},
        plots=[plot],
    )
    version = registry.get("tiny")
    assert version.version == 1
    assert version.metrics == {"mape_pct": 7.5}
    assert version.lineage == {"git_commit": "abc"}
    assert version.input_example == {"street": "Sveavägen"}
    assert (version.folder / "plots" / "predicted.png").read_bytes() == b"png"
    manifest = json.loads((version.folder / "manifest.json").read_text())
    assert set(manifest) == {
        "model/model.json",
        "model/trees/0.bin",
        "plots/predicted.png",
        "version.json",
    }


def test_eight_processes_registering_at_once_get_eight_versions(tmp_path: Path) -> None:
    for number in range(8):
        model_folder(tmp_path / str(number), text=f"weights {number}")
    with multiprocessing.get_context("spawn").Pool(8) as pool:
        arguments = [(tmp_path / "registry", tmp_path / str(n)) for n in range(8)]
        numbers = pool.starmap(register, arguments * 3)
    assert sorted(numbers) == list(range(1, 25))
    registry = ModelRegistry(tmp_path / "registry")
    for version in registry.versions("tiny"):
        registry.fetch("tiny", version.version, tmp_path / f"copy-{version.version}")
    assert list((tmp_path / "registry" / "tiny").glob(".staging-*")) == []


def register_forever(root: Path, parent: Path) -> None:
    while True:
        register(root, parent)


def test_a_killed_registration_leaves_only_whole_versions(tmp_path: Path) -> None:
    root = tmp_path / "registry"
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=register_forever, args=(root, tmp_path / "one"))
    process.start()
    registry = ModelRegistry(root)
    while len(registry._numbers("tiny")) < 5:
        time.sleep(0.01)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    numbers = [version.version for version in registry.versions("tiny")]
    for number in numbers:
        registry.fetch("tiny", number, tmp_path / "copies" / str(number))
    assert register(root, tmp_path / "two") == numbers[-1] + 1


def test_a_staging_folder_is_no_version_and_goes_when_stale(tmp_path: Path) -> None:
    root = tmp_path / "registry"
    stale, young = root / "tiny" / ".staging-old", root / "tiny" / ".staging-new"
    for folder in (stale, young):
        (folder / "model").mkdir(parents=True)
    long_ago = time.time() - 3 * 24 * 3600
    os.utime(stale, (long_ago, long_ago))
    assert ModelRegistry(root).names() == []
    assert register(root, tmp_path) == 1
    assert not stale.exists()
    assert young.exists()


def tamper_change(folder: Path) -> str:
    (folder / "model" / "trees" / "0.bin").write_text("WEIGHTS")
    return "model/trees/0.bin was changed"


def tamper_remove(folder: Path) -> str:
    (folder / "model" / "model.json").unlink()
    return "model/model.json is missing"


def tamper_add(folder: Path) -> str:
    (folder / "model" / "extra.pkl").write_text("import os")
    return "model/extra.pkl was added"


def tamper_link(folder: Path) -> str:
    (folder / "model" / "link").symlink_to("/etc/hostname")
    return "model/link was added"


def tamper_record(folder: Path) -> str:
    record = json.loads((folder / "version.json").read_text())
    record["metrics"]["mape_pct"] = 0.1
    (folder / "version.json").write_text(json.dumps(record))
    return "version.json was changed"


@pytest.mark.parametrize(
    "tamper", [tamper_change, tamper_remove, tamper_add, tamper_link, tamper_record]
)
def test_a_version_that_was_tampered_with_is_not_fetched(
    tmp_path: Path, tamper: Callable[[Path], str]
) -> None:
    root = tmp_path / "registry"
    register(root, tmp_path, mape_pct=7.5)
    said = tamper(root / "tiny" / "1")
    with pytest.raises(RegistryError, match=said):
        ModelRegistry(root).fetch("tiny", 1, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert list(tmp_path.glob(".staging-*")) == []


def test_a_fetched_folder_equals_the_registered_one(tmp_path: Path) -> None:
    root = tmp_path / "registry"
    register(root, tmp_path)
    copy = ModelRegistry(root).fetch("tiny", 1, tmp_path / "deep" / "copy")
    assert (copy / "trees" / "0.bin").read_text() == "weights"
    assert sorted(path.name for path in copy.iterdir()) == ["model.json", "trees"]


def test_fetching_into_a_folder_with_files_is_refused(tmp_path: Path) -> None:
    register(tmp_path / "registry", tmp_path)
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "mine.txt").write_text("keep me")
    with pytest.raises(RegistryError, match="not empty"):
        ModelRegistry(tmp_path / "registry").fetch("tiny", 1, tmp_path / "copy")
    assert (tmp_path / "copy" / "mine.txt").read_text() == "keep me"


def test_best_takes_the_least_or_greatest_and_the_newest_of_equals(
    tmp_path: Path,
) -> None:
    root = tmp_path / "registry"
    for mape in (7.0, 5.0, 9.0, 5.0):
        register(root, tmp_path, mape_pct=mape)
    register(root, tmp_path, r2=0.9)
    registry = ModelRegistry(root)
    assert registry.best("tiny", "mape_pct", "min").version == 4
    assert registry.best("tiny", "mape_pct", "max").version == 3


def test_best_by_an_absent_metric_says_which_there_are(tmp_path: Path) -> None:
    register(tmp_path / "registry", tmp_path, mape_pct=7.0)
    with pytest.raises(RegistryError, match=r"'mdape_pct'.*kept: mape_pct"):
        ModelRegistry(tmp_path / "registry").best("tiny", "mdape_pct", "min")


@pytest.mark.parametrize("name", ["../tiny", "a/b", ".hidden", "", "Tiny", "1", "a\n"])
def test_a_name_that_is_a_path_or_odd_is_refused(tmp_path: Path, name: str) -> None:
    registry = ModelRegistry(tmp_path / "registry")
    with pytest.raises(RegistryError, match="not a model name"):
        registry.get(name)
    assert not (tmp_path / "registry").exists()


def test_an_unknown_model_or_version_is_named(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path / "registry")
    with pytest.raises(RegistryError, match=r"no model 'tiny'.*registered: none"):
        registry.get("tiny")
    register(tmp_path / "registry", tmp_path)
    with pytest.raises(RegistryError, match="no version 7; it has 1"):
        registry.get("tiny", 7)


def test_an_empty_model_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RegistryError, match="holds no model files"):
        ModelRegistry(tmp_path / "registry").register(
            "tiny",
            tmp_path / "empty",
            metrics={},
            lineage={},
            input_schema={},
            input_example={},
        )


def test_a_metric_that_is_not_a_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="'mape_pct' is NaN"):
        register(tmp_path / "registry", tmp_path, mape_pct=float("nan"))
    assert ModelRegistry(tmp_path / "registry").versions("tiny") == []

"""The embedded registry: the contract, and what is its own."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from registry_contract import RegistryContract
from registry_contract import register as register_in

from ml.folder_registry import FolderRegistry
from ml.registry import RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class TestEmbedded(RegistryContract):
    @pytest.fixture
    def registry(self, tmp_path: Path) -> FolderRegistry:
        return FolderRegistry(tmp_path / "registry")


def register(root: Path, parent: Path, text: str = "weights", **metrics: float) -> int:
    parent.mkdir(parents=True, exist_ok=True)
    registered = register_in(FolderRegistry(root), parent, text, **metrics)
    return registered.version.version


def test_a_version_is_a_folder_with_a_manifest_of_its_files(tmp_path: Path) -> None:
    register(tmp_path / "registry", tmp_path)
    registry = FolderRegistry(tmp_path / "registry")
    folder = registry.folder("tiny", 1)
    assert registry.plots(registry.get("tiny"))[0].read_bytes() == b"png"
    assert set(json.loads((folder / "manifest.json").read_text())) == {
        "model/model.json",
        "model/trees/0.bin",
        "plots/predicted.png",
        "version.json",
    }


def test_eight_processes_registering_at_once_get_eight_versions(tmp_path: Path) -> None:
    arguments = [
        (tmp_path / "registry", tmp_path / str(number), f"weights {number}")
        for number in range(24)
    ]
    with multiprocessing.get_context("spawn").Pool(8) as pool:
        numbers = pool.starmap(register, arguments)
    assert sorted(numbers) == list(range(1, 25))
    registry = FolderRegistry(tmp_path / "registry")
    for version in registry.versions("tiny"):
        registry.fetch("tiny", version.version, tmp_path / f"copy-{version.version}")
    assert list((tmp_path / "registry" / "tiny").glob(".staging-*")) == []


def register_forever(root: Path, parent: Path) -> None:
    number = 0
    while True:
        number += 1
        register(root, parent, f"weights {number}")


def test_a_killed_registration_leaves_only_whole_versions(tmp_path: Path) -> None:
    root = tmp_path / "registry"
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=register_forever, args=(root, tmp_path / "one"))
    process.start()
    registry = FolderRegistry(root)
    while len(registry.numbers("tiny")) < 5:
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
    assert FolderRegistry(root).names() == []
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
        FolderRegistry(root).fetch("tiny", 1, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert list(tmp_path.glob(".staging-*")) == []


def test_a_version_of_another_registry_keeps_its_number(tmp_path: Path) -> None:
    register(tmp_path / "theirs", tmp_path)
    theirs = FolderRegistry(tmp_path / "theirs")
    ours = FolderRegistry(tmp_path / "ours")
    adopted = ours.adopt(theirs.folder("tiny", 1), "tiny", 5)
    assert (adopted.version, ours.numbers("tiny")) == (5, [5])
    register(tmp_path / "theirs", tmp_path, "other")
    tamper_change(theirs.folder("tiny", 1))
    with pytest.raises(RegistryError, match="was changed"):
        ours.adopt(theirs.folder("tiny", 1), "tiny", 6)
    assert ours.numbers("tiny") == [5]


def test_a_version_of_before_content_digests_is_still_read(tmp_path: Path) -> None:
    register(tmp_path / "registry", tmp_path)
    path = tmp_path / "registry" / "tiny" / "1" / "version.json"
    record = json.loads(path.read_text())
    del record["content_sha256"]
    path.write_text(json.dumps(record))
    assert FolderRegistry(tmp_path / "registry").get("tiny").content_sha256 == ""

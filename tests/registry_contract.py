"""What holds of every model registry: one suite, run over each implementation.

A subclass gives the fixture ``registry``: a registry that holds nothing yet.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ml.registry import RegistryError

if TYPE_CHECKING:
    from pathlib import Path

    from ml.registry import ModelRegistry, Registered


def model_folder(parent: Path, text: str = "weights") -> Path:
    folder = parent / "trained"
    (folder / "trees").mkdir(parents=True, exist_ok=True)
    (folder / "model.json").write_text(json.dumps({"model": "tiny"}))
    (folder / "trees" / "0.bin").write_text(text)
    return folder


def register(
    registry: ModelRegistry,
    parent: Path,
    text: str = "weights",
    name: str = "tiny",
    **metrics: Any,
) -> Registered:
    plot = parent / "predicted.png"
    plot.write_bytes(b"png")
    return registry.register(
        name,
        model_folder(parent, text),
        metrics=metrics,
        lineage={
            "git_commit": "abc",
            "snapshot": "2026-11-23T10",
            "parameters": {"n": 3},
        },
        input_schema={"rooms": "double", "street": "varchar"},
        input_example={"rooms": 2, "street": "Sveavägen"},
        plots=[plot],
    )


class RegistryContract:
    def test_a_version_keeps_everything_beside_the_model(
        self, registry: ModelRegistry, tmp_path: Path
    ) -> None:
        receipt = register(registry, tmp_path, mape_pct=7.5, r2=0.9)
        assert receipt.is_new
        assert receipt.byte_count > 0
        version = registry.get("tiny")
        assert version == receipt.version
        assert version.version == 1
        assert version.metrics == {"mape_pct": 7.5, "r2": 0.9}
        assert version.lineage["parameters"] == {"n": 3}
        assert version.input_schema == {"rooms": "double", "street": "varchar"}
        assert version.input_example == {"rooms": 2, "street": "Sveavägen"}
        assert version.plots == ["predicted.png"]

    def test_the_same_model_twice_is_one_version(
        self, registry: ModelRegistry, tmp_path: Path
    ) -> None:
        first = register(registry, tmp_path, mape_pct=7.5)
        again = register(registry, tmp_path, mape_pct=7.5)
        assert (first.is_new, again.is_new) == (True, False)
        assert again.version == first.version
        assert registry.versions("tiny") == [first.version]

    def test_another_model_is_the_next_version(
        self, registry: ModelRegistry, tmp_path: Path
    ) -> None:
        register(registry, tmp_path, mape_pct=7.5)
        changed = register(registry, tmp_path, text="other weights", mape_pct=7.5)
        judged_anew = register(registry, tmp_path, text="other weights", mape_pct=7.4)
        assert [changed.version.version, judged_anew.version.version] == [2, 3]
        assert [v.version for v in registry.versions("tiny")] == [1, 2, 3]
        assert registry.get("tiny").version == 3
        assert registry.get("tiny", 2) == changed.version

    def test_a_fetched_folder_equals_the_registered_one(
        self, registry: ModelRegistry, tmp_path: Path
    ) -> None:
        register(registry, tmp_path, text="vikter åäö\n" * 1000)
        copy = registry.fetch("tiny", 1, tmp_path / "deep" / "copy")
        registered = tmp_path / "trained"
        names = [path.relative_to(registered) for path in sorted(registered.rglob("*"))]
        assert names == [path.relative_to(copy) for path in sorted(copy.rglob("*"))]
        for name in names:
            if (registered / name).is_file():
                assert (copy / name).read_bytes() == (registered / name).read_bytes()

    def test_fetching_into_a_folder_with_files_is_refused(
        self, registry: ModelRegistry, tmp_path: Path
    ) -> None:
        register(registry, tmp_path)
        (tmp_path / "copy").mkdir()
        (tmp_path / "copy" / "mine.txt").write_text("keep me")
        with pytest.raises(RegistryError, match="not empty"):
            registry.fetch("tiny", 1, tmp_path / "copy")
        assert (tmp_path / "copy" / "mine.txt").read_text() == "keep me"

    def test_best_takes_the_least_or_greatest_and_the_newest_of_equals(
        self, registry: ModelRegistry, tmp_path: Path
    ) -> None:
        for mape in (7.0, 5.0, 9.0, 5.0):
            register(registry, tmp_path, mape_pct=mape)
        register(registry, tmp_path, r2=0.9)
        assert registry.best("tiny", "mape_pct", "min").version == 4
        assert registry.best("tiny", "mape_pct", "max").version == 3
        with pytest.raises(RegistryError, match=r"'mdape_pct'.*kept: mape_pct, r2"):
            registry.best("tiny", "mdape_pct", "min")

    def test_an_unknown_model_or_version_is_named(
        self, registry: ModelRegistry, tmp_path: Path
    ) -> None:
        assert registry.versions("tiny") == []
        with pytest.raises(RegistryError, match="no model 'tiny'"):
            registry.get("tiny")
        with pytest.raises(RegistryError, match="no model 'tiny'"):
            registry.best("tiny", "mape_pct", "min")
        register(registry, tmp_path)
        with pytest.raises(RegistryError, match="no version 7; it has 1"):
            registry.get("tiny", 7)
        with pytest.raises(RegistryError, match="no version 7; it has 1"):
            registry.fetch("tiny", 7, tmp_path / "copy")

    @pytest.mark.parametrize(
        ("metric", "value", "said"),
        [
            ("mape_pct", float("nan"), "'mape_pct' is NaN"),
            ("mape_pct", float("inf"), "'mape_pct' is infinite"),
            ("mape_pct", None, "'mape_pct' is not a number"),
            ("mape_pct", "low", "'mape_pct' is not a number"),
            ("MAE", 1.0, "'MAE' is no name of a metric"),
            ("within_10_pct", 1.0, "'within_10_pct' is no name of a metric"),
            ("mae_", 1.0, "'mae_' is no name of a metric"),
        ],
    )
    def test_a_metric_that_would_not_come_back_is_refused(
        self,
        registry: ModelRegistry,
        tmp_path: Path,
        metric: str,
        value: float | None,
        said: str,
    ) -> None:
        with pytest.raises(RegistryError, match=said):
            register(registry, tmp_path, **{metric: value})
        assert registry.versions("tiny") == []

    @pytest.mark.parametrize(
        "name", ["../tiny", "a/b", ".hidden", "", "Tiny", "1", "a\n", "a-b"]
    )
    def test_a_name_that_is_a_path_or_odd_is_refused(
        self, registry: ModelRegistry, tmp_path: Path, name: str
    ) -> None:
        with pytest.raises(RegistryError, match="not a model name"):
            registry.get(name)
        with pytest.raises(RegistryError, match="not a model name"):
            register(registry, tmp_path, name=name)

    def test_an_empty_model_folder_is_refused(
        self, registry: ModelRegistry, tmp_path: Path
    ) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(RegistryError, match="holds no model files"):
            registry.register(
                "tiny",
                tmp_path / "empty",
                metrics={},
                lineage={},
                input_schema={},
                input_example={},
            )

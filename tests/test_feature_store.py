"""The embedded feature store: the contract, and what is its own."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pytest
from feature_store_contract import FLOWERS, FeatureStoreContract, flowers

from ml.embedded_feature_store import EmbeddedFeatureStore
from ml.feature_groups import Feature, FeatureGroupSpec, FeatureStoreError
from ml.file_lock import LockedError, file_lock

if TYPE_CHECKING:
    from pathlib import Path


class TestEmbedded(FeatureStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> EmbeddedFeatureStore:
        return EmbeddedFeatureStore(tmp_path / "features.duckdb")


def write_one(path: Path, flower_id: int) -> None:
    row = flowers().slice(0, 1).set_column(0, "flower_id", pa.array([flower_id]))
    EmbeddedFeatureStore(path).write(FLOWERS, row)


def test_processes_that_write_at_once_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "features.duckdb"
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        pool.starmap(write_one, [(path, number) for number in range(1, 7)])
    read = EmbeddedFeatureStore(path).read("flowers", 1)
    assert read["flower_id"].to_pylist() == [1, 2, 3, 4, 5, 6]


def test_a_lock_that_is_not_let_go_says_who_holds_it(tmp_path: Path) -> None:
    with (
        file_lock(tmp_path / "lock", 0),
        pytest.raises(LockedError, match=r"process \d+ holds"),
        file_lock(tmp_path / "lock", 0.1),
    ):
        pass


def test_reading_before_the_first_write_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "features.duckdb"
    with pytest.raises(FeatureStoreError, match="write a feature group first"):
        EmbeddedFeatureStore(path).read("flowers", 1)
    assert not path.exists()
    with duckdb.connect(str(path)) as older_layout:
        older_layout.execute("create table feature_groups (name varchar)")
    with pytest.raises(FeatureStoreError, match="write a feature group first"):
        EmbeddedFeatureStore(path).read("flowers", 1)


@pytest.mark.parametrize(
    "name", ["Flowers", "a b", 'x"; drop table y', "", "1a", "a-b"]
)
def test_a_name_that_is_not_plain_is_refused(name: str) -> None:
    with pytest.raises(FeatureStoreError, match="no name of a feature group"):
        replace(FLOWERS, name=name)


@pytest.mark.parametrize(
    ("features", "said"),
    [
        ((Feature("species", "string"),), "strings, and only they, have a max_length"),
        ((Feature("count", "bigint", 3),), "strings, and only they, have a max_length"),
        ((Feature("x", "decimal"),), "has the type 'decimal'"),  # ty: ignore[invalid-argument-type]
        ((Feature("X", "double"),), "'X' is no feature name"),
        ((Feature("flower_id", "bigint"),) * 2, "flower_id occurs twice"),
        ((Feature("flower_id", "bigint"),), "must be different columns"),
        (
            (Feature("flower_id", "double"), Feature("measured_date", "date")),
            "flower_id is not",
        ),
        (
            (Feature("flower_id", "bigint"), Feature("measured_date", "bigint")),
            "measured_date is not",
        ),
    ],
)
def test_a_group_that_a_store_could_not_keep_is_refused(
    features: tuple[Feature, ...], said: str
) -> None:
    with pytest.raises(FeatureStoreError, match=said):
        FeatureGroupSpec("flowers", 1, "", ("flower_id",), "measured_date", features)

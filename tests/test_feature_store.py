from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

import duckdb
import pytest

from ml.feature_store import DuckDBFeatureStore, FeatureStoreError

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection as Connection

FLOWERS = """
    select * from (values
        (1, date '2026-01-05', 1.5, 'setosa'),
        (2, date '2026-02-05', 4.5, null),
        (3, date '2026-03-05', 6.0, 'virginica')
    ) as flowers (flower_id, measured_date, petal_cm, species)
"""


@pytest.fixture
def source() -> Connection:
    return duckdb.connect()


@pytest.fixture
def store(tmp_path: Path) -> DuckDBFeatureStore:
    return DuckDBFeatureStore(tmp_path / "features.duckdb")


def push(
    store: DuckDBFeatureStore,
    source: Connection,
    query: str = FLOWERS,
    version: int = 1,
    primary_key: tuple[str, ...] = ("flower_id",),
    event_time: str = "measured_date",
) -> int:
    return store.push(
        "flowers",
        version,
        source,
        query,
        primary_key=primary_key,
        event_time=event_time,
    )


def test_pushed_rows_are_read_back_as_they_were(
    store: DuckDBFeatureStore, source: Connection
) -> None:
    assert push(store, source) == 3
    rows = store.read("flowers", 1)
    assert rows["petal_cm"].tolist() == [1.5, 4.5, 6.0]
    assert rows["species"].isna().tolist() == [False, True, False]


def test_pushing_the_same_rows_twice_changes_nothing(
    store: DuckDBFeatureStore, source: Connection
) -> None:
    push(store, source)
    before = store.read("flowers", 1)
    push(store, source)
    assert store.read("flowers", 1).equals(before)


def test_a_pushed_row_replaces_the_one_with_its_key(
    store: DuckDBFeatureStore, source: Connection
) -> None:
    push(store, source)
    mended = f"select * replace (5.5 as petal_cm) from ({FLOWERS}) where flower_id = 2"
    push(store, source, mended)
    assert store.read("flowers", 1)["petal_cm"].tolist() == [1.5, 5.5, 6.0]


def test_reading_as_of_a_date_leaves_out_later_rows(
    store: DuckDBFeatureStore, source: Connection
) -> None:
    push(store, source)
    known = store.read("flowers", 1, as_of=date(2026, 2, 5))
    assert known["flower_id"].tolist() == [1, 2]
    known = store.read("flowers", 1, as_of=datetime(2026, 2, 4, 23, 59))
    assert known["flower_id"].tolist() == [1]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (f"select *, 1 as sepal_cm from ({FLOWERS})", "sepal_cm is new"),
        (f"select * exclude species from ({FLOWERS})", "species is gone"),
        (
            f"select * replace (petal_cm::integer as petal_cm) from ({FLOWERS})",
            "petal_cm was DECIMAL.* and is INTEGER",
        ),
    ],
)
def test_another_schema_needs_a_new_version(
    store: DuckDBFeatureStore, source: Connection, query: str, said: str
) -> None:
    push(store, source)
    with pytest.raises(FeatureStoreError, match=rf"{said}.*as version 2"):
        push(store, source, query)
    assert len(store.read("flowers", 1)) == 3
    assert push(store, source, query, version=2) == 3


def test_another_order_of_columns_is_the_same_schema(
    store: DuckDBFeatureStore, source: Connection
) -> None:
    push(store, source)
    push(store, source, f"select species, * exclude species from ({FLOWERS})")
    assert store.read("flowers", 1)["petal_cm"].tolist() == [1.5, 4.5, 6.0]


def test_another_key_or_event_time_needs_a_new_version(
    store: DuckDBFeatureStore, source: Connection
) -> None:
    push(store, source)
    with pytest.raises(FeatureStoreError, match=r"key was \['flower_id'\]"):
        push(store, source, primary_key=("flower_id", "measured_date"))


def test_a_key_that_occurs_twice_is_refused_and_nothing_is_kept(
    store: DuckDBFeatureStore, source: Connection
) -> None:
    with pytest.raises(FeatureStoreError, match=r"\(1,\) occurs 3 time"):
        push(store, source, f"select * replace (1 as flower_id) from ({FLOWERS})")
    assert store.groups() == []


def test_a_null_in_the_key_is_refused(
    store: DuckDBFeatureStore, source: Connection
) -> None:
    with pytest.raises(FeatureStoreError, match="must be present and unique"):
        push(store, source, primary_key=("species",))


def test_a_column_the_query_lacks_is_named(
    store: DuckDBFeatureStore, source: Connection
) -> None:
    with pytest.raises(FeatureStoreError, match=r"no column petal_m.*flower_id"):
        push(store, source, primary_key=("petal_m",))


def test_groups_are_listed_with_rows_and_latest_event_time(
    store: DuckDBFeatureStore, source: Connection
) -> None:
    assert store.groups() == []
    push(store, source)
    push(store, source, f"select *, 1 as cm from ({FLOWERS}) limit 2", version=2)
    listed = [
        (g.name, g.version, g.row_count, g.latest_event_time) for g in store.groups()
    ]
    assert listed == [
        ("flowers", 1, 3, date(2026, 3, 5)),
        ("flowers", 2, 2, date(2026, 2, 5)),
    ]


def test_an_unknown_group_says_what_to_do(
    store: DuckDBFeatureStore, source: Connection
) -> None:
    with pytest.raises(FeatureStoreError, match="no feature store"):
        store.read("flowers", 1)
    push(store, source)
    with pytest.raises(FeatureStoreError, match="no group 'trees' version 1; push"):
        store.read("trees", 1)


@pytest.mark.parametrize("name", ["Flowers", "a b", 'x"; drop table y', "", "1a"])
def test_a_name_that_is_not_plain_is_refused(
    store: DuckDBFeatureStore, source: Connection, name: str
) -> None:
    with pytest.raises(FeatureStoreError, match="no feature group"):
        store.push(
            name,
            1,
            source,
            FLOWERS,
            primary_key=["flower_id"],
            event_time="measured_date",
        )

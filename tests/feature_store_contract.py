"""What holds of every feature store: one suite, run over each implementation.

A subclass gives the fixture ``store``: a store that holds nothing yet.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ml.feature_groups import (
    Feature,
    FeatureGroupSpec,
    FeatureStoreError,
    FeatureViewSpec,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ml.feature_store import FeatureStore

FLOWERS = FeatureGroupSpec(
    name="flowers",
    version=1,
    description="Flowers as they were measured.",
    primary_key=("flower_id",),
    event_time="measured_date",
    features=(
        Feature("flower_id", "bigint"),
        Feature("measured_date", "date"),
        Feature("petal_cm", "double"),
        Feature("leaf_count", "bigint"),
        Feature("species", "string", 20),
        Feature("is_wild", "boolean"),
        Feature("seen_at", "timestamp"),
    ),
    keeps_history=False,
)
LEVELS = FeatureGroupSpec(
    name="street_levels",
    version=1,
    description="The price level of a street, month by month.",
    primary_key=("street",),
    event_time="known_from",
    features=(
        Feature("street", "string", 40),
        Feature("known_from", "timestamp"),
        Feature("level", "double"),
    ),
)
VIEW = FeatureViewSpec(
    "flower_view", 1, "", "flowers", 1, ("petal_cm", "species"), ("species",)
)
BIG = 2**60 + 1
"""More than a double can hold exactly."""


def flowers(*changes: dict[str, object]) -> pa.Table:
    """Three flowers; each change replaces the values of the flower of its id."""
    rows = [
        (1, date(2026, 1, 5), 1.5, 7, "blåsippa", True, datetime(2026, 1, 5, 12, 30)),
        (2, date(2026, 2, 5), 4.5, None, None, None, None),
        (3, date(2026, 3, 5), None, BIG, "åkervädd Ö", False, datetime(2026, 3, 5, 1)),
    ]
    names = FLOWERS.column_names
    records = [dict(zip(names, row, strict=True)) for row in rows]
    for change in changes:
        records[int(str(change["flower_id"])) - 1].update(change)
    return pa.Table.from_pylist(records, schema=FLOWERS.arrow_schema)


def levels(*rows: tuple[str, datetime, float]) -> pa.Table:
    records = [dict(zip(LEVELS.column_names, row, strict=True)) for row in rows]
    return pa.Table.from_pylist(records, schema=LEVELS.arrow_schema)


def many_flowers(count: int) -> pa.Table:
    """Flowers of every kind of value there is, reproducibly."""
    random = np.random.default_rng(7)
    ids = np.arange(count)
    missing = random.random(count) < 0.3
    words = np.array(["blåsippa", "ängsklocka", "åkervädd", "Östgötaört"])
    days = date(2010, 1, 1).toordinal() - date(1970, 1, 1).toordinal()
    return pa.table(
        {
            "flower_id": pa.array(ids, pa.int64()),
            "measured_date": pa.array(
                (days + ids % 5_000).astype(np.int32), pa.int32()
            ).cast(pa.date32()),
            "petal_cm": pa.array(random.normal(size=count), mask=missing),
            "leaf_count": pa.array(
                random.integers(0, 2**61, count), pa.int64(), mask=~missing
            ),
            "species": pa.array(words[ids % 4], pa.string(), mask=missing),
            "is_wild": pa.array(ids % 3 == 0, mask=missing),
            "seen_at": pa.array(
                1_300_000_000_000_000 + ids * 1_000_003, pa.int64(), mask=~missing
            ).cast(pa.timestamp("us")),
        },
        schema=FLOWERS.arrow_schema,
    )


class FeatureStoreContract:
    def test_written_rows_are_read_back_with_their_types(
        self, store: FeatureStore
    ) -> None:
        receipt = store.write(FLOWERS, flowers())
        assert (receipt.row_count, receipt.rows_inserted, receipt.skipped) == (
            3,
            3,
            False,
        )
        read = store.read("flowers", 1)
        assert read.schema.equals(FLOWERS.arrow_schema)
        assert read.equals(flowers())

    def test_a_parquet_file_is_written_as_a_table_is(
        self, store: FeatureStore, tmp_path: Path
    ) -> None:
        pq.write_table(flowers(), tmp_path / "flowers.parquet")
        store.write(FLOWERS, tmp_path / "flowers.parquet")
        assert store.read("flowers", 1).equals(flowers())

    def test_writing_the_same_rows_twice_changes_nothing(
        self, store: FeatureStore
    ) -> None:
        first = store.write(FLOWERS, flowers())
        again = store.write(FLOWERS, flowers().take([2, 0, 1]))
        assert again.skipped
        assert again.content_sha256 == first.content_sha256
        assert (again.rows_inserted, again.rows_updated) == (0, 0)
        assert len(store.commits("flowers", 1)) == 1
        assert store.read("flowers", 1).equals(flowers())

    def test_a_row_replaces_the_one_of_its_key_and_event_time(
        self, store: FeatureStore
    ) -> None:
        store.write(FLOWERS, flowers())
        mended = flowers({"flower_id": 2, "petal_cm": 5.5, "species": "näva"})
        receipt = store.write(FLOWERS, mended.slice(1, 2))
        assert (receipt.rows_inserted, receipt.rows_updated) == (0, 2)
        assert store.read("flowers", 1).equals(mended)

    def test_a_corrected_event_time_takes_the_place_of_the_old_row(
        self, store: FeatureStore
    ) -> None:
        store.write(FLOWERS, flowers())
        moved = flowers({"flower_id": 3, "measured_date": date(2026, 1, 1)})
        receipt = store.write(FLOWERS, moved)
        assert receipt.rows_removed == 1
        assert store.read("flowers", 1).equals(moved)

    def test_states_over_time_stay_and_are_read_as_of_a_time(
        self, store: FeatureStore
    ) -> None:
        january, march = datetime(2026, 1, 1), datetime(2026, 3, 1)
        rows = levels(
            ("Hornsgatan", january, 1.0),
            ("Hornsgatan", march, 1.2),
            ("Åsögatan", march, 0.9),
        )
        store.write(LEVELS, rows.slice(0, 1))
        store.write(LEVELS, rows.slice(1, 2))
        assert store.read("street_levels", 1).equals(rows)
        known = store.read("street_levels", 1, as_of=datetime(2026, 2, 1))
        assert known.equals(rows.slice(0, 1))
        assert store.read("street_levels", 1, as_of=march).equals(rows.slice(1, 2))

    def test_a_range_of_event_time_is_exact_to_the_microsecond(
        self, store: FeatureStore
    ) -> None:
        noon = datetime(2026, 1, 1, 12)
        step = timedelta(microseconds=1)
        rows = levels(
            ("Hornsgatan", noon - step, 1.0),
            ("Hornsgatan", noon, 1.1),
            ("Hornsgatan", noon + step, 1.2),
        )
        store.write(LEVELS, rows)
        read = store.read("street_levels", 1, start=noon, end=noon + step)
        assert read.equals(rows.slice(1, 1))
        before = store.read("street_levels", 1, as_of=noon - step)
        assert before.equals(rows.slice(0, 1))

    def test_columns_and_a_range_of_event_time_are_read(
        self, store: FeatureStore
    ) -> None:
        store.write(FLOWERS, flowers())
        read = store.read(
            "flowers",
            1,
            columns=["species", "flower_id"],
            start=date(2026, 1, 5),
            end=date(2026, 3, 5),
        )
        assert read.to_pydict() == {"species": ["blåsippa", None], "flower_id": [1, 2]}
        with pytest.raises(FeatureStoreError, match="no column petal_m"):
            store.read("flowers", 1, columns=["petal_m"])

    def test_the_history_tells_every_write_that_changed_something(
        self, store: FeatureStore
    ) -> None:
        before = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=1)
        first = store.write(FLOWERS, flowers().slice(0, 2))
        store.write(FLOWERS, flowers().slice(0, 2))
        second = store.write(FLOWERS, flowers().slice(1, 2))
        newest, oldest = store.commits("flowers", 1)
        assert (oldest.rows_inserted, oldest.rows_updated) == (2, 0)
        assert (newest.rows_inserted, newest.rows_updated) == (1, 1)
        assert before < oldest.committed_at <= newest.committed_at
        assert [oldest.commit_id, newest.commit_id] == [
            first.commit_id,
            second.commit_id,
        ]

    def test_groups_are_listed_with_key_and_types(self, store: FeatureStore) -> None:
        assert store.groups() == []
        store.write(LEVELS, levels(("Hornsgatan", datetime(2026, 1, 1), 1.0)))
        store.write(FLOWERS, flowers())
        store.write(replace(FLOWERS, version=2), flowers())
        listed = store.groups()
        assert [(each.name, each.version) for each in listed] == [
            ("flowers", 1),
            ("flowers", 2),
            ("street_levels", 1),
        ]
        assert listed[0].primary_key == ("flower_id",)
        assert listed[0].event_time == "measured_date"
        assert listed[0].types == FLOWERS.types

    @pytest.mark.parametrize(
        ("rows", "said"),
        [
            (flowers({"flower_id": 2, "species": "å" * 21}), "species is longer than"),
            (flowers({"flower_id": 2, "petal_cm": float("nan")}), "petal_cm is NaN"),
            (flowers({"flower_id": 2, "measured_date": None}), "measured_date is null"),
            (flowers().set_column(0, "flower_id", pa.array([1, 1, 3])), "occurs 2 tim"),
            (flowers().drop_columns("species"), "species is gone"),
            (flowers().append_column("x", pa.array([1, 2, 3])), "x is new"),
            (
                flowers().set_column(2, "petal_cm", pa.array([1, 2, 3])),
                "petal_cm is int64, not double",
            ),
        ],
    )
    def test_rows_that_break_the_rules_are_refused_before_anything_is_kept(
        self, store: FeatureStore, rows: pa.Table, said: str
    ) -> None:
        with pytest.raises(FeatureStoreError, match=said):
            store.write(FLOWERS, rows)
        assert store.groups() == []

    def test_another_schema_needs_another_version(self, store: FeatureStore) -> None:
        store.write(FLOWERS, flowers())
        changed = replace(FLOWERS, features=FLOWERS.features[:-1])
        with pytest.raises(FeatureStoreError, match=r"seen_at is gone.*version 2"):
            store.write(changed, flowers().drop_columns("seen_at"))
        assert store.read("flowers", 1).equals(flowers())

    def test_what_is_not_there_is_named(self, store: FeatureStore) -> None:
        store.write(FLOWERS, flowers())
        with pytest.raises(
            FeatureStoreError, match="no feature group 'trees' version 1"
        ):
            store.read("trees", 1)
        with pytest.raises(
            FeatureStoreError, match="no feature group 'trees' version 1"
        ):
            store.commits("trees", 1)
        with pytest.raises(
            FeatureStoreError, match="no feature view 'trees' version 1"
        ):
            store.read_view("trees", 1)

    def test_a_view_gives_features_and_labels_when_asked(
        self, store: FeatureStore
    ) -> None:
        store.write(FLOWERS, flowers())
        store.create_view(VIEW)
        store.create_view(VIEW)
        for_inference = store.read_view("flower_view", 1, start=date(2026, 2, 1))
        assert for_inference.equals(
            flowers().slice(1).select(["flower_id", "measured_date", "petal_cm"])
        )
        for_training = store.read_view("flower_view", 1, with_labels=True)
        assert for_training.column_names[-1] == "species"
        assert for_training.num_rows == 3

    def test_a_view_that_changed_needs_another_version(
        self, store: FeatureStore
    ) -> None:
        store.write(FLOWERS, flowers())
        store.create_view(VIEW)
        with pytest.raises(FeatureStoreError, match="as version 2"):
            store.create_view(replace(VIEW, labels=()))
        with pytest.raises(FeatureStoreError, match="no column stem_cm"):
            store.create_view(
                replace(VIEW, version=2, features=("stem_cm",), labels=())
            )

    def test_columns_without_a_value_keep_their_types(
        self, store: FeatureStore
    ) -> None:
        row = {"flower_id": 1, "measured_date": date(2026, 1, 5)}
        rows = pa.Table.from_pylist([row], schema=FLOWERS.arrow_schema)
        store.write(FLOWERS, rows)
        assert store.read("flowers", 1).equals(rows)

    def test_no_rows_make_an_empty_group(self, store: FeatureStore) -> None:
        nothing = FLOWERS.arrow_schema.empty_table()
        store.write(FLOWERS, nothing)
        assert store.read("flowers", 1).equals(nothing)
        store.write(FLOWERS, flowers())
        assert store.read("flowers", 1).equals(flowers())

    def test_200_000_rows_come_back_identical(self, store: FeatureStore) -> None:
        rows = many_flowers(200_000)
        receipt = store.write(FLOWERS, rows)
        assert receipt.row_count == 200_000
        read = store.read("flowers", 1)
        assert read.schema.equals(rows.schema)
        for name in rows.column_names:
            assert read[name].combine_chunks().equals(rows[name].combine_chunks()), name
        assert pc.sum(read["leaf_count"]).as_py() == pc.sum(rows["leaf_count"]).as_py()

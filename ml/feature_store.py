"""The port to a feature store: what one can be asked, whoever keeps the features.

What belongs here: the questions and the records they are answered with. What does not:
how features are kept (``embedded_feature_store``, ``hopsworks.feature_store``), what a
group is (``feature_groups``), computing a feature (the warehouse does), and any
knowledge of a domain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa

    from ml.feature_groups import FeatureGroup, FeatureGroupSpec, FeatureViewSpec


@dataclass(frozen=True)
class Receipt:
    """What a write came to; every count is 0 when it was ``skipped`` as unchanged.

    ``commit_id`` is the store's own name for the write; ``job_id`` that of the job that
    lands it, where there is one. ``rows_removed`` are rows that a correction replaced
    (see ``FeatureGroupSpec.keeps_history``). A count is None where a store keeps none.
    """

    backend: str
    name: str
    version: int
    content_sha256: str
    row_count: int
    byte_count: int
    skipped: bool
    rows_inserted: int | None = 0
    rows_updated: int | None = 0
    rows_removed: int | None = 0
    commit_id: str | None = None
    job_id: str | None = None

    def metadata(self) -> dict[str, Any]:
        """Give what is known, by name."""
        return {key: value for key, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Commit:
    """One write to a group, as its history tells; times are UTC."""

    commit_id: str
    committed_at: dt.datetime
    rows_inserted: int
    rows_updated: int
    rows_removed: int


class FeatureStore(Protocol):
    """Where features are published to.

    Every method raises a ``FeatureStoreError`` that says what to do: when the group or
    view is not there, rows break their group's rules, or the store cannot be reached.
    """

    backend: str
    """The store's name in receipts."""

    def write(self, spec: FeatureGroupSpec, rows: pa.Table | Path) -> Receipt:
        """Insert or replace rows by primary key and event time, as one unit.

        The group is made when it is not there. A batch equal to the one written last
        changes nothing; a batch that failed half-way may be written again.
        """
        ...

    def read(
        self,
        name: str,
        version: int,
        *,
        columns: Sequence[str] | None = None,
        start: dt.date | None = None,
        end: dt.date | None = None,
        as_of: dt.date | None = None,
    ) -> pa.Table:
        """Read rows, ordered by primary key and event time.

        Parameters
        ----------
        columns
            Which, in order; all when None.
        start, end
            Event times from ``start`` on and before ``end``; a date is its midnight.
        as_of
            What was known then: of each key the newest row at or before it.
        """
        ...

    def groups(self) -> list[FeatureGroup]:
        """Every group and version the store holds, by name and version."""
        ...

    def commits(self, name: str, version: int) -> list[Commit]:
        """Give the writes to a group that changed it, newest first."""
        ...

    def create_view(self, view: FeatureViewSpec) -> None:
        """Make a view; one that is there must say the same."""
        ...

    def read_view(
        self,
        name: str,
        version: int,
        *,
        start: dt.date | None = None,
        end: dt.date | None = None,
        with_labels: bool = False,
    ) -> pa.Table:
        """Read a view's keys, event time and features, as :meth:`read` does."""
        ...

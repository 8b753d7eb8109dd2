"""The feature store of a Hopsworks project; the port is ``ml.feature_store``.

What belongs here: what a write, a read or a view is made of, in which order, so that a
write may break off anywhere and be repeated. What does not: the client (``worker``).

After a write a receipt with the digest of the batch is kept in the project, beside the
group: a batch equal to the one written last is not sent again. A write that broke off
has left no receipt, so it is repeated whole, and its rows replace themselves.
"""

from __future__ import annotations

import datetime as dt
import json
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ml.feature_batches import (
    Batch,
    checked_batch,
    listed,
    quoted,
    quoted_text,
    selection,
    small_duckdb,
)
from ml.feature_groups import (
    ARROW_TYPES,
    FeatureGroup,
    FeatureGroupSpec,
    FeatureStoreError,
    FeatureStoreUnreachableError,
    FeatureViewSpec,
    changed_group,
    changed_view,
    check_view,
    view_columns,
)
from ml.feature_store import Commit, Receipt
from ml.hopsworks.cluster import FOLDER
from ml.hopsworks.errors import raised_as

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from ml.hopsworks.cluster import Cluster

RECEIPTS = f"{FOLDER}/receipts"
RECEIPTS_KEPT = 5


class HopsworksFeatureStore:
    """Feature groups of a project; ``feature_store.FeatureStore`` says the calls."""

    backend = "hopsworks"

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def write(self, spec: FeatureGroupSpec, rows: pa.Table | Path) -> Receipt:
        """Insert or replace rows by primary key and event time.

        Held to be done once its receipt is kept; until then a repeat heals it.
        """
        with checked_batch(spec, rows) as batch, _as_port(), self._cluster.publishing():
            stored = self._stored(spec.name, spec.version)
            if stored is not None and (error := changed_group(spec, stored)):
                raise error
            if stored is not None and self._last_digest(batch) == batch.content_sha256:
                return _receipt(batch, skipped=True)
            superseded = self._superseded(batch) if stored is not None else None
            if superseded is not None and self._cluster.address.write_mode == "stream":
                raise self._cannot_correct(spec, superseded)
            receipt = self._write(batch, superseded)
            self._keep_receipt(receipt)
            return receipt

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
        """Read rows, ordered by primary key and event time."""
        with _as_port():
            group = self._group(name, version)
            return self._read(group, columns, start, end, as_of)

    def groups(self) -> list[FeatureGroup]:
        """Every group and version the project holds, by name and version."""
        with _as_port():
            found = self._cluster.ask("list_groups", "list the feature groups")
        groups = [_group(each) for each in found]
        return sorted(groups, key=lambda group: (group.name, group.version))

    def commits(self, name: str, version: int) -> list[Commit]:
        """Give the writes to a group that changed it, newest first."""
        doing = f"read the history of {name} version {version}"
        with _as_port():
            made = self._cluster.ask("commits", doing, name=name, version=version)
        if made is None:
            raise _no_group(name, version)
        return [
            Commit(
                each["commit"],
                dt.datetime.fromtimestamp(each["at_ms"] / 1000, dt.UTC).replace(
                    tzinfo=None
                ),
                each["inserted"],
                each["updated"],
                each["removed"],
            )
            for each in made
        ]

    def create_view(self, view: FeatureViewSpec) -> None:
        """Make a view; one that is there must say the same."""
        with _as_port(), self._cluster.publishing():
            group = self._group(view.group, view.group_version)
            check_view(view, group)
            columns = view_columns(view, group, with_labels=True)
            stored = self._view(view.name, view.version)
            if stored is None:
                self._cluster.transfer_once(
                    "create_view",
                    f"create the view {view.name}",
                    view=asdict(view),
                    columns=columns,
                )
            elif _meaning(stored, group) != _meaning(view, group):
                raise changed_view(view)

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
        with _as_port():
            view = self._view(name, version)
            if view is None:
                raise FeatureStoreError(
                    f"there is no feature view {name!r} version {version}; "
                    "create it first"
                )
            group = self._group(view.group, view.group_version)
            columns = view_columns(view, group, with_labels=with_labels)
            return self._read(group, columns, start, end, view=view)

    def _write(self, batch: Batch, superseded: pa.Table | None) -> Receipt:
        spec = batch.spec
        written = self._cluster.transfer(
            "write_group",
            f"write {spec.name} version {spec.version}",
            spec=asdict(spec),
            rows=str(batch.path),
            mode=self._cluster.address.write_mode,
        )
        commits = written["commits"]
        if superseded is not None:
            commits = self._remove(spec, superseded) + commits
        if written["job"] is not None:
            return _receipt(
                batch,
                rows_inserted=None,
                rows_updated=None,
                rows_removed=None,
                job_id=f"{written['job']['name']} {written['job']['execution']}",
            )
        return _receipt(
            batch,
            rows_inserted=sum(each["inserted"] for each in commits),
            rows_updated=sum(each["updated"] for each in commits),
            rows_removed=sum(each["removed"] for each in commits),
            commit_id=commits[0]["commit"] if commits else None,
        )

    def _superseded(self, batch: Batch) -> pa.Table | None:
        """Find rows whose key the batch gives another event time; None where none."""
        spec = batch.spec
        if spec.keeps_history:
            return None
        identity, keys = listed(spec.identity), list(spec.primary_key)
        there = self._read(spec.described(), spec.identity)
        same_key = " and ".join(f"there.{quoted(k)} = batch.{quoted(k)}" for k in keys)
        time = quoted(spec.event_time)
        with small_duckdb(batch.path.parent) as connection:
            connection.register("there", there)
            connection.read_parquet(str(batch.path)).create_view("batch")
            rows = connection.sql(
                f"select {identity} from there where exists (select 1 from batch "
                f"where {same_key} and there.{time} <> batch.{time})"
            ).to_arrow_table()
        return rows if rows.num_rows else None

    def _remove(self, spec: FeatureGroupSpec, rows: pa.Table) -> list[dict[str, Any]]:
        with _parquet(rows) as path:
            return self._cluster.transfer(
                "remove_rows",
                f"remove corrected rows of {spec.name} version {spec.version}",
                name=spec.name,
                version=spec.version,
                rows=str(path),
            )

    def _cannot_correct(
        self, spec: FeatureGroupSpec, rows: pa.Table
    ) -> FeatureStoreError:
        return FeatureStoreError(
            f"{spec.title}: {rows.num_rows} row(s) have another {spec.event_time} than "
            "before, and rows cannot be replaced through Kafka. Set "
            "HOPSWORKS_WRITE_MODE=delta, or publish as version "
            f"{spec.version + 1}. Nothing was written"
        )

    def _read(
        self,
        group: FeatureGroup,
        columns: Sequence[str] | None,
        start: dt.date | None = None,
        end: dt.date | None = None,
        as_of: dt.date | None = None,
        view: FeatureViewSpec | None = None,
    ) -> pa.Table:
        """Have the rows brought, and select of them as every store does."""
        identity = [*group.primary_key, group.event_time]
        shown = list(group.types) if columns is None else list(columns)
        with TemporaryDirectory(prefix="slutpris-read-") as scratch:
            target = Path(scratch) / "rows.parquet"
            query = selection(
                f"read_parquet({quoted_text(str(target))})",
                group.types,
                group.primary_key,
                group.event_time,
                columns=shown,
                start=start,
                end=end,
                as_of=as_of,
            )
            bounds = _bounds(group, start, end, as_of)
            if view is None:
                needed = list(dict.fromkeys([*identity, *shown]))
                found = self._bring_group(group, needed, bounds, target)
            else:
                found = self._bring_view(view, bounds, target)
            if not found:
                return _no_rows(group, shown)
            with small_duckdb(Path(scratch)) as connection:
                return connection.sql(query).to_arrow_table()

    def _bring_group(
        self,
        group: FeatureGroup,
        columns: list[str],
        bounds: dict[str, str | None],
        target: Path,
    ) -> int:
        return self._cluster.transfer(
            "read_group",
            f"read {group.name} version {group.version}",
            name=group.name,
            version=group.version,
            columns=columns,
            target=str(target),
            **bounds,
        )

    def _bring_view(
        self, view: FeatureViewSpec, bounds: dict[str, str | None], target: Path
    ) -> int:
        return self._cluster.transfer(
            "read_view",
            f"read the view {view.name} version {view.version}",
            name=view.name,
            version=view.version,
            target=str(target),
            **bounds,
        )

    def _stored(self, name: str, version: int) -> FeatureGroup | None:
        doing = f"look for {name} version {version}"
        found = self._cluster.ask("describe_group", doing, name=name, version=version)
        return None if found is None else _group(found)

    def _group(self, name: str, version: int) -> FeatureGroup:
        stored = self._stored(name, version)
        if stored is None:
            raise _no_group(name, version)
        return stored

    def _view(self, name: str, version: int) -> FeatureViewSpec | None:
        doing = f"look for the view {name} version {version}"
        found = self._cluster.ask("describe_view", doing, name=name, version=version)
        if found is None:
            return None
        columns = {key: tuple(found[key]) for key in ("features", "labels")}
        return FeatureViewSpec(**found | columns)

    def _last_digest(self, batch: Batch) -> str | None:
        """Give the digest of the batch written last, if its receipt is whole."""
        folder, numbers = self._receipts(batch.spec.name, batch.spec.version)
        if not numbers:
            return None
        text = self._cluster.ask(
            "read_text", "read the last receipt", path=f"{folder}/{numbers[-1]}.json"
        )
        try:
            return json.loads(text or "")["content_sha256"]
        except (ValueError, KeyError):
            return None  # broke off while it was kept: its write is repeated

    def _keep_receipt(self, receipt: Receipt) -> None:
        folder, numbers = self._receipts(receipt.name, receipt.version)
        number = numbers[-1] + 1 if numbers else 1
        text = json.dumps(
            receipt.metadata() | {"at": dt.datetime.now(dt.UTC)}, default=str
        )
        with TemporaryDirectory(prefix="slutpris-receipt-") as scratch:
            source = Path(scratch) / "receipt.json"
            source.write_text(text, encoding="utf-8")
            self._cluster.ask(
                "upload",
                "keep the receipt",
                source=str(source),
                path=f"{folder}/{number}.json",
            )
        for old in numbers[: 1 - RECEIPTS_KEPT]:
            self._cluster.ask("remove", "forget a receipt", path=f"{folder}/{old}.json")

    def _receipts(self, name: str, version: int) -> tuple[str, list[int]]:
        folder = f"{RECEIPTS}/{name}_{version}"
        found = self._cluster.ask("list_names", "list the receipts", path=folder)
        stems = (each.removesuffix(".json") for each in found)
        return folder, sorted(int(stem) for stem in stems if stem.isdecimal())


@contextmanager
def _as_port() -> Generator[None]:
    with raised_as(FeatureStoreError, FeatureStoreUnreachableError):
        yield


@contextmanager
def _parquet(rows: pa.Table) -> Generator[Path]:
    with TemporaryDirectory(prefix="slutpris-rows-") as scratch:
        path = Path(scratch) / "rows.parquet"
        pq.write_table(rows, path)
        yield path


def _receipt(
    batch: Batch, *, skipped: bool = False, **values: int | str | None
) -> Receipt:
    return Receipt(
        HopsworksFeatureStore.backend,
        batch.spec.name,
        batch.spec.version,
        batch.content_sha256,
        batch.row_count,
        batch.byte_count,
        skipped,
        **values,  # ty: ignore[invalid-argument-type]
    )


def _group(found: dict[str, Any]) -> FeatureGroup:
    found["primary_key"] = tuple(found["primary_key"])
    return FeatureGroup(**found)


def _no_group(name: str, version: int) -> FeatureStoreError:
    return FeatureStoreError(
        f"there is no feature group {name!r} version {version}; write it first"
    )


def _no_rows(group: FeatureGroup, columns: Sequence[str]) -> pa.Table:
    fields = [(name, ARROW_TYPES[group.types[name]]) for name in columns]
    return pa.schema(fields).empty_table()


def _bounds(
    group: FeatureGroup,
    start: dt.date | None,
    end: dt.date | None,
    as_of: dt.date | None,
) -> dict[str, str | None]:
    """Give the narrowest ``[start, end)`` that the cluster can be asked for.

    It compares dates by the day, and the client cuts times to whole seconds; what is
    brought too much is left out by the selection here.
    """
    is_date = group.types[group.event_time] == "date"
    step = dt.timedelta(days=1) if is_date else dt.timedelta(seconds=1)
    ends = [moment(each) for each in (end, as_of) if each is not None]
    return {
        "start": None if start is None else _whole_second(moment(start)),
        "end": _whole_second(min(ends) + step) if ends else None,
    }


def _whole_second(time: dt.datetime) -> str:
    return time.replace(microsecond=0).isoformat()


def moment(day: dt.date) -> dt.datetime:
    """Give a date's midnight, or the time itself."""
    if isinstance(day, dt.datetime):
        return day
    return dt.datetime.combine(day, dt.time())


def _meaning(view: FeatureViewSpec, group: FeatureGroup) -> tuple[Any, ...]:
    """What two views must agree in; keys and event time are part of every one."""
    columns = set(view.features) | {*group.primary_key, group.event_time}
    return (view.group, view.group_version, columns, set(view.labels))

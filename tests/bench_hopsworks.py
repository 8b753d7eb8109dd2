"""What publishing costs: rows of ``apartment_features`` and a model of 50 MB.

Run ``python tests/bench_hopsworks.py [ROWS …]``. Each measurement is a process of its
own: embedded, and the unmodified client against the protocol fake on this machine. So
the figures hold for our code and the client; a cluster and the way to it come on top.
"""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fake_hopsworks import FakeCluster
from hopsworks_cluster_under_test import address_of

from ml.embedded_feature_store import EmbeddedFeatureStore
from ml.feature_groups import ARROW_TYPES
from ml.folder_registry import FolderRegistry
from ml.hopsworks.cluster import Cluster
from ml.hopsworks.feature_store import HopsworksFeatureStore
from ml.hopsworks.registry import HopsworksRegistry
from ml.valuation.published_groups import APARTMENT_FEATURES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ml.feature_groups import Feature
    from ml.feature_store import FeatureStore
    from ml.registry import ModelRegistry

SIZES = (50_000, 200_000, 1_000_000)
BACKENDS = ("embedded", "delta", "stream")
Backend = Literal["embedded", "delta", "stream"]
ROWS_AT_ONCE = 100_000
MODEL_FILES, MODEL_FILE_BYTES = 5, 10_000_000
NULL_SHARE = 0.05
SEED = 6
LONGEST_S = 3 * 3600


def write_made_up_rows(count: int, path: Path) -> None:
    """A Parquet file of made-up rows in the schema of ``apartment_features``."""
    random = np.random.default_rng(SEED)
    with pq.ParquetWriter(path, _schema()) as writer:
        for start in range(0, count, ROWS_AT_ONCE):
            size = min(ROWS_AT_ONCE, count - start)
            writer.write_table(_rows(random, start, size))


def _schema() -> pa.Schema:
    features = APARTMENT_FEATURES.features
    return pa.schema([(each.name, ARROW_TYPES[each.type]) for each in features])


def _rows(random: np.random.Generator, start: int, size: int) -> pa.Table:
    columns: dict[str, pa.Array] = {}
    for feature in APARTMENT_FEATURES.features:
        if feature.name in APARTMENT_FEATURES.identity:
            continue
        missing = random.random(size) < NULL_SHARE
        values = _values(random, feature, size)
        kind = ARROW_TYPES[feature.type]
        columns[feature.name] = pa.array(values, kind, mask=missing)
    numbers = np.arange(start, start + size)
    columns["sale_id"] = pa.array([f"booli:{4_000_000 + each}" for each in numbers])
    days = np.datetime64("2012-01-01") + random.integers(0, 4000, size)
    columns["sold_date"] = pa.array(days, pa.date32())
    return pa.table({name: columns[name] for name in _schema().names}, _schema())


def _values(random: np.random.Generator, feature: Feature, size: int) -> np.ndarray:
    if feature.type == "boolean":
        return random.random(size) < 0.5
    if feature.type == "bigint":
        return random.integers(1_000_000, 20_000_000, size)
    if feature.type == "double":
        return random.normal(0, 1000, size)
    words = np.array([f"Åsögatan {each}"[: feature.max_length] for each in range(3000)])
    return words[random.integers(0, len(words), size)].astype(object)


@contextmanager
def opened(
    backend: Backend, folder: Path
) -> Iterator[tuple[FeatureStore, ModelRegistry, Callable[[], float]]]:
    """A feature store, a registry, and the peak memory of their worker (MiB)."""
    if backend == "embedded":
        store = EmbeddedFeatureStore(folder / "feature_store.duckdb")
        yield store, FolderRegistry(folder / "registry"), lambda: 0.0
        return
    with FakeCluster(folder / "cluster", kafka=backend == "stream") as fake:
        address = address_of(
            fake,
            folder,
            write_mode=backend,
            deadline_s=600,
            transfer_deadline_s=LONGEST_S,
        )
        cluster = Cluster(address)
        try:
            yield (
                HopsworksFeatureStore(cluster),
                HopsworksRegistry(cluster),
                lambda: _worker_peak_mib(cluster),
            )
        finally:
            cluster.close()


def measure_rows(backend: Backend, file: Path, folder: Path) -> dict[str, Any]:
    """Seconds and peak memory of publishing a file, twice, and of fetching it."""
    rows = pq.ParquetFile(file).metadata.num_rows
    result: dict[str, Any] = {"backend": backend, "rows": rows}
    with opened(backend, folder) as (store, _, worker_peak):
        first_s, receipt = _timed(lambda: store.write(APARTMENT_FEATURES, file))
        assert not receipt.skipped
        result |= _speed("publish", first_s, rows, worker_peak())
        again_s, receipt = _timed(lambda: store.write(APARTMENT_FEATURES, file))
        assert receipt.skipped
        result["again_s"] = round(again_s, 2)
    with opened(backend, folder) as (store, _, worker_peak):
        fetch_s, table = _timed(lambda: store.read(APARTMENT_FEATURES.name, 1))
        assert table.num_rows == rows
        result |= _speed("fetch", fetch_s, rows, worker_peak())
    return result


def measure_model(backend: Backend, folder: Path) -> dict[str, Any]:
    """Seconds of publishing a model folder, twice, and of fetching it."""
    model = folder / "model"
    model.mkdir()
    random = np.random.default_rng(SEED)
    for number in range(MODEL_FILES):
        (model / f"{number}.bin").write_bytes(random.bytes(MODEL_FILE_BYTES))
    about: dict[str, Any] = {"metrics": {"mape_pct": 7.0}, "lineage": {}}
    about |= {"input_schema": {"rooms": "double"}, "input_example": {"rooms": 2.0}}
    with opened(backend, folder) as (_, registry, worker_peak):
        publish_s, made = _timed(lambda: registry.register("bench", model, **about))
        again_s, same = _timed(lambda: registry.register("bench", model, **about))
        fetch_s, _ = _timed(lambda: registry.fetch("bench", 1, folder / "copy"))
        assert made.is_new
        assert not same.is_new
        return {
            "backend": backend,
            "model_mb": MODEL_FILES * MODEL_FILE_BYTES / 1e6,
            "publish_s": round(publish_s, 2),
            "again_s": round(again_s, 2),
            "fetch_s": round(fetch_s, 2),
            "own_mib": _own_peak_mib(),
            "worker_mib": worker_peak(),
        }


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    done = work()
    return time.perf_counter() - start, done


def _speed(what: str, seconds: float, rows: int, worker_mib: float) -> dict[str, Any]:
    return {
        f"{what}_s": round(seconds, 2),
        f"{what}_rows_per_s": round(rows / seconds),
        f"{what}_own_mib": _own_peak_mib(),
        f"{what}_worker_mib": worker_mib,
    }


def _own_peak_mib() -> float:
    """The peak of this process until now: that of fetching includes publishing's."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _worker_peak_mib(cluster: Cluster) -> float:
    worker = cluster._worker
    assert worker is not None
    status = Path(f"/proc/{worker._process.pid}/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return round(int(peak.split()[1]) / 1024)


def bench_rows(sizes: tuple[int, ...], say: Callable[[dict[str, Any]], None]) -> None:
    """Measure every size by every backend; last the slopes, of log time on log rows."""
    found: dict[str, list[dict[str, Any]]] = {each: [] for each in BACKENDS}
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="slutpris-bench-") as folder:
            file = Path(folder) / "rows.parquet"
            write_made_up_rows(size, file)
            for backend in BACKENDS:
                found[backend].append(_apart("rows", backend, str(file)))
                say(found[backend][-1])
    for backend, results in found.items():
        if len(results) > 1:
            say({"backend": backend} | _slopes(results[0], results[-1]))


def _slopes(first: dict[str, Any], last: dict[str, Any]) -> dict[str, float]:
    growth = math.log(last["rows"] / first["rows"])
    return {
        f"{what}_slope": round(math.log(last[what] / first[what]) / growth, 2)
        for what in ("publish_s", "fetch_s")
    }


def _apart(*arguments: str) -> dict[str, Any]:
    """Measure in a process of its own, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="slutpris-bench-") as folder:
        command = [sys.executable, __file__, "--measure", folder, *arguments]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def _say(result: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Print a JSON line per measurement, or make the one that is asked for."""
    arguments = sys.argv[1:]
    if arguments[:1] != ["--measure"]:
        sizes = tuple(int(each) for each in arguments) or SIZES
        bench_rows(sizes, _say)
        for backend in ("embedded", "delta"):
            _say(_apart("model", backend))
        return
    folder, what, backend, *file = arguments[1:]
    assert backend in BACKENDS
    if what == "rows":
        _say(measure_rows(backend, Path(file[0]), Path(folder)))
    else:
        _say(measure_model(backend, Path(folder)))


if __name__ == "__main__":
    main()

"""Steps done with the client itself, in its worker: logging in, looking, writing.

What a trial writes is called ``slutpris_check`` and is removed again, also when the
trial fails. What belongs here: trials through our own ports, as publishing does it.
"""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pyarrow as pa

from ml.feature_groups import Feature, FeatureGroupSpec
from ml.hopsworks.errors import AGAIN, HopsworksError
from ml.hopsworks.feature_store import RECEIPTS, HopsworksFeatureStore
from ml.hopsworks.preflight.outcomes import NotWellError
from ml.hopsworks.preflight.questions import CHECK_NAME
from ml.hopsworks.registry import HopsworksRegistry
from ml.hopsworks.shared_files import DIGEST, FILES, HopsworksFiles
from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ml.hopsworks.cluster import Cluster
    from ml.hopsworks.preflight.findings import Findings

CHECK_GROUP = FeatureGroupSpec(
    name=CHECK_NAME,
    version=1,
    description="Written and removed by python -m ml.hopsworks check.",
    primary_key=("check_id",),
    event_time="checked_at",
    features=(
        Feature("check_id", "bigint"),
        Feature("checked_at", "timestamp"),
        Feature("street", "string", 40),
        Feature("rooms", "double"),
    ),
)
LEFT = f"Something called {CHECK_NAME} may be left in the project; remove it by hand"
CHECK_FILE = f"{CHECK_NAME}.txt"


def log_in(findings: Findings) -> str:
    """Log in with the client, and look at groups, models and files as it shows them."""
    try:
        findings.survey = survey(findings.known_cluster)
    except HopsworksError as error:
        raise _in_words(error) from error
    counts = ", ".join(
        f"{what} {len(found)}" for what, found in findings.survey.items()
    )
    return f"logs in and reads (three of each at most): {counts}"


def survey(cluster: Cluster) -> dict[str, list[str]]:
    """Have the client look at some of what is there, always in the same order."""
    return cluster.ask("survey", "look around")


def try_group(findings: Findings) -> str:
    """Write a feature group, read it back, remove it."""
    cluster = findings.known_cluster
    store, rows = HopsworksFeatureStore(cluster), _rows()
    with _trial(cluster, _remove_group):
        _remove_group(cluster)  # what a check that was killed has left
        receipt = store.write(CHECK_GROUP, rows)
        if not store.read(CHECK_NAME, 1).equals(rows):
            raise NotWellError(
                "the rows that came back are not those that were written",
                "run this again with --record, and send us the recording",
            )
    by = f"job {receipt.job_id}" if receipt.job_id else f"commit {receipt.commit_id}"
    return f"wrote {rows.num_rows} rows ({by}), read them back, removed them"


def try_file(findings: Findings) -> str:
    """Keep a file, fetch it, remove it."""
    cluster = findings.known_cluster
    files = HopsworksFiles(cluster)
    with _trial(cluster, _remove_file), TemporaryDirectory() as scratch:
        path = Path(scratch) / CHECK_FILE
        path.write_text(f"{dt.datetime.now(dt.UTC)}: räksmörgås\n", encoding="utf-8")
        receipt = files.put(path, CHECK_FILE)
        files.get(CHECK_FILE, Path(scratch) / "back")
    return f"kept {receipt.byte_count} bytes, fetched the same, removed them"


def try_model(findings: Findings) -> str:
    """Register a model, fetch it, remove it."""
    cluster = findings.known_cluster
    registry = HopsworksRegistry(cluster)
    with _trial(cluster, _remove_model), TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        folder.mkdir()
        (folder / "weights.txt").write_text("no weights", encoding="utf-8")
        registered = registry.register(
            CHECK_NAME,
            folder,
            metrics={"mape_pct": 1.0},
            lineage={"made_by": "python -m ml.hopsworks check"},
            input_schema={"rooms": "double"},
            input_example={"rooms": 2.0},
        )
        number = registered.version.version
        registry.fetch(CHECK_NAME, number, Path(scratch) / "back")
    return f"registered version {number}, fetched the same, removed it"


def _rows() -> pa.Table:
    types = {"check_id": pa.int64(), "checked_at": pa.timestamp("us")}
    types |= {"street": pa.string(), "rooms": pa.float64()}
    now = dt.datetime.now(dt.UTC).replace(microsecond=0, tzinfo=None)
    return pa.table(
        {
            "check_id": [1, 2, 3],
            "checked_at": [now] * 3,
            "street": ["Åsögatan", "Östermalmstorg", None],
            "rooms": [1.5, None, 3.0],
        },
        schema=pa.schema(list(types.items())),
    )


def _remove_group(cluster: Cluster) -> None:
    doing = f"remove the feature group {CHECK_NAME}"
    cluster.ask("delete_group", doing, name=CHECK_NAME, version=1)
    cluster.ask("remove", doing, path=f"{RECEIPTS}/{CHECK_NAME}_1")


def _remove_file(cluster: Cluster) -> None:
    for name in (f"{CHECK_FILE}{DIGEST}", CHECK_FILE):
        cluster.ask("remove", f"remove the file {CHECK_FILE}", path=f"{FILES}/{name}")


def _remove_model(cluster: Cluster) -> None:
    doing = f"remove the model {CHECK_NAME}"
    for each in cluster.ask("list_models", doing, name=CHECK_NAME):
        cluster.ask("delete_model", doing, name=CHECK_NAME, version=each["version"])
    cluster.ask("remove", doing, path=f"Models/{CHECK_NAME}")


@contextmanager
def _trial(cluster: Cluster, remove: Callable[[Cluster], None]) -> Generator[None]:
    """Tell a failure as a step does, and remove what was written in any case."""
    failure = None
    try:
        yield
    except SlutprisError as error:
        failure = _in_words(error)
    except NotWellError as error:
        failure = error
    left = _left_behind(cluster, remove)
    if failure is not None:
        to_do = f"{failure.to_do}. {LEFT}" if left else failure.to_do
        raise NotWellError(failure.why, to_do)
    if left:
        raise NotWellError(f"it works, but cannot be removed again: {left.why}", LEFT)


def _left_behind(
    cluster: Cluster, remove: Callable[[Cluster], None]
) -> NotWellError | None:
    try:
        remove(cluster)
    except HopsworksError as error:
        return _in_words(error)
    return None


def _in_words(error: SlutprisError) -> NotWellError:
    """Part an error of our ports into why, and what to do."""
    why, _, what = str(error).removesuffix(f". {AGAIN}").partition(": ")
    return NotWellError(why, what or "run this again")

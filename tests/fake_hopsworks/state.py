"""What the fake cluster remembers, in a folder.

Metadata is one JSON file, replaced whole after every request that may have changed it;
datasets and Delta tables are folders beside it. No HTTP here.
"""

from __future__ import annotations

import json
import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fake_hopsworks.faults import FaultPlan
    from fake_hopsworks.kafka import Broker
    from fake_hopsworks.tls import Certificates

DATASETS = ("Models", "Resources", "Logs", "Jupyter")
PROJECT_ID = 119
FEATURE_STORE_ID = 67
USER_ID = 10000


@dataclass
class Metadata:
    """Everything but bytes: kept as the client sent it, with what a server adds."""

    next_id: int = 1000
    feature_groups: list[dict[str, Any]] = field(default_factory=list)
    commits: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    statistics: list[dict[str, Any]] = field(default_factory=list)
    feature_views: list[dict[str, Any]] = field(default_factory=list)
    training_datasets: list[dict[str, Any]] = field(default_factory=list)
    models: list[dict[str, Any]] = field(default_factory=list)
    tags: dict[str, dict[str, Any]] = field(default_factory=dict)
    executions: list[dict[str, Any]] = field(default_factory=list)

    def new_id(self) -> int:
        """An id that no other thing has."""
        self.next_id += 1
        return self.next_id


@dataclass
class State:
    """The cluster's memory: its folder, its metadata, its names and secrets."""

    root: Path
    project: str
    user: str
    api_key: str
    address: str
    port: int
    certificates: Certificates
    faults: FaultPlan
    broker: Broker | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)
    metadata: Metadata = field(default_factory=Metadata)

    @property
    def datasets(self) -> Path:
        """The folder that holds the project's datasets."""
        return self.root / "Projects" / self.project

    @property
    def password(self) -> str:
        """The password of the key stores."""
        return "fake-store-password"

    @property
    def store_name(self) -> str:
        """The feature store's name."""
        return f"{self.project}_featurestore"

    def table_location(self, group: dict[str, Any]) -> str:
        """Where the client writes a feature group's Delta table: a file: address."""
        folder = self.root / "warehouse" / f"{group['name']}_{group['version']}"
        return folder.as_uri()

    def load(self) -> None:
        """Read what an earlier run left, and make the project's datasets."""
        for name in DATASETS:
            (self.datasets / name).mkdir(parents=True, exist_ok=True)
        path = self.root / "metadata.json"
        if path.is_file():
            self.metadata = Metadata(**json.loads(path.read_text()))
        for execution in self.metadata.executions:
            if execution["finalStatus"] == "UNDEFINED":
                execution |= {"state": "KILLED", "finalStatus": "KILLED"}

    def empty(self) -> None:
        """Forget everything but the ids that were given; nothing gets one of them."""
        with self.lock:
            for name in ("Projects", "warehouse", "uploads"):
                shutil.rmtree(self.root / name, ignore_errors=True)
            self.metadata = Metadata(next_id=self.metadata.next_id)
            self.save()
            self.load()

    def save(self) -> None:
        """Replace the metadata on disk by what is in memory."""
        with self.lock:
            written = self.root / "metadata.json.new"
            written.write_text(json.dumps(vars(self.metadata)))
            written.replace(self.root / "metadata.json")


def table_folder(location: str) -> Path:
    """The folder of a file: address."""
    return Path(location.removeprefix("file://"))

"""Where Dagster keeps its own state, and how it notices that a run's process is gone.

What belongs here: the classes that ``dagster.yaml`` names. What does not: what a run
does, and when (``defs``).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dagster import DagsterEventType, DefaultRunLauncher
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.root import LocalArtifactStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dagster import DagsterInstance, DagsterRun
    from dagster._config.config_schema import UserConfigSchema
    from dagster._serdes import ConfigurableClassData


class DataFolderStorage(DagsterSqliteStorage):
    """Runs, events and schedules in the data folder, wherever that is."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """Nothing: the settings say where."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """Open it."""
        del config_value
        return cls.from_local(str(Settings().dagster_home), inst_data)


class DataFolderArtifacts(LocalArtifactStorage):
    """What steps keep for each other, in the data folder."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """Nothing: the settings say where."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """Open it."""
        del config_value
        return cls(str(Settings().dagster_home), inst_data)


class DataFolderComputeLogs(LocalComputeLogManager):
    """What steps print, in the data folder."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """Nothing: the settings say where."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """Open it."""
        del config_value
        folder = Settings().dagster_home / "storage"
        return cls(base_dir=str(folder), inst_data=inst_data)


class WatchedRunLauncher(DefaultRunLauncher):
    """The default launcher, and a look whether a run's process is still there.

    Daemon and runs must be on one machine, or in one container, as they are when the
    daemon launches them: a process is looked up by its number.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        """It does."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Tell whether the process that started the run is still there."""
        pid = worker_of(self._instance, run.run_id)
        if pid is None or is_alive(pid):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        message = (
            f"its process {pid} is gone: killed, out of memory, or the machine "
            "stopped. What had landed is kept; run it again"
        )
        return CheckRunHealthResult(WorkerStatus.FAILED, message)


def worker_of(instance: DagsterInstance, run_id: str) -> int | None:
    """Give the number of a run's process; None when it has not said yet.

    A run that is executed here (``dg launch``) says so as one in a process of its own.
    """
    entries = instance.all_logs(run_id, of_type=DagsterEventType.ENGINE_EVENT)
    for entry in reversed(entries):
        event = entry.dagster_event
        pid = event.engine_event_data.metadata.get("pid") if event else None
        if pid is not None:
            return int(str(pid.value))
    return None


def is_alive(pid: int) -> bool:
    """Tell whether a process of our Python has this number and is no zombie.

    The number of a process that ended is given to others; when it started would tell
    them apart too, but not across a jump of the clock.
    """
    if not Path("/proc/self/stat").exists():  # not Linux
        return _is_taken(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        program = Path(f"/proc/{pid}/exe").resolve(strict=True)
    except PermissionError:
        return True
    except OSError:
        return False
    state = stat.rpartition(")")[2].split()[0]
    return state not in "ZX" and program == Path(sys.executable).resolve()


def _is_taken(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

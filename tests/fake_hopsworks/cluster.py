"""What a test holds: a cluster that starts, stops, breaks to order, and logs."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType

    from fake_hopsworks.faults import Fault

TESTS = Path(__file__).resolve().parents[1]
START_S = 60
API_KEY = "fAkeKey0.5ecretPartOfTheKeyThatMustNeverBeLogged"


@dataclass(frozen=True)
class Request:
    """One request as the cluster saw it: decoded path and query, never a key."""

    method: str
    path: str
    status: int
    seconds: float
    authorized: bool
    known: bool
    fault: str | None


class FakeCluster:
    """A fake Hopsworks cluster in a process of its own.

    Parameters
    ----------
    root
        Folder of its state; a cluster started on the same folder goes on from there.
    project, api_key
        The only project there is, and the only key that is right.
    kafka
        Whether it has a broker; starting is quicker without.

    Examples
    --------
    >>> with FakeCluster(tmp_path) as cluster:
    ...     cluster.faults.add(Fault("503", "POST", "/commits$", times=1))
    """

    def __init__(
        self,
        root: Path,
        *,
        project: str = "sthlm",
        api_key: str = API_KEY,
        kafka: bool = True,
    ) -> None:
        self.root = Path(root)
        self.project = project
        self.api_key = api_key
        self.faults = Faults(self)
        self._kafka = kafka
        self._address: str | None = None
        self._port = 0
        self._process: subprocess.Popen[str] | None = None
        self._earlier: list[Request] = []
        self._one_order = threading.Lock()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def host(self) -> str:
        """The loopback address it listens on, its own among running fakes."""
        assert self._address is not None, "the cluster was never started"
        return self._address

    @property
    def port(self) -> int:
        """The port of its REST interface; Flight is on 5005 of the same address."""
        return self._port

    @property
    def ca_path(self) -> Path:
        """The certificate that a client must trust."""
        return self.root / "certificates" / "ca.pem"

    @property
    def datasets(self) -> Path:
        """The folder where the project's datasets lie, to look at or to damage."""
        return self.root / "Projects" / self.project

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None

    def start(self) -> None:
        """Start the process and wait until it answers; the same address as before."""
        assert self._process is None, "the cluster is running"
        self.root.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fake_hopsworks"],
            cwd=TESTS,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        settings = {
            "root": str(self.root.resolve()),
            "project": self.project,
            "api_key": self.api_key,
            "kafka": self._kafka,
            "address": self._address,
        }
        answer = self.order(**settings)
        self._address, self._port = answer["address"], answer["port"]

    def stop(self) -> None:
        """End the process; its state stays in the folder."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._earlier = self.requests()
            self.order(do="stop")
        self.kill()

    def kill(self) -> None:
        """End the process at once, as a crash would."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def reset(self) -> None:
        """Make it as it was at first: running, empty, without faults or requests.

        A client that is logged in stays so.
        """
        if self._process is None:
            self.start()
        self._earlier = []
        self.order(do="reset")

    def env(self, write_mode: str = "delta") -> dict[str, str]:
        """The environment by which this project, or the bare client, finds it."""
        return {
            "FEATURE_BACKEND": "hopsworks",
            "HOPSWORKS_HOST": self.host,
            "HOPSWORKS_PORT": str(self.port),
            "HOPSWORKS_PROJECT": self.project,
            "HOPSWORKS_API_KEY": self.api_key,
            "HOPSWORKS_TRUST_STORE_PATH": str(self.ca_path),
            "HOPSWORKS_HOSTNAME_VERIFICATION": "true",
            "HOPSWORKS_WRITE_MODE": write_mode,
        }

    def requests(self) -> list[Request]:
        """Every request since the cluster was made, or since `forget`."""
        if self._process is None:
            return list(self._earlier)
        now = [Request(**each) for each in self.order(do="requests")]
        return self._earlier + now

    def unknown_requests(self) -> list[Request]:
        """Requests for which the fake has no route: none may come of a test."""
        return [each for each in self.requests() if not each.known]

    def forget(self) -> None:
        """Empty the log of requests."""
        self._earlier = []
        self.order(do="forget")

    def order(self, **message: Any) -> Any:
        """Tell the process something and wait for its answer."""
        process = self._process
        assert process is not None, "the cluster is not running"
        assert process.stdin is not None
        assert process.stdout is not None
        with self._one_order:
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()
            ready, _, _ = select.select([process.stdout], [], [], START_S)
            line = process.stdout.readline() if ready else ""
        if not line:
            self.kill()
            raise RuntimeError(f"The fake cluster in {self.root} gave no answer.")
        return json.loads(line)


class Faults:
    """The faults of a running cluster."""

    def __init__(self, cluster: FakeCluster) -> None:
        self._cluster = cluster

    def add(self, fault: Fault) -> None:
        """Put a fault in force; of several that match, the first added wins."""
        self._cluster.order(do="add", fault=fault.as_message())

    def clear(self) -> None:
        """Lift all faults and let go of what stalls."""
        self._cluster.order(do="clear")


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    # The tests' folder holds the package; no proxy stands between loopback addresses.
    return kept | {"PYTHONPATH": str(TESTS), "PYTHONUNBUFFERED": "1"}

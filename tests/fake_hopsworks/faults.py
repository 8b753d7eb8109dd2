"""Faults a test can inject: what they are, and which request each one meets.

No HTTP and no Flight here: `routing` and `flight` act the faults out.
"""

from __future__ import annotations

import re
import threading
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

Kind = Literal[
    "401",
    "404",
    "404_other",
    "404_html",
    "503",
    "error",
    "stall",
    "trickle",
    "truncate",
    "race",
    "gone",
    "flight_unavailable",
    "flight_stall",
    "flight_cut",
    "broker_down",
    "broker_stall",
]


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Attributes
    ----------
    kind
        `401`: as for a wrong key. `404`: with the error code by which the client knows
        "not found". `404_other`: JSON with another code. `404_html`: a proxy's page.
        `503`: a proxy's page. `error`: `status` and `code` as given.
        `stall`: no answer until the client goes away, or for `seconds`.
        `trickle`: the answer's body at `bytes_per_second`.
        `truncate`: the connection closes after `fraction` of the promised body.
        `race`: another publisher does the same thing just before this request.
        `gone`: the folder in which the file of this request lies is removed just
        before it.
        `flight_unavailable`, `flight_stall`, `flight_cut`: the query service refuses,
        never answers, or breaks off after the first batch; `path` is matched against
        `/healthcheck`, `/get_flight_info`, `/do_get` and so on.
        `broker_down`, `broker_stall`: the Kafka address the client is given refuses, or
        accepts and never answers.
    method
        GET, PUT ...; `*` is any.
    path
        A regular expression searched in the decoded path and query after
        `/hopsworks-api/api`: `/project/119/dataset/Models/m/1?action=create`.
    times
        How many requests meet it; None is all.
    after
        How many matching requests are let through first.
    work_done
        The server does what was asked, and only its answer is lost. Holds for errors
        and `stall`.
    status, code
        Of kind `error`.
    seconds, bytes_per_second, fraction
        Of kinds `stall`, `trickle`, `truncate`.
    """

    kind: Kind
    method: str = "*"
    path: str = ".*"
    times: int | None = None
    after: int = 0
    work_done: bool = False
    status: int = 500
    code: int = 120000
    seconds: float | None = None
    bytes_per_second: int = 1000
    fraction: float = 0.5

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"{self.kind!r} is no kind of fault; use {get_args(Kind)}")
        re.compile(self.path)

    def as_message(self) -> dict[str, Any]:
        """The fault as JSON for the server process."""
        return asdict(self)

    @property
    def surface(self) -> str:
        """Where it is acted out: http, flight or broker."""
        prefix = self.kind.partition("_")[0]
        return prefix if prefix in ("flight", "broker") else "http"


class FaultPlan:
    """The faults in force; safe to ask from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._met: list[int] = []
        self._generation = 0

    def add(self, fault: Fault) -> None:
        """Put a fault in force."""
        with self._lock:
            self._faults.append(fault)
            self._met.append(0)

    def clear(self) -> None:
        """Lift every fault, and let go of what stalls."""
        with self._lock:
            self._faults, self._met = [], []
            self._generation += 1

    @property
    def generation(self) -> int:
        """Grows when the faults are lifted; a stall ends when it has changed."""
        return self._generation

    def meet(self, surface: str, method: str, path: str) -> Fault | None:
        """The fault this request meets, if any; the first one added wins."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if fault.surface == surface and _matches(fault, method, path):
                    self._met[index] += 1
                    if _in_turn(fault, self._met[index]):
                        return fault
        return None


def _matches(fault: Fault, method: str, path: str) -> bool:
    return fault.method in ("*", method) and re.search(fault.path, path) is not None


def _in_turn(fault: Fault, met: int) -> bool:
    turn = met - fault.after
    return turn > 0 and (fault.times is None or turn <= fault.times)

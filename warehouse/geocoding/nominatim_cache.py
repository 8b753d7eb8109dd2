"""What a Nominatim server has answered, kept, and when it was last asked.

What belongs here: one SQLite file, which several processes may use at once (DuckDB
has one writer). What does not: requests, and what an answer means.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from warehouse.errors import SlutprisError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path

_TABLES = """
create table if not exists answers (
    server text not null, query text not null, data_version text not null,
    answered_s real not null, body text not null, primary key (server, query)
);
create table if not exists requests (server text primary key, last_s real not null);
"""
_DAY_S = 86_400
_WAIT_S = 30


class NominatimCache:
    """Answers by server and query; a miss is an answer too, the empty list.

    Parameters
    ----------
    path
        Of the file; made where it is missing.
    server
        The root URL of the server that answers.

    Raises
    ------
    SlutprisError
        From every method, when the file cannot be read or written.
    """

    def __init__(self, path: Path, server: str) -> None:
        self._path = path
        self._server = server
        # Every thread of the client takes its turn in asking when it may ask.
        self._lock = Lock()
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(
                path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False
            )
            self._use_a_write_ahead_log()
            self._file.execute("pragma synchronous = normal")
            self._file.executescript(_TABLES)

    def _use_a_write_ahead_log(self) -> None:
        # The one statement for which SQLite waits for no other process.
        give_up_s = time.monotonic() + _WAIT_S
        while True:
            try:
                self._file.execute("pragma journal_mode = wal")
            except sqlite3.OperationalError:
                if time.monotonic() > give_up_s:
                    raise
                time.sleep(0.02)
            else:
                return

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def known(
        self, queries: Iterable[str], data_version: str, days: float
    ) -> dict[str, tuple[str, str]]:
        """Body and data version by query, of the queries that need no asking.

        An answer holds while the server's data are the same, and for `days` days
        (from when it was given) after they have changed.
        """
        oldest_s = time.time() - days * _DAY_S
        select = (
            "select body, data_version from answers where server = ? and query = ? "
            "and (data_version = ? or answered_s > ?)"
        )
        found = {}
        with self._explained():
            for query in queries:
                values = (self._server, query, data_version, oldest_s)
                if row := self._file.execute(select, values).fetchone():
                    found[query] = row
        return found

    def keep(self, query: str, body: str, data_version: str) -> None:
        """Keep one answer, in place of an older one."""
        with self._explained():
            self._file.execute(
                "insert or replace into answers values (?, ?, ?, ?, ?)",
                (self._server, query, data_version, time.time(), body),
            )

    def seconds_until_free(self, interval_s: float) -> float:
        """Take the turn to ask, and return 0; or how long to wait before trying again.

        Turns lie at least `interval_s` seconds apart, whichever process takes them.
        """
        with self._explained():
            self._file.execute("begin immediate")
            row = self._file.execute(
                "select last_s from requests where server = ?", (self._server,)
            ).fetchone()
            wait_s = row[0] + interval_s - time.time() if row else 0
            if wait_s <= 0:
                self._asked_now()
            self._file.execute("commit")
        # A clock that was set back must not stop the work for as long.
        return min(max(wait_s, 0), interval_s)

    def asked(self) -> None:
        """Count the pause to the next turn from now."""
        with self._explained():
            self._asked_now()

    def _asked_now(self) -> None:
        self._file.execute(
            "insert or replace into requests values (?, ?)",
            (self._server, time.time()),
        )

    @contextmanager
    def _explained(self) -> Generator[None]:
        try:
            with self._lock:
                yield
        except (sqlite3.Error, OSError) as error:
            raise SlutprisError(
                f"{self._path}, the answers of Nominatim, cannot be used: {error}; "
                "remove it (its answers are asked for again), or set SLUTPRIS_DATA "
                "to a folder you may write to"
            ) from error

"""A real Nominatim of the test's own: cluster, import and server, gone afterwards.

Its programs are GPL and stay programs: they run in processes of their own, from an
environment of their own (``tests/nominatim-requirements.txt``), and are never imported.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT_ROOT = Path(__file__).resolve().parents[1]
SAMPLE = PROJECT_ROOT / "tests" / "samples" / "two_towns.osm"
DATA_DATE = "2026-01-31T12:00:00+00:00"
"""Which data the server says it answers from."""

_START_S = 60


@dataclass(frozen=True)
class Programs:
    """Where the programs of a Nominatim are.

    `environment` is the folder of the virtual environment that holds `nominatim`,
    `uvicorn` and geopy: ``NOMINATIM_ENVIRONMENT``, else ``.nominatim`` in the project.
    """

    environment: Path
    postgres: Path
    osm2pgsql: Path

    def environment_program(self, name: str) -> str:
        return str(self.environment / "bin" / name)


def find_programs() -> Programs | str:
    """The programs, or what is missing, as the reason of a skip."""
    environment = Path(
        os.environ.get("NOMINATIM_ENVIRONMENT", PROJECT_ROOT / ".nominatim")
    )
    clusters = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = clusters[-1] if clusters else shutil.which("initdb")
    osm2pgsql = shutil.which("osm2pgsql")
    missing = [
        name
        for name, found in (
            (f"{environment}/bin/nominatim", (environment / "bin/nominatim").exists()),
            ("PostgreSQL's initdb", initdb),
            ("osm2pgsql", osm2pgsql),
        )
        if not found
    ]
    if missing or not initdb or not osm2pgsql:
        return (
            f"needs a Nominatim, of which {', '.join(missing)} is not here; "
            ".ci/run shows how it is installed"
        )
    return Programs(environment, Path(initdb).parent, Path(osm2pgsql))


@contextmanager
def running_nominatim(
    programs: Programs, folder: Path, extract: Path = SAMPLE
) -> Iterator[str]:
    """Import an extract, serve it on loopback, and give the server's address."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        port = stack.enter_context(_cluster(programs))
        project = folder / "project"
        project.mkdir()
        (project / ".env").write_text(
            f"NOMINATIM_DATABASE_DSN=pgsql:dbname=nominatim;host=127.0.0.1;port={port};"
            "user=postgres\n"
            "NOMINATIM_DATABASE_WEBUSER=www-data\n"
            f"NOMINATIM_OSM2PGSQL_BINARY={programs.osm2pgsql}\n",
            encoding="utf-8",
        )
        _import(programs, project, extract, port)
        yield stack.enter_context(_server(programs, project))


@contextmanager
def _cluster(programs: Programs) -> Iterator[int]:
    """A PostgreSQL of its own, on a free port of loopback, without fsync."""
    with ExitStack() as stack:
        # Not in the test's folder: PostgreSQL's user must reach it.
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="nominatim-")))
        run = partial(_run, cwd=folder, **_lower_rights(folder))
        cluster = folder / "cluster"
        initdb = programs.postgres / "initdb"
        run([initdb, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-D", cluster])
        port = free_port()
        settings = (
            f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
            " -c fsync=off -c jit=off -c max_connections=40"
        )
        control = [programs.postgres / "pg_ctl", "-D", cluster, "-w"]
        run([*control, "-l", folder / "log", "-o", settings, "start"])
        stack.callback(run, [*control, "-m", "immediate", "stop"])
        yield port


def _lower_rights(folder: Path) -> dict[str, object]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    shutil.chown(folder, "postgres", "postgres")
    return {"user": "postgres", "group": "postgres", "extra_groups": []}


def _import(programs: Programs, project: Path, extract: Path, port: int) -> None:
    psql = [programs.postgres / "psql", "-h", "127.0.0.1", "-p", str(port)]
    _run([*psql, "-U", "postgres", "-c", 'create user "www-data"'])
    _run(
        [
            programs.environment_program("nominatim"),
            *("import", "--osm-file", extract, "--project-dir", project),
            *("--offline", "--osm2pgsql-cache", "50", "-j", "2"),
        ],
        env=_environment(programs),
    )
    # A made-up extract has no date; one of OpenStreetMap brings its own.
    _run(
        [
            *(*psql, "-U", "postgres", "-d", "nominatim", "-c"),
            "insert into import_status (lastimportdate, indexed) "
            f"values ('{DATA_DATE}', true)",
        ]
    )


@contextmanager
def _server(programs: Programs, project: Path) -> Iterator[str]:
    port = free_port()
    with (project / "server.log").open("w") as log:
        process = subprocess.Popen(
            [
                programs.environment_program("uvicorn"),
                *("--host", "127.0.0.1", "--port", str(port), "--factory"),
                "nominatim_api.server.falcon.server:run_wsgi",
            ],
            cwd=project,
            env=_environment(programs),
            stdout=log,
            stderr=log,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_until_served(process, address, project / "server.log")
            yield address
        finally:
            process.terminate()
            process.wait(timeout=_START_S)


def _wait_until_served(
    process: subprocess.Popen[bytes], address: str, log: Path
) -> None:
    give_up = time.monotonic() + _START_S
    while time.monotonic() < give_up and process.poll() is None:
        try:
            with urlopen(f"{address}/status?format=json", timeout=5):
                return
        except URLError:
            time.sleep(0.1)
    raise AssertionError(f"Nominatim does not answer: {log.read_text()[-2000:]}")


def _environment(programs: Programs) -> dict[str, str]:
    # psql and the environment's own programs are looked for on PATH.
    path = f"{programs.environment / 'bin'}:{programs.postgres}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "NO_PROXY": "127.0.0.1"}


def _run(command: list[str | Path], **options: object) -> None:
    done = subprocess.run(  # type: ignore[call-overload]
        list(map(str, command)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **options,
    )
    assert done.returncode == 0, done.stdout.decode()[-3000:]


def free_port() -> int:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]

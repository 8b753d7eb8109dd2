"""What deploy/ and compose.yaml say, held against the code, and started for real."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from warehouse.backup.__main__ import _parser
from warehouse.settings import PROJECT_ROOT, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = Path(sys.executable).parent
UNITS = PROJECT_ROOT / "deploy" / "systemd"
SERVICES = ("webserver", "daemon", "dashboards")
PORTS = {"webserver": "3000", "dashboards": "5006"}
HARDENED = {
    "User=slutpris",
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "CapabilityBoundingSet=",
    "EnvironmentFile=/etc/slutpris/slutpris.env",
}
NOT_OURS = {
    "OMP_WAIT_POLICY",
    "PANEL_BASIC_AUTH",
    "PANEL_COOKIE_SECRET",
    "BOKEH_ALLOW_WS_ORIGIN",
}
"""Variables that libraries read themselves."""
START_S = 300


def unit(name: str) -> str:
    return (UNITS / name).read_text(encoding="utf-8")


def values(text: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def command(name: str) -> list[str]:
    """Give the command of a unit, of this environment and this project."""
    (line,) = values(unit(name), "ExecStart")
    return shlex.split(here(line))


def here(text: str) -> str:
    text = text.replace("/opt/slutpris/.venv/bin", str(BIN))
    return text.replace("/opt/slutpris", str(PROJECT_ROOT))


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((PROJECT_ROOT / "compose.yaml").read_text(encoding="utf-8"))


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("needs systemd-analyze (apt-get install systemd)")
    for path in UNITS.iterdir():
        (tmp_path / path.name).write_text(here(path.read_text(encoding="utf-8")))

    done = subprocess.run(
        [analyze, "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", [*SERVICES, "backup"])
def test_services_are_fenced_in(name: str) -> None:
    lines = set(unit(f"slutpris-{name}.service").splitlines())

    assert lines >= HARDENED
    assert ("Restart=always" in lines) == (name in SERVICES)
    writable = " ".join(values("\n".join(sorted(lines)), "ReadWritePaths")).split()
    assert set(writable) <= {"/var/lib/slutpris", "/var/backups/slutpris"}


@pytest.mark.parametrize("name", PORTS)
def test_pages_are_served_to_this_machine_alone(name: str) -> None:
    words = command(f"slutpris-{name}.service")
    flag = "--host" if name == "webserver" else "--address"
    assert words[words.index(flag) + 1] == "127.0.0.1"
    assert words[words.index("--port") + 1] == PORTS[name]


def test_the_backup_units_command_is_one() -> None:
    words = command("slutpris-backup.service")
    assert words[:3] == [str(BIN / "python"), "-m", "warehouse.backup"]
    options = _parser().parse_args(words[3:])
    assert (options.keep, options.wait, options.verify) == (14, 1800, True)


def test_secrets_come_from_the_environment_alone() -> None:
    example = (PROJECT_ROOT / "deploy" / "slutpris.env.example").read_text()
    named = dict(re.findall(r"^#?([A-Z][A-Z_]+)=(.*)$", example, re.MULTILINE))
    aliases = {field.alias for field in Settings.model_fields.values()}

    assert set(named) - NOT_OURS <= aliases
    secret = re.compile("KEY|SECRET|PASSWORD|AUTH|WEBHOOK")
    assert [
        name for name, value in named.items() if secret.search(name) and value
    ] == []
    written = "".join(path.read_text() for path in UNITS.iterdir())
    written += (PROJECT_ROOT / "compose.yaml").read_text()
    set_here = re.findall(r"^(?:Environment=| +)([A-Z_]+)[=:]", written, re.MULTILINE)
    assert [name for name in set_here if secret.search(name)] == []


@pytest.mark.parametrize("name", SERVICES)
def test_containers_run_what_the_units_run(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    of_unit = command(f"slutpris-{name}.service")
    of_unit[0] = Path(of_unit[0]).name

    assert [word.replace("0.0.0.0", "127.0.0.1") for word in service["command"]] == (
        of_unit
    )
    assert (BIN / service["command"][0]).exists()
    health = command(f"slutpris-health-{name}.service")
    checked = service["healthcheck"]["test"]
    assert checked[0] == "CMD"
    assert checked[-1] == health[-1]
    assert Path(health[0]).name in checked
    assert service["restart"] == "unless-stopped"
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:")
    assert service["env_file"] == "deploy/slutpris.env"


def test_containers_name_volumes_that_there_are(compose: dict[str, Any]) -> None:
    mounted = {
        volume.split(":")[0]
        for service in compose["services"].values()
        for volume in service["volumes"]
    }
    assert mounted == set(compose["volumes"])
    # a mount point cannot be renamed, so the data folder lies below it
    dockerfile = (PROJECT_ROOT / "Dockerfile").read_text()
    assert "SLUTPRIS_DATA=/var/lib/slutpris/data" in dockerfile
    assert "state:/var/lib/slutpris" in compose["x-service"]["volumes"]


def test_the_image_is_made_of_files_that_there_are() -> None:
    dockerfile = (PROJECT_ROOT / "Dockerfile").read_text()
    for sources in re.findall(r"^COPY (.*) \S+$", dockerfile, re.MULTILINE):
        for source in sources.split():
            assert (PROJECT_ROOT / source).exists()
    assert "FROM python:3.11-slim" in dockerfile
    assert "--require-hashes" in dockerfile


@contextmanager
def started(
    name: str, environment: dict[str, str], port: int
) -> Iterator[subprocess.Popen]:
    words = command(f"slutpris-{name}.service")
    words = [str(port) if word == PORTS.get(name) else word for word in words]
    process = subprocess.Popen(
        words, cwd=PROJECT_ROOT, env=environment, start_new_session=True
    )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def is_well(name: str, environment: dict[str, str], port: int) -> bool:
    words = command(f"slutpris-health-{name}.service")
    words = [word.replace(f":{PORTS.get(name)}/", f":{port}/") for word in words]
    done = subprocess.run(words, cwd=PROJECT_ROOT, env=environment, check=False)
    return done.returncode == 0


def becomes(name: str, environment: dict[str, str], port: int, *, well: bool) -> bool:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if is_well(name, environment, port) == well:
            return True
        time.sleep(2)
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.long
def test_each_service_is_well_once_started_and_seen_dead_when_killed(
    data_dir: Path,
) -> None:
    set_by_units = dict(
        line.split("=", 1)
        for line in values(unit("slutpris-daemon.service"), "Environment")
    )
    environment = os.environ | {
        **{name: here(value) for name, value in set_by_units.items()},
        "SLUTPRIS_DATA": str(data_dir),
        "HOME": str(data_dir),
        # the daemon's heart beats every half minute
        "DAGSTER_DAEMON_HEARTBEAT_TOLERANCE": "60",
    }
    ports = {name: free_port() for name in SERVICES}
    with (
        started("webserver", environment, ports["webserver"]) as webserver,
        started("daemon", environment, ports["daemon"]) as daemon,
        started("dashboards", environment, ports["dashboards"]) as dashboards,
    ):
        for name in SERVICES:
            assert becomes(name, environment, ports[name], well=True), name
        for name, process in zip(
            SERVICES, (webserver, daemon, dashboards), strict=True
        ):
            stop(process)
            assert becomes(name, environment, ports[name], well=False), name

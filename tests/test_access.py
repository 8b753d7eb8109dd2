"""Pages over a real server, reached by loopback and by the machine's own network."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING

import pytest
import requests
from page_sessions import PageSession
from visited_pages import served_pages

from ml.dashboards.access import HOW_TO_SERVE, is_this_machine

if TYPE_CHECKING:
    from pathlib import Path


def shown(host: str, port: int) -> str:
    async def visited() -> str:
        session = await PageSession.open(f"http://{host}:{port}/monitoring")
        session.close()
        return json.dumps(session.document, ensure_ascii=False)

    return asyncio.run(visited())


def address_of_this_machine() -> str:
    """An address of the machine that is not loopback, as another would reach it by."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # documentation only: nothing is sent
        except OSError:
            pytest.skip("this machine is on no network")
        return probe.getsockname()[0]


@pytest.mark.parametrize(
    ("address", "is_own"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("127.3.2.1", True),
        ("", True),
        ("10.0.0.7", False),
        ("2001:db8::1", False),
    ],
)
def test_only_loopback_is_this_machine(address: str, is_own: bool) -> None:
    assert is_this_machine(address) is is_own


def test_a_visitor_from_another_machine_is_told_to_start_a_login(
    tmp_path: Path,
) -> None:
    with served_pages(tmp_path, address=None) as site:
        assert HOW_TO_SERVE.sv not in shown("127.0.0.1", site.port)
        assert HOW_TO_SERVE.sv in shown(address_of_this_machine(), site.port)


def test_with_panel_s_login_nobody_gets_in_without_the_password(
    tmp_path: Path,
) -> None:
    login = ("--basic-auth", "rätt", "--cookie-secret", "a secret of this test")
    with served_pages(tmp_path, *login, address=None) as served:
        site = f"http://{address_of_this_machine()}:{served.port}"
        turned_away = requests.get(f"{site}/monitoring", timeout=60)
        assert turned_away.url.startswith(f"{site}/login")
        visitor = requests.Session()
        for password, ends_at in (("fel", "/login"), ("rätt", "/monitoring")):
            page = visitor.get(f"{site}/monitoring", timeout=60)
            form = {"username": "någon", "password": password}
            page = visitor.post(page.url, data=form, timeout=60)
            assert page.url.split("?")[0] == f"{site}{ends_at}"
